"""Sheets of images: what stands where, and right and wrong ones are framed apart by more than colour."""

import numpy as np
import torch

from sslrepro.data.dataset import Dataset
from sslrepro.embeddings import sheets
from sslrepro.embeddings.sheets import Row


def data() -> Dataset:
    """Six images of two classes, each of one gray value: its number."""
    images = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 4, 4).contiguous()
    return Dataset("six", images, torch.tensor([0, 1, 0, 1, 0, 1]), ("even", "odd"), {}, "")


def value(axis) -> int:
    """The number of the image that an axis shows, -1 for none."""
    return int(np.asarray(axis.images[0].get_array()).flat[0]) if axis.images else -1


def test_images_stand_in_their_rows_and_blocks():
    rows = [Row(0, "A", [[2, 3], [5]]), Row(1, "", [[-1, 4], []])]
    plot = sheets.sheet(data(), "query", ["left", "right"], rows, 2)
    shown = np.array([value(axis) for axis in plot.axes]).reshape(2, 7)
    assert shown.tolist() == [[0, -1, 2, 3, -1, 5, -1], [1, -1, -1, 4, -1, -1, -1]]
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in plot.axes]
    assert [titles[place] for place in (0, 2, 5)] == ["query", "left", "right"]
    assert [text.get_text() for text in plot.axes[0].texts] == ["A"] and not plot.axes[7].texts


def test_frames_differ_in_width_and_colour():
    plot = sheets.sheet(data(), "anchor", ["one"], [Row(0, "", [[2, 3]])], 2)
    right, wrong = (axis.spines["left"] for axis in plot.axes[2:])
    assert right.get_linewidth() > 2 * wrong.get_linewidth() and right.get_edgecolor() != wrong.get_edgecolor()


def test_no_more_images_than_a_block_holds():
    plot = sheets.sheet(data(), "anchor", ["one"], [Row(0, "", [[1, 2, 3, 4]])], 2)
    assert [value(axis) for axis in plot.axes] == [0, -1, 1, 2]
