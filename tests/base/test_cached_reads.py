"""Facts kept on the host: true as long as the tensor stands, and no reading of it in between."""

import copy
import pickle

import torch

from sslrepro.base.device import CachedRead
from sslrepro.parts.memory import Queue, shuffle_order
from sslrepro.parts.mining import list_pairs


class Reads:
    def __init__(self):
        self.n = 0

    def __call__(self, tensor):
        self.n += 1
        return int(tensor.sum())


def test_a_note_is_read_once_and_again_after_a_write():
    x, note, read = torch.ones(3), CachedRead(), Reads()
    assert [note.get(x, read), note.get(x, read)] == [3, 3] and read.n == 1
    x += 1
    assert note.get(x, read) == 6 and read.n == 2
    note.put(x.zero_(), 0)
    assert note.get(x, read) == 0 and read.n == 2
    assert note.get(torch.ones(5), read) == 5  # another tensor, even one of as many writes
    assert note.get(x, read) == 0 and read.n == 4


def test_copies_of_a_note_know_nothing():
    x, note, read = torch.ones(3), CachedRead(), Reads()
    note.get(x, read)
    for other in (copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
        assert other.get(x, read) == 3
    assert read.n == 3


def test_a_queue_knows_how_many_rows_it_holds_however_it_came_by_them():
    queue = Queue(6, 2)
    for pushed, expected in ((4, 4), (1, 5), (3, 6), (1, 6)):
        queue.push(torch.randn(pushed, 2), torch.arange(pushed))
        assert queue.n_written == expected == int((queue.index >= 0).sum())
    other = Queue(6, 2)
    assert other.n_written == 0
    other.load_state_dict(queue.state_dict())
    assert other.full and copy.deepcopy(queue).full
    other.index[2] = -1
    assert other.n_written == 5 and not other.full


def test_shuffled_is_a_fair_permutation_that_follows_from_its_marks():
    marks = [torch.tensor([a, b]).unbind() for a in range(60) for b in range(50)]
    drawn = torch.stack([shuffle_order(8, *mark) for mark in marks])
    assert torch.equal(drawn.sort(1).values, torch.arange(8).expand_as(drawn))
    assert torch.equal(drawn[7], shuffle_order(8, *marks[7])) and not torch.equal(drawn[7], drawn[8])
    counts = torch.stack([torch.bincount(drawn[:, place], minlength=8) for place in range(8)]).double()
    expected = len(marks) / 8
    assert float(((counts - expected) ** 2 / expected).sum()) < 85  # chi-squared, 49 degrees of freedom, p = 0.001


def test_listed_holds_what_was_found_and_nothing_else():
    mask = torch.rand(5, 9, generator=torch.Generator().manual_seed(0)) < 0.3
    anchor, key = torch.arange(10, 15), torch.arange(100, 109)
    n = int(mask.sum(1).max())
    for most in (n, n + 3, 20):
        row, seen = list_pairs(anchor, mask, key, most)
        assert len(row) == len(seen) == 5 * min(most, 9)
        pairs = [(int(a), int(k)) for a, k in zip(row, seen, strict=True) if k >= 0]
        expected = [(10 + i, 100 + j) for i, j in mask.nonzero().tolist()]
        assert sorted(pairs) == expected
