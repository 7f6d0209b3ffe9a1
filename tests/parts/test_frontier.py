"""The adversarial net and the mining of ISL: losses against the oracle, mined sets against loops."""

import itertools
import random

import pytest
import torch

from sslrepro import methods
from sslrepro.parts.encoders import Conv
from sslrepro.parts.frontier import (
    Frontier,
    Mining,
    discriminator_loss,
    fit,
    generator_loss,
    grow,
    may_stop,
    mine,
    radius_of,
    triplets,
)
from sslrepro.parts.graph import Affinity
from sslrepro.parts.memory import unit
from tests.equations import isl

N, DIM = 30, 6


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(1)


def rows(n: int = N, seed: int = 0) -> torch.Tensor:
    return unit(torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed)))


def settings(**changed) -> Mining:
    values = {"score_threshold": 0.3, "radius": 0.3, "growth": 0.5, "n_proxy_neighbours": 5, "n_strangers": 4096,
             "max_gan_epochs": 2, "max_passes": 3, "mining_batch": 8, "gan_lr": 1e-3, "proxy_positive": "own"}  # fmt: skip
    return Mining(**values | changed)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_sets(cap: int = 6, edges: int = 25) -> Affinity:
    affinity, draw = Affinity(N, cap), random.Random(0)
    affinity.admit(*torch.tensor([[draw.randrange(N) for _ in range(edges)] for _ in range(2)]))
    return affinity


class Fixed(Frontier):
    """Puts p' on the anchor and gives every image the score it is told."""

    def __init__(self, score: torch.Tensor, own: torch.Tensor):
        super().__init__(DIM)
        self.scores, self.own = score, own

    def proxy(self, a, p, n):
        return a

    def score(self, a, p, n):
        return self.scores[(a @ self.own.T).argmax(1)]


def test_losses_of_the_net_against_the_oracle():
    real, near, far = torch.rand(3, 9, generator=seeded()).clamp(0.01, 0.99).double()
    expected = isl.discriminator_loss(real.tolist(), near.tolist(), far.tolist())
    assert discriminator_loss(real, near, far).item() == pytest.approx(expected, rel=1e-12)
    expected = isl.generator_loss(near.tolist(), far.tolist())
    assert generator_loss(near, far).item() == pytest.approx(expected, rel=1e-12)


def test_losses_of_saturated_scores_are_finite():
    zero, ones = torch.zeros(3), torch.ones(3)
    assert discriminator_loss(zero, ones, ones).isfinite() and generator_loss(zero, zero).isfinite()
    assert discriminator_loss(ones, zero, zero) == 0 and generator_loss(ones, ones) == 0


@pytest.mark.parametrize(("threshold", "radius", "widest"), [(0.5, 0.6, 0.8), (0.3, 0.3, 0.79)])
def test_the_radius_stays_between_its_bounds(threshold, radius, widest):
    """METHODS 8: for scores in (theta, 1] it is in [R0, R0 + (1 - theta)(1 - R0))."""
    score = torch.linspace(threshold, 1, 50, dtype=torch.float64)[1:]
    radii = radius_of(score, radius)
    assert radii.tolist() == pytest.approx([isl.radius_of(s, {"radius": radius}) for s in score.tolist()])
    assert radii[-1].item() == radius and (radii >= radius).all() and (radii < widest).all()
    assert (radii.diff() < 0).all() and radii[0].item() == pytest.approx(widest, abs=0.02)


def test_proxies_are_unit_rows_and_scores_shares():
    net = Frontier(DIM)
    a, p, n = rows(seed=1), rows(seed=2), rows(seed=3)
    assert net.proxy(a, p, n).norm(dim=1).allclose(torch.ones(N), atol=1e-6)
    score = net.score(a, p, n)
    assert score.shape == (N,) and (score > 0).all() and (score < 1).all()
    assert not score.allclose(net.score(a, n, p), atol=1e-6)  # the places of p and n differ


