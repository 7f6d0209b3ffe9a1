"""Settings that put methods on equal terms: heads, controls, budgets, and what mining may start from."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sslrepro import methods
from sslrepro.base.types import Batch
from sslrepro.methods.seppid import BASES, random_pairs, self_pairs
from sslrepro.parts.encoders import Conv
from sslrepro.parts.frontier import Mining, triplets
from sslrepro.parts.graph import Affinity
from sslrepro.parts.memory import unit
from sslrepro.study.profiles import PROFILES, profile
from sslrepro.training.config import RunConfig, from_record
from tests.conftest import small, tiny

N = 40


def built(name: str, **settings) -> methods.Method:
    torch.manual_seed(3)
    return methods.build(name, methods.settings(name, small(name) | settings), Conv((4, 6), (2, 2)), N)


def layers(net: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in net]


@pytest.mark.parametrize("scale", sorted(PROFILES))
@pytest.mark.parametrize("name", ["simsiam", "nnsiam"])
def test_a_bottleneck_is_a_quarter_of_the_width_at_every_scale(name, scale):
    settings = profile(scale).config(name, 0).settings
    assert 4 * settings["hidden_predictor"] == settings["dim"]
    if scale == "cpu":
        assert (settings["dim"], settings["hidden_predictor"]) == (128, 32)
        wider = profile(scale).config(name, 0, {"hidden_predictor": 2048, "dim": 1024}).settings
        assert (wider["dim"], wider["hidden_predictor"]) == (64, 64), (
            "a table's four times the default, of half the width"
        )
        inner = profile(scale).config("seppid", 0, {"base": "simsiam"}).settings["base_settings"]
        assert inner["hidden_predictor"] == 32


def test_ifnd_on_moco_has_the_head_of_moco_unless_it_is_told():
    moco, ours, paper = built("mocov2"), built("ifnd_moco"), built("ifnd_moco", head="three layers")
    assert layers(ours.projector) == layers(moco.projector) == ["Linear", "ReLU", "Linear"]
    assert layers(paper.projector) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    stored = RunConfig("ifnd_moco", {"head": "three layers"})
    values = {
        "method": "ifnd_moco",
        "settings": {k: v for k, v in stored.settings.items() if k not in ("head", "space")},
    }
    assert from_record(values).settings["head"] == "three layers", "a run that is older than the setting"
    assert from_record(values).identity == stored.identity != RunConfig("ifnd_moco", {}).identity


def test_ifnd_on_moco_that_accepts_nothing_is_moco_without_its_own_past():
    same = {"dim": 5, "hidden": 7, "queue_size": 12, "temperature": 0.2}
    moco, control = built("mocov2", **same), built("ifnd_moco", final_rate=0.0, **same)
    g = torch.Generator().manual_seed(4)
    moco.queue.push(torch.randn(12, 5, generator=g), torch.arange(12))
    assert control.load_state_dict(moco.state_dict(), strict=False).unexpected_keys == []
    control.refresh(lambda net: net(torch.randn(N, 3, 8, 8, generator=g)).detach(), 0.5)
    assert (control.pseudo.label < 0).all() and int(control.pseudo.renewals) == 1
    views = tuple(torch.randn(4, 3, 8, 8, generator=g) for _ in range(2))
    new, past = Batch(views, torch.tensor([20, 21, 22, 23]), 0), Batch(views, torch.tensor([20, 3, 22, 23]), 0)
    assert control.loss(new, 0.5).loss.item() == pytest.approx(moco.loss(new, 0.5).loss.item(), rel=1e-6)
    assert control.loss(past, 0.5).loss.item() < moco.loss(past, 0.5).loss.item() - 1e-4


@pytest.mark.parametrize(("name", "net"), [("ifnd", "encoder"), ("ifnd_moco", "teacher"), ("ifnd_swav", "encoder")])
def test_ifnd_clusters_what_it_is_told(name, net):
    for space in ("embedding", "features"):
        method, asked = built(name, space=space), []
        width = method.encoder.dim if space == "features" else method.config.dim
        view = torch.randn(N, 3, 8, 8, generator=torch.Generator().manual_seed(1))

        def encode(net, view=view, asked=asked):
            asked.append(net)
            return net(view).detach()

        method.refresh(encode, 0.5)
        assert asked[0](view).shape == (N, width)
        whole = method.teacher.net[0] if net == "teacher" else method.encoder
        assert (asked[0] is whole) == (space == "features")


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("invp", "plain", "Linear ReLU Linear"),
        ("invp", "batch_norm", "Linear BatchNorm1d ReLU Linear"),
        ("invp", "linear", "Linear"),
        ("invp_moco", "plain", "Linear ReLU Linear"),
        ("invp_moco", "batch_norm", "Linear BatchNorm1d ReLU Linear"),
        ("invp_moco", "linear", "Linear"),
    ],
)
def test_heads_of_invp(name, head, expected):
    assert layers(built(name, head=head).projector) == expected.split()


def mined(n: int = N, **settings) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(pairs, cosines, embeddings) of SePP-ID among n fixed embeddings, a random half looked at."""
    method = built("seppid", **{"share": 0.5, "quantile": None, "low": 0.3, "high": 0.9} | settings)
    x = unit(torch.randn(n, 4, generator=torch.Generator().manual_seed(0)))
    return *method.pairs(lambda index: x[index], n), x


