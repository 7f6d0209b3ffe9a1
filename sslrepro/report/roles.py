"""The page of the neighbour map in other frameworks: gain by precision for three roles of other images."""

import html

import numpy as np

from sslrepro.claims import Cell
from sslrepro.report import unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.figures import half
from sslrepro.report.formats import Display, format_cell, html_table, text_table
from sslrepro.report.neighbour_map import percent
from sslrepro.report.plots import MARKERS, PALETTE, Figure, csv_of, new_plot, own_style, style
from sslrepro.report.trends import Trend, sign_word, trend
from sslrepro.study.results import Results, cell_of, paired_differences
from sslrepro.tables.neighbour_map_frameworks import POSITIVES, PRECISIONS, RECALLS, SHARES, TABLE, TARGETS

ROLES = {
    "a target without negatives": dict(zip(SHARES, TARGETS, strict=True)),
    "one more positive": dict(zip(SHARES, POSITIVES, strict=True)),
}
REMOVED = {recall: {p: f"{recall:.0%} of the class removed, {p:.0%} right" for p in PRECISIONS} for recall in RECALLS}
HEAD = ["other images", "accuracy, %", "20-NN, %", "gain, points", "20-NN gain", "n"]
NONE = ("SimSiam", "MoCo v2")  # the frameworks without other images


# --- numbers ----------------------------------------------------------------------------------------------------


def gains(results: Results, row: str, column: str = "gain") -> dict[int, float]:
    """Seed -> points by which a row is above its framework without other images."""
    return results.values_by_seed(row, column)


def rise(results: Results, role: str, column: str = "gain") -> Trend:
    """The seeds' lines of the gain over the share of right images, of seeds that have every share."""
    return trend({share: gains(results, row, column) for share, row in ROLES[role].items()})


def on_the_floor(results: Results) -> tuple[int, int]:
    """(runs of targets that are no better than the untrained encoder of their seed, runs of targets)."""
    untrained = results.by_seed("random", "linear_top1", control=True)
    runs = [
        (value, untrained[seed])
        for row in TARGETS
        for seed, value in results.by_seed(row, "linear_top1").items()
        if seed in untrained
    ]
    return sum(value <= least for value, least in runs), len(runs)


def cost_of_errors(results: Results) -> Cell | None:
    """Points by which removing right rows alone is above removing them with three wrong ones each.

    Averaged over the recalls, paired over seeds that have all; None without any.
    """
    best, worst = max(PRECISIONS), min(PRECISIONS)
    each = [paired_differences(gains(results, rows[best]), gains(results, rows[worst])) for rows in REMOVED.values()]
    seeds = set.intersection(*map(set, each))
    return cell_of({seed: float(np.mean([of[seed] for of in each])) for seed in sorted(seeds)})


# --- words ------------------------------------------------------------------------------------------------------


def words_of(role: str, line: Trend) -> str:
    """What the gain does over the share of right images, with the break-even where one is stated."""
    if line.n < 2:
        return f"As {role}: one seed."
    verb = {"rises": "rises", "falls": "falls", "open": "does not clearly change"}[line.verdict]
    slope = Cell(line.slope.mean / 10, line.slope.sd / 10, line.slope.n)
    text = f"As {role}, other images gain more the more are right: " if line.verdict == "rises" else f"As {role}: "
    text += f"the gain {verb} by {format_cell(slope, sign=True)} points per ten percent (n = {line.n})"
    if line.verdict != "rises":
        return f"{text}, and no break-even is stated."
    ends = line.zero_set
    where = f"95% set {percent(ends[0])} to {percent(ends[1])}" if ends else "without a bounded set"
    return f"{text}, and breaks even at {percent(line.zero)} ({where})."


def finding(results: Results) -> str:
    """The answer in a few sentences, from the numbers, by the rule that stands in the table's reading."""
    lines = {role: rise(results, role) for role in ROLES}
    if not any(line.n for line in lines.values()):
        return "Not run yet."
    parts = [words_of(role, line) for role, line in lines.items() if line.n]
    floor, runs = on_the_floor(results)
    if floor:
        parts.append(f"Of {runs} runs with a target without negatives {floor} end no better than an untrained encoder.")
    whole, errors = cell_of(gains(results, REMOVED[1.0][1.0])), cost_of_errors(results)
    if whole:
        text = f"Removing the whole class from the negatives changes accuracy by {format_cell(whole, sign=True)} points"
        parts.append(f"{text} ({sign_word(whole)}, n = {whole.n}).")
    if errors:
        said = {"pays": "errors cost", "costs": "errors help", "open": "open"}.get(sign_word(errors), sign_word(errors))
        parts.append(
            f"Three wrong removals with each right one take {format_cell(errors)} points ({said}, n = {errors.n})."
        )
    never = [(role, cell_of(gains(results, rows[0.0]))) for role, rows in ROLES.items()]
    shown = [f"as {role} {format_cell(cell, sign=True)}" for role, cell in never if cell]
    if shown:
        parts.append(f"Images that are never right: {', '.join(shown)} points.")
    own = cell_of(gains(results, "NNSiam"))
    if own:
        parts.append(f"NNSiam's own neighbours: {format_cell(own, sign=True)} points.")
    return unfinished.cautious(results, " ".join(parts))


