"""What the value of one step does not show: gradients, the state between epochs, mined images, the shape of heads."""

import copy
import importlib
import statistics

import pytest
import torch
from torch import nn

from sslrepro.base.store import read_lines
from sslrepro.data import load
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import View
from sslrepro.data.views import Batches, prepare_views
from sslrepro.methods import method_class, names
from sslrepro.parts.cluster import density, kmeans
from sslrepro.parts.frontier import Frontier, Mining, discriminator_loss, fit, generator_loss, grow, mine, triplets
from sslrepro.parts.graph import Affinity
from sslrepro.parts.memory import unit
from sslrepro.parts.metrics import group_rates, relation_match
from sslrepro.parts.transport import equal_labels
from sslrepro.training.loop import batches_of, initial_method, mine_pairs, train
from sslrepro.training.monitor import class_agreement
from tests.conftest import small, tiny
from tests.methods.test_equations import N, a_batch, doubled, oracle, perturbed, rows, stirred
from tests.methods.test_equivalences import N_IMAGES, built

IMAGES = torch.randn(N_IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def encode(net: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return net(IMAGES).float()


def drawn(*shape: int) -> torch.Tensor:
    return unit(torch.randn(*shape, generator=torch.Generator().manual_seed(2)))


def first_gradient(method: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, method.encoder.layers[0].weight)[0]


def test_targets_of_simsiam_carry_no_gradient():
    method, batch = built("simsiam"), doubled(a_batch())
    z = [method.projector(method.encoder(view)) for view in batch.views]
    p, fixed = [method.predictor(x) for x in z], [x.detach() for x in z]
    cosine = nn.functional.cosine_similarity
    by_hand = -(cosine(p[0], fixed[1]) + cosine(p[1], fixed[0])).mean() / 2
    expected = first_gradient(method, by_hand)
    assert first_gradient(method, method.loss(batch, 0.5).loss).allclose(expected, atol=1e-12)


def test_the_normaliser_of_instdisc_carries_no_gradient():
    """The first batch, which estimates Z, has the gradient of one that finds it."""
    method, batch = built("instdisc"), doubled(a_batch(1))
    step = method.loss(batch, 0.5)
    estimating = first_gradient(method, step.loss)
    method.normaliser.copy_(step.carry[2])
    assert first_gradient(method, method.loss(batch, 0.5).loss).allclose(estimating, atol=1e-12)


@pytest.mark.parametrize("name", ["swav", "ifnd_swav", "dino"])
def test_prototypes_stand_still_while_they_are_frozen(name):
    method, batch = built(name, freeze=0.1), doubled(a_batch())
    for progress, frozen in ((0.0, True), (0.09, True), (0.1, False)):
        method.zero_grad()
        method.loss(batch, progress).loss.backward()
        assert bool((method.prototypes.weight.grad == 0).all()) == frozen
        assert method.encoder.layers[0].weight.grad.abs().max() > 0


@pytest.mark.parametrize("name", ["swav", "ifnd_swav"])
def test_prototypes_are_unit_rows_after_every_step(name):
    method, batch = built(name), doubled(a_batch())
    with torch.no_grad():
        method.prototypes.weight.mul_(3)
    method.after_step(method.loss(batch, 0.0), 0.0)
    assert method.prototypes.weight.norm(dim=1).allclose(torch.ones(()).double())


def clusterings(name: str, monkeypatch) -> list[tuple]:
    """The calls of k-means to come: (rows, k, seed, further arguments, named ones, result)."""
    module, calls = importlib.import_module(f"sslrepro.methods.{name}"), []
    real = module.kmeans

    def spy(x, k, seed, *more, **named):
        calls.append((x.clone(), k, seed, more, named, real(x, k, seed, *more, **named)))
        return calls[-1][-1]

    monkeypatch.setattr(module, "kmeans", spy)
    return calls


def test_local_aggregation_clusters_its_bank_anew_every_epoch_after_its_warm_up(monkeypatch):
    calls, method = clusterings("la", monkeypatch), built("la", warm=0.3)
    method.refresh(None, 0.2)
    assert not calls and method.pseudo_labels is None
    for progress in (0.3, 0.6):
        method.refresh(None, progress)
    assert len({call[2] for call in calls}) == len(calls) == 2 * method.config.n_clusterings
    assert all(torch.equal(call[0], method.bank.entries) and call[1] == method.config.clusters for call in calls)
    assert torch.equal(method.pseudo_labels, torch.stack([call[5][0] for call in calls[method.config.n_clusterings :]]))


def test_local_aggregation_without_common_neighbours_has_no_gradient():
    method, batch = built("la", n_nearest=2, n_clusterings=1), doubled(a_batch(1))
    method.labels.copy_(torch.arange(N_IMAGES)[None])
    with torch.no_grad():  # the own row is the farthest
        method.bank.entries[batch.index] = -unit(method.projector(method.encoder(batch.views[0])))
    step = method.loss(batch, 0.5)
    assert step.metrics["empty"] == 1 and abs(step.loss.item()) < 1e-12
    assert first_gradient(method, step.loss).abs().max() < 1e-12


def test_deepcluster_clusters_each_bank_in_turn_and_fills_them_once(monkeypatch):
    calls, method = clusterings("deepcluster", monkeypatch), built("deepcluster")
    method.refresh(encode, 0.0)
    start = unit(encode(nn.Sequential(method.encoder, method.projector))).double()
    assert all(bank.entries.allclose(start, atol=1e-6) for bank in method.banks)
    for bank, entries in zip(method.banks, drawn(2, N_IMAGES, 5).double(), strict=True):
        bank.entries.copy_(entries)
    method.refresh(encode, 0.5)
    banks = [bank.entries for bank in method.banks]
    assert all(torch.equal(bank, entries) for bank, entries in zip(banks, drawn(2, N_IMAGES, 5).double(), strict=True))
    assert all(torch.equal(call[0], banks[head % 2]) for head, call in enumerate(calls[3:]))
    assert all(call[3:5] == ((10,), {"spherical": True}) for call in calls) and len({call[2] for call in calls}) == 6
    for head, call in enumerate(calls[3:]):
        assert torch.equal(method.labels[head], call[5][0]) and torch.equal(method.centroids[head], call[5][1])


def test_pcl_clusters_its_teachers_embeddings_after_its_warm_up(monkeypatch):
    calls, method = clusterings("pcl", monkeypatch), built("pcl", warm=0.3)
    perturbed(method)
    method.refresh(encode, 0.2)
    assert not calls and method.pseudo_labels is None
    for progress in (0.3, 0.6):
        method.refresh(encode, progress)
    assert len({call[2] for call in calls}) == len(calls) == 2 * len(method.config.clusters)
    for level, (x, k, *_, (labels, centroids)) in enumerate(calls[len(method.config.clusters) :]):
        assert x.allclose(unit(encode(method.teacher)), atol=1e-6) and k == method.config.clusters[level]
        assert torch.equal(method.pseudo_labels[level], labels)
        assert method.centroids[level].allclose(unit(centroids).double(), atol=1e-6)
        expected = method.config.temperature * density(x, labels, centroids).double()
        assert method.density[level].allclose(expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ifnd", {}),
        ("ifnd", {"space": "features"}),
        ("ifnd", {"confidence": "density"}),
        ("ifnd", {"mode": "prototype"}),
        ("ifnd_moco", {}),
        ("ifnd_moco", {"confidence": "density"}),
        ("ifnd_swav", {}),
        ("ifnd_swav", {"confidence": "density"}),
    ],
)
def test_pseudo_labels_are_renewed_when_due_from_the_right_network(name, settings):
    method = built(name, every=0.1, final_rate=0.8, clusters=(3, 8), temperature=0.05, **settings)
    perturbed(method)
    config, expected = method.config, copy.deepcopy(method.pseudo)
    net = method.teacher if name == "ifnd_moco" else nn.Sequential(method.encoder, method.projector)
    net = method.encoder if settings.get("space") == "features" else net
    for progress, due in ((0.0, False), (0.5, True), (0.55, False), (0.6, True)):
        if due:
            by = config.confidence
            expected.renew(unit(encode(net)), config.clusters, 0.8 * progress, config.temperature, by, progress)
        method.refresh(encode, progress)
        state = expected.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in method.pseudo.state_dict().items())
        assert torch.equal(method.pseudo_labels, expected.label)


