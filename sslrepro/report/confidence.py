"""The pages of confident neighbours: right ones for some anchors, the view for the others; NNCLR taken apart.

Also of anchors that get another view of their image, or a wrong row that may be as near, in a right one's place.
"""

from collections.abc import Mapping

import numpy as np

from sslrepro.claims import Cell
from sslrepro.report import row_effects, unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.formats import Display, format_cell
from sslrepro.report.plots import Figure
from sslrepro.report.row_effects import HEAD, SCORES, difference, mean_difference, points, told
from sslrepro.report.trends import sign_word
from sslrepro.study.results import Results, cell_of
from sslrepro.tables.neighbour_anchors import ANCHORS, ITSELF, SHARES, VIEW
from sslrepro.tables.neighbour_confidence import ACCEPTED, EVERY, RIGHT_ONLY, SOME, WRONG_ONLY
from sslrepro.tables.neighbour_distance import ANYWHERE, AS_NEAR
from sslrepro.tables.neighbour_or_view import ANOTHER, ANOTHER_FOR, WRONG

COLOURS = {"easy": 1, "drawn": 0, "hard": 2}
HARD = {share: SOME[share, "hard"] for share in SHARES}


# --- numbers ----------------------------------------------------------------------------------------------------


def gain(results: Results, kind: str, score: str = "linear_top1") -> Cell | None:
    """Points that right neighbours for anchors of a kind gain over the view, averaged over the shares."""
    return mean_difference(results, [(SOME[share, kind], VIEW) for share in SHARES], score)


def over_drawn(results: Results, kind: str, score: str = "linear_top1") -> Cell | None:
    """Points by which anchors of a kind are above those drawn anew, averaged over the shares."""
    return mean_difference(results, [(SOME[share, kind], SOME[share, "drawn"]) for share in SHARES], score)


def taken_apart(results: Results, score: str = "linear_top1") -> dict[str, Cell | None]:
    """What NNCLR's lookup does, what its right and its wrong neighbours do alone, and what is left over, in points.

    {} for a table that has no such rows.
    """
    if RIGHT_ONLY not in results.definition.rows:
        return {}
    rows = [points(results, row, score) for row in (ITSELF, RIGHT_ONLY, WRONG_ONLY, VIEW)]
    seeds = sorted(set.intersection(*map(set, rows)))
    whole, right, wrong, base = rows
    return {
        "NNCLR's lookup, over the view": difference(results, ITSELF, VIEW, score),
        "its right neighbours alone": difference(results, RIGHT_ONLY, VIEW, score),
        "its wrong neighbours alone": difference(results, WRONG_ONLY, VIEW, score),
        "what is left over": cell_of({s: whole[s] - right[s] - wrong[s] + base[s] for s in seeds}),
    }


def accepted(results: Results, score: str = "linear_top1") -> dict[str, Cell | None]:
    """What NNCLR that accepts near neighbours alone gains over the view, and over its whole lookup; mean of shares."""
    over = {"the view": VIEW, "its whole lookup": ITSELF}
    return {
        words: mean_difference(results, [(ACCEPTED[share], row) for share in SHARES], score)
        for words, row in over.items()
    }


def another_view(results: Results, score: str = "linear_top1") -> dict[str, Cell | None]:
    """What a right row, another view of their image and a wrong row do for anchors, in points; mean of both shares.

    {} for a table that has no such rows.
    """
    if not set(ANOTHER.values()) <= set(results.definition.rows):
        return {}
    right, another = (
        {kind: [rows[share, kind] for share in SHARES] for kind in ANOTHER_FOR} for rows in (SOME, ANOTHER)
    )
    own, easy, hard = [VIEW] * len(SHARES), ANCHORS["easy"], ANCHORS["hard"]
    compared = {
        f"{hard}, a right row over another view": (right["hard"], another["hard"]),
        f"{easy}, a right row over another view": (right["easy"], another["easy"]),
        f"{hard}, another view over their own": (another["hard"], own),
        f"{easy}, another view over their own": (another["easy"], own),
        f"another view, {hard} over {easy}": (another["hard"], another["easy"]),
        f"{hard}, a wrong row over their view": (WRONG.values(), own),
    }
    return {what: mean_difference(results, zip(*rows, strict=True), score) for what, rows in compared.items()}


