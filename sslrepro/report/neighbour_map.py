"""The page of the neighbour map: gain by precision and distance, break-even, and real miners on it."""

import html
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslrepro.claims import Cell
from sslrepro.parts.stand_in import DISTANCES
from sslrepro.report import unfinished
from sslrepro.report.budget_sweep import counts, table_html
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.figures import MINED, half
from sslrepro.report.formats import Display, as_latex, format_cell, number, plural, text_table
from sslrepro.report.headings import CONTROLS, short_names
from sslrepro.report.plots import PALETTE, Figure, drawn, new_plot, own_style, style
from sslrepro.report.trends import Trend, first_crossing, sign_word, trend
from sslrepro.study.results import Results, cell_of, paired_differences

BASE = "no lookup"
BASES = (BASE, "no lookup, no gradient")
SCORES = ("linear_top1", "knn_top1")
LOOKS = dict(zip(DISTANCES, zip(PALETTE[:3], "osD", strict=True), strict=True))


# --- numbers ----------------------------------------------------------------------------------------------------


def points(results: Results, right: str = "nearest", wrong: str = "nearest") -> dict[float, str]:
    """Share of right lookups -> the row that has it, for a distance of right and of wrong neighbours, ascending.

    With no right neighbours the distance of right ones says nothing, with no wrong ones that of wrong ones: such rows
    belong to every distance.
    """
    out = {}
    for row, sets in results.definition.rows.items():
        if sets.get("method") != "nnclr_controlled":
            continue
        share = sets["right_share"]
        if (sets["right"] == right or share == 0) and (sets["wrong"] == wrong or share == 1):
            out[share] = row
    return dict(sorted(out.items()))


def distances(results: Results) -> list[str]:
    """The distances of right neighbours that the map varies the share of, nearest first."""
    return [right for right in DISTANCES if len(points(results, right)) > 1]


def gain(results: Results, row: str, score: str = "linear_top1", base: str = BASE) -> dict[int, float]:
    """Seed -> points by which a row is above no lookup, for seeds that both have."""
    first, second = (
        {seed: 100 * value for seed, value in results.by_seed(name, score).items()} for name in (row, base)
    )
    return paired_differences(first, second)


def curve(
    results: Results, right: str = "nearest", wrong: str = "nearest", score: str = "linear_top1", base: str = BASE
) -> dict[float, dict[int, float]]:
    """Share of right lookups -> seed -> gain."""
    return {share: gain(results, row, score, base) for share, row in points(results, right, wrong).items()}


def rise(results: Results, right: str = "nearest", score: str = "linear_top1", base: str = BASE) -> Trend:
    """The gain's lines over the share of right lookups, of seeds that have every share."""
    return trend(curve(results, right, score=score, base=base))


def bent_crossing(
    results: Results, right: str = "nearest", score: str = "linear_top1", base: str = BASE
) -> float | None:
    """Where the polygon through the mean points crosses zero; None where it does not or points are missing."""
    gains = curve(results, right, score=score, base=base)
    seeds = set.intersection(*map(set, gains.values()))
    if not seeds:
        return None
    return first_crossing({share: float(np.mean([by[seed] for seed in seeds])) for share, by in gains.items()})


def distance_effect(results: Results, high: str, low: str, score: str = "linear_top1") -> Cell | None:
    """Points by which one distance of right neighbours is better than another, averaged over the shares above zero.

    Over seeds that have every share of both; None where there is none.
    """
    return mean_difference(*(points(results, right) for right in (high, low)), results, score)


def error_effect(results: Results, score: str = "linear_top1") -> Cell | None:
    """The same of wrong neighbours drawn at random against the nearest, over the shares that both have below one."""
    return mean_difference(points(results, wrong="random"), points(results, wrong="nearest"), results, score, zero=True)


def mean_difference(
    first: dict[float, str], second: dict[float, str], results: Results, score: str, zero: bool = False
) -> Cell | None:
    """Mean over the shares that both curves have as rows of their own of their difference, per seed."""
    rows = [
        (first[share], second[share])
        for share in first
        if share in second and first[share] != second[share] and (zero or share > 0)
    ]
    by_row = [paired_differences(gain(results, this, score), gain(results, other, score)) for this, other in rows]
    if not by_row:
        return None
    seeds = set.intersection(*map(set, by_row))
    return cell_of({seed: float(np.mean([by[seed] for by in by_row])) for seed in sorted(seeds)})


@dataclass(frozen=True)
class Placed:
    """A real miner on the map.

    share       of its lookups at the end of training that were right, in [0, 1], mean over seeds
    gain        over no lookup, in points
    predicted   the map's mean curve of near right and near wrong neighbours at that share
    """

    row: str
    share: float
    gain: Cell
    predicted: float

    @property
    def error(self) -> float:
        """Gain minus prediction, in points."""
        return self.gain.mean - self.predicted