def test_prototypes_are_the_centroids_and_densities_of_the_clusterings(monkeypatch):
    calls, method = [], built("ifnd", mode="prototype", clusters=(3, 8), temperature=0.2, every=0.1)

    def spy(*arguments):
        calls.append((arguments[0], *kmeans(*arguments)))
        return calls[-1][1:]

    monkeypatch.setattr("sslrepro.parts.cluster.kmeans", spy)
    for progress in (0.5, 0.8):
        method.refresh(encode, progress)
    pseudo = method.pseudo
    for level, (x, labels, centroids) in enumerate(calls[2:]):
        assert pseudo.centroids[level].allclose(unit(centroids).double(), atol=1e-6)
        expected = 0.2 * density(x, labels, centroids).double()
        assert pseudo.density[level].allclose(expected, atol=1e-6) and expected.mean() == pytest.approx(0.2)
        shared = pseudo.label[level] >= 0
        assert shared.sum() == round(0.8 * N_IMAGES) and torch.equal(pseudo.label[level][shared], labels[shared])
    assert len(calls) == 4 and len(pseudo.centroids) == len(pseudo.density) == 2
    assert not len(built("ifnd").pseudo.centroids), "kept only where they are read"


def pairs(mined: tuple[torch.Tensor, torch.Tensor]) -> list[tuple[int, int]]:
    anchor, positive = (side.tolist() for side in mined)
    return sorted(pair for pair in zip(anchor, positive, strict=True) if pair[1] >= 0)


