"""How are images set out beside the image they were chosen for? A row each, right ones and wrong ones framed apart."""

from typing import Any, NamedTuple

from sslrepro.data.dataset import Dataset
from sslrepro.embeddings.player import HUES
from sslrepro.report.plots import new_plot, own_style


class Row(NamedTuple):
    """One row of a sheet, as data-set indices.

    words    beside the anchor, upright; "" for none
    blocks   images of each block, best first; -1 leaves a place empty
    """

    anchor: int
    words: str
    blocks: list[list[int]]


@own_style()
def sheet(data: Dataset, first: str, titles: list[str], rows: list[Row], each: int, side: float = 0.5) -> Any:
    """A plot of rows of images: the anchor, then blocks of `each` images under their titles.

    first   the anchors' title;  side   inches of an image

    A thick blue frame marks an image of the anchor's class, a thin orange one another class.
    """
    label = data.labels.numpy()
    anchor_wide = 1.3 if any(row.words for row in rows) else 1.0
    height = (side + 0.02) * len(rows) + 0.3
    spacing = {
        "width_ratios": [anchor_wide, *([0.5, *[1] * each] * len(titles))],
        "wspace": 0.14,
        "hspace": 0.14,
        "left": 0.01,
        "right": 0.99,
        "bottom": 0.06 / height,
        "top": 1 - 0.3 / height,
    }
    width, columns = side * (anchor_wide + len(titles) * (each + 0.5)), 1 + len(titles) * (each + 1)
    plot, axes = new_plot(len(rows), columns, size=(width, height), layout=None, squeeze=False, gridspec_kw=spacing)
    for line, (anchor, words, blocks) in zip(axes, rows, strict=True):
        for axis in line:
            axis.axis("off")
        line[0].imshow(as_image(data, anchor), interpolation="nearest")
        if words:
            line[0].text(
                -0.08, 0.5, words, transform=line[0].transAxes, rotation=90, fontsize=7, va="center", ha="right"
            )
        for block, images in enumerate(blocks):
            for column, image in enumerate(images[:each]):
                if image >= 0:
                    axis = line[first_column(block, each) + column]
                    axis.imshow(as_image(data, image), interpolation="nearest")
                    frame(axis, bool(label[image] == label[anchor]))
    for block, title in enumerate(titles):
        axes[0][first_column(block, each)].set_title(title, fontsize=8, loc="left")
    axes[0][0].set_title(first, fontsize=8)
    plot.patch.set_facecolor("#ffffff")
    return plot


def first_column(block: int, each: int) -> int:
    """Where a block begins: after the anchor, the blocks before it, and a gap before each."""
    return 2 + block * (each + 1)


def frame(axis: Any, right: bool) -> None:
    """The frame that tells whether an image is of the anchor's class."""
    axis.axis("on"), axis.set_xticks([]), axis.set_yticks([])
    for side in axis.spines.values():
        side.set(color=HUES[0] if right else HUES[1], linewidth=2.4 if right else 1.0)


def as_image(data: Dataset, index: int) -> Any:
    """An image as matplotlib takes it."""
    return data.images[index].permute(1, 2, 0).numpy()