def headline(results: Results) -> Display:
    """The finding on a card, and what is missing."""
    return unfinished.headline(results, finding(results))


# --- table and figure -------------------------------------------------------------------------------------------


def body(results: Results) -> list[list[str]]:
    """A line per row, in the table's order."""
    out = []
    for row in results.definition.rows:
        cells = [results.at(row, column) for column in ("top1", "knn", "gain", "gain_knn")]
        shown = [format_cell(cell, sign=place > 1) if cell else "" for place, cell in enumerate(cells)]
        out.append([row, *shown, str(cells[0].n) if cells[0] else ""])
    return out


def caption(results: Results) -> str:
    """Unit, protocol and data."""
    profile, config = results.plan.profile, results.plan.config_of("MoCo v2")
    return (
        f"Accuracy of the linear probe and of 20-NN in %; gains over {' or '.join(NONE)}, ± half the 95% t-interval, "
        f"paired over seeds; {config.data.name}, {profile.n_train:,} images."
    )


def table(results: Results) -> Display:
    """Every row as measured."""
    lines = body(results)
    rich = [[html.escape(text) for text in line] for line in lines]
    note = f'<p class="caption">{html.escape(caption(results))}</p>'
    return Display(html_table(HEAD, rich, "results") + "\n" + note, f"{text_table([HEAD, *lines])}\n{caption(results)}")


@own_style()
def figure(results: Results) -> Figure:
    """Gain over the share that is right, a panel for each role; the two of MoCo v2 share their span."""
    plot, axes = new_plot(1, 3, size=(11, 3.6))
    axes[2].sharey(axes[1])
    panels = {role: {role: rows} for role, rows in ROLES.items()}
    panels["negatives removed"] = {f"{recall:.0%} of the class": rows for recall, rows in REMOVED.items()}
    values = []
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        axis.axhline(0, color="#555555", linewidth=0.8)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("right, %", fontsize=9)
        for place, (label, rows) in enumerate(lines.items()):
            cells = [(share, cell) for share, row in rows.items() if (cell := cell_of(gains(results, row)))]
            if not cells:
                continue
            axis.errorbar(
                [100 * share for share, _ in cells],
                [cell.mean for _, cell in cells],
                yerr=[half(cell) for _, cell in cells],
                color=PALETTE[place],
                marker=MARKERS[place],
                markersize=5,
                elinewidth=1.1,
                label=label,
            )
            shown = ", ".join(f"{share:.0%} {format_cell(cell, sign=True)}" for share, cell in cells)
            values.append(f"{title}{f', {label}' if label != title else ''}: {shown}")
        if len(lines) > 1 and axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel("gain over none, points", fontsize=9)
    style(plot, list(axes))
    name = f"{TABLE.id}-{results.plan.profile.name}"
    return Figure(plot, f"Gain by the share that is right. {'; '.join(values)}.", name, csv_of(plot))


def break_evens(results: Results) -> Display:
    """Slope and break-even of the attracting roles, by probe."""
    head = ["other images are", "probe", "points per 10%", "verdict", "break-even", "95% set", "n"]
    lines = []
    for role in ROLES:
        for column, probe in (("gain", "linear"), ("gain_knn", "20-NN")):
            line = rise(results, role, column)
            if not line.n:
                continue
            slope = line.slope
            shown = format_cell(Cell(slope.mean / 10, slope.sd / 10, slope.n), sign=True)
            stated = line.verdict == "rises"
            ends = line.zero_set if stated else None
            between = f"{percent(ends[0])} to {percent(ends[1])}" if ends else "–"
            lines.append(
                [role, probe, shown, line.verdict, percent(line.zero) if stated else "–", between, str(line.n)]
            )
    rich = [[html.escape(text) for text in line] for line in lines]
    return Display(html_table(head, rich, "results"), text_table([head, *lines]))


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer as plain text."""
    return HEAD, body(results), []


def copies(results: Results) -> Display:
    """The table for download."""
    return copies_of(results, rows_of(results))