def miners(results: Results, score: str = "linear_top1") -> list[Placed]:
    """Every miner that was run, on the map; [] while no seed has the whole curve."""
    gains = curve(results, score=score)
    seeds = set.intersection(*map(set, gains.values()))
    if not seeds:
        return []
    shares, means = list(gains), [float(np.mean([by[seed] for seed in seeds])) for by in gains.values()]
    out = []
    for row, sets in results.definition.rows.items():
        share, cell = results.by_seed(row, MINED), cell_of(gain(results, row, score))
        if sets.get("method") == "nnclr_controlled" or not share or cell is None:
            continue
        at = float(np.mean(list(share.values())))
        out.append(Placed(row, at, cell, float(np.interp(at, shares, means))))
    return out


@dataclass(frozen=True)
class Prediction:
    """How well the map predicts the miners, in points.

    error      root mean square of gain minus prediction;  bias   mean of the same;  spread   around that mean
    baseline   root mean square of gain minus the miners' own mean gain, which knows them
    """

    n: int
    error: float
    bias: float
    spread: float
    baseline: float

    @property
    def explains(self) -> bool:
        """Whether the map predicts the miners better than their own mean does."""
        return self.error < self.baseline


def prediction(results: Results, score: str = "linear_top1") -> Prediction | None:
    """The map's errors over all miners; None for fewer than two."""
    placed = miners(results, score)
    if len(placed) < 2:
        return None
    errors, gains = np.array([miner.error for miner in placed]), np.array([miner.gain.mean for miner in placed])
    error = float(np.sqrt((errors**2).mean()))
    return Prediction(len(placed), error, float(errors.mean()), float(errors.std()), float(gains.std()))


# --- words ------------------------------------------------------------------------------------------------------


def finding(results: Results) -> str:
    """The answer in a few sentences, from the numbers, by the rule that stands in the table's reading."""
    lines = {right: rise(results, right) for right in distances(results)}
    measured = {right: line for right, line in lines.items() if line.n >= 1}
    if not measured:
        return "Not run yet."
    text = " ".join(told_rise(results, right, line) for right, line in measured.items())
    comparisons = [
        ("Right neighbours at random instead of the nearest", distance_effect(results, "random", "nearest")),
        ("the farthest instead of random ones", distance_effect(results, "farthest", "random")),
        ("wrong neighbours at random instead of the nearest", error_effect(results)),
    ]
    changes = [
        f"{what} change the gain by {format_cell(cell, sign=True)} points ({sign_word(cell)}, n = {cell.n})"
        for what, cell in comparisons
        if cell
    ]
    if changes:
        text += f" {'; '.join(changes)}."
    errors = prediction(results)
    if errors:
        text += (
            f" {errors.n} real miners, none of which took part in the curve: the map's prediction from their share of "
            f"right lookups errs by {errors.error:.1f} points (root mean square; mean error "
            f"{number(errors.bias, sign=True)}), their own mean by {errors.baseline:.1f}: the map "
            f"{'explains' if errors.explains else 'does not explain'} them. Around their mean the errors spread by "
            f"{errors.spread:.1f} points, which the rule does not ask."
        )
    return text.strip() + ("" if results.plan.profile.judged else " Nothing is concluded at this scale.")


def told_rise(results: Results, right: str, line: Trend) -> str:
    """What the gain over the share of right lookups does for one distance, with the break-even where one is stated."""
    text = f"With {right} right neighbours the gain over no lookup "
    if line.n < 2:
        return (
            text + f"has one seed: {number(line.at(0), sign=True)} points at no, {number(line.at(1), sign=True)} "
            "points at all right lookups on its line."
        )
    verb = {"rises": "rises", "falls": "falls", "open": "does not clearly change"}[line.verdict]
    slope = Cell(line.slope.mean / 10, line.slope.sd / 10, line.slope.n)
    text += f"{verb} by {format_cell(slope, sign=True)} points per ten percent of right lookups (n = {line.n})"
    if line.verdict != "rises":
        return text + "; no break-even is stated."
    text += f" and breaks even at {percent(line.zero)}"
    ends = line.zero_set
    text += f" (95% set {percent(ends[0])} to {percent(ends[1])}" if ends else " (without a bounded set"
    bent = bent_crossing(results, right)
    return text + (
        "; "
        + (
            f"the points themselves cross at {percent(bent)}"
            if bent is not None
            else "the points themselves do not cross"
        )
        + ")."
    )


def percent(share: float) -> str:
    """A share in percent; outside 0..1 it is said to be, as no such share exists."""
    return f"{100 * share:.0f}%" if 0 <= share <= 1 else "below 0%" if share < 0 else "above 100%"


