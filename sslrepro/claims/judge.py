"""From measured cells to verdicts: gates first, then the claim's statistic, with 95% needed for either side.

The rule is docs/adr/0008; what each claim's statistic is stands in papers/judgements.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sslrepro import papers
from sslrepro.claims import gates
from sslrepro.claims.gates import Facts, Gate
from sslrepro.claims.language import LEAST_SEEDS, Cell, Missing, Reader, printed_cell, stated_value
from sslrepro.claims.sentences import Statistic, statistic_of
from sslrepro.claims.statistics import (
    Contrast,
    Key,
    Tree,
    contrasts,
    estimate,
    fewest_seeds,
    p_values,
)
from sslrepro.claims.verdict import Letter, Part, Verdict, lenses, verdict_word


def judge(
    claim: Mapping[str, Any],
    cells: Mapping[Key, Cell],
    values: Mapping[Key, Cell] | None = None,
    judged: bool = True,
    unrun: Mapping[str, str] | None = None,
    adapted: Mapping[str, str] | None = None,
    facts: Mapping[Key, Facts] | None = None,
    sizes: bool = False,
    judgement: Mapping[str, Any] | None = None,
) -> Verdict:
    """The verdict on a claim from measured cells, keyed (table, row, column), in the paper's units.

    Only measured numbers count: a claim that needs a cell or value we have not run is "not judged", and so is
    every claim where a cell it reads has fewer than three seeds, or `judged` is False (smoke scale).

        values     (paper, name) -> cell, of numbers that the paper has in its text
        unrun      claim id -> why the table's definition does not run it
        adapted    claim id -> its expression over the cells that the table's definition runs, for `every_step`
        facts      (table, row, column) or (paper, name) -> what the gates know of a cell
        sizes      whether printed sizes of gaps are asked for, as at paper scale
        judgement  the claim's entry of the judgement file, where it is not the committed one
    """
    measured = {**cells, **(values or {})}
    if judgement is None:
        judgement = papers.judgements().get(claim["id"], {})
    case = Case(claim, judgement, measured, dict(facts or {}), sizes, (adapted or {}).get(claim["id"], ""))
    base = case.about()
    if claim["id"] in (unrun or {}):
        return replace(base, reason=unrun[claim["id"]])
    if not judgement:
        return replace(base, reason="no judgement is recorded of the claim")
    if case.statistic.tree is None:
        why = judgement["statistic"].get("why", "the claim cannot be written over measured cells")
        return replace(base, reason=why)
    try:
        decision = case.decision()
    except Missing as missing:
        return replace(base, reason=str(missing))
    base = replace(base, **decision)
    if not judged:
        return replace(base, verdict="not judged", reason="nothing is concluded at this scale")
    if base.n < LEAST_SEEDS:
        return replace(base, verdict="not judged", reason=f"{base.n} seeds, at least {LEAST_SEEDS} are needed")
    return case.behind_gates(base)


@dataclass(frozen=True)
class Case:
    """A claim with everything that bears on it."""

    claim: Mapping[str, Any]
    judgement: Mapping[str, Any]
    cells: Mapping[Key, Cell]
    facts: Mapping[Key, Facts]
    sizes: bool
    adapted: str

    @property
    def statement(self) -> Mapping[str, Any]:
        """The statistic that is judged: over the cells that are run here, where they are not the paper's."""
        return self.judgement.get("here") or self.judgement["statistic"]

    @property
    def statistic(self) -> Statistic:
        """The same as a tree."""
        return statistic_of(self.statement, self.sizes, self.cells.__contains__, f"judgements.{self.claim['id']}")

    def look(self, key: Key) -> Cell:
        """A measured cell; raises Missing."""
        if key not in self.cells:
            raise Missing(f"not run: {'.'.join(key)}")
        if self.cells[key].n < 2:
            raise Missing(f"1 seed, at least {LEAST_SEEDS} are needed")
        return self.cells[key]

    def about(self) -> Verdict:
        """What is known before anything is decided."""
        check = self.claim.get("check") or {}
        judgement = self.judgement
        tolerance = judgement.get("tolerance") or {}
        gap, theirs = self.effect()
        paper_gap = check.get("paper_gap") if theirs is None else theirs
        return Verdict(
            claim=self.claim["id"],
            text=self.claim["text"],
            verdict="not judged",
            gap=gap,
            paper_gap=paper_gap,
            gap_unit=check.get("gap_unit") or "",
            judged_as=self.judged_as(),
            lenses=lenses(gap, paper_gap),
            kind=judgement.get("statistic", {}).get("kind", ""),
            name=judgement.get("name", ""),
            section=judgement.get("section", ""),
            basis=judgement.get("basis", ""),
            every_step=self.letter(),
            tolerance=f"{tolerance['value']:g} ({tolerance['source']})" if tolerance else "",
        )

    def judged_as(self) -> str:
        """What stands in for the claim's own cells; "" where nothing needs to."""
        if not self.judgement or self.statement.get("kind") == "none":
            return ""
        absent = self.statistic.absent
        words = [self.statement["words"]] if self.judgement.get("here") and self.statement.get("words") else []
        return "; ".join(words + ([f"without {', '.join(absent)}"] if absent else []))

    def decision(self) -> dict[str, Any]:
        """Verdict, probabilities, seeds and parts of the statistic alone; raises Missing."""
        tree = self.statistic.tree
        against_claim, for_opposite = p_values(tree, self.look)
        n = fewest_seeds(tree, self.look)
        verdict = verdict_word(against_claim, for_opposite)
        needed = None
        if verdict == "inconclusive" and n >= LEAST_SEEDS:
            needed = seeds_needed(lambda seeds: verdict_word(*p_values(tree, self.look, seeds)) != "inconclusive", n)
        return {
            "verdict": verdict,
            "probability": 1 - against_claim,
            "opposite": 1 - for_opposite,
            "n": n,
            "seeds_needed": needed,
            "parts": tuple(self.parts(tree)),
            "if_equal": self.if_equal(tree),
        }

    def parts(self, tree: Tree) -> Iterator[Part]:
        """The contrasts, where there are several."""
        if isinstance(tree, Contrast):
            return
        for contrast in contrasts(tree):
            gap = estimate(contrast, self.look)
            yield Part(contrast.words, gap.interval, verdict_word(gap.above, 1 - gap.above), gap.above)

    def behind_gates(self, base: Verdict) -> Verdict:
        """The verdict behind the gates."""
        keys = list(dict.fromkeys(self.statistic.tree.keys()))
        stop, notes = gates.floor(keys, self.facts)
        wanted = self.judgement.get("premise")
        if wanted:
            paper = self.claim.get("paper") or self.claim["id"].partition("_")[0]
            late, premise_notes = gates.premise(
                keys, self.facts, paper, wanted == "mined in the best row", self.judgement.get("paper_match")
            )
            stop, notes = stop or late, [*notes, *premise_notes]
        base = replace(base, notes=tuple(notes))
        if stop is None and base.verdict == "holds":
            stop = gates.letter_only(self.statement.get("sense"), self.statement.get("at", ""), self.cells)
        if stop is not None:
            return stop_at_gate(base, stop)
        return self.without_collapsed(base, keys)

    def without_collapsed(self, base: Verdict, keys: list[Key]) -> Verdict:
        """The verdict, open where it changes when runs that nearly collapsed are left out."""
        marks = gates.near_collapses(keys, self.facts)
        if not marks:
            return base
        reasons = tuple(dict.fromkeys(why for seeds in marks.values() for why in seeds.values()))
        left = {key: cell.without(marks.get(key, ())) for key, cell in self.cells.items()}
        other = replace(self, cells={key: cell for key, cell in left.items() if cell is not None})
        try:
            decision = other.decision()
        except Missing:
            decision = {"verdict": "not judged", "n": 0}
        changes = decision["n"] < LEAST_SEEDS or decision["verdict"] != base.verdict
        base = replace(base, notes=(*base.notes, *reasons))
        if not changes:
            return base
        return replace(
            base,
            verdict="inconclusive",
            gate=gates.COLLAPSE,
            seeds_needed=None,
            reason=f"a run nearly collapsed ({reasons[0]}); without such runs "
            + (
                f"{decision['n']} seeds are left"
                if decision["n"] < LEAST_SEEDS
                else f"the verdict would be: {decision['verdict']}"
            ),
        )

    # --- beside the verdict ------------------------------------------------------------------------------------------

    def effect(self) -> tuple[tuple[float, float, float] | None, float | None]:
        """Our effect with its interval, and the same contrast of printed cells; None each where it is unknown."""
        for contrast in self.effects():
            try:
                return estimate(contrast, self.look).interval, paper_value(contrast)
            except Missing:
                continue
        return None, None

    def effects(self) -> Iterator[Contrast]:
        """Candidates: the one that the judgement names, the transcribed one, the statistic's own."""
        statement = self.judgement and self.statement
        if statement and statement.get("effect"):
            yield statistic_of(statement, self.sizes, self.cells.__contains__).effect
        if not (statement and "effect" in statement):
            transcribed = (self.claim.get("check") or {}).get("gap_expr")
            contrast = as_contrast(transcribed) if transcribed else None
            if contrast is not None:
                yield contrast
            if statement and statement.get("kind") != "none" and self.statistic.effect is not None:
                yield self.statistic.effect

    def letter(self) -> Letter | None:
        """The claim's expression over our means, and seed by seed."""
        expression = self.adapted or papers.expression(self.claim)
        if not expression:
            return None
        used: dict[Key, Cell] = {}

        def mean(*key: str) -> float:
            used[key] = self.look(key)
            return used[key].mean

        try:
            true = bool(np.all(Reader(mean, mean).read(expression)))
        except Missing:
            return None
        seeds = sorted(set.intersection(*(set(cell.by_seed) for cell in used.values()))) if used else []
        held = 0
        for seed in seeds:
            at = lambda *key, seed=seed: used[key].by_seed[seed]  # noqa: E731
            held += bool(np.all(Reader(at, at).read(expression)))
        return Letter(true, held, len(seeds)) if used else None

    def if_equal(self, tree: Tree) -> float | None:
        """The probability were the cells equal, of a claim that nothing differs between cells."""
        parts = list(contrasts(tree))
        if self.statistic.kind != "equivalence" or any(abs(sum(part.weights.values())) > 1e-9 for part in parts):
            return None
        level = float(np.mean([self.look(key).mean for key in tree.keys()]))
        same = {key: at_level(cell, level) for key, cell in self.cells.items()}
        return 1 - p_values(tree, same.__getitem__)[0]