def after_steps(name: str, n_views: int, **settings):
    """A method after some steps, its next batch, and what its oracle is told of both."""
    method, batch = built(name, **settings), doubled(a_batch(n_views))
    perturbed(method)
    stirred(method, n_views, "stirred")
    out = {"z": [rows(method.projector(method.encoder(view))) for view in batch.views]}
    if hasattr(method, "teacher"):
        out["t"] = [rows(method.teacher(view)) for view in batch.views]
    state = {key: value.tolist() for key, value in method.state_dict().items() if "teacher" not in key}
    return method, batch, oracle(name), out, state


def test_neighbours_of_nnsiam_are_named_by_their_image():
    method, batch = built("nnsiam", queue_size=2 * N), doubled(a_batch())
    for first, view in zip((50, 70), batch.views, strict=True):
        method.queue.push(unit(method.projector(method.encoder(view))).detach(), torch.arange(first, first + N))
    step = method.loss(batch, 0.5)
    assert step.mined[0].tolist() == batch.index.tolist() * 2 and step.metrics["self_hit"] == 0
    assert step.mined[1].tolist() == [*range(50, 50 + N), *range(70, 70 + N)]
    method.queue.index.copy_(batch.index.repeat(2))
    assert method.loss(batch, 0.5).metrics["self_hit"] == 1


def test_neighbours_of_msf_are_named_by_their_image():
    method, batch, reference, out, state = after_steps("msf", 2, top_k=4)
    expected = []
    for target, image in zip(out["t"][1], batch.index.tolist(), strict=True):
        cosine = [reference.dot(reference.unit(target), entry) for entry in state["queue.entries"]]
        near = sorted(range(len(cosine)), key=cosine.__getitem__)[-3:]
        expected += [(image, state["queue.index"][slot]) for slot in near]
    assert pairs(method.loss(batch, 0.5).mined) == sorted(expected)


def test_false_negatives_of_fnc_are_named_by_their_image():
    method, batch, reference, out, state = after_steps("fnc", 4, threshold=0.9, top_k=5)
    inputs = {"index": batch.index.tolist()}
    keys = reference.all_keys(out, inputs, state)
    settings, step = {"top_k": 5, "threshold": 0.9}, method.loss(batch, 0.5)
    expected = [
        (image, keys[k][1])
        for row, image in enumerate(inputs["index"])
        for k in reference.false_negatives(row, keys, inputs, settings)
    ]
    assert pairs(step.mined) == sorted(expected) and 0 < len(expected) < 5 * N
    assert step.metrics["false_negatives"].item() == pytest.approx(len(expected) / N)


@pytest.mark.parametrize("name", ["invp", "invp_moco"])
@pytest.mark.parametrize("form", ["paper", "code"])
def test_hard_positives_are_named_by_their_image(name, form):
    if (name, form) == ("invp_moco", "code"):
        return
    views = 1 if name == "invp" else 2
    settings = {"form": form} if name == "invp" else {}
    method, batch, reference, out, state = after_steps(name, views, gate=0.3, **settings)
    moco, graph, expected = name == "invp_moco", state["graph.neighbours"], []
    pulls, repels, kept = [], [], []
    for z, image in zip(out["z"][0], batch.index.tolist(), strict=True):
        memory = state["queue.entries" if moco else "bank.entries"]
        shown = state["queue.index"] if moco else range(N_IMAGES)
        cosine = [reference.dot(reference.unit(z), entry) for entry in memory]
        reached = reference.propagate(graph, image, method.config.hops)
        slots = [slot for slot in range(len(memory)) if shown[slot] in reached]
        if form == "code":
            slots = reference.walks(graph, image, method.config.hops)
        hard = sorted(slots, key=cosine.__getitem__)[: method.config.n_positives]
        expected += [(image, shown[slot]) for slot in (set(hard) if form == "code" else hard)]
        near = sorted(range(len(memory)), key=lambda slot: -cosine[slot])
        pulls.append([cosine[slot] for slot in range(len(memory)) if shown[slot] in reached])
        repels.append([cosine[slot] for slot in range(len(memory)) if shown[slot] not in reached | {image}])
        others = [slot for slot in near if slot != image][: method.config.n_neighbours]
        kept += [slot in graph[image] for slot in others]
    step = method.loss(batch, 0.3)
    assert pairs(step.mined) == sorted(expected) and expected
    assert step.metrics["hard_positives"].item() == pytest.approx(len(expected) / N)
    assert method.loss(batch, 0.29).mined is None
    if not moco:
        told = [float(step.metrics[key]) for key in ("discovered_similarity", "stranger_similarity", "neighbours_kept")]
        of_anchors = [[statistics.fmean(own or [0]) for own in rows] for rows in (pulls, repels)]
        assert told == pytest.approx([statistics.fmean(own) for own in (*of_anchors, kept)], abs=1e-5)
        assert all(map(any, (pulls, repels))) and 0 < statistics.fmean(kept) < 1