def test_redrawn_weights_depend_on_the_generator_alone():
    nets = [Frontier(DIM) for _ in range(3)]
    for net, seed in zip(nets, (5, 5, 6), strict=True):
        net.redraw(seeded(seed))
    first, same, other = ([p.clone() for p in net.parameters()] for net in nets)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    for net in (nets[0].generator, nets[0].discriminator):
        for layer in net[::2][:3]:
            assert 0.5 < layer.weight.abs().max() * layer.in_features**0.5 <= 1


@pytest.mark.parametrize("positive", ["own", "member"])
def test_triplets_against_a_loop(positive):
    own, bank, affinity = rows(seed=1), rows(seed=2), random_sets()
    sets = [{i, *row[row >= 0].tolist()} for i, row in enumerate(affinity.members)]
    assert max(map(len, sets)) > 3
    seen: list[set[int]] = [set() for _ in range(N)]
    for draw in range(40):
        index = torch.randperm(N, generator=seeded(draw))[:20]
        a, p, n = triplets(index, own, bank, affinity, settings(proxy_positive=positive), seeded(draw))
        assert torch.equal(a, own[index])
        for place, i in enumerate(index.tolist()):
            strangers = [j for j in range(N) if j not in sets[i]]
            hardest = max(strangers, key=lambda j, i=i: float(own[i] @ bank[j]))
            assert torch.equal(n[place], bank[hardest])
            seen[i].add(int((bank == p[place]).all(1).nonzero()))
    assert seen == (sets if positive == "member" else [{i} for i in range(N)])


@pytest.mark.parametrize("n_negatives", [8, 12])
def test_negatives_are_the_hardest_of_a_random_few(n_negatives):
    own, bank, affinity, negatives = rows(seed=1), rows(seed=2), random_sets(), set()
    inside = affinity.of(torch.arange(N)) | torch.eye(N, dtype=torch.bool)
    how = settings(n_strangers=n_negatives)
    for draw in range(30):
        n = triplets(torch.arange(N), own, bank, affinity, how, seeded(draw))[2]
        negative = (bank[None] == n[:, None]).all(2).int().argmax(1)
        assert not inside[range(N), negative].any() and len(negative.unique()) <= n_negatives
        negatives |= set(negative.tolist())
    assert len(negatives) > 2 * n_negatives  # another few each time


def test_when_the_net_may_stop():
    falling = [0.9 - 0.01 * i for i in range(12)]
    risen = [0.5, 0.4, 0.7, 0.8, 0.9]  # last is not the best of three, the best of all lies before them
    assert may_stop(risen, first=False) and not may_stop(risen, first=True)  # 10 epochs in the first round
    assert not may_stop(risen[:3], first=False) and not may_stop([], first=False)
    assert not may_stop(falling, first=False) and not may_stop(falling, first=True)
    assert not may_stop([0.5, 0.7, 0.4, 0.8, 0.9], first=False)  # the best of all is among the last three
    assert not may_stop([0.5, 0.4, 0.9, 0.8, 0.7], first=False)  # the last is the best of three
    assert not may_stop([1.5, 1.4, 1.7, 1.8, 1.9], first=False)  # never at most 1
    assert may_stop([0.5, 0.4, 0.7, 1.1, 1.2], first=False)  # a last loss above 1 counts in the first round only
    long = [0.6] * 5 + risen
    assert may_stop(long, first=True) and not may_stop([*long[:-1], 1.2], first=True)


def test_fit_trains_both_nets_and_leaves_them_frozen():
    own, bank, affinity, net = rows(seed=1), rows(seed=2), random_sets(), Frontier(DIM)
    before = [p.clone() for p in net.parameters()]
    copies = [x.clone() for x in (own, bank, affinity.members)]
    losses = fit(net, own, bank, affinity, settings(max_gan_epochs=3), seeded(), first=True)
    assert len(losses) == 3 and all(0 < loss < 5 for loss in losses)
    assert not any(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())
    assert all(torch.equal(a, b) for a, b in zip(copies, (own, bank, affinity.members), strict=True))


def test_fit_ends_by_the_rule(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "sslrepro.parts.frontier.may_stop", lambda losses, first: seen.append(first) or len(losses) == 4
    )
    losses = fit(Frontier(DIM), rows(), rows(), Affinity(N, 3), settings(max_gan_epochs=50), seeded(), first=True)
    assert len(losses) == 4 and seen == [True] * 5


