"""The page of the budget sweep: when a nearest neighbour begins to pay, from the table's results."""

import html
import math
from functools import cache
from importlib import resources
from typing import Any

from sslrepro.claims import Cell, stated_value
from sslrepro.report import unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.figures import MINED, half
from sslrepro.report.formats import Display, as_latex, format_cell, html_table, number, plural, text_table
from sslrepro.report.headings import CONTROLS, short_names
from sslrepro.report.plots import PALETTE, Figure, drawn, new_plot, own_style, style
from sslrepro.report.trends import Trend, positive, sign_word, trend
from sslrepro.study.results import Results, cell_of, paired_differences

LEARNERS = ("SimCLR", "no lookup", "no lookup, no gradient", "nearest neighbour", "oracle neighbour")
SCORES = ("linear_top1", "knn_top1")
PRIMARY = ("nearest neighbour", "no lookup")
STEPS = {  # from SimCLR to NNCLR, one change at a time
    "heads, predictor and loss": ("no lookup", "SimCLR"),
    "stopped gradient": ("no lookup, no gradient", "no lookup"),
    "the neighbour's vector": ("nearest neighbour", "no lookup, no gradient"),
}
EFFECTS = {
    "neighbour minus no lookup": PRIMARY,
    "neighbour minus SimCLR": ("nearest neighbour", "SimCLR"),
    **{f"of which {name}": pair for name, pair in STEPS.items()},
    "oracle minus no lookup": ("oracle neighbour", "no lookup"),
}
TIMES_CHANCE = 3  # least ratio of right neighbours to chance at which a length says something about neighbours
COLLAPSED = 0.05
LOOKS = dict(zip(LEARNERS, zip(("#000000", *PALETTE[:4]), "^oDsv", strict=True), strict=True))


# --- numbers ----------------------------------------------------------------------------------------------------


def lengths(results: Results) -> dict[str, int]:
    """Column -> epochs of its runs, shortest first; columns whose lengths are equal at this scale once."""
    row = next(iter(results.definition.rows))
    epochs = {name: results.plan.of(row, name)[0].config.plan.epochs for name in results.definition.score_columns}
    first = {length: name for name, length in reversed(epochs.items())}
    return {name: length for length, name in sorted(first.items())}


def values(results: Results, row: str, column: str, score: str) -> dict[int, float]:
    """Seed -> a score of a learner at a length, in percent."""
    return {seed: 100 * value for seed, value in results.by_seed(row, score, column).items()}


def difference(
    results: Results, pair: tuple[str, str], column: str, score: str = "linear_top1", leave_out: bool = False
) -> dict[int, float]:
    """Seed -> points by which the first learner is better, for seeds that both have.

    leave_out   without seeds of which either run is marked as collapsed
    """
    first, second = (values(results, row, column, score) for row in pair)
    out = paired_differences(first, second)
    if leave_out:
        marked = {seed for row in pair for seed in collapsed_seeds(results, row, column)}
        out = {seed: value for seed, value in out.items() if seed not in marked}
    return out


def collapsed_seeds(results: Results, row: str, column: str) -> list[int]:
    """Seeds whose embedding ended with a spread below 0.05."""
    return [seed for seed, value in results.by_seed(row, "embedding_std", column).items() if value < COLLAPSED]


def growth(
    results: Results, pair: tuple[str, str] = PRIMARY, score: str = "linear_top1", leave_out: bool = False
) -> Trend | None:
    """The effect's lines over log2 of the epochs, of seeds that have every length; None for a single length."""
    here = lengths(results)
    if len(here) < 2:
        return None
    return trend({math.log2(n): difference(results, pair, name, score, leave_out) for name, n in here.items()})


def growth_so_far(results: Results, pair: tuple[str, str] = PRIMARY, score: str = "linear_top1") -> Trend | None:
    """The same over the lengths that most seeds have, while other lengths lack seeds; None where that adds nothing."""
    points = {math.log2(n): difference(results, pair, name, score) for name, n in lengths(results).items()}
    most = max((len(values) for values in points.values()), default=0)
    full = {x: values for x, values in points.items() if len(values) == most}
    return trend(full) if most >= 2 and 2 <= len(full) < len(points) else None


def right(results: Results, column: str, row: str = "nearest neighbour") -> Cell | None:
    """How often the neighbours of the last logged steps shared the class, in percent."""
    return cell_of(values(results, row, column, MINED))


def chance(results: Results) -> float:
    """How often a random image shares the class, in percent."""
    return 100 / results.plan.profile.classes


def passes_gate(results: Results, column: str) -> bool:
    """Whether neighbours are right at least three times as often as chance."""
    share = right(results, column)
    return share is not None and share.mean >= TIMES_CHANCE * chance(results)