def test_what_the_loop_does_for_single_methods():
    for name in names():  # a method that is not in the lists below asks for what it likes, by name of its own parts
        method = built(name)
        assert method.clip_norm is None or method.clip_norm > 0
        assert all(method.get_submodule(part) for part in method.constant_lr)
    every = {name: built(name) for name in PROJECTORS}
    assert {name: m.clip_norm for name, m in every.items() if m.clip_norm is not None} == {"dino": 3.0}
    constant = {name: m.constant_lr for name, m in every.items() if m.constant_lr}
    assert constant == {"simsiam": ("predictor",), "nnsiam": ("predictor",)}


def test_sela_labels_all_images_where_a_renewal_is_due():
    """Each head by its own classifier, equally; renewals lie quadratically over training, each counted once."""
    method = built("sela", clusters=4, n_heads=2, renewals=3)
    with torch.no_grad():
        method.classifiers.bias.copy_(torch.linspace(-2.0, 2.0, 8))  # whose favourites would take all
    before = method.labels.clone()
    assert [method.due(progress) for progress in (0.0, 0.2, 0.25, 0.99, 1.0)] == [1, 1, 2, 2, 3]
    method.refresh(encode, 0.0)
    p = nn.functional.linear(encode(method.encoder), method.classifiers.weight.float(), method.classifiers.bias.float())
    for labels, own in zip(method.labels, p.unflatten(1, (2, 4)).unbind(1), strict=True):
        assert torch.equal(labels, equal_labels(own.log_softmax(1), 25.0))
        sizes = torch.bincount(labels, minlength=4)
        assert sizes.min() >= N_IMAGES // 4 - 1 and sizes.max() <= N_IMAGES // 4 + 1
    first = method.labels.clone()
    assert not torch.equal(first, before)
    with torch.no_grad():
        method.classifiers.weight.neg_()
    method.refresh(encode, 0.2)
    assert torch.equal(method.labels, first), "no renewal was due"
    method.refresh(encode, 0.3)
    assert not torch.equal(method.labels, first) and int(method.renewed) == 2


def test_the_normaliser_of_pirl_carries_no_gradient():
    """The first batch, which estimates Z, has the gradient of a batch for which Z is known."""
    method, batch = built("pirl"), doubled(a_batch())
    step = method.loss(batch, 0.5)
    known = copy.deepcopy(method)
    known.normaliser.copy_(step.carry[2])
    first, second = first_gradient(method, step.loss), first_gradient(known, known.loss(batch, 0.5).loss)
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)


LETTERS = {nn.ReLU: "R", nn.GELU: "G"}


def shape(net: nn.Module) -> str:
    """L linear, N norm (l without bias, n without scale and shift), R ReLU, G GELU."""
    word = ""
    for layer in net:
        letter = LETTERS.get(type(layer))
        if letter is None:
            letter = "N" if isinstance(layer, nn.BatchNorm1d) else "L"
            letter = letter if layer.bias is not None else letter.lower()
        word += letter
    return word


PROJECTORS = {  # as the papers or their code have them; a method of somebody else's needs no line here
    "barlow": "lNRlNRl", "byol": "lNRl", "deepcluster": "lNRL", "dino": "LGLGL", "fnc": "lNRlNRL", "ifnd": "lNRlNRL",
    "ifnd_moco": "LRL", "ifnd_swav": "lNRL", "instdisc": "L", "invp": "LRL", "invp_moco": "LRL", "isl": "L",
    "isl_moco": "LRL", "la": "L", "mocov1": "L", "mocov2": "LRL", "msf": "lNRl", "nnclr": "lNRlNRlN", "nnsiam": "lNRlNRln",
    "pcl": "LRL", "pirl": "L", "simclr": "lNRL", "simsiam": "lNRlNRln", "supcon": "LRL", "swav": "lNRL", "vicreg": "lNRlNRl",
}  # fmt: skip
PREDICTORS = {"byol": "lNRl", "msf": "lNRl", "nnclr": "lNRL", "nnsiam": "lNRL", "simsiam": "lNRL"}