def test_a_step_of_both_nets_by_hand():
    """One batch: the discriminator learns against p' held fixed, then the generator against the new discriminator."""
    own, bank, affinity, net, hand = rows(seed=1), rows(seed=2), random_sets(), Frontier(DIM), Frontier(DIM)
    hand.load_state_dict(net.state_dict())
    losses = fit(net, own, bank, affinity, settings(max_gan_epochs=1, mining_batch=N), seeded(4), first=True)
    generator = seeded(4)
    a, p, n = triplets(torch.randperm(N, generator=generator), own, bank, affinity, settings(), generator)
    hand.requires_grad_(True)
    solvers = {part: torch.optim.Adam(part.parameters(), lr=1e-3) for part in (hand.discriminator, hand.generator)}
    with torch.no_grad():
        fixed = hand.proxy(a, p, n)
    real, near, far = hand.score(a, p, n), hand.score(a, p, fixed), hand.score(a, fixed, n)
    (-(real.log().mean() + (1 - near).log().mean() / 2 + (1 - far).log().mean() / 2) / 2).backward()
    solvers[hand.discriminator].step()
    proxy = hand.proxy(a, p, n)
    loss = -(hand.score(a, p, proxy).log().mean() + hand.score(a, proxy, n).log().mean()) / 2
    loss.backward()
    solvers[hand.generator].step()
    assert losses == pytest.approx([loss.item()], rel=1e-5)
    assert all(x.allclose(y, atol=1e-5) for x, y in zip(net.parameters(), hand.parameters(), strict=True))


@pytest.mark.parametrize("threshold", [0.3, 0.6])
@pytest.mark.parametrize("near", [1, 4, 100])
def test_mined_pairs_against_loops(near, threshold):
    """p' on the anchor: of the `near` nearest other rows those with a cosine above the radius, if the score allows."""
    own = rows(seed=3)
    score = torch.rand(N, generator=seeded(1))
    score[0] = threshold  # not above it
    affinity, expected = Affinity(N, N), set()
    how = settings(score_threshold=threshold, n_proxy_neighbours=near, max_passes=1, growth=100.0)
    counts = mine(Fixed(score, own), own, own, affinity, how, seeded(), 0)
    for i in range(N):
        cosine = {j: float(own[i] @ own[j]) for j in range(N) if j != i}
        for j in sorted(cosine, key=cosine.get, reverse=True)[:near]:
            if score[i] > threshold and cosine[j] > 0.3 + (1 - float(score[i])) * 0.7:
                expected.add(frozenset((i, j)))
    members = affinity.of(torch.arange(N))
    assert {frozenset(pair) for pair in members.nonzero().tolist()} == expected and torch.equal(members, members.T)
    assert counts == {"passes": 1, "admitted": len(expected), "refused": 0, "members": 2 * len(expected) / N}
    assert expected


def test_mining_stops_when_sets_have_grown_or_passes_run_out():
    own, everyone, nobody = rows(), torch.ones(N), torch.zeros(N)
    how = settings(radius=-1.0, n_proxy_neighbours=2, max_passes=4, growth=0.5)
    counts = mine(Fixed(everyone, own), own, own, Affinity(N, N), how, seeded(), 0)
    assert counts["passes"] == 1 and counts["members"] > 0.5
    counts = mine(Fixed(nobody, own), own, own, Affinity(N, N), how, seeded(), 0)
    assert counts == {"passes": 4, "admitted": 0, "refused": 0, "members": 0}
    affinity = Affinity(N, 3)
    affinity.admit(torch.arange(0, N, 2), torch.arange(1, N, 2))  # one other image each
    passes = [mine(Fixed(nobody, own), own, own, affinity, how, seeded(), r)["passes"] for r in (0, 1, 2)]
    assert passes == [0, 4, 4]  # more than 0.5; not more than 1; not more than 1.5
    close = [mine(Fixed(nobody, own), own, own, affinity, settings(growth=g), seeded(), 0)["passes"] for g in (0.9, 1)]
    assert close == [0, 3]