def headline(results: Results) -> Display:
    """The finding on a card, and what is missing."""
    text, left = finding(results), unfinished.block(results)
    return Display(
        f'<div class="headline"><p>{html.escape(text)}</p></div>{left.html}',
        "\n".join([text, unfinished.note(results)]).strip(),
    )


# --- tables -----------------------------------------------------------------------------------------------------


def map_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Gains by share: a line per share and score, a column per distance."""
    columns = [(right, "nearest") for right in distances(results)]
    columns += [("nearest", "random")] if len(points(results, wrong="random")) > 2 else []
    head = ["right lookups", "score"]
    head += [f"{right} right, {wrong} wrong" for right, wrong in columns] + ["n"]
    body = []
    for score, label in short_names(results, SCORES).items():
        curves = [curve(results, right, wrong, score) for right, wrong in columns]
        for share in curves[0]:
            cells = [cell_of(by[share]) if share in by else None for by in curves]
            body.append(
                [
                    f"{share:.0%}",
                    label,
                    *(format_cell(cell, sign=True) if cell else "" for cell in cells),
                    counts([cell for cell in cells if cell] or [None]),
                ]
            )
    return head, body


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Accuracies of every row, in the table's order, with the share of right lookups at the end."""
    head = [
        "neighbour",
        "right at the end, %",
        *(f"{label}, %" for label in short_names(results, SCORES).values()),
        "n",
    ]

    def line(name: str, row: str, control: bool = False) -> list[str]:
        cells = [results.control_cell(row, score) if control else results.cell(row, score) for score in SCORES]
        return [name, "" if control else format_cell(results.cell(row, MINED)), *map(format_cell, cells), counts(cells)]

    body = [line(row, row) for row in results.definition.rows]
    return head, body, [line(CONTROLS[name], name, True) for name in results.definition.controls]


def break_even_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Slope and break-even of every distance, by score and by what the gain is over."""
    head = [
        "right neighbours",
        "gain over",
        "score",
        "points per 10% right",
        "probability of a rise",
        "break-even",
        "95% set",
        "points cross at",
        "n",
    ]
    body = []
    for right in distances(results):
        for base in BASES:
            for score, label in short_names(results, SCORES).items():
                line = rise(results, right, score, base)
                if not line.n:
                    continue
                slope, ends, bent = line.slope, line.zero_set, bent_crossing(results, right, score, base)
                rises = line.verdict == "rises"
                body.append(
                    [
                        right,
                        base,
                        label,
                        format_cell(Cell(slope.mean / 10, slope.sd / 10, slope.n), sign=True),
                        "" if line.rising is None else f"{line.rising:.3f}",
                        percent(line.zero) if rises else "not stated",
                        f"{percent(ends[0])} to {percent(ends[1])}" if rises and ends else "",
                        percent(bent) if bent is not None else "nowhere",
                        str(line.n),
                    ]
                )
    return head, body


def miner_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Real miners beside the map's prediction, by their share of right lookups."""
    head = ["miner", "right at the end, %", "gain, points", "the map says", "error", "n"]
    body = [
        [
            miner.row,
            number(100 * miner.share),
            format_cell(miner.gain, sign=True),
            number(miner.predicted, sign=True),
            number(miner.error, sign=True),
            str(miner.gain.n),
        ]
        for miner in sorted(miners(results), key=lambda miner: miner.share)
    ]
    return head, body


def caption(results: Results) -> str:
    """Unit, protocol, data and n, made from the configurations."""
    task = results.plan.of(BASE)[0]
    config, profile = task.config, results.plan.profile
    return (
        f"Gain over {BASE} at {profile.name} scale, in points: {config.data.name}, "
        f"{config.data.n_train or profile.n_train:,} training images of {config.data.side or 'native'} px, encoder "
        f"{config.encoder}, {plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size}, queue of "
        f"{config.settings['queue_size']} rows. Mean ± half the 95% t-interval of paired differences over n seeds"
        f"{' (each draws its own images)' if profile.data_follows_seed else ''}; last epoch, test read once. Chance is "
        f"{100 / profile.classes:.1f}% right. The map's rows read labels in training; the miners do not."
    )


def table(results: Results) -> Display:
    """The map: gain by share of right lookups and distance."""
    head, body = map_rows(results)
    note = caption(results)
    return Display(
        table_html(head, body) + f'\n<p class="caption">{html.escape(note)}</p>',
        text_table([head, *body]) + "\n" + note,
    )


def accuracies(results: Results) -> Display:
    """Every row as measured."""
    head, body, foot = rows_of(results)
    return Display(table_html(head, body, foot), text_table([head, *body, *foot]))


