"""Pictures of the synthetic images: a sheet of all classes, and the class tree."""

import base64
import functools
import html
import io

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


class ShapesSheet(Directive):
    """Sample images of the procedural set, three per leaf class."""

    def run(self) -> list[nodes.Node]:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        from sslrepro.data import load
        from sslrepro.data.dataset import DataConfig
        from sslrepro.data.shapes import FAMILIES, VARIANTS

        train, _ = load(DataConfig("shapes", n_train=48 * 8, n_test=48, side=16, seed=7))
        plot, axes = plt.subplots(12, 16, figsize=(11, 8.6), layout="constrained")
        shapes = [shape for family in FAMILIES.values() for shape in family]
        for row, axis_row in enumerate(axes):
            variant, copy = divmod(row, 4)
            for column, axis in enumerate(axis_row):
                leaf = variant * 16 + column
                image = train.images[(train.labels == leaf).nonzero()[copy, 0]]
                axis.imshow(image.permute(1, 2, 0), interpolation="nearest")
                axis.set_xticks([]), axis.set_yticks([])
                if row == 0:
                    axis.set_title(shapes[column], fontsize=7)
                if column == 0 and copy == 0:
                    axis.set_ylabel(VARIANTS[variant], fontsize=8)
        buffer = io.BytesIO()
        plot.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
        plt.close(plot)
        data = base64.b64encode(buffer.getvalue()).decode()
        alt = "Sample images of shapes: 16 shapes in columns, four images each of the solid, hollow and bitten variant."
        return [
            nodes.raw("", f'<img class="plot photo" alt="{alt}" src="data:image/png;base64,{data}">', format="html")
        ]


@functools.cache
def class_tree() -> tuple[bytes, str]:
    """Six of the embedded images with their labels at every level of the class tree: a PNG and its alternative text."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from sslrepro.data import load
    from sslrepro.data.dataset import DataConfig
    from sslrepro.data.shapes import LEAVES, LEVELS

    train, _ = load(DataConfig("shapes", n_train=48 * 8, n_test=48, side=16, seed=7))
    chosen = (0, 21, 26, 31, 36, 47)  # leaves of all families and variants
    plot, axes = plt.subplots(1, len(chosen), figsize=(10, 2.7), layout="constrained")
    parts = []
    for axis, leaf in zip(axes, chosen, strict=True):
        family, shape, variant = LEAVES[leaf]
        image = train.images[(train.labels == leaf).nonzero()[0, 0]]
        axis.imshow(image.permute(1, 2, 0), interpolation="nearest")
        axis.set_xticks([]), axis.set_yticks([])
        axis.set_xlabel(f"{family}\n{shape}\n{variant} {shape}", fontsize=9)
        parts.append(f"{variant} {shape} (shape {shape}, family {family})")
    depths = " / ".join(f"{n}" for n in sorted(LEVELS))
    plot.suptitle(f"labels with {depths} classes, from above", fontsize=9)
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(plot)
    return buffer.getvalue(), "Six images and their labels at three levels: " + "; ".join(parts) + "."


class ClassTree(Directive):
    """Six of the embedded images with their labels at every level of the class tree."""

    def run(self) -> list[nodes.Node]:
        png, alt = class_tree()
        data, alt = base64.b64encode(png).decode(), html.escape(alt, quote=True)
        image = (
            f'<div class="scroll"><img class="plot wide photo" alt="{alt}" src="data:image/png;base64,{data}"></div>'
        )
        return [nodes.raw("", image, format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("shapes-sheet", ShapesSheet)
    app.add_directive("class-tree", ClassTree)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
