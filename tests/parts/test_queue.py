"""The queue against collections.deque, and neighbour search against brute force."""

import collections

import pytest
import torch

from sslrepro.parts.memory import Queue, precise, unit
from sslrepro.parts.mining import nearest


@pytest.mark.parametrize("size", [1, 5, 8, 13])
@pytest.mark.parametrize("batch", [1, 3, 8, 20])
def test_fifo_against_deque(size, batch):
    g = torch.Generator().manual_seed(0)
    queue, plain = Queue(size, 4), collections.deque(maxlen=size)
    for push in range(9):
        rows = torch.randn(batch, 4, generator=g)
        index = torch.arange(batch) + 100 * push
        queue.push(rows, index)
        for row, number in zip(rows, index.tolist(), strict=True):
            plain.append((number, push + 1, row / row.norm()))
        held = {number: (born, row) for number, born, row in plain}
        stored = [number for number in queue.index.tolist() if number >= 0]
        assert sorted(stored) == sorted(held)
        for slot, number in enumerate(queue.index.tolist()):
            if number >= 0:
                assert int(queue.born[slot]) == held[number][0]
                assert queue.entries[slot].allclose(held[number][1], atol=1e-6)
    assert int(queue.pushes) == 9


def test_a_new_queue_is_random_unit_rows_of_nobody():
    queue = Queue(50, 8)
    assert queue.entries.norm(dim=1).allclose(torch.ones(50))
    assert (queue.index == -1).all() and queue.entries.std(0).min() > 0.1


def test_random_eviction_keeps_every_row_it_does_not_overwrite():
    g = torch.Generator().manual_seed(0)
    queue = Queue(12, 3, "random")
    for push in range(4):
        queue.push(torch.randn(3, 3, generator=g), torch.arange(3) + 10 * push)
    assert sorted(queue.index.tolist()) == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]  # filled in order first
    drawn = set()
    for push in range(4, 30):
        before = queue.index.clone()
        queue.push(torch.randn(3, 3, generator=g), torch.arange(3) + 10 * push)
        changed = (before != queue.index).nonzero()[:, 0].tolist()
        assert len(changed) == 3 and sorted(queue.index[changed].tolist()) == [10 * push + i for i in range(3)]
        drawn |= set(changed)
    assert drawn == set(range(12))


def test_random_eviction_repeats():
    queues = [Queue(6, 2, "random"), Queue(6, 2, "random")]
    for push in range(8):
        for queue in queues:
            queue.push(torch.ones(2, 2), torch.tensor([push, push + 50]))
    assert torch.equal(queues[0].index, queues[1].index)


def test_age_counts_steps():
    queue = Queue(6, 2)
    for push in range(3):
        queue.push(torch.ones(2, 2), torch.tensor([2 * push, 2 * push + 1]))
    assert queue.age(torch.arange(6)).tolist() == [3, 3, 2, 2, 1, 1]


def test_labels_are_kept_only_when_given():
    queue = Queue(4, 2)
    queue.push(torch.ones(2, 2), torch.tensor([0, 1]), torch.tensor([7, 8]))
    queue.push(torch.ones(2, 2), torch.tensor([2, 3]))
    assert queue.label.tolist() == [7, 8, -1, -1]


def test_wrong_sizes_say_so():
    with pytest.raises(ValueError, match=r"Queue: size must be >= 1, got 0\."):
        Queue(0, 4)
    with pytest.raises(
        ValueError, match="Queue: eviction must be one of oldest, random, got 'oldst'. Did you mean 'oldest'"
    ):
        Queue(4, 4, "oldst")


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("chunk", [2, 3, 7, 100])
def test_nearest_against_sorting(k, chunk):
    g = torch.Generator().manual_seed(k)
    query, rows = unit(torch.randn(9, 5, generator=g)), unit(torch.randn(7, 5, generator=g))
    similarity, place = nearest(query, rows, k, chunk=chunk)
    for row in range(9):
        distance = [float((query[row] - other).norm()) for other in rows]  # Eq. 4 by L2, as printed
        order = sorted(range(7), key=distance.__getitem__)
        assert place[row].tolist() == order[:k]
        assert similarity[row].tolist() == pytest.approx([float(query[row] @ rows[i]) for i in order[:k]], abs=1e-6)


def test_nearest_passes_over_the_own_image():
    rows = unit(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)))
    index = torch.arange(20) // 2  # two rows of each image
    _, place = nearest(rows, rows, 3, index, index, chunk=6)
    assert (index[place] != index[:, None]).all()
    _, own = nearest(rows, rows, 1)
    assert torch.equal(own[:, 0], torch.arange(20))


def test_nearest_says_when_there_are_too_few_rows():
    with pytest.raises(ValueError, match=r"nearest: k must be 1..3, the stored rows, got 4\."):
        nearest(torch.randn(2, 4), torch.randn(3, 4), 4)


def test_nearest_agrees_with_faiss():
    import faiss

    g = torch.Generator().manual_seed(1)
    query, rows = unit(torch.randn(30, 16, generator=g)), unit(torch.randn(400, 16, generator=g))
    index = faiss.IndexFlatIP(16)
    index.add(rows.numpy())
    assert nearest(query, rows, 5)[1].tolist() == index.search(query.numpy(), 5)[1].tolist()


def test_unit_rows():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert unit(x).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]
    assert unit(x.bfloat16()).dtype == torch.float32 and unit(x.double()).dtype == torch.float64
    assert precise(x.half()).dtype == torch.float32


@pytest.mark.parametrize("rows", [40, 100])
def test_own_image_is_in_the_queue_as_often_as_theory_says(rows):
    """METHODS 5, pitfall 1: with r = m / N and a shuffled epoch, r^2 / 2 for r <= 1."""
    n, batch = 200, 2
    g = torch.Generator().manual_seed(0)
    queue, hits, looked = Queue(rows, 2), 0, 0
    for epoch in range(40):
        for index in torch.randperm(n, generator=g).split(batch):
            if epoch > 1:
                hits += int((index[:, None] == queue.index).any(1).sum())
                looked += batch
            queue.push(torch.ones(batch, 2), index)
    assert hits / looked == pytest.approx((rows / n) ** 2 / 2, rel=0.15)


@pytest.mark.parametrize("r", [0.25, 0.5, 1.0, 1.5])
def test_how_often_a_queue_holds_the_anchors_own_past(r):
    """With shuffled epochs: r^2 / 2 for a queue of r <= 1 data sets, else 1 - (2 - r)^2 / 2."""
    n, batch = 1000, 20
    queue, generator = Queue(int(r * n), 2), torch.Generator().manual_seed(0)
    held, seen = 0, 0
    for epoch in range(12):
        for index in torch.randperm(n, generator=generator).split(batch):
            if epoch >= 2:
                held += int((index[:, None] == queue.index).any(1).sum())
                seen += batch
            queue.push(torch.ones(batch, 2), index)
    expected = r**2 / 2 if r <= 1 else 1 - (2 - r) ** 2 / 2
    assert held / seen == pytest.approx(expected, abs=0.03)