def at_distance(results: Results, score: str = "linear_top1") -> dict[str, Cell | None]:
    """What class and distance of the row do for anchors, in points; mean of both shares.

    {} for a table that has no such rows.
    """
    if not set(AS_NEAR.values()) <= set(results.definition.rows):
        return {}
    right, anywhere = (
        {kind: [rows[share, kind] for share in SHARES] for kind in ANOTHER_FOR} for rows in (SOME, ANYWHERE)
    )
    own, easy, hard, as_near = [VIEW] * len(SHARES), ANCHORS["easy"], ANCHORS["hard"], list(AS_NEAR.values())
    compared = {
        f"{hard}, a right row over a wrong one as near": (right["hard"], as_near),
        f"{hard}, a wrong row as near over their view": (as_near, own),
        f"{hard}, a wrong row as near over the nearest wrong one": (as_near, WRONG.values()),
        f"{hard}, a right row from anywhere over the nearest": (anywhere["hard"], right["hard"]),
        f"{easy}, a right row from anywhere over the nearest": (anywhere["easy"], right["easy"]),
        f"the nearest for {hard} over any for {easy}": (right["hard"], anywhere["easy"]),
        f"right rows from anywhere, {hard} over {easy}": (anywhere["hard"], anywhere["easy"]),
    }
    return {what: mean_difference(results, zip(*rows, strict=True), score) for what, rows in compared.items()}


def cosine(results: Results, rows: Mapping[float, str]) -> float | None:
    """Mean cosine at the end of anchors and the rows they took, over shares and seeds; None where one is not run.

    rows   share of the anchors that take a row -> row of the table. The others keep their own view, at a cosine of one
    """
    means = {share: results.by_seed(row, "neighbour_cosine").values() for share, row in rows.items()}
    if not all(means.values()):
        return None
    return float(np.mean([(mean - (1 - share)) / share for share, values in means.items() for mean in values]))


# --- words ------------------------------------------------------------------------------------------------------


def finding(results: Results) -> str:
    """The answer in a few sentences, from the numbers, by the rule that stands in the table's reading."""
    parts = []
    easy, drawn = gain(results, "easy"), gain(results, "drawn")
    shares = " and ".join(f"{share:.0%}" for share in SHARES)
    if easy:
        parts.append(
            f"Right neighbours for the {shares} of anchors that are easiest gain {told(easy)} over the view for every "
            f"anchor."
        )
    if drawn:
        parts.append(f"For anchors drawn anew they gain {told(drawn)}.")
    shown = [f"{ANCHORS[kind]} {told(cell)}" for kind in ("easy", "hard") if (cell := over_drawn(results, kind))]
    if shown:
        parts.append(f"Against these: {'; '.join(shown)}.")
    shown = [f"{told(cell)} over {what}" for what, cell in accepted(results).items() if cell]
    if shown:
        parts.append(f"NNCLR that takes its nearest for the {shares} nearest anchors alone: {', '.join(shown)}.")
    apart = taken_apart(results)
    if apart and all(apart.values()):
        whole, right, wrong, rest = apart.values()
        parts.append(
            f"NNCLR's lookup changes accuracy by {told(whole)}: its right neighbours alone by {told(right)}, its wrong "
            f"ones alone by {told(wrong)}; {told(rest)} are left over."
        )
    hard = mean_difference(results, [(SOME[share, "hard"], SOME[share, "easy"]) for share in SHARES])
    if another_view(results):
        parts = told_of_another_view(results)
    elif at_distance(results):
        parts = told_of_distance(results)
    elif hard and not apart:
        word = {"pays": "holds", "costs": "is contradicted"}.get(sign_word(hard), "is open")
        parts.insert(
            0,
            f"That right neighbours are worth more to hard anchors than to easy ones {word} here: "
            f"{format_cell(hard, sign=True)} points (n = {hard.n}).",
        )
    return unfinished.cautious(results, " ".join(parts))


def told_of_another_view(results: Results) -> list[str]:
    """The sentences about anchors that get another view, or a wrong row; [] while none of it is known."""
    more, _, hard, easy, over_easy, wrong = another_view(results).values()
    parts = []
    if more:
        words = {"pays": "raise accuracy more than", "costs": "raise accuracy less than"}
        word = words.get(sign_word(more), "are not told apart from")
        parts.append(
            f"Right neighbours for hard anchors {word} another view of their own image: "
            f"{format_cell(more, sign=True)} points (n = {more.n})."
        )
    shown = [f"{what} {told(cell)}" for what, cell in (("for hard anchors", hard), ("for easy anchors", easy)) if cell]
    if shown:
        parts.append(f"Another view in the place of their own changes accuracy: {'; '.join(shown)}.")
    if over_easy:
        parts.append(f"The former over the latter: {told(over_easy)}.")
    if wrong:
        parts.append(f"The nearest wrong row for hard anchors changes it by {told(wrong)}.")
    return parts


