"""SePP-ID's sampler as an input of its own, its counts as printed, and a pair's images as negatives."""

import dataclasses

import pytest
import torch

from sslrepro import methods
from sslrepro.data.datasets import load
from sslrepro.methods.kinds import Scale
from sslrepro.study.profiles import profile
from sslrepro.training.config import from_record
from sslrepro.training.loop import batches_of, initial_method, mine_pairs, sampler_of, train
from sslrepro.training.pairs import sampler_eyes
from tests.conftest import small, tiny
from tests.equations import simclr as oracle
from tests.methods.test_equations import N, a_batch, built, doubled

CPU = torch.device("cpu")


def at_cpu(**sets):
    return profile("cpu").config("seppid", 0, sets)


def test_a_samplers_printed_epochs_stand_for_the_scales_length_whatever_the_runs():
    runs = [at_cpu(sampler_epochs=100, epochs=epochs) for epochs in (100, 500, 800)]
    assert [run.plan.epochs for run in runs] == [2, 8, 13]
    assert {run.sampler.name for run in runs} == {profile("cpu").config("mocov2", 0).name}, (
        "one sampler, MoCo v2's own run"
    )
    assert [at_cpu(sampler_epochs=n).settings["sampler_epochs"] for n in (0, 12, 50, 200)] == [0, 1, 4, 16]
    assert at_cpu().settings["sampler_epochs"] == 1, "an eighth where no table sets it"
    assert profile("paper").config("seppid", 0, {"sampler_epochs": 100}).sampler.plan.epochs == 100


def test_a_sampler_with_a_batch_of_its_own_is_the_usual_one():
    run = at_cpu(batch_size=256, sampler_batch=256, sampler_epochs=100)
    assert run.plan.batch_size == 4 and run.sampler.name == profile("cpu").config("mocov2", 0).name
    assert at_cpu(batch_size=256, sampler_epochs=100).sampler.plan.batch_size == 4
    assert run.sampler.plan.lr == pytest.approx(6 * run.plan.lr)


def test_pairs_are_counted_as_printed_per_image():
    assert [at_cpu(max_pairs=n).settings["max_pairs"] for n in (18_109, 61_200)] == [65, 220]
    tenth = at_cpu(share=0.1).settings["quantile"]
    assert tenth == pytest.approx(4608 * 18_109 / 1_281_167 / (461 * 460 / 2), rel=1e-6)
    assert at_cpu(share=1.0, quantile_share=0.1).settings["quantile"] == tenth, "one window for every share"
    assert at_cpu(share=1.0).settings["quantile"] == pytest.approx(tenth / 100, rel=0.01), (
        "as many pairs for every share"
    )
    assert Scale(0, 10, 8, 24, 24).usual_epochs == 0
    known = methods.settings_at("seppid", Scale(0, 10, 8, 24, 24), {"max_pairs": 7, "sampler_epochs": 50})
    assert (known["max_pairs"], known["sampler_epochs"]) == (7, 4), (
        "no images known: as printed; no usual length: the run's"
    )


def test_new_settings_rename_no_run():
    run = at_cpu()
    younger = ("quantile_share", "sampler_batch", "sampler_views", "sampler_run", "pair_negatives")
    old = dataclasses.asdict(run) | {"settings": {k: v for k, v in run.settings.items() if k not in younger}}
    assert from_record(old).identity == run.identity
    for name, value in zip(younger, (0.1, 24, "augmented", "x", True), strict=True):
        assert run.with_changes(**{f"settings.{name}": value}).identity != run.identity, name


def test_an_untrained_sampler_is_the_encoder_as_initialised(tmp_path):
    config = tiny("seppid", sampler_epochs=0)
    data, _ = load(config.data)
    sampler = sampler_of(config, tmp_path, data, CPU, None)
    start = initial_method(config.sampler, len(data))
    assert all(
        torch.equal(a, b) for a, b in zip(sampler.state_dict().values(), start.state_dict().values(), strict=True)
    )


