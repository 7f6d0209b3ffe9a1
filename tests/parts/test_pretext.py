"""Versions of a view against plain loops over pixels."""

import itertools

import pytest
import torch

from sslrepro.parts.pretext import cut_tiles, distant_permutations, drawn_numbers, standard_tiles, turn_images


def turned_by_hand(image: list, quarter: int) -> list:
    """Counter-clockwise: the right column becomes the top row."""
    for _ in range(quarter % 4):
        side = len(image)
        image = [[image[row][side - 1 - column] for row in range(side)] for column in range(side)]
    return image


@pytest.mark.parametrize("degrees", [(0, 90, 180, 270), (180,), (90, 270), (-90, 450)])
def test_turns_against_a_loop_over_pixels(degrees):
    images = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    turned = turn_images(images, degrees)
    assert turned.shape == (3 * len(degrees), 2, 4, 4)
    for number, angle in enumerate(degrees):
        for i, image in enumerate(images):
            for channel, plane in enumerate(image):
                assert turned[3 * number + i, channel].tolist() == turned_by_hand(plane.tolist(), angle // 90)


def test_turns_keep_the_memory_format():
    images = torch.randn(2, 3, 4, 4)
    assert turn_images(images, (0, 90)).is_contiguous()
    last = images.contiguous(memory_format=torch.channels_last)
    assert turn_images(last, (0, 90)).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(turn_images(last, (0, 90)), turn_images(images, (0, 90)))


def test_turns_that_would_need_other_pixels_are_one_clear_error():
    with pytest.raises(ValueError, match=r"turn_images: degrees must be multiples of 90, got \[45\]"):
        turn_images(torch.zeros(1, 3, 4, 4), (45,))
    with pytest.raises(ValueError, match=r"turn_images: view must be of square images, got \[1, 3, 4, 5\]"):
        turn_images(torch.zeros(1, 3, 4, 5), (90,))


@pytest.mark.parametrize(("side", "grid", "share"), [(8, 2, 0.75), (16, 3, 64 / 85), (11, 3, 1.0), (9, 1, 0.8)])
def test_tiles_against_a_loop_over_pixels(side, grid, share):
    """Every tile is a square of its own cell; over many steps it has been everywhere in it."""
    image = torch.arange(float(side * side)).view(1, 1, side, side)
    images = torch.cat([image, image + 1000])
    cell = side // grid
    tile, start = max(1, round(cell * share)), (side - grid * cell) // 2
    seen, apart = set(), False
    for step in range(60):
        tiles = cut_tiles(images, grid, share, torch.tensor(step))
        assert tiles.shape == (2 * grid * grid, 1, tile, tile)
        places = set()
        for number in range(grid * grid):
            first, second = tiles[2 * number, 0], tiles[2 * number + 1, 0]
            assert torch.equal(second, first + 1000), "an image's tiles are its own, and lie alike"
            top, left = divmod(int(first[0, 0]), side)
            down, right = top - start - cell * (number // grid), left - start - cell * (number % grid)
            assert 0 <= down <= cell - tile and 0 <= right <= cell - tile
            by_hand = [[float(side * (top + row) + left + column) for column in range(tile)] for row in range(tile)]
            assert first.tolist() == by_hand
            seen.add((number, down, right))
            places.add((down, right))
        apart = apart or len(places) > 1
    assert apart == (grid > 1 and tile < cell), "cells have places of their own"
    assert len(seen) == grid * grid * (cell - tile + 1) ** 2


def test_tiles_keep_the_memory_format():
    images = torch.randn(2, 3, 9, 9).contiguous(memory_format=torch.channels_last)
    assert cut_tiles(images, 3, 0.7, torch.tensor(1)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((torch.zeros(1, 3, 4, 5), 2, 1.0), r"view must be of square images, got \[1, 3, 4, 5\]"),
        ((torch.zeros(1, 3, 4, 4), 5, 1.0), r"grid must be 1\.\.4, the pixels of a side, got 5"),
        ((torch.zeros(1, 3, 4, 4), 2, 0.0), r"share must be in \(0, 1\], got 0\.0"),
    ],
)
def test_tiles_that_cannot_be_cut_are_one_clear_error(values, message):
    with pytest.raises(ValueError, match=f"cut_tiles: {message}"):
        cut_tiles(*values, torch.tensor(0))


def test_draws_follow_from_image_and_step_alone():
    index, mark = torch.arange(2000), torch.tensor(7)
    numbers = drawn_numbers(index, 9, mark)
    assert (numbers >= 0).all() and torch.equal(drawn_numbers(index.flip(0), 9, mark).flip(0), numbers)
    assert torch.equal(drawn_numbers(index[50:60], 9, mark), numbers[50:60])
    assert (drawn_numbers(index, 9, mark + 1) != numbers).float().mean() > 0.99


def test_draws_are_even():
    """Remainders, orders of three and neighbouring steps: as even as 2,000 throws (four standard errors)."""
    numbers = drawn_numbers(torch.arange(2000), 9, torch.tensor(123))
    for counts in (
        torch.bincount(numbers[:, 0] % 40, minlength=40),
        torch.bincount((numbers[:, :3].argsort(1) * torch.tensor([9, 3, 1])).sum(1))[[5, 7, 11, 15, 19, 21]],
        torch.bincount(drawn_numbers(torch.tensor([3]), 2000, torch.tensor(5))[0] % 2, minlength=2),
        torch.bincount(
            torch.stack([drawn_numbers(torch.tensor([3]), 1, torch.tensor(s))[0, 0] for s in range(2000)]) % 9
        ),
    ):
        expected = 2000 / len(counts)
        assert (counts - expected).abs().max() < 4 * expected**0.5


def test_every_tile_is_standard_in_every_colour():
    tiles = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 3 + 7
    tiles[1, 2] = 0.25  # of one colour
    standard = standard_tiles(tiles)
    for tile, ours in zip(tiles, standard, strict=True):
        for plane, values in zip(tile.flatten(1).tolist(), ours.flatten(1).tolist(), strict=True):
            centre = sum(plane) / 25
            deviation = (sum((x - centre) ** 2 for x in plane) / 25) ** 0.5
            expected = [0.0 if deviation < 1e-6 else (x - centre) / deviation for x in plane]
            assert values == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("n_tiles", "n", "first"), [(3, 6, 4), (4, 9, 0), (4, 24, 17), (4, 2, 24 + 5)])
def test_permutations_against_a_search_of_all(n_tiles, n, first):
    """Algorithm 1: of those left, the one with the largest mean Hamming distance to those taken."""
    left = sorted(itertools.permutations(range(n_tiles)))
    taken = [left.pop(first % len(left))]
    while len(taken) < n:
        means = [sum(a != b for old in taken for a, b in zip(old, new, strict=True)) / len(taken) for new in left]
        taken.append(left.pop(means.index(max(means))))
    assert distant_permutations(n_tiles, n, first).tolist() == [list(order) for order in taken]


def test_more_permutations_than_there_are_is_one_clear_error():
    with pytest.raises(
        ValueError, match=r"distant_permutations: n must be 1\.\.24, the permutations of 4 tiles, got 25"
    ):
        distant_permutations(4, 25, 0)
    with pytest.raises(ValueError, match=r"distant_permutations: n_tiles must be 2\.\.9, got 16"):
        distant_permutations(16, 5, 0)
