"""The figure of a table: the paper's numbers beside ours, in the form that fits what the table varies."""

import html
import io
import re
import textwrap
from typing import Any

from sslrepro import papers
from sslrepro.claims import Cell
from sslrepro.report.formats import COLOURS, shown
from sslrepro.report.headings import (
    CONTROLS,
    NAMES,
    column_label,
    heading,
    is_numeric,
    mapped_columns,
    mapped_setting,
    plainly,
    printed,
    row_label,
    rows_in_order,
    series,
)
from sslrepro.study.results import Results

MINED = "neighbour_match_without_self"  # logged in training, over the last log interval
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8a8f98")  # Okabe-Ito
MARKERS = "osD^vP*X"
SHORT = {"random": "as initialised", "simclr": "SimCLR", "supcon": "SupCon", "pixels": "pixels", "supervised": "labels"}


def style(figure: Any, axes: list[Any]) -> None:
    """One look for all plots, on a light card that also stands in dark mode."""
    figure.patch.set_facecolor("#ffffff")
    for axis in axes:
        axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        axis.tick_params(labelsize=9)


class Figure:
    """A PNG with its alternative text; matplotlib's version and date stay out of the file."""

    def __init__(self, figure: Any, alt: str):
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
        plt.close(figure)
        self.png, self.alt = buffer.getvalue(), alt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        import base64

        data = base64.b64encode(self.png).decode()
        return {"text/html": f'<div class="scroll"><img class="plot wide" alt="{html.escape(self.alt)}" '
                f'src="data:image/png;base64,{data}"></div>', "text/plain": self.alt}  # fmt: skip


def form(found: Results) -> str:
    """ "line" over a number that rows differ in, "series" over one that columns differ in, else "dots"."""
    if is_numeric(found.definition):
        return "line"
    return "series" if series(found.definition) else "dots"


def figure(found: Results) -> Figure:
    """The paper's numbers and ours with 95% intervals, side by side, with an alternative text that says both."""
    import matplotlib

    matplotlib.use("Agg")
    return {"line": line, "series": lines_of_rows, "dots": dots}[form(found)](found)


def plotted(found: Results) -> list[str]:
    """The columns of the figure: those of the score that the table's effect is about, by default the first's."""
    definition = found.definition
    measured = definition.measured
    main = definition.ends[0][1] if definition.ends else next(iter(measured))
    if definition.column(main).derived:
        main = definition.column(main).of
    same = [name for name, column in measured.items() if column.score == measured[main].score]
    return [main] if len(same) > 1 and not any(measured[name].sets for name in same) else same


def half(cell: Cell) -> float:
    """Half the interval as an error bar; none for one seed."""
    return 0.0 if cell.n < 2 else cell.half_width


def line(found: Results) -> Figure:
    """Both series over what is varied, the paper's and ours with 95% intervals; and neighbour match, where mined."""
    import matplotlib.pyplot as plt

    definition = found.definition
    column = plotted(found)[0]
    rows = [row for row in definition.rows if found.at(row, column) is not None]
    labels = [f"{plainly(printed(definition, row, definition.varied))}\n({mapped_setting(found, row)})" for row in rows]
    places = range(len(rows))
    unit = "%" if definition.column(column).factor == 100 else papers_unit(found, column)
    panels = [(False, f"ours: {heading(definition, column)} ({unit})", COLOURS["ours"])]
    if rows and found.cell(rows[0], MINED) is not None:
        panels.append((True, "ours: neighbour has the class, last steps (%)", COLOURS["extra"]))
    plot, axes = plt.subplots(1, 1 + len(panels), figsize=(11, 3.5), layout="constrained")
    axes[0].plot(places, [printed(definition, row, column) for row in rows], "s-", color=COLOURS["paper"])
    axes[0].set_title(f"{paper_on(found)}, {column_label(definition, column)} ({unit})", fontsize=10)
    for axis, (mined, title, colour) in zip(axes[1:], panels, strict=True):
        cells = [found.cell(row, MINED) if mined else found.at(row, column) for row in rows]
        axis.errorbar(places, [cell.mean for cell in cells], [half(cell) for cell in cells], fmt="o-", color=colour,
                      capsize=3)  # fmt: skip
        for place, row in enumerate(rows):
            values = [100 * v for v in found.values(row, MINED)] if mined else list(found.seeded(row, column).values())
            axis.plot([place] * len(values), values, ".", color=colour, alpha=0.35, markersize=5)
        axis.set_title(title, fontsize=10)
    reference = found.at("simclr", column, control=True) if "simclr" in definition.controls else None
    if reference is not None:
        axes[1].axhline(reference.mean, color="#555555", linestyle="--", linewidth=1)
        axes[1].annotate("SimCLR", (0, reference.mean), xytext=(0, 3), textcoords="offset points", fontsize=8)
    for axis in axes:
        axis.set_xticks(list(places), labels, fontsize=8)
        axis.set_xlabel(f"{column_label(definition, definition.varied)}, paper (ours)", fontsize=9)
    style(plot, list(axes))
    names = {row: plainly(printed(definition, row, definition.varied)) for row in rows}
    means = ", ".join(f"{names[row]}: {shown(found.at(row, column))}" for row in rows)
    theirs = ", ".join(f"{names[row]}: {printed(definition, row, column)}" for row in rows)
    over = column_label(definition, definition.varied).lower()
    alt = (f"Panels over {over}. Paper's {column_label(definition, column)}: {theirs}. "
           f"Ours, mean and 95% interval: {means}.")  # fmt: skip
    if len(panels) > 1:
        matches = ", ".join(shown(found.cell(row, MINED)) for row in rows)
        alt += f" Share of mined neighbours with the anchor's class: {matches}."
    return Figure(plot, f"{alt} Small dots are single seeds.")


