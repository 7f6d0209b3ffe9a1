"""The page of which anchors find the right neighbours: the share fixed, easy against hard ones, the way to the map."""

import numpy as np

from sslrepro.claims import Cell
from sslrepro.report import row_effects, unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.figures import MINED
from sslrepro.report.formats import Display, format_cell
from sslrepro.report.plots import Figure
from sslrepro.report.row_effects import HEAD, SCORES, difference, mean_difference, told
from sslrepro.report.trends import TOO_FEW, sign_word
from sslrepro.study.results import Results
from sslrepro.tables import neighbour_anchors_again as again
from sslrepro.tables.neighbour_anchors import ANCHORS, AS_OFTEN, ITSELF, RANDOM, SET, SHARES, VIEW
from sslrepro.tables.neighbour_confidence import SOME

PUBLISHED = "nearest neighbour"
COLOURS = {"easy": 1, "fixed": 3, "drawn": 0, "hard": 2}


# --- numbers ----------------------------------------------------------------------------------------------------


def judged(results: Results) -> Results:
    """The results that a page is about: of new seeds alone, where a table is about those and some are planned."""
    new = {run.name for run in results.plan.runs if run.seed >= again.FIRST_NEW}
    if results.definition.id != again.TABLE.id or not new:
        return results
    return Results(results.plan, {name: record for name, record in results.known.items() if name in new})


def of_anchors(results: Results, kind: str, score: str = "linear_top1", random_rows: bool = False) -> Cell | None:
    """Points by which anchors of a kind are above those drawn anew, averaged over the set shares.

    random_rows   with right rows from anywhere in the class, not the nearest of it

    None for a table without such rows.
    """
    rows = RANDOM if random_rows else SET
    return mean_difference(results, [(rows[share, kind], rows[share, "drawn"]) for share in SHARES], score)


def hard_over_easy(results: Results, score: str = "linear_top1") -> Cell | None:
    """Points by which hard anchors are above easy ones, averaged over the set shares; None for a table without them."""
    return mean_difference(results, [(SET[share, "hard"], SET[share, "easy"]) for share in SHARES], score)


def right_alone(results: Results, score: str = "linear_top1") -> Cell | None:
    """The same where all other anchors keep their view, so that no neighbour is wrong; None for a table without it."""
    return mean_difference(results, [(SOME[share, "hard"], SOME[share, "easy"]) for share in SHARES], score)


def row_of_map(results: Results) -> str | None:
    """The map's row whose share is nearer to NNCLR's own at the end; None while that is not known, or there is none."""
    own = results.by_seed(ITSELF, MINED)
    if not own or results.definition.id == again.TABLE.id or SET[SHARES[0], "drawn"] not in results.definition.rows:
        return None  # new seeds: rows of a set share are from another kind of processor than NNCLR's own
    at = float(np.mean(list(own.values())))
    return SET[min(SHARES, key=lambda share: abs(share - at)), "drawn"]


def way_to_map(results: Results, score: str = "linear_top1") -> dict[str, Cell | None]:
    """The steps from NNCLR to the map, and their sum, in points; the first alone while its own share is not known."""
    end, drawn = row_of_map(results), AS_OFTEN["drawn"]
    who = {f"who: {drawn}, over {ITSELF}": difference(results, drawn, ITSELF, score)}
    if end is None:
        return who
    return who | {
        f"when: {end}, over {drawn}": difference(results, end, drawn, score),
        f"both: {end}, over {ITSELF}": difference(results, end, ITSELF, score),
    }


# --- words ------------------------------------------------------------------------------------------------------


