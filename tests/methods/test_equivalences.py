"""Methods that must coincide: with each other, with a part of themselves, or with nothing at all."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sslrepro import methods
from sslrepro.base.store import read_lines
from sslrepro.base.types import Batch
from sslrepro.data import load
from sslrepro.parts.encoders import Conv
from sslrepro.parts.memory import unit
from sslrepro.training.loop import train
from tests.conftest import small, tiny
from tests.methods.test_equations import N, a_batch, doubled

N_IMAGES = 40


def built(name: str, **settings) -> methods.Method:
    torch.manual_seed(3)
    config = methods.settings(name, small(name) | settings)
    return methods.build(name, config, Conv((4, 6), (2, 2)), N_IMAGES).double().train()


def value(method: methods.Method, batch: Batch, progress: float = 0.5) -> float:
    return method.loss(batch, progress).loss.item()


@pytest.mark.parametrize("mode", ["eliminate", "attract", "prototype"])
def test_ifnd_with_labels_of_their_own_is_simclr(mode):
    batch = doubled(a_batch())
    ifnd, simclr = built("ifnd", mode=mode, temperature=0.3), built("simclr", temperature=0.3)
    simclr.encoder, simclr.projector = ifnd.encoder, ifnd.projector
    assert value(ifnd, batch) == pytest.approx(value(simclr, batch), rel=1e-12)
    ifnd.pseudo.label[0, batch.index[:2]] = 1
    assert value(ifnd, batch) != pytest.approx(value(simclr, batch), rel=1e-3)


def test_ifnd_with_one_label_for_all_has_nothing_to_repel():
    batch = doubled(a_batch())
    ifnd = built("ifnd")
    ifnd.pseudo.label.fill_(0)
    out = ifnd.loss(batch, 0.5)
    out.loss.backward()
    assert abs(out.loss.item()) < 1e-12
    assert all(p.grad.abs().max() < 1e-12 for p in ifnd.parameters())


def test_ifnd_on_moco_with_labels_of_their_own_is_moco_without_its_own_past():
    batch = doubled(a_batch())
    ifnd, moco = built("ifnd_moco", temperature=0.3), built("mocov2", temperature=0.3)
    moco.encoder, moco.projector, moco.teacher = ifnd.encoder, ifnd.projector, ifnd.teacher
    moco.queue = ifnd.queue
    assert value(ifnd, batch) == pytest.approx(value(moco, batch), rel=1e-12)
    ifnd.queue.push(torch.randn(N, ifnd.config.dim).double(), batch.index)  # the own past: MoCo repels it
    assert value(ifnd, batch) < value(moco, batch)


def test_ifnd_on_swav_with_labels_of_their_own_is_swav():
    batch = doubled(a_batch())
    ifnd, swav = built("ifnd_swav"), built("swav", n_prototypes=small("ifnd_swav")["n_prototypes"])
    swav.load_state_dict({k: v for k, v in ifnd.state_dict().items() if not k.startswith("pseudo")})
    assert value(ifnd, batch) == pytest.approx(value(swav, batch), rel=1e-9)


def test_local_aggregation_with_one_cluster_is_content():
    """All images alike: the close neighbours are all neighbours (H = 1, k = 1)."""
    batch = doubled(a_batch(1))
    la = built("la", n_clusterings=1, clusters=1)
    la.refresh(None, 0.5)
    out = la.loss(batch, 0.5)
    out.loss.backward()
    assert abs(out.loss.item()) < 1e-12 and la.encoder.layers[0].weight.grad.abs().max() < 1e-12


def test_local_aggregation_without_common_neighbours_stays_finite_and_says_so():
    batch = doubled(a_batch(1))
    la = built("la", n_nearest=1)
    la.labels.copy_(torch.arange(N_IMAGES).expand_as(la.labels))  # nobody shares a cluster
    out = la.loss(batch, 0.5)
    assert out.loss.isfinite() and 0 < out.metrics["empty"] <= 1


def test_invp_behind_its_gate_is_its_instance_loss():
    batch = doubled(a_batch(1))
    invp = built("invp", gate=0.6)
    invp.graph.neighbours.copy_(torch.randint(0, N_IMAGES, invp.graph.neighbours.shape))
    unweighted = built("invp", weight=0.0, gate=0.0)
    unweighted.load_state_dict(invp.state_dict())
    assert value(invp, batch, 0.5) == value(unweighted, batch, 0.5)
    assert value(invp, batch, 0.6) != value(unweighted, batch, 0.6)


def test_invp_with_one_hop_takes_the_nearest_neighbours():
    """The rebuttal's baseline: l = 1 and k = K gives the K nearest rows of the last visit, all of them."""
    batch = doubled(a_batch(1))
    invp = built("invp", hops=1, n_neighbours=3, n_positives=3)
    with torch.no_grad():
        z = unit(invp.projector(invp.encoder(batch.views[0])))
    similarity = z @ invp.bank.entries.T
    similarity[torch.arange(N), batch.index] = -2
    nearest = similarity.topk(3).indices
    bank = invp.bank.entries.clone()
    invp.after_step(invp.loss(batch, 0.5), 0.5)
    invp.bank.entries.copy_(bank)
    anchor, positive = invp.loss(batch, 0.5).mined
    for row, image in enumerate(batch.index.tolist()):
        assert set(positive[anchor == image].tolist()) == set(nearest[row].tolist())