def paper_on(found: Results) -> str:
    """ "paper: ImageNet", or "paper" alone where the table is on several sets."""
    dataset = papers.table(found.definition.id)["dataset"]
    return "paper" if "," in dataset else f"paper: {dataset.split(' ')[0]}"


def papers_unit(found: Results, column: str) -> str:
    """The unit of a column as transcribed."""
    columns = papers.table(found.definition.id)["columns"]
    return next((one.get("unit") or "" for one in columns if one["key"] == column), "")


def lines_of_rows(found: Results) -> Figure:
    """A line per row over what the columns set: the paper's panel, ours with 95% intervals, one legend."""
    import matplotlib.pyplot as plt

    definition = found.definition
    columns = list(series(definition))
    became = mapped_columns(found)
    rows = rows_in_order(definition) + list(definition.variants)
    plot, axes = plt.subplots(1, 2, figsize=(11, 4.0), layout="constrained")
    main = [row for row in rows if definition.ours.get(row, {}).get("method", definition.method) == definition.method
            and row in definition.rows][:1]  # fmt: skip
    order = main + [row for row in rows if row not in main]  # the paper's own method has the first colour
    offsets = [0.04 * (number - (len(rows) - 1) / 2) for number in range(len(rows))]
    handles, said = [], []
    for number, row in enumerate(rows):
        place_of = order.index(row)
        look = dict(color=PALETTE[place_of % len(PALETTE)], marker=MARKERS[place_of % len(MARKERS)], markersize=5,
                    linewidth=2.4 if row in main else 1.2)  # fmt: skip
        theirs = [(x, value) for x, name in enumerate(columns) if (value := printed(definition, row, name)) is not None]
        ours = [(x, cell) for x, name in enumerate(columns) if (cell := found.at(row, name)) is not None]
        if theirs:
            axes[0].plot(*zip(*theirs, strict=True), linestyle="-" if row in definition.rows else ":", **look)
        if ours:
            x = [place + offsets[number] for place, _ in ours]
            axes[1].errorbar(
                x, [c.mean for _, c in ours], [half(c) for _, c in ours], capsize=2, elinewidth=0.9, **look
            )
        handles.append(plt.Line2D([], [], label=short(row_label(definition, row)), **look))
        said.append(f"{row_label(definition, row)}: paper {', '.join(f'{value}' for _, value in theirs) or 'none'}; "
                    f"ours {', '.join(shown(c) for _, c in ours) or 'not run'}")  # fmt: skip
    floor(found, axes[1], columns[0], vertical=False)
    axes[0].set_title(f"{paper_on(found)} (%)", fontsize=10)
    score = definition.column(columns[0]).score
    axes[1].set_title(f"ours: {NAMES.get(score, score)} (%)", fontsize=10)
    for axis, ticks in zip(axes, ([column_label(definition, c) for c in columns], [became.get(c, c) for c in columns]),
                           strict=True):  # fmt: skip
        axis.set_xticks(range(len(columns)), ticks, fontsize=8)
    style(plot, list(axes))
    plot.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False)
    heads = ", ".join(f"{column_label(definition, c)} (ours {became.get(c, c)})" for c in columns)
    return Figure(plot, f"Lines over {heads}. {'. '.join(said)}. Bars are 95% intervals.")


