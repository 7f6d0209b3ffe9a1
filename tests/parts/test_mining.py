"""Mined pairs against all pairs by brute force, and the choices among keys against loops."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sslrepro.parts.memory import unit
from sslrepro.parts.mining import distinct_nearest, extreme, similar_pairs, window


def drawn(n: int, d: int = 3, seed: int = 0) -> torch.Tensor:
    return unit(torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def every_pair(x: torch.Tensor, low: float, high: float) -> dict[tuple[int, int], float]:
    rows, cosines = x.tolist(), {}
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            cosine = sum(a * b for a, b in zip(rows[i], rows[j], strict=True))
            if low <= cosine <= high:
                cosines[i, j] = cosine
    return cosines


def mined(x: torch.Tensor, low: float, high: float, **how) -> dict[tuple[int, int], float]:
    pairs, cosines = similar_pairs(x, low, high, **how)
    listed = [tuple(pair) for pair in pairs.tolist()]
    assert len(set(listed)) == len(listed) and all(a < b for a, b in listed)
    assert listed == sorted(listed)  # in order of the first row, then the second
    return dict(zip(listed, cosines.tolist(), strict=True))


@pytest.mark.parametrize("tile", [1, 3, 7, 16, 40, 41, 4096])
def test_tiles_find_what_brute_force_finds(tile):
    x = drawn(40)
    pairs, expected = mined(x, 0.6, 0.95, tile=tile), every_pair(x, 0.6, 0.95)
    assert list(pairs) == list(expected) and len(pairs) > 50
    assert list(pairs.values()) == pytest.approx(list(expected.values()), abs=1e-12)


def test_bounds_are_inclusive():
    """Blocks of two rows whose dot product is exactly the given fp32 number, orthogonal to all other blocks."""
    low, high = torch.tensor(0.97), torch.tensor(0.99)
    wanted = [low, torch.nextafter(low, high * 0), high, torch.nextafter(high, high * 2), torch.tensor(0.98)]
    x = torch.zeros(10, 10)
    for block, cosine in enumerate(wanted):
        x[2 * block, 2 * block] = 1
        x[2 * block + 1, 2 * block] = cosine
        x[2 * block + 1, 2 * block + 1] = (1 - cosine**2).sqrt()
    for tile in (3, 64):
        assert list(mined(x, 0.97, 0.99, tile=tile)) == [(0, 1), (4, 5), (8, 9)]


def test_a_row_is_no_pair_with_itself_but_with_its_duplicate():
    x = torch.eye(4)[[0, 1, 2, 0, 1, 0]]
    for tile in (2, 5, 6):
        assert mined(x, 1.0, 1.0, tile=tile) == {(0, 3): 1, (0, 5): 1, (1, 4): 1, (3, 5): 1}


def test_nothing_found_has_the_shape_of_pairs():
    pairs, cosines = similar_pairs(torch.eye(5), 0.5, 0.9, tile=2)
    assert pairs.shape == (0, 2) and cosines.shape == (0,)


def test_the_order_of_rows_does_not_matter():
    x, order = drawn(30), torch.randperm(30, generator=torch.Generator().manual_seed(1))
    pairs = mined(x[order], 0.5, 0.9, tile=8)
    back = {tuple(sorted(order[list(pair)].tolist())) for pair in pairs}
    assert back == set(mined(x, 0.5, 0.9, tile=7)) and len(back) > 20


def test_half_precision_rows_are_compared_in_full():
    x = drawn(30).bfloat16()
    pairs = mined(x, 0.5, 0.9)
    assert set(pairs) == set(every_pair(x.double(), 0.5, 0.9)) and similar_pairs(x, 0.5, 0.9)[1].dtype == torch.float32


@pytest.mark.parametrize("max_partners", [None, 1, 2, 5])
@pytest.mark.parametrize("max_pairs", [None, 0, 4, 10_000])
def test_caps_keep_the_most_similar(max_partners, max_pairs):
    x = drawn(30)
    degree, expected = [0] * 30, {}
    for (a, b), cosine in sorted(every_pair(x, 0.4, 1.0).items(), key=lambda item: -item[1]):
        free = max_partners is None or max(degree[a], degree[b]) < max_partners
        if free and (max_pairs is None or len(expected) < max_pairs):
            expected[a, b] = cosine
            degree[a] += 1
            degree[b] += 1
    pairs = mined(x, 0.4, 1.0, max_partners=max_partners, max_pairs=max_pairs, tile=7)
    assert list(pairs) == sorted(expected)
    assert list(pairs.values()) == pytest.approx([expected[pair] for pair in sorted(expected)], abs=1e-12)


def test_bounds_in_the_wrong_order_say_so():
    with pytest.raises(ValueError, match=r"similar_pairs: low must be <= high, 0\.9, got 0\.97"):
        similar_pairs(torch.eye(3), 0.97, 0.9)


def test_duplicates_count_up_to_a_bound_of_one():
    """In fp32 the cosine of a row with itself may come out above 1."""
    x = drawn(300, 32).float().repeat(2, 1)
    assert list(mined(x, 0.999, 1.0, tile=128)) == [(i, i + 300) for i in range(300)]


MANY = """
import pathlib, torch
torch.set_num_threads(1)
from sslrepro.parts.memory import unit
from sslrepro.parts.mining import similar_pairs