def finding(results: Results) -> str:
    """The answer in a few sentences, from the numbers, by the rule that stands in the table's reading."""
    results, parts = judged(results), []
    kinds = [kind for kind in ANCHORS if kind != "drawn"]
    shown = [f"{ANCHORS[kind]} {told(cell)}" for kind in kinds if (cell := of_anchors(results, kind))]
    if shown:
        shares = " and ".join(f"{share:.0%}" for share in SHARES)
        parts.append(f"With {shares} right, against anchors drawn anew: {'; '.join(shown)}.")
    if results.definition.id == again.TABLE.id:  # tested there; in the first table described
        both = (
            ("Right", hard_over_easy(results)),
            ("Where all other anchors keep their view, right", right_alone(results)),
        )
        for words, cell in both:
            if cell:
                worth = {"pays": "worth more", "costs": "worth less"}.get(sign_word(cell), "not shown to be worth more")
                parts.append(
                    f"{words} neighbours are {worth} to hard anchors than to easy ones: "
                    f"{format_cell(cell, sign=True)} points (n = {cell.n})."
                )
    random = [(kind, of_anchors(results, kind, random_rows=True)) for kind in ("easy", "hard")]
    shown = [f"{ANCHORS[kind]} {told(cell)}" for kind, cell in random if cell]
    if shown:
        parts.append(f"With right rows from anywhere in the class: {'; '.join(shown)}.")
    who = difference(results, AS_OFTEN["drawn"], ITSELF)
    if who:
        matters = "open" if sign_word(who) in ("open", *TOO_FEW) else "it matters"
        parts.append(
            f"Who is right in NNCLR itself: {matters}. As many right neighbours as its own embedding would find, but "
            f"for anchors drawn anew, change its accuracy by {told(who)}."
        )
    way = list(way_to_map(results).values())
    if len(way) == 3 and all(way):
        parts.append(f"From there to the map's set share it is {told(way[1])}; both steps together are {told(way[2])}.")
    hard = difference(results, AS_OFTEN["hard"], AS_OFTEN["drawn"])
    if hard:
        parts.append(
            f"Hard anchors instead of drawn ones, as often right as their own embedding: {told(hard)}, in part because "
            f"a better embedding is right more often."
        )
    return unfinished.cautious(results, " ".join(parts))


def headline(results: Results) -> Display:
    """The finding on a card, and what is missing."""
    return unfinished.headline(results, finding(results))


# --- tables and figure ------------------------------------------------------------------------------------------


def table(results: Results) -> Display:
    """Every row as measured."""
    return row_effects.table(judged(results), VIEW, ITSELF)


def effects(results: Results) -> Display:
    """The differences that the reading names, by probe."""
    named, results = {}, judged(results)
    for score, probe in SCORES.items():
        cells = way_to_map(results, score)
        cells[f"{AS_OFTEN['drawn']}, over the row {PUBLISHED}"] = difference(
            results, AS_OFTEN["drawn"], PUBLISHED, score
        )
        for kind in ("fixed", "easy", "hard"):
            cells[f"{ANCHORS[kind]}, over drawn anew, mean of both shares"] = of_anchors(results, kind, score)
        cells[f"{ANCHORS['hard']}, over {ANCHORS['easy']}, mean of both shares"] = hard_over_easy(results, score)
        others = "where others keep their view"
        cells[f"{ANCHORS['hard']}, over {ANCHORS['easy']}, {others}"] = right_alone(results, score)
        few, many = SET[SHARES[0], "hard"], SET[SHARES[1], "easy"]  # about as many lookups are corrected
        cells[f"{few}, over {many}"] = mean_difference(results, [(few, many)], score)
        for kind in ("easy", "hard"):
            what = f"random rows, {ANCHORS[kind]}, over drawn anew, mean of both shares"
            cells[what] = of_anchors(results, kind, score, random_rows=True)
        hard, drawn = AS_OFTEN["hard"], AS_OFTEN["drawn"]
        cells[f"{hard}, over {drawn}"] = difference(results, hard, drawn, score)
        named[probe] = cells
    return row_effects.effects(named)


def figure(results: Results) -> Figure:
    """Gain over the view: as often right as NNCLR, and at the set shares, with near and with random right rows."""
    own = {"its own: easy anchors": (ITSELF, COLOURS["easy"])}
    own |= {ANCHORS[kind]: (row, COLOURS[kind]) for kind, row in AS_OFTEN.items()}
    groups = {"as often right as its own embedding": own}
    known = set(results.definition.rows)
    for rows, words in ((SET, ""), (RANDOM, ", random rows")):
        if not known & set(rows.values()):
            break
        if words:
            groups[""] = {}  # below NNCLR's own, which has no random rows
        for share in SHARES:
            kinds = [kind for kind in COLOURS if rows.get((share, kind)) in known]
            groups[f"{share:.0%} right{words}"] = {ANCHORS[kind]: (rows[share, kind], COLOURS[kind]) for kind in kinds}
    return row_effects.figure(judged(results), groups, VIEW, (max(1, len(groups) // 3), min(3, len(groups))))


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer as plain text."""
    return HEAD, row_effects.body(judged(results), VIEW), []


def copies(results: Results) -> Display:
    """The table for download."""
    return copies_of(results, rows_of(results))
