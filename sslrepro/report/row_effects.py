"""What rows of a table of ours gain over others: paired differences, their table and their figure."""

import html
from collections.abc import Iterable, Mapping

import numpy as np

from sslrepro.claims import Cell
from sslrepro.report.caption import queue_in_words
from sslrepro.report.figures import MINED, half
from sslrepro.report.formats import Display, format_cell, html_table, text_table
from sslrepro.report.headings import CONTROLS
from sslrepro.report.plots import MARKERS, PALETTE, Figure, csv_of, new_plot, own_style, style
from sslrepro.report.trends import sign_word
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results, cell_of, paired_differences

SCORES = {"linear_top1": "linear probe", "knn_top1": "20-NN"}
HEAD = ["neighbours", "right at the end, %", "linear probe, %", "20-NN, %", "gain, points", "20-NN gain", "n"]


def points(results: Results, row: str, score: str) -> dict[int, float]:
    """Seed -> accuracy in %."""
    return {seed: 100 * value for seed, value in results.by_seed(row, score).items()}


def difference(results: Results, high: str, low: str, score: str = "linear_top1") -> Cell | None:
    """Points by which one row is above another, over the seeds that both have; None without any."""
    return mean_difference(results, [(high, low)], score)


def mean_difference(results: Results, pairs: Iterable[tuple[str, str]], score: str = "linear_top1") -> Cell | None:
    """The mean over (high, low) pairs of rows of their differences in points, over the seeds that have them all.

    Pairs with a row that the table does not have are left out. None without any other, or where no seed has them.
    """
    pairs = [pair for pair in pairs if set(pair) <= set(results.definition.rows)]
    if not pairs:
        return None
    each = [paired_differences(points(results, high, score), points(results, low, score)) for high, low in pairs]
    seeds = set.intersection(*map(set, each))
    return cell_of({seed: float(np.mean([by[seed] for by in each])) for seed in sorted(seeds)})


def told(cell: Cell) -> str:
    """A difference in points with its word and n."""
    return f"{format_cell(cell, sign=True)} points ({sign_word(cell)}, n = {cell.n})"


def body(results: Results, base: str) -> list[list[str]]:
    """A line per row, in the table's order, then the controls; gains are over the row `base`."""
    out = []
    for row in results.definition.rows:
        cells = [results.cell(row, score) for score in SCORES]
        gains = ["" if row == base else format_cell(difference(results, row, base, of), sign=True) for of in SCORES]
        right = format_cell(results.cell(row, MINED))
        out.append([row, right, *map(format_cell, cells), *gains, str(cells[0].n) if cells[0] else "0"])
    for name in results.definition.controls:
        cells = [results.control_cell(name, score) for score in SCORES]
        out.append([CONTROLS[name], "", *map(format_cell, cells), "", "", str(cells[0].n) if cells[0] else "0"])
    return out


def caption(results: Results, base: str, row: str) -> str:
    """Unit, protocol, data and n, from the configuration of a row that has a queue."""
    profile, config = results.plan.profile, results.plan.config_of(row)
    return (
        f"Linear probe and 20-NN at {profile.name} scale; gain over {base}. {config.data.name}, "
        f"{config.data.n_train or profile.n_train:,} training images of {side_of(config.data)} px, "
        f"{config.plan.epochs} epochs of batch {config.plan.batch_size}{queue_in_words(config)}. "
        f"Mean ± half the 95% t-interval over n seeds, gains paired"
        f"{' (each seed draws its own images)' if profile.data_follows_seed else ''}; last epoch, test read once. "
        f"Chance is {100 / profile.classes:.1f}% right, of the anchors that take a neighbour."
    )


def table(results: Results, base: str, row: str) -> Display:
    """Every row as measured, with the caption of `caption`."""
    lines, note = body(results, base), caption(results, base, row)
    rich = [[html.escape(text) for text in line] for line in lines]
    return Display(
        f'{html_table(HEAD, rich, "results")}\n<p class="caption">{html.escape(note)}</p>',
        f"{text_table([HEAD, *lines])}\n{note}",
    )


def effects(named: Mapping[str, Mapping[str, Cell | None]]) -> Display:
    """Differences with their words: probe -> what is compared -> points; those without a seed are left out."""
    head = ["difference", "probe", "points", "reading", "n"]
    lines = [
        [what, probe, format_cell(cell, sign=True), sign_word(cell), str(cell.n)]
        for probe, cells in named.items()
        for what, cell in cells.items()
        if cell
    ]
    if not lines:
        return Display("<p>Not run yet.</p>", "Not run yet.")
    rich = [[html.escape(text) for text in line] for line in lines]
    return Display(html_table(head, rich, "results"), text_table([head, *lines]))


@own_style()
def figure(
    results: Results, groups: Mapping[str, Mapping[str, tuple[str, int]]], base: str, shape: tuple[int, int] = (1, 3)
) -> Figure:
    """Gain over a row, a panel per group.

    groups   title of a panel -> words beside a point -> (row, place of its colour and marker); one without stays empty
    shape    panels from top to bottom and from left to right, as many as groups
    """
    down, across = shape
    plot, grid = new_plot(down, across, size=(min(11, 5.5 * across), 0.6 + 2.2 * down), sharex=True)
    panels = list(np.ravel(grid))
    values = []
    for axis, (title, rows) in zip(panels, groups.items(), strict=True):
        if not rows:
            axis.axis("off")
            continue
        axis.axvline(0, color="#555555", linewidth=0.8)
        axis.set_title(title, fontsize=10)
        for place, (row, colour) in enumerate(rows.values()):
            cell = difference(results, row, base)
            if cell is None:
                continue
            colours = {"color": PALETTE[colour], "fmt": MARKERS[colour]}
            axis.errorbar(cell.mean, place, xerr=half(cell), markersize=6, elinewidth=1.1, **colours)
            values.append(f"{row} {format_cell(cell, sign=True)}")
        axis.set_yticks(range(len(rows)), list(rows), fontsize=9)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.tick_params(labelbottom=True)
    plot.supxlabel(f"gain over {base}, points", fontsize=9)
    style(plot, panels)
    name = f"{results.definition.id}-{results.plan.profile.name}"
    return Figure(plot, f"Gain over {base}, in points: {', '.join(values)}.", name, csv_of(plot))