def dots(found: Results) -> Figure:
    """A line of dots per row: the paper's panel, ours with 95% intervals; a colour per column, controls as dashes."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    definition = found.definition
    columns = plotted(found)
    rows = rows_in_order(definition) + list(definition.variants)
    height = (0.34 if len(columns) < 3 else 0.42) * len(rows) + 1.6 + (0.3 if len(columns) > 1 else 0)
    plot, axes = plt.subplots(1, 2, figsize=(11, height), layout="constrained", sharey=True)
    spread = 0.5 / len(columns)
    for number, column in enumerate(columns):
        colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
        for place, row in enumerate(rows):
            y = place + spread * (number - (len(columns) - 1) / 2)
            value, cell = printed(definition, row, column), found.at(row, column)
            if value is not None:
                quoted = row not in definition.rows
                axes[0].plot(value, y, marker, markersize=6, color=COLOURS["paper"] if quoted else colour,
                             markerfacecolor="none" if quoted else None)  # fmt: skip
            if cell is not None:
                axes[1].errorbar(cell.mean, y, xerr=half(cell), fmt=marker, markersize=6, color=colour, capsize=3)
                seeds = list(found.seeded(row, column).values())
                axes[1].plot(seeds, [y] * len(seeds), ".", color=colour, alpha=0.35, markersize=5)
    named = floor(found, axes[1], columns[0], vertical=True)
    labels = [short(row_label(definition, row)) + ("" if row in definition.ours else " *") for row in rows]
    axes[0].set_yticks(range(len(rows)), labels, fontsize=9)
    axes[0].set_ylim(len(rows) - 0.4, -0.6 - 0.42 * named)  # room for the names of the dashed lines
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    unit = "%" if definition.column(columns[0]).factor == 100 else papers_unit(found, columns[0])
    what = column_label(definition, columns[0]) if len(columns) == 1 else ""
    axes[0].set_title(f"{paper_on(found)}{', ' if what else ''}{what} ({unit})", fontsize=10)
    score = definition.column(columns[0]).score
    axes[1].set_title(f"ours: {NAMES.get(score, score)} ({unit})", fontsize=10)
    if any(row not in definition.ours for row in rows):
        axes[0].set_xlabel("* quoted, not run", fontsize=9)
    if any(found.at(row, column) for row in rows for column in columns):
        axes[1].set_xlabel("small dots: single seeds", fontsize=9)
    if len(columns) > 1:
        handles = [plt.Line2D([], [], linestyle="", marker=MARKERS[n % len(MARKERS)], color=PALETTE[n % len(PALETTE)],
                              label=column_label(definition, c)) for n, c in enumerate(columns)]  # fmt: skip
        plot.legend(handles=handles, loc="outside upper center", ncols=min(4, len(columns)), fontsize=9, frameon=False)
    style(plot, list(axes))
    said = []
    for row in rows:
        pairs = [(plainly(printed(definition, row, c)), shown(found.at(row, c))) for c in columns]
        parts = [
            f"{heading(definition, c)} {paper}, ours {ours}" for c, (paper, ours) in zip(columns, pairs, strict=True)
        ]
        said.append(f"{row_label(definition, row)}: {'; '.join(parts)}")
    return Figure(plot, f"Dots per row, the paper's numbers and ours with 95% intervals. {'. '.join(said)}.")


def floor(found: Results, axis: Any, column: str, vertical: bool) -> int:
    """Dashed lines at the controls, named where they stand; with several columns only the one that trains nothing.

    Returns how many there are.
    """
    drawn = 0
    names = ("random",) if len(plotted(found)) > 1 else ("random", "simclr", "supcon")
    for name in names:
        cell = found.at(name, column, control=True) if name in found.definition.controls else None
        if cell is None:
            continue
        (axis.axvline if vertical else axis.axhline)(cell.mean, color="#555555", linestyle="--", linewidth=1)
        x, y = (cell.mean, 1.0) if vertical else (0.0, cell.mean)
        blend = axis.get_xaxis_transform() if vertical else axis.get_yaxis_transform()
        axis.annotate(SHORT.get(name, CONTROLS.get(name, name)), (x, y), xycoords=blend, fontsize=8, color="#555555",
                      xytext=(2, -9 - 10 * drawn) if vertical else (4, 3), textcoords="offset points")  # fmt: skip
        drawn += 1
    return drawn


def short(label: str, width: int = 34) -> str:
    """A label without its citation, in lines of at most `width` signs."""
    name = re.sub(r"\s*(\[\d+\]|\([A-Z][^()]*\d{4}[a-z]?\))", "", label)
    return "\n".join(textwrap.wrap(name, width)) or name