@cache
def public_numbers() -> list[dict[str, Any]]:
    """NNCLR minus SimCLR as others published it, with sources (papers/public_nnclr.yaml)."""
    import yaml

    return yaml.safe_load(resources.files("sslrepro.papers").joinpath("public_nnclr.yaml").read_text("utf-8"))["rows"]


# --- words ------------------------------------------------------------------------------------------------------


def finding(results: Results) -> str:
    """The answer in a few sentences, from the numbers, by the rule that stands in the table's reading."""
    here = lengths(results)
    effects = [(n, name, cell) for name, n in here.items() if (cell := cell_of(difference(results, PRIMARY, name)))]
    if not effects:
        return "Not run yet."
    text = ""
    for n, name, cell in (effects[0], effects[-1])[: len(effects)]:
        share = right(results, name)
        verdict = sign_word(cell)
        verdict = {"open": "open: the interval holds zero", "one seed": "one seed"}.get(verdict, f"it {verdict}")
        size = format_cell(cell, sign=True)
        text += f"After {plural(n, 'epoch')} the neighbour changes the linear probe by {size} points "
        text += f"against no lookup ({verdict}; n = {cell.n})"
        text += f" and is right in {format_cell(share)}% of lookups. " if share else ". "
    line = growth(results)
    if line is not None and line.n >= 2:
        text += f"The effect {told_growth(line)}. "
    elif line is not None:
        text += f"Whether it grows cannot be said: {plural(line.n, 'seed')} with every length. "
        so_far = growth_so_far(results)
        if so_far is not None and so_far.n >= 2:
            ends = " to ".join(f"{2**x:.0f}" for x in (so_far.x[0], so_far.x[-1]))
            text += (
                f"Over {ends} epochs, which is not the question that was fixed, it changes by "
                f"{format_cell(so_far.slope, sign=True)} points per doubling (n = {so_far.n}, probability of growth "
                f"{so_far.rising:.2f}). "
            )
    weak = [n for name, n in here.items() if right(results, name) and not passes_gate(results, name)]
    if weak:
        where = ", ".join([*map(str, weak[:-1]), plural(weak[-1], "epoch")])
        text += (
            f"After {where} neighbours are right less than {TIMES_CHANCE} times as often as chance "
            f"({chance(results):.1f}%): nothing about neighbours is tested there. "
        )
    marked = [
        f"{row}, {here[name]} epochs, seed {seed}"
        for row in LEARNERS
        for name in here
        for seed in collapsed_seeds(results, row, name)
    ]
    if marked:
        text += f"Collapsed at the end and counted: {'; '.join(marked)}. "
    return text.strip() + ("" if results.plan.profile.judged else " Nothing is concluded at this scale.")


def told_growth(line: Trend) -> str:
    """ "grows with length: ...", with the crossing where one is stated."""
    slope = line.slope
    verb = {"rises": "grows with length", "falls": "falls with length", "open": "does not clearly change with length"}
    text = f"{verb[line.verdict]} ({format_cell(slope, sign=True)} points per doubling, n = {line.n}"
    text += f", probability of growth {line.rising:.2f})"
    if line.verdict != "rises":
        return text + ", so no crossing is stated"
    low, high = 2 ** min(line.x), 2 ** max(line.x)
    at = 2**line.zero
    text += f"; the mean line crosses zero at {epochs(at)}"
    text += "" if low <= at <= high else " (an extrapolation)"
    ends = line.zero_set
    return text + (f", 95% set {epochs(2 ** ends[0])} to {epochs(2 ** ends[1])}" if ends else ", without a bounded set")


def epochs(value: float) -> str:
    """A length in words: 23 epochs; fewer than one and more than a hundred thousand are not told apart."""
    if value < 1:
        return "less than 1 epoch"
    return f"{value:,.0f} epochs" if value < 1e5 else "more than 100,000 epochs"


def headline(results: Results) -> Display:
    """The finding on a card, and what is missing."""
    text, left = finding(results), unfinished.block(results)
    return Display(
        f'<div class="headline"><p>{html.escape(text)}</p></div>{left.html}',
        "\n".join([text, unfinished.note(results)]).strip(),
    )