def test_heads_have_the_papers_layers():
    every = {name: built(name) for name in PROJECTORS}
    assert {name: shape(m.projector) for name, m in every.items()} == PROJECTORS
    assert {name: shape(m.predictor) for name, m in every.items() if hasattr(m, "predictor")} == PREDICTORS
    assert shape(built("ifnd_moco", head="three layers").projector) == "LRLRL"  # Sec. 4.1
    assert every["dino"].prototypes.weight_norm and not every["swav"].prototypes.weight_norm


@pytest.mark.parametrize("name", ["ifnd", "ifnd_moco", "ifnd_swav"])
def test_granularities_count_alike(name):
    method, batch = built(name, clusters=(3, 5)), doubled(a_batch())
    stirred(method, 2, "stirred")
    level = torch.arange(N_IMAGES) % torch.tensor([[2], [5]])
    values = []
    for label in (level[[0, 0]], level[[1, 1]], level):
        method.pseudo.label.copy_(label)
        values.append(method.loss(batch, 0.5).loss.item())
    assert values[2] == pytest.approx((values[0] + values[1]) / 2) and values[0] != pytest.approx(values[1], rel=1e-4)


def test_negatives_of_false_negative_detection_are_counted():
    batch = doubled(a_batch())
    for name, everyone in (("ifnd", 2 * N - 2), ("ifnd_moco", 2 * N)):
        method = built(name, **({"queue_size": 2 * N} if name == "ifnd_moco" else {}))
        assert method.loss(batch, 0.5).metrics["negatives"] == everyone
        method.pseudo.label.fill_(0)
        if name == "ifnd_moco":
            method.queue.index.copy_(batch.index.repeat(2))
        assert method.loss(batch, 0.5).metrics["negatives"] == 0


@pytest.mark.parametrize("name", ["ifnd_moco", "invp_moco", "isl_moco"])
def test_random_rows_of_a_queue_show_nobody(name):
    """All anchors are related to image 0, none to 38 and 39: a random row repels as a row of 39 does."""
    method, batch = built(name), doubled(a_batch())
    if name == "ifnd_moco":
        method.pseudo.label.fill_(1)
        method.pseudo.label[:, 38:] = 2
    elif name == "invp_moco":
        method.graph.neighbours.fill_(0)
    else:
        method.affinity.admit(batch.index, torch.zeros_like(batch.index))
    assert (method.queue.index == -1).all()
    method.queue.index[::2] = 38
    random = method.loss(batch, 0.5).loss.item()
    method.queue.index[1::2] = 39
    assert method.loss(batch, 0.5).loss.item() == random
    method.queue.index[1::2] = 0
    assert method.loss(batch, 0.5).loss.item() != random


def test_invp_on_a_queue_of_the_anchors_own_past_keeps_to_its_instance_loss():
    method, batch = built("invp_moco", gate=0.3), doubled(a_batch())
    method.queue.index.fill_(int(batch.index[0]))
    step = method.loss(batch, 0.3)
    assert step.loss.item() == pytest.approx(method.loss(batch, 0.2).loss.item(), rel=1e-12)
    assert first_gradient(method, step.loss).isfinite().all()


def test_members_in_the_queue_of_isl_do_not_repel():
    method, batch, reference, out, _ = after_steps("isl_moco", 2)
    method.affinity.admit(batch.index, method.queue.index[:N].roll(1))
    state = {key: value.tolist() for key, value in method.state_dict().items() if "teacher" not in key}
    settings = {"temperature": method.config.temperature}
    expected = reference.loss(out, {"index": batch.index.tolist()}, state, settings, 0.5)
    assert method.loss(batch, 0.5).loss.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["isl", "isl_moco"])
def test_members_are_counted(name):
    method, batch = built(name), doubled(a_batch())
    method.affinity.admit(batch.index[:4], torch.tensor([0, 1, 3, 3]))
    assert method.loss(batch, 0.5).metrics["members"].item() == pytest.approx(4 / N)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("isl", {"own": "encoder"}),
        ("isl", {"own": "bank", "proxy_positive": "member"}),
        ("isl_moco", {}),
        ("isl", {"mine_from": "written"}),
        ("isl_moco", {"mine_from": "written"}),
    ],
)
def test_isl_hands_its_settings_and_anchors_to_the_mining(name, settings, monkeypatch):
    seen = []
    monkeypatch.setattr(f"sslrepro.methods.{name}.grow", lambda *arguments: seen.append(arguments))
    mining = {
        "score_threshold": 0.1,
        "radius": 0.2,
        "growth": 0.3,
        "n_proxy_neighbours": 4,
        "max_gan_epochs": 6,
        "max_passes": 7,
    }
    method = built(name, rounds=3, n_strangers=5, mining_batch=8, gan_lr=0.9, **mining, **settings)
    perturbed(method)
    method.refresh(encode, 0.45)
    [(net, affinity, how, rounds, progress, bank, own, written)] = seen
    assert (net, affinity, rounds, progress) == (method.frontier, method.affinity, 3, 0.45)
    assert written is (method.written if settings.get("mine_from") == "written" else None)
    positive = settings.get("proxy_positive", "own")
    assert vars(how) == mining | {"n_strangers": 5, "mining_batch": 8, "gan_lr": 0.9, "proxy_positive": positive}
    anchors = method.teacher if name == "isl_moco" else nn.Sequential(method.encoder, method.projector)
    expected = method.bank.entries if settings.get("own") == "bank" else unit(encode(anchors))
    assert torch.equal(bank, method.bank.entries) and own().allclose(expected.to(own().dtype), atol=1e-6)


