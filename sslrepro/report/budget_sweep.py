"""The page of the budget sweep: when a nearest neighbour begins to pay, in words, tables and a figure."""

import html

from sslrepro.claims import Cell
from sslrepro.report import unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.formats import Display, format_cell, html_table, plural, text_table
from sslrepro.report.headings import CONTROLS, short_names
from sslrepro.report.sweep_effects import (
    EFFECTS,
    LEARNERS,
    PRIMARY,
    SCORES,
    TIMES_CHANCE,
    chance,
    collapsed_seeds,
    difference,
    growth,
    growth_so_far,
    lengths,
    passes_gate,
    right,
    values,
)
from sslrepro.report.sweep_figure import figure
from sslrepro.report.trends import TOO_FEW, Trend, sign_word
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results, cell_of

__all__ = ["copies", "effects", "figure", "finding", "headline", "table"]


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
        verdict = {"open": "open: the interval holds zero"}.get(
            verdict, verdict if verdict in TOO_FEW else f"it {verdict}"
        )
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
    return unfinished.cautious(results, text.strip())


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
    return unfinished.headline(results, finding(results))


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
    config, profile = results.plan.config_of("SimCLR", next(iter(lengths(results)))), results.plan.profile
    return (
        f"Five learners at {profile.name} scale: {config.data.name}, {config.data.n_train or profile.n_train:,} "
        f"training images of {side_of(config.data)} px, encoder {config.encoder}, batch "
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
    return copies_of(results, rows_of(results))