def test_a_sampler_sees_images_as_they_are_or_one_view_of_each(tmp_path):
    config = tiny("seppid", sampler_epochs=0)
    data, _ = load(config.data)
    sampler = initial_method(config.sampler, len(data))
    batches, index = batches_of(config, data, sampler), torch.tensor([3, 100, 3])
    clean, augmented = (sampler_eyes(sampler, batches, how) for how in (False, True))
    assert clean(index)[0].allclose(clean(index)[2], atol=1e-6) and torch.equal(augmented(index), augmented(index))
    assert not augmented(index)[0].allclose(augmented(index)[2], atol=1e-3), "every image is drawn a view of its own"
    assert clean(index).norm(dim=1).allclose(torch.ones(3)) and sampler.training, "its mode is back"
    mined = [
        mine_pairs(
            config.with_changes(**{"settings.sampler_views": how}),
            tmp_path / how,
            data,
            initial_method(config, len(data)),
            CPU,
            None,
        )[0]
        for how in ("clean", "augmented")
    ]
    assert mined[0].tolist() != mined[1].tolist()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    config = tiny("simclr", seed=5, epochs=1)
    train(config, place / config.name, load(config.data)[0])
    return place, config


def test_a_stored_run_can_be_the_sampler(stored):
    place, of_sampler = stored
    config = tiny("seppid", sampler_run=of_sampler.name)
    data, _ = load(config.data)
    assert config.sampler is None
    sampler = sampler_of(config, place, data, CPU, None)
    again = train(of_sampler, place / of_sampler.name, load(of_sampler.data)[0])
    weights = sampler.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in again.state_dict().items())
    pairs, about = mine_pairs(config, place / "run", data, initial_method(config, len(data)), CPU, None)
    assert len(pairs) == about["pairs"] and (place / "run" / "pairs.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "sampler_run must be the name of a run that is stored in"),
        ("../runs", "Train it first, or leave the setting out"),
        ("supcon", "a run that saw no labels"),
        ("large", "a run on images of 8 px"),
    ],
)
def test_a_run_that_cannot_be_a_sampler_is_refused(name, words, stored):
    place, of_sampler = stored
    other = {
        "supcon": tiny("supcon", epochs=0),
        "large": of_sampler.with_changes(**{"data.side": 16, "plan.epochs": 0}),
    }
    if name in other:
        train(other[name], place / other[name].name, load(other[name].data)[0])
        name = other[name].name
    config = tiny("seppid", sampler_run=name)
    with pytest.raises(ValueError, match=words):
        sampler_of(config, place, load(config.data)[0], CPU, None)


def test_a_pairs_images_repel_it_only_where_eq_1_is_taken_to_the_letter():
    method, batch = built("simclr", temperature=0.4), doubled(a_batch())
    partner = batch.index.clone()
    partner[[1, 4]] = batch.index[[2, 0]]  # whose own rows stand in the batch
    batch = dataclasses.replace(batch, partner=partner)
    z = [[row.tolist() for row in method.projector(method.encoder(view))] for view in batch.views]
    rows = list(range(N))  # every row an image of its own: nothing but the twin is left out
    letter = method.loss(dataclasses.replace(batch, partners_repel=True), 0.5).loss.item()
    assert letter == pytest.approx(oracle.loss(z, rows, 0.4), rel=1e-9)
    assert method.loss(batch, 0.5).loss.item() < letter - 1e-3


def test_the_queue_repels_a_pair_from_its_own_images_to_the_letter_alone():
    method, batch = built("mocov2"), doubled(a_batch())
    partner = batch.index.clone()
    partner[[1, 4]] = torch.tensor([2, 31])
    method.queue.index.copy_(torch.arange(len(method.queue.index)))
    method.queue.index[0] = 31
    pairs = dataclasses.replace(batch, partner=partner)
    letter = method.loss(dataclasses.replace(pairs, partners_repel=True), 0.5)
    assert torch.equal(letter.loss, method.loss(batch, 0.5).loss), "all rows are candidates, as of ordinary images"
    assert method.loss(pairs, 0.5).loss < letter.loss
    assert letter.carry[1].flatten().tolist() == partner.tolist(), "the key is stored as its own image"


def test_seppid_passes_on_whether_a_pairs_images_repel_it(monkeypatch):
    told = []
    for letter in (False, True):
        method = built("seppid", base_settings=small("mocov2"), sampler_settings=small("mocov2"), pair_negatives=letter)
        own = type(method.base).loss

        def noted(self, batch, progress, own=own):
            told.append(batch.partners_repel)
            return own(self, batch, progress)

        monkeypatch.setattr(type(method.base), "loss", noted)
        method.loss(doubled(a_batch()), 0.0)
        monkeypatch.undo()
    assert told == [False, True]