def test_gradients_of_the_adversarial_net_do_not_pile_up():
    """Two passes of one batch by hand, every step from its own gradient alone."""
    own, bank, affinity, net, hand = drawn(30, 6), drawn(30, 6).flip(0), Affinity(30, 2), Frontier(6), Frontier(6)
    hand.load_state_dict(net.state_dict())
    how = Mining(0.3, 0.3, 0.5, 5, 4096, 2, 3, 30, 1e-2, "own")
    fit(net, own, bank, affinity, how, torch.Generator().manual_seed(4), first=True)
    generator, parts = torch.Generator().manual_seed(4), (hand.discriminator, hand.generator)
    solvers = [torch.optim.Adam(part.parameters(), lr=how.gan_lr) for part in parts]
    hand.requires_grad_(True)
    for _ in range(2):
        a, p, n = triplets(torch.randperm(30, generator=generator), own, bank, affinity, how, generator)
        for part, solver in zip(parts, solvers, strict=True):
            proxy = hand.proxy(a, p, n)
            near, far = hand.score(a, p, proxy), hand.score(a, proxy, n)
            first = part is hand.discriminator
            loss = discriminator_loss(hand.score(a, p, n), near, far) if first else generator_loss(near, far)
            gradients = torch.autograd.grad(loss, part.parameters())
            for parameter, gradient in zip(part.parameters(), gradients, strict=True):
                parameter.grad = gradient
            solver.step()
    assert all(x.allclose(y, atol=1e-5) for x, y in zip(net.parameters(), hand.parameters(), strict=True))


@pytest.mark.parametrize("name", ["byol", "dino", "fnc", "ifnd_moco", "invp_moco", "isl_moco", "mocov2", "msf", "pcl"])
def test_teachers_start_as_their_students(name):
    method, view = built(name), doubled(a_batch()).views[0]
    student = method.student() if name == "dino" else nn.Sequential(method.encoder, method.projector)
    taught = method.teacher(view)
    assert torch.equal(taught, student(view)) and not taught.requires_grad
    assert not any(p.requires_grad for p in method.teacher.parameters())
    with torch.no_grad():
        method.projector[0].weight.add_(1)
    assert torch.equal(method.teacher(view), taught)  # a copy, not the student itself


def paired(seed: int = 7, **settings) -> tuple[list[list[int]], list[float], list[int]]:
    """(pairs, cosines, images that were encoded) of SePP-ID among 40 fixed embeddings."""
    method, asked = built("seppid", **{"share": 0.5, "quantile": None, "low": 0.4, "high": 0.9} | settings), []
    method.seed.fill_(seed)
    chosen_pairs, cosine = method.pairs(lambda index: asked.append(index) or drawn(N_IMAGES, 4)[index], N_IMAGES)
    return chosen_pairs.tolist(), cosine.tolist(), asked[0].tolist()


def window_pairs(chosen: list[int]) -> dict[tuple[int, int], float]:
    x = drawn(N_IMAGES, 4).tolist()
    return {pair: oracle("seppid").dot(*(x[i] for i in pair)) for pair in oracle("seppid").pairs(x, chosen, 0.4, 0.9)}


def test_pairs_of_seppid_are_those_of_a_random_share():
    chosen_pairs, cosine, chosen = paired()
    assert len(set(chosen)) == 20 and chosen != paired(8)[2] and chosen == paired(7)[2] and max(chosen) > 19
    expected = window_pairs(chosen)
    assert [tuple(pair) for pair in chosen_pairs] == list(expected) and len(expected) > 10
    assert cosine == pytest.approx(list(expected.values()), abs=1e-6)


def test_caps_of_seppid_keep_the_most_similar_pairs():
    chosen = paired()[2]
    best = sorted(window_pairs(chosen).items(), key=lambda item: -item[1])
    assert sorted(map(tuple, paired(max_pairs=5)[0])) == sorted(pair for pair, _ in best[:5])
    images = [i for pair in paired(max_partners=1)[0] for i in pair]
    assert len(images) == len(set(images)) > 2