# --- tables -----------------------------------------------------------------------------------------------------


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Accuracies: a line per learner and score, a column per length; right neighbours below; controls."""
    here = lengths(results)
    head = ["learner", "score, %", *(plural(n, "epoch") for n in here.values()), "n"]
    body = []
    for row in LEARNERS:
        for score, label in short_names(results, SCORES).items():
            cells = [cell_of(values(results, row, name, score)) for name in here]
            body.append([row, label, *map(format_cell, cells), counts(cells)])
    for row in ("nearest neighbour", "oracle neighbour"):
        cells = [right(results, name, row) for name in here]
        body.append([row, "right at the end", *map(format_cell, cells), counts(cells)])
    foot = []
    for name in results.definition.controls:
        cell = results.at(name, next(iter(here)), control=True)
        foot.append([CONTROLS[name], "linear probe", format_cell(cell), *([""] * (len(here) - 1)), counts([cell])])
    return head, body, foot


def effect_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Paired differences: a line per comparison and score, a column per length, then the growth."""
    here = lengths(results)
    head = [
        "difference, points",
        "score",
        *(plural(n, "epoch") for n in here.values()),
        "per doubling",
        "probability of growth",
        "n",
    ]
    body = []
    for label, pair in EFFECTS.items():
        for score, name_of in short_names(results, SCORES).items():
            cells = [cell_of(difference(results, pair, name, score)) for name in here]
            line = growth(results, pair, score)
            trend = (
                [format_cell(line.slope, sign=True), "" if line.rising is None else f"{line.rising:.2f}"]
                if line
                else []
            )
            body.append(
                [label, name_of, *(format_cell(cell, sign=True) for cell in cells), *(trend or ["", ""]), counts(cells)]
            )
    return head, body


def counts(cells: list[Cell | None]) -> str:
    """How many seeds the cells of a line have: 3, or 1-3."""
    n = sorted({cell.n if cell else 0 for cell in cells})
    return str(n[0]) if len(n) == 1 else f"{n[0]}-{n[-1]}"


def caption(results: Results) -> str:
    """Unit, protocol, data and n, made from the configurations."""
    config, profile = results.plan.of("SimCLR", next(iter(lengths(results))))[0].config, results.plan.profile
    return (
        f"Five learners at {profile.name} scale: {config.data.name}, {config.data.n_train or profile.n_train:,} "
        f"training images of {config.data.side or 'native'} px, encoder {config.encoder}, batch "
        f"{config.plan.batch_size}, {config.plan.optimizer} at {config.plan.lr}, every length a run of its own. Mean ± "
        f"half the 95% t-interval over n seeds{' (each draws its own images)' if profile.data_follows_seed else ''}; "
        f"last epoch, test read once. Right at the end: lookups of the last logged steps that share the anchor's "
        f"class; chance is "
        f"{chance(results):.1f}%. Differences are taken seed by seed. The oracle reads labels."
    )


def table(results: Results) -> Display:
    """Accuracies and right neighbours by length."""
    head, body, foot = rows_of(results)
    note = caption(results)
    return Display(
        table_html(head, body, foot) + f'\n<p class="caption">{html.escape(note)}</p>',
        text_table([head, *body, *foot]) + "\n" + note,
    )


def effects(results: Results) -> Display:
    """What each change does, by length."""
    head, body = effect_rows(results)
    return Display(table_html(head, body), text_table([head, *body]))


def table_html(head: list[str], body: list[list[str]], foot: list[list[str]] = ()) -> str:
    """Plain cells as the page's table."""
    escaped = [[[html.escape(cell) for cell in line] for line in part] for part in (body, foot)]
    return html_table(list(map(html.escape, head)), escaped[0], "results", escaped[1])


def copies(results: Results) -> Display:
    """The table for download, as on every page."""
    head, body, foot = rows_of(results)
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body, *foot]]
    return copies_of(results, ("\n".join(lines) + "\n", as_latex(head, body, foot)))


# --- figure -----------------------------------------------------------------------------------------------------


@own_style()
def figure(results: Results) -> Figure:
    """Accuracy, the neighbour's effect, right neighbours, and NNCLR minus SimCLR beside what others published."""
    plot, axes = new_plot(2, 2, size=(11, 7.6))
    alts = [
        accuracy_panel(results, axes[0, 0]),
        effect_panel(results, axes[0, 1]),
        right_panel(results, axes[1, 0]),
        public_panel(results, axes[1, 1]),
    ]
    here = list(lengths(results).values())
    for axis in (axes[0, 0], axes[0, 1], axes[1, 0]):
        axis.set_xscale("log", base=2)
        axis.set_xticks(here, list(map(str, here)))
        axis.minorticks_off()
        axis.set_xlabel("epochs", fontsize=9)
    style(plot, list(axes.flat))
    alt = f"Four panels. {' '.join(alts)} Bars are 95% intervals over seeds."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", drawn(plot))


def over_lengths(results: Results, axis: Any, cells: dict[int, Cell | None], place: int, of: int, **look: Any) -> None:
    """Means with intervals over the lengths, moved a little sideways so that bars do not hide each other."""
    measured = {n: cell for n, cell in cells.items() if cell is not None}
    x = [n * 2 ** (0.07 * (place - (of - 1) / 2)) for n in measured]
    axis.errorbar(
        x,
        [c.mean for c in measured.values()],
        [half(c) for c in measured.values()],
        capsize=2,
        elinewidth=0.9,
        markersize=5,
        **look,
    )