def stop_at_gate(base: Verdict, gate: Gate) -> Verdict:
    """A claim that a gate stops."""
    return replace(
        base,
        verdict="not tested",
        gate=gate.name,
        reason=f"{gate.reason}; a test would take {gate.remedy}",
        seeds_needed=None,
    )


def at_level(cell: Cell, level: float) -> Cell:
    """The cell with another mean."""
    if not cell.seeds:
        return replace(cell, mean=level)
    return Cell.of({seed: value - cell.mean + level for seed, value in cell.seeds}, cell.source)


def paper_value(contrast: Contrast) -> float | None:
    """A contrast of the cells that the paper prints; None where it prints not all."""
    try:
        values = {key: printed_cell(*key) if len(key) == 3 else stated_value(*key) for key in contrast.weights}
    except (Missing, ValueError):
        return None
    if any(not isinstance(value, int | float) for value in values.values()):
        return None
    return round(sum(weight * values[key] for key, weight in contrast.weights.items()) + contrast.constant, 6)


def as_contrast(expression: str) -> Contrast | None:
    """A transcribed effect as a weighted sum of cells; None where it is not one (an extreme, a ratio)."""
    keys: dict[Key, float] = {}
    point: dict[Key, float] = {}

    def cell(*key: str) -> float:
        keys[key] = 0.0
        return point.get(key, 0.0)

    def value(at: Mapping[Key, float]) -> float:
        point.clear()
        point.update(at)
        return float(Reader(cell, cell).read(expression))

    with np.errstate(all="ignore"):
        try:
            constant = value({})
            weights = {key: value({key: 1.0}) - constant for key in list(keys)}
            fits = True
            for sign in (1, -1):
                probe = {key: sign * (3.0 + 1.7 * place * place) for place, key in enumerate(keys)}
                expected = constant + sum(weight * probe[key] for key, weight in weights.items())
                fits &= math.isclose(value(probe), expected, abs_tol=1e-6)
        except (Missing, ValueError, ZeroDivisionError, TypeError):
            return None
    return Contrast({key: weight for key, weight in weights.items() if weight}, constant) if fits else None


def seeds_needed(settled: Callable[[int], bool], start: int, most: int = 1000) -> int | None:
    """Least n > start that is settled, found by doubling and bisection; None beyond `most`."""
    if start >= most:
        return None
    low, high = start, start + 1
    while not settled(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high