def gib(name):  # of this process alone: the peak that getrusage gives may be its parent's
    lines = pathlib.Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 2**20

g = torch.Generator().manual_seed(0)
x = unit(torch.randn(40_000, 64, generator=g))
first, second, other = torch.randperm(40_000, generator=g)[:6000].view(3, 2000)
x[second] = unit(x[first] + 0.2 * x[other])  # 2000 pairs, in all tiles, of cosines about 0.98
before = gib("VmRSS")
pairs, _ = similar_pairs(x, 0.96, 0.995)
print(gib("VmHWM") - before, pairs.tolist() == sorted(torch.stack([first, second], 1).sort(1).values.tolist()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_tiles():
    """40,000 rows: all cosines at once would be 6 GiB, one tile against all rows 0.6 GiB."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    gib, right = done.stdout.split()
    assert right == "True" and float(gib) < 0.5


@pytest.mark.parametrize("high", [1.0, 0.8])
@pytest.mark.parametrize("quantile", [0.02, 0.3])
def test_window_leaves_the_share_of_pairs_above_it(quantile, high):
    x = drawn(60, 4)
    low = window(x, quantile, 250_000, torch.Generator().manual_seed(0), high)
    assert len(every_pair(x, low, high)) / (60 * 59 / 2) == pytest.approx(quantile, abs=0.005)


def test_window_draws_pairs_of_different_rows_and_repeats():
    assert window(torch.eye(5), 0.001, 1000, torch.Generator().manual_seed(0)) == 0  # never a row with itself
    x = drawn(60)
    draws = [window(x, 0.1, 200, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("quantile", [0, 1])
def test_window_of_no_share_says_so(quantile):
    with pytest.raises(ValueError, match=r"mining\.window: quantile must be in \(0, 1\)"):
        window(torch.eye(3), quantile, 10, torch.Generator())


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("n", [0, 1, 4, 50])
def test_extreme_against_sorting(n, largest):
    similarity, draw = drawn(9, 12), random.Random(n)
    among = torch.tensor([[draw.random() < row / 8 for _ in range(12)] for row in range(9)])  # none ... all
    chosen = extreme(similarity, among, n, largest)
    for row in range(9):
        allowed = [k for k in range(12) if among[row, k]]
        best = sorted(allowed, key=similarity[row].tolist().__getitem__, reverse=largest)[:n]
        assert chosen[row].nonzero()[:, 0].tolist() == sorted(best)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_distinct_nearest_against_a_loop(k):
    similarity, draw = drawn(8, 14), random.Random(k)
    row_index = [draw.choice([-1, 0, 2, 5, 7, 9, 11]) for _ in range(14)]  # several rows of an image, and unused rows
    among = torch.tensor([[draw.random() < row / 7 for _ in range(14)] for row in range(8)])
    expected = []
    for row in range(8):
        nearest: list[int] = []
        for slot in sorted(range(14), key=similarity[row].tolist().__getitem__, reverse=True):
            if among[row, slot] and row_index[slot] >= 0 and row_index[slot] not in nearest:
                nearest.append(row_index[slot])
        expected.append((nearest + [-1] * k)[:k])
    assert distinct_nearest(similarity, torch.tensor(row_index), among, k).tolist() == expected
    assert expected[0] == [-1] * k and expected[7][0] != -1