def break_evens(results: Results) -> Display:
    """Where each distance breaks even, by score and by what the gain is over."""
    head, body = break_even_rows(results)
    if not body:
        return Display("<p>No seed has a whole curve yet.</p>", "No seed has a whole curve yet.")
    return Display(table_html(head, body), text_table([head, *body]))


def placement(results: Results) -> Display:
    """Real miners beside the map's prediction."""
    head, body = miner_rows(results)
    if not body:
        return Display("<p>No seed has a whole curve yet.</p>", "No seed has a whole curve yet.")
    return Display(table_html(head, body), text_table([head, *body]))


def copies(results: Results) -> Display:
    """The accuracies for download, as on every page."""
    head, body, foot = rows_of(results)
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body, *foot]]
    return copies_of(results, ("\n".join(lines) + "\n", as_latex(head, body, foot)))


# --- figure -----------------------------------------------------------------------------------------------------


@own_style()
def figure(results: Results) -> Figure:
    """Gain over share by distance, with real miners in gray; the same of the k-NN probe; prediction against gain."""
    plot, axes = new_plot(1, 3, size=(13, 4.4))
    alts = [gain_panel(results, axis, score) for axis, score in zip(axes, SCORES, strict=False)]
    alts.append(prediction_panel(results, axes[2]))
    style(plot, list(axes))
    alt = f"Three panels. {' '.join(alts)} Bars are 95% intervals of paired differences over seeds."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", drawn(plot))


def gain_panel(results: Results, axis: Any, score: str) -> str:
    """Gain over no lookup by share of right lookups: a line per distance, miners in gray, the break-even as a band."""
    axis.axhline(0, color="#555555", linewidth=1)
    parts = []
    for place, (right, (colour, marker)) in enumerate(LOOKS.items()):
        cells = {share: cell for share, by in curve(results, right, score=score).items() if (cell := cell_of(by))}
        if len(cells) < 2:  # no right neighbours at all: a point that all distances share
            continue
        x = [100 * share + 0.7 * (place - 1) for share in cells]
        axis.errorbar(
            x,
            [c.mean for c in cells.values()],
            [half(c) for c in cells.values()],
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.2,
            capsize=2,
            elinewidth=0.9,
            label=f"{right} right neighbours",
        )
        values = ", ".join(f"{share:.0%} {format_cell(cell, sign=True)}" for share, cell in cells.items())
        parts.append(f"{right} {values or 'not run'}")
    random = {
        share: cell
        for share, by in curve(results, wrong="random", score=score).items()
        if share < 1 and (cell := cell_of(by))
    }
    if random:
        axis.plot(
            [100 * share for share in random],
            [cell.mean for cell in random.values()],
            "^:",
            color=PALETTE[3],
            markersize=5,
            linewidth=1.2,
            label="nearest, wrong at random",
        )
    placed = miners(results, score)
    axis.plot(
        [100 * miner.share for miner in placed],
        [miner.gain.mean for miner in placed],
        "x",
        color="#6b7079",
        markersize=5,
        label="real miners",
    )
    line = rise(results, score=score)
    if line.verdict == "rises" and line.zero_set and math.isfinite(line.zero_set[0]):
        low, high = (100 * min(max(end, 0.0), 1.0) for end in line.zero_set)
        axis.axvspan(low, high, color=PALETTE[0], alpha=0.1, linewidth=0, label="break-even of the nearest, 95%")
    axis.set_xlabel("lookups that share the class, %", fontsize=9)
    axis.set_title(f"{short_names(results, SCORES)[score]}: gain over no lookup, points", fontsize=10)
    axis.legend(fontsize=7.5, frameon=False, loc="best")
    return f"{short_names(results, SCORES)[score]}, gain by share of right lookups: {'; '.join(parts)}."


def prediction_panel(results: Results, axis: Any) -> str:
    """Real miners: the map's prediction against the measured gain."""
    placed = miners(results)
    axis.errorbar(
        [miner.predicted for miner in placed],
        [miner.gain.mean for miner in placed],
        [half(miner.gain) for miner in placed],
        fmt="x",
        color="#6b7079",
        elinewidth=0.6,
    )
    ends = [value for miner in placed for value in (miner.predicted, miner.gain.mean)] or [0.0, 1.0]
    low, high = min(ends) - 2, max(ends) + 2
    axis.plot([low, high], [low, high], color="#555555", linestyle="--", linewidth=1)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_xlabel("gain that the map says, points (dashed: equal; long bars are cut)", fontsize=8)
    axis.set_title("real miners: measured gain, points", fontsize=10)
    values = ", ".join(
        f"{miner.row} {number(miner.predicted, sign=True)} and {number(miner.gain.mean, sign=True)}" for miner in placed
    )
    return f"Real miners, predicted and measured gain: {values or 'not placed yet'}."
