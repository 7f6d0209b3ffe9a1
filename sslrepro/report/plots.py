"""How every plot is made and kept: one look, no state of matplotlib's that a reader could notice, the same bytes twice.

A reader's notebook has a backend, a style and figures of its own. Plots here are objects without pyplot, drawn in a
style that is put back afterwards.
"""

import base64
import contextlib
import html
import io
from collections.abc import Iterator
from functools import cached_property
from typing import Any

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8f98")  # Okabe-Ito
MARKERS = "osD^vP*X"
RASTER = {"format": "png", "dpi": 130, "metadata": {"Software": None}}  # no version of matplotlib in the file
PRINT = {"format": "pdf", "metadata": {"CreationDate": None, "Creator": None, "Producer": None}}
VECTOR = {"format": "svg", "metadata": {"Date": None, "Creator": None}}


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib's defaults inside, whatever the reader has set; the reader's own settings again after it."""
    import matplotlib
    import matplotlib.style

    with matplotlib.style.context("default"):
        matplotlib.rcParams["svg.fonttype"] = "none"  # letters stay letters: a third of the size, and editable
        matplotlib.rcParams["svg.hashsalt"] = "sslrepro"  # the same ids in every file
        yield


def new_plot(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **subplots: Any) -> tuple[Any, Any]:
    """(figure, axes) as of `pyplot.subplots`, without pyplot: no window, no list of open figures, no backend.

    size       (width, height) in inches
    subplots   further arguments of `Figure.subplots`; `layout` of the figure, "constrained" by default

    >>> plot, axes = new_plot(1, 2, size=(6, 3))
    >>> axes.shape
    (2,)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plot

    plot = Plot(figsize=size, layout=subplots.pop("layout", "constrained"))
    FigureCanvasAgg(plot)
    return plot, plot.subplots(rows, columns, **subplots)


def style(plot: Any, axes: list[Any]) -> None:
    """One look for all plots, on a light card that also stands in dark mode."""
    plot.patch.set_facecolor("#ffffff")
    for axis in axes:
        axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        axis.tick_params(labelsize=9)


def save(plot: Any, how: dict[str, Any]) -> bytes:
    """A plot as the bytes of a file; the same plot, the same bytes."""
    buffer = io.BytesIO()
    with own_style():
        plot.savefig(buffer, **how)
    return buffer.getvalue()


class Figure:
    """A plot as PNG with its alternative text; where it has a name, also as SVG and its numbers as CSV, to download.

    plot   a figure of matplotlib;  alt   what it shows, in words and numbers
    name   of the downloads, without ending; "" for none
    data   the numbers it shows, as CSV
    """

    def __init__(self, plot: Any, alt: str, name: str = "", data: str = ""):
        self.png, self.alt, self.name, self.data, self.plot = save(plot, RASTER), alt, name, data, plot

    @cached_property
    def svg(self) -> bytes:
        """The plot as SVG."""
        return save(self.plot, VECTOR)

    @cached_property
    def pdf(self) -> bytes:
        """The plot as PDF, for a paper."""
        return save(self.plot, PRINT)

    @property
    def downloads(self) -> str:
        """Links in HTML that hold the SVG and the CSV; "" without a name."""
        if not self.name:
            return ""
        files = [("SVG", "svg", "image/svg+xml", self.svg), ("data (CSV)", "csv", "text/plain", self.data.encode())]
        links = [f'<a download="{self.name}.{ending}" href="data:{kind};base64,{base64.b64encode(content).decode()}">'
                 f"{label}</a>" for label, ending, kind, content in files if content]  # fmt: skip
        return f'<p class="copies">Download this figure: {" · ".join(links)}</p>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        data = base64.b64encode(self.png).decode()
        return {
            "text/html": f'<div class="scroll"><img class="plot wide" alt="{html.escape(self.alt)}" '
            f'src="data:image/png;base64,{data}"></div>{self.downloads}',
            "text/plain": self.alt,
        }
