"""The page of the neighbour map: gain by precision and distance, break-even, and real miners on it."""

import html

from sslrepro.claims import Cell
from sslrepro.report import unfinished
from sslrepro.report.budget_sweep import counts, table_html
from sslrepro.report.caption import queue_in_words
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.figures import MINED
from sslrepro.report.formats import Display, format_cell, number, plural, text_table
from sslrepro.report.headings import CONTROLS, short_names
from sslrepro.report.map_curve import (
    BASE,
    BASES,
    SCORES,
    bent_crossing,
    curve,
    distance_effect,
    distances,
    error_effect,
    miners,
    points,
    prediction,
    rise,
)
from sslrepro.report.map_figure import figure
from sslrepro.report.trends import Trend, sign_word
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results, cell_of

__all__ = ["accuracies", "break_evens", "copies", "figure", "finding", "headline", "placement", "table"]


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
    return unfinished.cautious(results, text.strip())


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
    return unfinished.headline(results, finding(results))


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
        for share in curves[0] if curves else ():
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
    config, profile = results.plan.config_of(BASE), results.plan.profile
    return (
        f"Gain over {BASE} at {profile.name} scale, in points: {config.data.name}, "
        f"{config.data.n_train or profile.n_train:,} training images of {side_of(config.data)} px, encoder "
        f"{config.encoder}, {plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size}"
        f"{queue_in_words(config)}. Mean ± half the 95% t-interval of paired differences over n seeds"
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
    return copies_of(results, rows_of(results))