def told_of_distance(results: Results) -> list[str]:
    """The sentences about rows of equal distance, and of equal class; [] while none of it is known."""
    of_class, alone, over_nearest, hard, easy, left, anywhere = at_distance(results).values()
    parts = []
    if of_class:
        words = {"pays": "counts", "costs": "counts the other way"}
        word = words.get(sign_word(of_class), "is not told apart from distance")
        parts.append(
            f"At equal distance the class of a hard anchor's neighbour {word}: right rows over wrong rows that are as "
            f"near {format_cell(of_class, sign=True)} points (n = {of_class.n})."
        )
    near = [cosine(results, rows) for rows in (HARD, AS_NEAR)]
    if None not in near:
        parts.append(
            "In these trainings the rows end at a mean cosine of {:.2f} and {:.2f} from the anchors.".format(*near)
        )
    shown = [
        f"{told(cell)} {what}"
        for what, cell in (("over the own view", alone), ("over the nearest wrong row", over_nearest))
        if cell
    ]
    if shown:
        parts.append(f"Such wrong rows change accuracy by {', '.join(shown)}.")
    shown = [f"{what} {told(cell)}" for what, cell in (("for hard anchors", hard), ("for easy ones", easy)) if cell]
    if shown:
        parts.append(f"Right rows from anywhere in the class over the nearest: {'; '.join(shown)}.")
    if left and anywhere:
        parts.append(
            f"Right rows of hard anchors over right rows from anywhere for easy ones: the nearest {told(left)}, from "
            f"anywhere {told(anywhere)}."
        )
    return parts


def headline(results: Results) -> Display:
    """The finding on a card, and what is missing."""
    return unfinished.headline(results, finding(results))


# --- tables and figure ------------------------------------------------------------------------------------------


def table(results: Results) -> Display:
    """Every row as measured."""
    return row_effects.table(results, VIEW, VIEW)


def effects(results: Results) -> Display:
    """The differences that the reading names, by probe."""
    named = {}
    for score, probe in SCORES.items():
        cells = {f"{ANCHORS[kind]}, over the view": gain(results, kind, score) for kind in COLOURS}
        cells |= {f"{ANCHORS[kind]}, over drawn anew": over_drawn(results, kind, score) for kind in ("easy", "hard")}
        pairs = [(SOME[share, "hard"], SOME[share, "easy"]) for share in SHARES]
        cells[f"{ANCHORS['hard']}, over {ANCHORS['easy']}"] = mean_difference(results, pairs, score)
        cells |= {f"its nearest for near anchors, over {what}": cell for what, cell in accepted(results, score).items()}
        named[probe] = cells | taken_apart(results, score) | another_view(results, score) | at_distance(results, score)
    return row_effects.effects(named)


def figure(results: Results) -> Figure:
    """Gain over the view: NNCLR taken apart, and right neighbours for a share of the anchors."""
    groups = {}
    if taken_apart(results):
        groups["NNCLR taken apart"] = {
            "its lookup": (ITSELF, 3),
            "right ones only": (RIGHT_ONLY, 1),
            "wrong ones only": (WRONG_ONLY, 5),
        }
    for share in SHARES:
        rows = {ANCHORS[kind]: (SOME[share, kind], colour) for kind, colour in COLOURS.items()}
        rows |= {"every anchor": (EVERY, 4), "its nearest, near anchors": (ACCEPTED[share], 5)}
        if another_view(results):
            rows |= {f"{ANCHORS[kind]}, another view": (ANOTHER[share, kind], 3) for kind in ANOTHER_FOR}
        if at_distance(results):
            rows |= {f"{ANCHORS[kind]}, right ones from anywhere": (ANYWHERE[share, kind], 4) for kind in ANOTHER_FOR}
            rows["hard anchors, a wrong row as near"] = AS_NEAR[share], 3
        rows["hard anchors, a wrong row"] = WRONG[share], 5
        several = another_view(results) or at_distance(results)
        title = f"{share:.0%} of the anchors" if several else f"right ones for {share:.0%}"
        groups[title] = {words: row for words, row in rows.items() if row[0] in results.definition.rows}
    return row_effects.figure(results, groups, VIEW, (1, len(groups)))


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer as plain text."""
    return HEAD, row_effects.body(results, VIEW), []


def copies(results: Results) -> Display:
    """The table for download."""
    return copies_of(results, rows_of(results))