@pytest.mark.parametrize(("max_pairs", "n"), [(None, 19), (4, 4)])
def test_the_quantile_of_seppid_takes_a_share_of_all_pairs(max_pairs, n, monkeypatch):
    seen, real = [], importlib.import_module("sslrepro.methods.seppid").window

    def spy(x, quantile, sample, generator, high):
        seen.append((quantile, high))
        return real(x, quantile, sample, generator, high)

    monkeypatch.setattr("sslrepro.methods.seppid.window", spy)
    chosen_pairs, _, chosen = paired(quantile=0.1, low=0.99, max_pairs=max_pairs)
    below = sorted(window_pairs(chosen).items(), key=lambda item: -item[1])
    assert len(below) > 19 and sorted(map(tuple, chosen_pairs)) == sorted(pair for pair, _ in below[:n])
    assert seen == [(0.2, 0.9)]  # it looks below, so that an estimate that is off loses nothing


def test_the_control_of_seppid_pairs_as_many_images_with_themselves():
    chosen_pairs, cosine, _ = paired(random=True)
    assert len(chosen_pairs) == len(paired()[0]) and set(cosine) == {1.0}
    assert all(a == b for a, b in chosen_pairs) and len({a for a, _ in chosen_pairs}) > len(chosen_pairs) / 4


def test_seppid_passes_on_what_its_base_declares():
    wrapped = {base: built("seppid", base=base, base_settings=small(base)) for base in ("dino", "simsiam", "simclr")}
    assert {base: m.clip_norm for base, m in wrapped.items()} == {"dino": 3.0, "simsiam": None, "simclr": None}
    assert wrapped["simsiam"].constant_lr == ("base.predictor",) and wrapped["dino"].constant_lr == ()
    view = doubled(a_batch()).views[0]
    assert all(m.n_views == 2 and torch.equal(m.embed(view), m.base.embed(view)) for m in wrapped.values())


def test_frontier_points_are_scored_as_positives_beside_the_negative():
    class Scored(Frontier):
        def proxy(self, a, p, n):
            return a

        def score(self, a, p, n):
            return (p == a).all(1).float()  # 1 where p' stands in the place of p

    own, affinity = drawn(30, 6), Affinity(30, 29)
    mine(
        Scored(6),
        own,
        own.flip(0),
        affinity,
        Mining(0.3, -1.0, 9.0, 3, 4096, 1, 1, 8, 1.0, "own"),
        torch.Generator().manual_seed(0),
        0,
    )
    assert (affinity.members >= 0).any(1).all()


def test_rounds_are_counted_for_the_net_and_for_the_mining(monkeypatch):
    seen = []
    monkeypatch.setattr("sslrepro.parts.frontier.fit", lambda *arguments, first, written: seen.append(first) or [])
    counts = {"passes": 0.0, "admitted": 0.0, "refused": 0.0, "members": 0.0}
    monkeypatch.setattr(
        "sslrepro.parts.frontier.mine", lambda *arguments, written: seen.append(arguments[-1]) or counts
    )
    net, how = Frontier(6), Mining(0.3, 0.3, 0.5, 5, 4096, 2, 3, 30, 1e-2, "own")
    for progress in (0.25, 0.5, 0.75):
        grow(net, Affinity(30, 2), how, 4, progress, drawn(30, 6), lambda: drawn(30, 6))
    assert seen == [True, 0, False, 1, False, 2]


@pytest.mark.parametrize("weight", [None, 0.3])
def test_pair_rows_show_one_image_and_then_the_other(weight):
    """Every row of an epoch: index, partner and weight as listed, and the pixels of those images in the views."""
    data, _ = load(DataConfig("shapes", n_train=30, n_test=16, side=8, classes=4))
    pairs = [[3, 7], [3, 9], [29, 1], [0, 2]]
    source = Batches(
        data,
        (View(crop=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0),) * 3,
        2,
        0,
        pairs=torch.tensor(pairs),
        pair_weight=weight,
    )
    shown = prepare_views(data.take(data.index).float() / 255, source.normalise)
    listed = [(i, i) for i in range(30)] + [tuple(pair) for pair in pairs]
    weights = oracle("seppid").weights([False] * 30 + [True] * 4, 30, 4, weight or 1.0)
    assert source.n_rows == 34 and source.per_epoch == 17 and sorted(source.order(0).tolist()) == list(range(34))
    for step, row in enumerate(source.order(0).view(17, 2).tolist()):
        batch = source.at(step)
        assert list(zip(batch.index.tolist(), batch.partner.tolist(), strict=True)) == [listed[i] for i in row]
        weight_of_pairs = None if batch.weight is None else batch.weight.tolist()
        assert weight_of_pairs == (None if weight is None else pytest.approx([weights[i] for i in row]))
        for view, image in zip(batch.views, (batch.index, batch.partner, batch.partner), strict=True):
            assert view.allclose(shown[image], atol=1e-3)