def accuracy_panel(results: Results, axis: Any) -> str:
    """Linear probe of every learner."""
    parts = []
    for place, row in enumerate(LEARNERS):
        colour, marker = LOOKS[row]
        cells = {n: cell_of(values(results, row, name, "linear_top1")) for name, n in lengths(results).items()}
        over_lengths(results, axis, cells, place, len(LEARNERS), color=colour, marker=marker, linewidth=1.2, label=row)
        parts.append(f"{row} {', '.join(format_cell(c) for c in cells.values())}")
    axis.set_title("linear probe, %", fontsize=10)
    axis.legend(fontsize=8, frameon=False, loc="best")
    return f"Linear probe over {', '.join(map(str, lengths(results).values()))} epochs: {'; '.join(parts)}."


def effect_panel(results: Results, axis: Any) -> str:
    """What the neighbour does, against no lookup and against SimCLR."""
    axis.axhline(0, color="#555555", linewidth=1)
    parts = []
    pairs = [
        ("neighbour minus no lookup", PALETTE[0], "o"),
        ("neighbour minus SimCLR", PALETTE[1], "s"),
        ("oracle minus no lookup", PALETTE[2], "v"),
    ]
    for place, (label, colour, marker) in enumerate(pairs):
        cells = {n: cell_of(difference(results, EFFECTS[label], name)) for name, n in lengths(results).items()}
        over_lengths(results, axis, cells, place, len(pairs), color=colour, marker=marker, linewidth=1.2, label=label)
        parts.append(f"{label} {', '.join(format_cell(c, sign=True) for c in cells.values())}")
    axis.set_title("difference in linear probe, points, paired over seeds", fontsize=10)
    axis.legend(fontsize=8, frameon=False, loc="best")
    return f"Differences: {'; '.join(parts)}."


def right_panel(results: Results, axis: Any) -> str:
    """How often neighbours share the class at the end of training."""
    cells = {n: right(results, name) for name, n in lengths(results).items()}
    over_lengths(results, axis, cells, 0, 1, color=PALETTE[0], marker="o", linewidth=1.2, label="nearest neighbour")
    for level, text in (
        (chance(results), "chance"),
        (TIMES_CHANCE * chance(results), "least for a test"),
        (stated_value("nnclr", "nn_match_end"), "NNCLR on ImageNet, end of training"),
    ):
        axis.axhline(level, color="#555555", linestyle="--", linewidth=1)
        axis.annotate(
            text,
            (0.01, level),
            xycoords=axis.get_yaxis_transform(),
            xytext=(0, 3),
            fontsize=8,
            textcoords="offset points",
            color="#555555",
        )
    axis.set_ylim(0, None)
    axis.set_title("neighbours that share the class at the end, %", fontsize=10)
    shares = ", ".join(format_cell(c) for c in cells.values())
    return f"Right neighbours at the end: {shares}%; chance {chance(results):.1f}%."


def public_panel(results: Results, axis: Any) -> str:
    """NNCLR minus SimCLR over training images seen: ours, and what others published, in gray."""
    axis.axhline(0, color="#555555", linewidth=1)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in public_numbers():
        groups.setdefault(row["group"], []).append(row)
    for (group, rows), marker in zip(groups.items(), "oxD", strict=False):
        views = "" if all(row["same_views"] for row in rows) else ", other views"
        axis.plot(
            [row["epochs"] * row["images"] for row in rows],
            [row["difference"] for row in rows],
            marker,
            color="#8a8f98",
            markersize=6,
            label=f"{group}{views}",
        )
    images = results.plan.profile.n_train
    cells = {
        n: cell_of(difference(results, EFFECTS["neighbour minus SimCLR"], name)) for name, n in lengths(results).items()
    }
    measured = {n: cell for n, cell in cells.items() if cell is not None}
    axis.errorbar(
        [n * images for n in measured],
        [c.mean for c in measured.values()],
        [half(c) for c in measured.values()],
        capsize=2,
        color=PALETTE[1],
        marker="s",
        markersize=5,
        linewidth=1.2,
        label="ours",
    )
    axis.set_xscale("log")
    axis.set_xlabel("training images seen (images x epochs); gray: published, one run each", fontsize=9)
    axis.set_title("NNCLR minus SimCLR, points", fontsize=10)
    axis.legend(fontsize=8, frameon=False, loc="lower right")
    values = ", ".join(
        f"{row['source']} {row['epochs']} epochs {number(row['difference'], sign=True)}" for row in public_numbers()
    )
    return f"NNCLR minus SimCLR, public single runs: {values}."


def chance_of_growth(results: Results, pair: tuple[str, str] = PRIMARY) -> float | None:
    """Probability that the mean slope of an effect over log2 of the epochs is positive; None where it has no slope."""
    line = growth(results, pair)
    return None if line is None else positive(line.slope)
