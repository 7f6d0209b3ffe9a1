"""Does what a miner gains depend on the framework? The numbers, and an answer to each question."""

from dataclasses import dataclass
from itertools import combinations

from sslrepro.claims import LEAST_SEEDS, Cell, Missing
from sslrepro.claims.statistics import Contrast, Key, Tree, every, fewest_seeds, p_values
from sslrepro.claims.verdict import verdict_word
from sslrepro.report.effects import direction
from sslrepro.report.formats import format_cell
from sslrepro.study.results import Results, cell_of, paired_differences
from sslrepro.tables.miner_frameworks import MINERS, ON, PUBLISHED, SHORT, TOLERANCE

RULES = (*MINERS, "labels", "random")
GAIN = {"random": "harm_random"}  # rule -> its column of gains over the bare framework, where it is not "gain"


@dataclass(frozen=True)
class Answer:
    """What the seeds say to a question of the table.

    verdict   "holds", "contradicted", "inconclusive" or "not judged"
    numbers   what it rests on, in words
    """

    question: str
    of: str
    verdict: str
    numbers: str

    @property
    def line(self) -> list[str]:
        """As a line of a table."""
        return [self.question, self.of, self.verdict, self.numbers]


def gain(results: Results, rule: str, framework: str) -> Cell | None:
    """What a rule gains over the bare framework, in points."""
    return results.at(ON(rule, framework), GAIN.get(rule, "gain"))


def gains(results: Results, rule: str) -> dict[str, Cell]:
    """Framework -> gain of a rule, for those that were run."""
    return {name: cell for name in SHORT.values() if (cell := gain(results, rule, name))}


def partners(results: Results, rule: str) -> tuple[Cell | None, Cell | None]:
    """(share of images with another image as partner, share of those partners of one class), %; of the first framework
    that was run, since the partners are the same in all."""
    for name in SHORT.values():
        own = results.by_seed(ON(rule, name), "pair_self")
        match = results.by_seed(ON(rule, name), "pair_match")
        if own:
            right = {seed: 100 * (1 - own_wrong(match[seed], own[seed])) for seed in own if own[seed] < 1}
            return cell_of({seed: 100 * (1 - share) for seed, share in own.items()}), cell_of(right)
    return None, None


def own_wrong(match: float, own: float) -> float:
    """Share of wrong ones among partners that are other images; own images are right.

    >>> own_wrong(0.75, 0.5)
    0.5
    """
    return (1 - match) / (1 - own)


def key(row: str) -> Key:
    """A gain's key for the book's statistics."""
    return ("miner_frameworks", row, "gain")


def verdict_on(results: Results, tree: Tree) -> str:
    """By the book's rule (docs/adr/0008): 95% for either side, at least three seeds, nothing at smoke scale."""

    def look(where: Key) -> Cell:
        cell = results.at(where[1], where[2])
        if cell is None:
            raise Missing(f"{where[1]} was not run")
        return cell

    if not results.plan.profile.judged:
        return "not judged"
    try:
        if fewest_seeds(tree, look) < LEAST_SEEDS:
            return "not judged"
        against, opposite = p_values(tree, look)
    except Missing:
        return "not judged"
    return verdict_word(against, opposite)


def no_difference(rows: list[str], tolerance: float = TOLERANCE) -> Tree:
    """Every two gains are within the tolerance: two one-sided tests for each pair."""
    parts = [Contrast({key(a): sign, key(b): -sign}, tolerance) for a, b in combinations(rows, 2) for sign in (1, -1)]
    return every(parts)


def all_positive(rows: list[str]) -> Tree:
    """Every gain is above zero."""
    return every(Contrast({key(row): 1.0}) for row in rows)


def spread(results: Results, rule: str) -> tuple[str, Cell] | None:
    """The two frameworks whose gains differ most, in words, and the difference, paired over seeds."""
    cells = gains(results, rule)
    if len(cells) < 2:
        return None
    high, low = max(cells, key=lambda name: cells[name].mean), min(cells, key=lambda name: cells[name].mean)
    first, second = (results.values_by_seed(ON(rule, name), "gain") for name in (high, low))
    cell = cell_of(paired_differences(first, second))
    return (f"{high} minus {low}", cell) if cell else None


def signs(results: Results, rule: str) -> str:
    """The weaker reading: "contradicted" where a miner gains in one framework and loses in another, by intervals."""
    cells = gains(results, rule)
    words = {direction(cell) for cell in cells.values()}
    if (
        not results.plan.profile.judged
        or len(cells) < len(SHORT)
        or min(cell.n for cell in cells.values()) < LEAST_SEEDS
    ):
        return "not judged"
    if {"gains", "loses"} <= words:
        return "contradicted"
    return "holds" if len(words) == 1 and "undecided" not in words else "inconclusive"


def in_each(results: Results, rows: dict[str, str]) -> str:
    """Framework and gain of some rows, framework -> row."""
    cells = {name: results.at(row, "gain") for name, row in rows.items()}
    return ", ".join(f"{name} {format_cell(cell, sign=True)}" for name, cell in cells.items() if cell)


def answers(results: Results) -> list[Answer]:
    """The questions of the table, as they were fixed before its runs, and what the seeds say."""
    out = []
    for rule, paper in MINERS.items():
        rows = {name: ON(rule, name) for name in SHORT.values()}
        widest = spread(results, rule)
        numbers = f"largest difference: {widest[0]} {format_cell(widest[1], sign=True)}" if widest else "–"
        verdict = verdict_on(results, no_difference(list(rows.values())))
        out.append(
            Answer(
                f"gains the same, within {TOLERANCE:g} points, in every framework",
                f"{rule} ({paper})",
                verdict,
                numbers,
            )
        )
        out.append(
            Answer(
                "gains in all frameworks, or loses in all",
                f"{rule} ({paper})",
                signs(results, rule),
                in_each(results, rows),
            )
        )
    window = {name: ON("window", name) for name in SHORT.values()}
    own = {SHORT[base]: row for (rule, base), row in PUBLISHED.items() if rule == "window"}
    for rows, what in ((window, "SePP-ID's rule, as many pairs as images"), (own, "SePP-ID's own runs")):
        out.append(
            Answer(
                "gains in each of four frameworks",
                what,
                verdict_on(results, all_positive(list(rows.values()))),
                in_each(results, rows),
            )
        )
    level = results.difference(("invp_moco", "top1"), ("invp", "top1"))
    letter = Contrast({("miner_frameworks", "invp_moco", "top1"): 1.0, ("miner_frameworks", "invp", "top1"): -1.0})
    beside = in_each(results, {"with a queue InvP's positives gain": "invp_moco", "with a bank": "invp"})
    out.append(
        Answer(
            "a momentum queue is better than a bank",
            "InvP's rebuttal, by the letter",
            verdict_on(results, letter),
            f"{format_cell(level, sign=True)}; {beside}",
        )
    )
    usable = {name: ON("labels", name) for name in SHORT.values()}
    out.append(
        Answer(
            "right partners gain in each of four frameworks",
            "labels",
            verdict_on(results, all_positive(list(usable.values()))),
            in_each(results, usable),
        )
    )
    return out