def test_the_loop_refreshes_before_an_epoch_then_reads_then_writes(tmp_path, monkeypatch):
    """At step s of S all three are told s / S."""
    calls, kind = [], method_class("simclr")
    for name in ("refresh", "loss", "after_step"):
        real = getattr(kind, name)
        monkeypatch.setattr(
            kind,
            name,
            lambda self, batch, progress, name=name, real=real: (
                calls.append((name, progress)),
                real(self, batch, progress),
            )[1],
        )
    train(tiny("simclr"), tmp_path / "run", load(tiny().data)[0])
    expected = []
    for step in range(20):
        words = (["refresh"] if step % 10 == 0 else []) + ["loss", "after_step"]
        expected += [(word, step / 20) for word in words]
    assert calls == expected


def test_pairs_are_mined_once_by_the_trained_sampler(tmp_path):
    config = tiny("seppid", share=0.5, quantile=0.02, weight=0.3)
    data, _ = load(config.data)
    method = initial_method(config, len(data))
    pairs_mined, about = mine_pairs(config, tmp_path / "run", data, method, torch.device("cpu"), None)
    sampler = train(config.sampler, tmp_path / "again", data).eval()
    images = prepare_views(data.take(data.index).float() / 255, tuple(map(tuple, data.mean_std())))
    with torch.no_grad():
        x = sampler.embed(images)
    asked = []
    expected, cosine = method.pairs(lambda index: asked.append(index) or x[index], len(data))
    assert torch.equal(pairs_mined, expected) and len(asked[0]) == 80 and len(pairs_mined) > 20
    images, same = pairs_mined.flatten().tolist(), data.labels[pairs_mined[:, 0]] == data.labels[pairs_mined[:, 1]]
    assert about.pop("pair_cosine") == pytest.approx(cosine.mean().item())
    assert about == {
        "pairs": len(pairs_mined),
        "paired_images": len(set(images)),
        "pair_match": same.double().mean().item(),
        "pair_degree": max(map(images.count, images)),
        "pair_self": 0.0,
    }
    method.seed.add_(1)  # would choose other images
    assert torch.equal(mine_pairs(config, tmp_path / "run", data, method, torch.device("cpu"), None)[0], pairs_mined)
    source = batches_of(config, data, method, pairs_mined)
    assert source.pairs is pairs_mined and source.pair_weight == 0.3
    assert batches_of(config, data, method).at(0).weight is None, "no pairs, no weights"


def test_what_is_held_to_be_alike_is_measured_level_by_level():
    data, _ = load(DataConfig("shapes", n_train=N_IMAGES, n_test=16, side=8, classes=4))
    method, draw = built("ifnd"), torch.Generator().manual_seed(0)
    method.pseudo.label.copy_(torch.randint(-1, 3, method.pseudo.label.shape, generator=draw))
    expected = {}
    for level, group in enumerate(method.pseudo.label):
        expected |= {f"{name}_{level}": value for name, value in group_rates(data.labels, group).items()}
    assert class_agreement(method, data) == expected and len(expected) == 5 * len(method.config.clusters)
    method = built("isl")
    method.affinity.admit(*torch.randint(N_IMAGES, (2, 30), generator=draw))
    match = relation_match(data.labels, method.affinity.members)
    agreement = {name: value for name, value in class_agreement(method, data).items() if name not in method.reports}
    assert agreement == {"relation_match": match["match"], "relation_degree": match["degree"]}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("seppid", {"pairs", "pair_match", "pair_cosine"}),
        ("ifnd", {"accepted_0", "accepted_1"}),
        ("isl", {"relation_degree"}),
    ],
)
def test_what_is_held_to_be_alike_is_logged(name, words, tmp_path):
    train(tiny(name), tmp_path / "run", load(tiny().data)[0])
    assert all(words <= line.keys() for line in read_lines(tmp_path / "run" / "log.jsonl"))


def test_k_means_runs_20_iterations_unless_told():
    x = drawn(3000, 6)
    twenty, fewer = (kmeans(x, 60, 0, n)[1] for n in (20, 19))
    assert torch.equal(kmeans(x, 60, 0)[1], twenty) and not torch.equal(twenty, fewer)


def test_pseudo_labels_renewed_at_every_epoch_still_wait_for_the_first():
    pseudo = built("ifnd").pseudo
    assert not pseudo.due(0.0, 0.0) and pseudo.due(0.01, 0.0)
