"""Neighbour graphs against plain breadth-first search, growing sets against Python sets."""

import random

import pytest
import torch

from sslrepro.parts.graph import Affinity, NeighbourGraph

#     0 -> 1, 2    1 -> 0, 3    2 -> 3, ?    3 -> 4, 0    4 -> ?, ?    5 -> 0, 1 (nobody leads to 5)
HAND = [[1, 2], [0, 3], [3, -1], [4, 0], [-1, -1], [0, 1]]


def graph(rows: list[list[int]]) -> NeighbourGraph:
    net = NeighbourGraph(len(rows), len(rows[0]))
    net.neighbours.copy_(torch.tensor(rows))
    return net


def random_rows(seed: int, n: int = 24, k: int = 3) -> list[list[int]]:
    draw = random.Random(seed)
    rows = [draw.sample([j for j in range(n) if j != i], k) for i in range(n)]
    return [[-1 if draw.random() < 0.2 else j for j in row] for row in rows]


def distances(rows: list[list[int]], start: int) -> dict[int, int]:
    """Edges on the shortest way to every image that can be reached, by breadth-first search."""
    hops, front = {start: 0}, [start]
    while front:
        i = front.pop(0)
        for j in rows[i]:
            if j >= 0 and j not in hops:
                hops[j] = hops[i] + 1
                front.append(j)
    return hops


def every_walk(rows: list[list[int]], start: int, hops: int) -> list[int]:
    level, walk = [start], []
    for _ in range(hops):
        level = [j for i in level for j in (rows[i] if i >= 0 else [-1] * len(rows[0]))]
        walk += level
    return walk


def members(mask: torch.Tensor) -> list[list[int]]:
    return [row.nonzero()[:, 0].tolist() for row in mask]


def test_within_on_a_graph_drawn_by_hand():
    net = graph(HAND)
    assert members(net.within(torch.tensor([0, 4, 5]), 1)) == [[1, 2], [], [0, 1]]
    assert members(net.within(torch.tensor([0, 4, 5]), 2)) == [[1, 2, 3], [], [0, 1, 2, 3]]
    assert members(net.within(torch.tensor([0, 2, 5]), 3)) == [[1, 2, 3, 4], [0, 1, 3, 4], [0, 1, 2, 3, 4]]


def test_walks_on_a_graph_drawn_by_hand():
    assert graph(HAND).walks(torch.tensor([0, 2]), 2).tolist() == [[1, 2, 0, 3, 3, -1], [3, -1, 4, 0, -1, -1]]


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_within_is_the_graph_distance(hops, seed):
    rows = random_rows(seed)
    within = graph(rows).within(torch.arange(len(rows)), hops)
    for i in range(len(rows)):
        assert members(within)[i] == sorted(j for j, far in distances(rows, i).items() if 1 <= far <= hops)


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_walks_are_all_walks_level_by_level(hops):
    rows = random_rows(3)
    ends = graph(rows).walks(torch.tensor([5, 0, 5]), hops)
    assert ends.tolist() == [every_walk(rows, i, hops) for i in (5, 0, 5)]
    assert ends.shape[1] == sum(3**level for level in range(1, hops + 1))


def test_a_new_graph_knows_nobody():
    net = NeighbourGraph(7, 2)
    assert (net.walks(torch.arange(7), 3) == -1).all() and not net.within(torch.arange(7), 3).any()


def test_write_replaces_rows_and_the_last_of_a_repeated_image_counts():
    net, draw = NeighbourGraph(30, 3), random.Random(0)
    plain = {i: [-1, -1, -1] for i in range(30)}
    for _ in range(20):
        index = [draw.randrange(30) for _ in range(12)]
        rows = [draw.sample(range(30), 3) for _ in index]
        net.write(torch.tensor(index), torch.tensor(rows))
        plain |= dict(zip(index, rows, strict=True))
        assert net.neighbours.tolist() == [plain[i] for i in range(30)]


@pytest.mark.parametrize("k", [0, 5])
def test_impossible_neighbour_counts_say_so(k):
    with pytest.raises(ValueError, match=rf"NeighbourGraph: k must be 1\.\.4, the other images, got {k}\."):
        NeighbourGraph(5, k)


def admitted(sets: list[list[int]], cap: int, pairs: list[tuple[int, int]]) -> dict[str, int]:
    """What `admit` promises, on lists."""
    count = {"admitted": 0, "refused": 0}
    for i, j in pairs:
        if i != j and j not in sets[i]:
            full = len(sets[i]) == cap or len(sets[j]) == cap
            count["refused" if full else "admitted"] += 1
            if not full:
                sets[i].append(j)
                sets[j].append(i)
    return count


@pytest.mark.parametrize("cap", [1, 3, 50])
def test_admission_against_lists(cap):
    n, draw = 15, random.Random(cap)
    affinity, sets = Affinity(n, cap), [[] for _ in range(n)]
    for _ in range(8):
        before = affinity.members.clone()
        pairs = [(draw.randrange(n), draw.randrange(n)) for _ in range(12)]
        count = affinity.admit(*torch.tensor(pairs).T)
        assert count == admitted(sets, cap, pairs)
        assert affinity.members.tolist() == [row + [-1] * (cap - len(row)) for row in sets]
        assert torch.equal(affinity.members[before >= 0], before[before >= 0])  # sets never shrink
        inside = affinity.of(torch.arange(n))
        assert members(inside) == [sorted(row) for row in sets]
        assert torch.equal(inside, inside.T) and not inside.diagonal().any()


def test_the_cap_holds_on_both_sides():
    affinity = Affinity(6, 2)
    count = affinity.admit(torch.tensor([0, 2, 0, 4]), torch.tensor([1, 0, 3, 0]))  # 0 is full after two
    assert count == {"admitted": 2, "refused": 2}
    assert affinity.members.tolist() == [[1, 2], [0, -1], [0, -1], [-1, -1], [-1, -1], [-1, -1]]


def test_pairs_of_one_image_and_known_pairs_are_neither_admitted_nor_refused():
    affinity = Affinity(4, 1)
    assert affinity.admit(torch.tensor([2, 1, 1]), torch.tensor([2, 3, 3])) == {"admitted": 1, "refused": 0}
    assert affinity.admit(torch.tensor([3, 3]), torch.tensor([1, 3])) == {"admitted": 0, "refused": 0}
    assert affinity.of(torch.tensor([2, 3, 1])).int().tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


def test_a_cap_below_one_says_so():
    with pytest.raises(ValueError, match="Affinity: cap must be >= 1, members per image, got 0"):
        Affinity(4, 0)


def test_kept_is_the_share_of_known_neighbours_that_come_again():
    net = graph(HAND)
    batch, again = torch.tensor([0, 2, 4]), torch.tensor([[2, 3], [5, 1], [0, 1]])
    assert net.share_kept(batch, again).item() == pytest.approx(
        1 / 3
    )  # of 1, 2 of the first and 3 of the second: 2 alone
    assert net.share_kept(torch.tensor([4]), torch.tensor([[0, 1]])).item() == 0