@pytest.mark.parametrize("cap", [1, 2, 4])
def test_mining_respects_caps_and_keeps_what_is_known(cap):
    own, affinity = rows(), Affinity(N, cap)
    affinity.admit(torch.tensor([0, 7]), torch.tensor([1, 9]))
    before = affinity.members.clone()
    how = settings(radius=-1.0, n_proxy_neighbours=10, growth=100.0)
    counts = mine(Fixed(torch.ones(N), own), own, own, affinity, how, seeded(), 0)
    members = affinity.of(torch.arange(N))
    assert torch.equal(members, members.T) and not members.diagonal().any() and members.sum(1).max() == cap
    assert torch.equal(affinity.members[before >= 0], before[before >= 0])
    assert counts["refused"] > 0 and counts["passes"] == 3 and counts["members"] == members.sum() / N
    assert counts["admitted"] + 2 == members.sum() / 2


def test_rounds_grow_once_each_and_the_last_does_not():
    net, affinity, own, grew = Frontier(DIM), Affinity(N, 5), rows(), []
    for step in range(17):
        counts = grow(net, affinity, settings(), 4, step / 16, own, lambda: own)
        grew += [] if counts is None else [step]
        assert counts is None or counts["gan_epochs"] == 2
    assert grew == [4, 8, 12] and net.rounds_done == 3 and net.counts[0] == 2  # passes of the net, kept for the log
    assert grow(Frontier(DIM), affinity, settings(), 1, 1.0, own, lambda: own) is None


def test_growth_depends_on_the_saved_seed_alone():
    how, own, outcomes = settings(score_threshold=0.0, radius=-1.0, n_proxy_neighbours=2), rows(), []
    for noise, seed in ((0, 3), (1, 3), (2, 4)):
        torch.manual_seed(noise)
        net, affinity = Frontier(DIM), Affinity(N, 5)
        net.seed.fill_(seed)
        before = torch.get_rng_state()
        rounds = [grow(net, affinity, how, 3, progress, own, lambda: own) for progress in (0.4, 0.7)]
        assert torch.equal(before, torch.get_rng_state())
        outcomes.append((affinity.members, rounds, [p.clone() for p in net.parameters()]))
    assert torch.equal(outcomes[0][0], outcomes[1][0]) and outcomes[0][1] == outcomes[1][1]
    assert all(torch.equal(a, b) for a, b in zip(outcomes[0][2], outcomes[1][2], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(outcomes[0][2], outcomes[2][2], strict=True))


def test_sets_are_nested_from_round_to_round():
    net, affinity, own = Frontier(DIM), Affinity(N, N), rows()
    net.seed.fill_(0)
    how = settings(score_threshold=0.0, radius=-1.0, n_proxy_neighbours=1, max_passes=1, growth=100.0)
    sizes, before = [], affinity.of(torch.arange(N))
    for progress in (0.25, 0.5, 0.75):
        grow(net, affinity, how, 4, progress, own, lambda: own)
        now = affinity.of(torch.arange(N))
        assert (now | ~before).all() and torch.equal(now, now.T)
        before, sizes = now, [*sizes, int(now.sum())]
    assert all(a < b for a, b in itertools.pairwise([0, *sizes]))  # a new net each round finds others


@pytest.mark.parametrize("own", ["encoder", "bank"])
def test_between_rounds_only_the_sets_and_the_net_change(own):
    torch.manual_seed(1)
    sets = isl.SETTINGS | {"own": own, "max_gan_epochs": 2, "max_passes": 2, "radius": -1.0, "score_threshold": 0.0}
    method = methods.build("isl", methods.settings("isl", sets), Conv((4, 6), (2, 2)), N)
    images = torch.randn(N, 3, 8, 8)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with torch.no_grad():
        method.refresh(lambda net: net.eval()(images), 0.3)
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    net = {name for name in before if name.startswith(("frontier.generator.", "frontier.discriminator."))}
    assert changed == net | {"affinity.members", "frontier.rounds_done", "frontier.counts"}
    assert all(p.requires_grad == (not name.startswith("frontier.")) for name, p in method.named_parameters())
    assert all(p.grad is None for p in method.parameters())