def test_isl_without_members_is_instance_discrimination():
    batch = doubled(a_batch(1))
    isl, instdisc = built("isl", temperature=0.2), built("instdisc", temperature=0.2, noise=0)
    instdisc.encoder, instdisc.projector, instdisc.bank = isl.encoder, isl.projector, isl.bank
    assert value(isl, batch) == pytest.approx(value(instdisc, batch), rel=1e-12)


def test_isl_on_moco_starts_as_moco():
    batch = doubled(a_batch())
    isl, moco = built("isl_moco", temperature=0.3), built("mocov2", temperature=0.3)
    for part in ("encoder", "projector", "teacher", "queue"):
        setattr(moco, part, getattr(isl, part))
    assert value(isl, batch) == pytest.approx(value(moco, batch), rel=1e-12)


def test_pcl_before_its_first_clustering_is_moco():
    batch = doubled(a_batch())
    pcl, moco = built("pcl", temperature=0.3), built("mocov2", temperature=0.3)
    for part in ("encoder", "projector", "teacher", "queue"):
        setattr(moco, part, getattr(pcl, part))
    assert value(pcl, batch) == pytest.approx(value(moco, batch), rel=1e-12)


def test_nnsiam_whose_queue_holds_the_batch_is_simsiam():
    """With the batch's own embeddings of both views in the queue, every target is the view itself."""
    batch = doubled(a_batch())
    nnsiam, simsiam = built("nnsiam", queue_size=2 * N), built("simsiam")
    simsiam.encoder, simsiam.projector, simsiam.predictor = nnsiam.encoder, nnsiam.projector, nnsiam.predictor
    with torch.no_grad():
        for view in batch.views:
            nnsiam.queue.push(unit(nnsiam.projector(nnsiam.encoder(view))), batch.index)
    assert value(nnsiam, batch) == pytest.approx(value(simsiam, batch), rel=1e-9)


BASES = ["mocov2", "simclr", "simsiam", "vicreg", "dino"]


def weights(method: methods.Method) -> dict[str, torch.Tensor]:
    return {k.removeprefix("base."): v for k, v in method.state_dict().items() if k != "seed"}


@pytest.mark.parametrize("base", BASES)
def test_seppid_without_pairs_is_its_base(base, tmp_path):
    """Bit for bit, over two epochs."""
    data, _ = load(tiny().data)
    window = {"low": 1.0, "high": 1.0, "quantile": None}  # no two images have that cosine
    paired = tiny("seppid", base=base, base_settings=small(base), **window)
    ours = train(paired, tmp_path / "pairs", data)
    theirs = train(tiny(base), tmp_path / "base", data)
    ours, theirs = weights(ours), weights(theirs)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize("base", BASES)
def test_seppid_with_pairs_is_not(base, tmp_path):
    data, _ = load(tiny().data)
    ours = train(tiny("seppid", base=base, base_settings=small(base)), tmp_path / "pairs", data)
    theirs = train(tiny(base), tmp_path / "base", data)
    assert not torch.equal(ours.encoder.layers[0].weight, theirs.encoder.layers[0].weight)


UNLABELLED = [name for name in methods.names() if not methods.method_class(name).needs_labels]


def lines_of(folder: Path) -> list[dict]:
    """A run's log without its speed."""
    return [
        {key: value for key, value in line.items() if key != "images_per_second"}
        for line in read_lines(folder / "log.jsonl")
    ]


@functools.cache
def unbroken(name: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    """The state that a run of three epochs ends with, and its log: what runs of other conditions are held against."""
    config = tiny(name, epochs=3)
    with tempfile.TemporaryDirectory() as folder:
        method = train(config, Path(folder, "run"), load(config.data)[0], log_every=3)
        return method.state_dict(), lines_of(Path(folder, "run"))


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("name", UNLABELLED)
def test_permuted_labels_change_no_weight(name, tmp_path):
    """Only the declared oracles see labels: whatever the classes are called, the weights are the same, bit for bit."""
    config = tiny(name, epochs=3)
    data, _ = load(config.data)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    shuffled = replace(data, labels=data.labels[order])
    first, second = unbroken(name)[0], train(config, tmp_path, shuffled).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)


class Killed(Exception):
    """Stands for a process that ends at any moment."""


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("name", methods.names())
def test_every_method_resumes_bit_for_bit(name, tmp_path):
    """Broken off twice, once in the middle of an epoch, a run ends as an unbroken one: weights, memories, log."""
    config = tiny(name, epochs=3)
    data, _ = load(config.data)
    for stop in (7, 24):

        def report(step: int, steps: int, stop: int = stop) -> None:
            if step == stop and steps > 12:  # not while a sampler trains
                raise Killed

        with pytest.raises(Killed):
            train(config, tmp_path, data, report=report, log_every=3, checkpoint_seconds=0)
    resumed = train(config, tmp_path, data, log_every=3).state_dict()
    whole, log = unbroken(name)
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert lines_of(tmp_path) == log and len(log) > 9