@pytest.mark.parametrize("base", BASES)
def test_controls_of_seppid_pair_as_many_without_replacement(base):
    around = {"base": base, "base_settings": small(base)}
    pairs, _, _ = mined(**around)
    looked_at = set(pairs.flatten().tolist())
    assert 20 < len(pairs) < 190 and len(looked_at) <= 20
    same, cosine, _ = mined(control="same", **around)
    assert len(same) == len(pairs) and (same[:, 0] == same[:, 1]).all() and cosine.allclose(torch.ones(len(same)))
    times = torch.bincount(same[:, 0])
    times = times[times > 0]
    assert len(times) == 20 and times.max() - times.min() <= 1, "no image twice before each had its turn"
    random, cosine, x = mined(control="random", **around)
    assert len(random) == len({tuple(pair) for pair in random.tolist()}) == len(pairs)
    assert (random[:, 0] != random[:, 1]).all() and random.tolist() != pairs.tolist()
    assert looked_at <= set(same[:, 0].tolist()), "of the images that were looked at"
    assert cosine.allclose((x[random[:, 0]] * x[random[:, 1]]).sum(1))


def test_random_pairs_are_all_pairs_when_all_are_asked_for():
    pairs = random_pairs(6, 15, torch.Generator().manual_seed(0)).tolist()
    assert sorted(pairs) == [[i, j] for i in range(6) for j in range(i + 1, 6)]
    assert random_pairs(6, 0, torch.Generator()).shape == self_pairs(6, 0, torch.Generator()).shape == (0, 2)


def test_the_window_of_seppid_may_stand_as_printed():
    cpu = profile("cpu")
    assert cpu.config("seppid", 0).settings["quantile"] is not None
    as_printed = cpu.config("seppid", 0, {"quantile": None}).settings
    assert (as_printed["quantile"], as_printed["low"], as_printed["high"]) == (None, 0.97, 0.99)


def test_equal_terms_give_one_view_methods_twice_the_epochs_and_samplers_a_training():
    cpu = profile("cpu")
    twice = {
        name
        for name in methods.names()
        if methods.method_class(name).has_trials
        and cpu.fair().config(name, 0).plan.epochs == 2 * cpu.config(name, 0).plan.epochs
    }
    assert twice == {"instdisc", "invp", "isl", "la"}
    assert cpu.fair().config("invp", 0, {"epochs": 250}).plan.epochs == 8, "of a table's budget too"
    assert cpu.fair().config("invp", 0, {"epochs": 0}).plan.epochs == 0
    late = cpu.fair().config("invp", 0).settings["gate"], cpu.config("invp", 0).settings["gate"]
    assert late == (1 / 16, 1 / 8), "an epoch of its own training"
    assert [p.config("seppid", 0).settings["sampler_epochs"] for p in (cpu, cpu.fair())] == [1, 8]
    without = {"seppid", "sela", "partners"}  # theirs follow the length
    others = [name for name in methods.names() if name not in {*twice, *without, "jigsaw"}]  # one view, no trials
    assert all(cpu.fair().config(name, 0) == cpu.config(name, 0) for name in others)


@pytest.mark.parametrize("name", ["isl", "isl_moco"])
def test_isl_mines_only_rows_that_an_image_was_put_in(name):
    easy = {"rounds": 2, "radius": -1.0, "score_threshold": 0.0, "growth": 2.0, "max_gan_epochs": 2, "max_passes": 3}
    seen = [3, 5, 8, 21, 34, 39]
    for mine_from in ("all", "written"):
        method = built(name, mine_from=mine_from, **easy)
        if mine_from == "written":
            method.written[seen] = True
        x = torch.randn(N, method.config.dim, generator=torch.Generator().manual_seed(2))
        method.refresh(lambda net, x=x: x, 0.5)
        related = {i for i in range(N) if (method.affinity.members[i] >= 0).any()}
        assert related == set(seen) if mine_from == "written" else len(related) > len(seen)
        assert set(method.affinity.members.unique().tolist()) <= related | {-1}


def test_strangers_are_rows_that_an_image_was_put_in():
    g = torch.Generator().manual_seed(5)
    own, bank = (unit(torch.randn(N, 6, generator=g)) for _ in range(2))
    written, how = torch.tensor([2, 9, 17, 30, 31]), Mining(0.3, 0.3, 0.5, 5, 4096, 2, 3, 30, 1e-2, "own")
    _, _, stranger = triplets(torch.arange(N), own, bank, Affinity(N, 2), how, g, written)
    source = (stranger @ bank.T).argmax(1)
    assert set(source.tolist()) == set(written.tolist()) and (source != torch.arange(N)).all()


@pytest.mark.parametrize("name", ["isl", "isl_moco"])
def test_isl_mines_nothing_from_fewer_than_two_rows(name):
    method = built(name, mine_from="written", rounds=2)
    method.written[7] = True
    method.refresh(lambda net: torch.randn(N, method.config.dim), 0.5)
    assert (method.affinity.members == -1).all() and int(method.frontier.rounds_done) == 1


def test_a_step_writes_which_rows_it_filled():
    from sslrepro.data import load
    from sslrepro.training.loop import batches_of, initial_method

    config = tiny("isl", mine_from="written")
    train, _ = load(config.data)
    method = initial_method(config)
    batch = batches_of(config, train, method).at(0)
    method.after_step(method.loss(batch, 0.0), 0.0)
    assert method.written.nonzero()[:, 0].tolist() == sorted(batch.index.tolist())


def test_what_a_profile_switches_on_is_off_by_default():
    for base in PROFILES.values():
        assert not base.equal_views and base.sampler_share == 1 / 8
        assert replace(base.fair(), equal_views=False, sampler_share=1 / 8) == base
