"""How every plot is made and kept: one look, no state of matplotlib's that a reader could notice, the same bytes twice.

A reader's notebook has a backend, a style and figures of its own. Plots here are objects without pyplot, drawn in a
style that is put back afterwards.
"""

import base64
import contextlib
import csv
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


def save_as_laid_out(plot: Any, how: dict[str, Any]) -> bytes:
    """The same of a plot that was saved before: its parts stay where they are, and saving takes a third less."""
    engine = plot.get_layout_engine()
    plot.set_layout_engine("none")
    try:
        return save(plot, how)
    finally:
        if engine is not None:
            plot.set_layout_engine(engine)


def csv_of(plot: Any) -> str:
    """The numbers that a plot shows, as CSV: panel, series, x and y, and the ends of their bars, each as drawn.

    A place on an axis with named ticks has that name; marks that would hide each other stand a little aside of it.

    >>> plot, axis = new_plot(size=(4, 3))
    >>> _ = axis.errorbar([1, 2], [3.0, 5.0], [0.5, 1.0], label="ours")
    >>> print(csv_of(plot).splitlines()[1])
    ,ours,1.0,3.0,,,2.5,3.5
    """
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(["panel", "series", "x", "y", "x_low", "x_high", "y_low", "y_high"])
    for axis in plot.axes:
        with_bars = [each for each in axis.containers if hasattr(each, "has_yerr")]
        columns = [each for each in axis.containers if hasattr(each, "datavalues")]
        of_columns = {id(each.errorbar) for each in columns}
        parts = {id(line) for each in with_bars for line in (each[0], *each[1])}
        series = [(each.get_label(), _columns(each)) for each in columns]
        series += [(each.get_label(), _marks(each)) for each in with_bars if id(each) not in of_columns]
        series += [
            (line.get_label(), [(x, y) for x, y in zip(*line.get_data(), strict=True)])
            for line in axis.lines
            if id(line) not in parts and line.get_transform() == axis.transData
        ]
        for label, points in series:
            for x, y, *ends in points:
                write(
                    [
                        axis.get_title(),
                        "" if str(label).startswith("_") else label,
                        _name(axis.xaxis, x),
                        _name(axis.yaxis, y),
                        *map(_exact, ends or [None] * 4),
                    ]
                )
    return out.getvalue()


def _marks(container: Any) -> list[tuple[float | None, ...]]:
    """(x, y, ends of the bar along x, ends along y) of every mark; None where there is no bar."""
    bars = list(container[2])
    ends = {
        "x": bars.pop(0).get_segments() if container.has_xerr else None,
        "y": bars.pop(0).get_segments() if container.has_yerr else None,
    }
    return [
        (
            x,
            y,
            *((s[i][0][0], s[i][1][0]) if (s := ends["x"]) else (None, None)),
            *((s[i][0][1], s[i][1][1]) if (s := ends["y"]) else (None, None)),
        )
        for i, (x, y) in enumerate(zip(*container[0].get_data(), strict=True))
    ]


def _columns(container: Any) -> list[tuple[float | None, ...]]:
    """The same of horizontal or upright columns, whose ends are their values."""
    along = container.orientation == "horizontal"
    segments = container.errorbar[2][0].get_segments() if container.errorbar else None
    points = []
    for i, (patch, value) in enumerate(zip(container.patches, container.datavalues, strict=True)):
        across = patch.get_y() + patch.get_height() / 2 if along else patch.get_x() + patch.get_width() / 2
        ends = (None, None) if segments is None else tuple(point[0 if along else 1] for point in segments[i])
        points.append((value, across, *ends, None, None) if along else (across, value, None, None, *ends))
    return points


def _name(axis: Any, value: float) -> str:
    """The name that an axis gives a place, else its number."""
    places = list(getattr(axis.get_major_locator(), "locs", []))
    names = {place: axis.get_major_formatter()(place, number) for number, place in enumerate(places)}
    return names.get(value) or _exact(value)


def _exact(value: float | None) -> str:
    return "" if value is None else repr(float(value))


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
        """The plot as SVG, laid out as the PNG is."""
        return save_as_laid_out(self.plot, VECTOR)

    @cached_property
    def pdf(self) -> bytes:
        """The plot as PDF, for a paper, laid out as the PNG is."""
        return save_as_laid_out(self.plot, PRINT)

    @property
    def downloads(self) -> str:
        """Links in HTML that hold the SVG and the CSV; "" without a name."""
        if not self.name:
            return ""
        files = [("SVG", "svg", "image/svg+xml", self.svg), ("data (CSV)", "csv", "text/plain", self.data.encode())]
        links = [
            f'<a download="{self.name}.{ending}" href="data:{kind};base64,{base64.b64encode(content).decode()}">'
            f"{label}</a>"
            for label, ending, kind, content in files
            if content
        ]
        return f'<p class="copies">Download this figure: {" · ".join(links)}</p>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        data = base64.b64encode(self.png).decode()
        return {
            "text/html": f'<div class="scroll"><img class="plot wide" alt="{html.escape(self.alt)}" '
            f'src="data:image/png;base64,{data}"></div>{self.downloads}',
            "text/plain": self.alt,
        }
