"""When nothing may be concluded: floor, premise, letter only, and runs that nearly collapsed (docs/adr/0008).

Gates read facts that the ledger records. What it does not record is said to be unrecorded and stops nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sslrepro.claims.language import Cell, Missing
from sslrepro.claims.sentences import linear
from sslrepro.claims.statistics import Contrast, Key, estimate

COLLAPSED = 0.05  # spread of the embedding, of a healthy one's
CONSTANT = 0.01  # how near, in share, a loss may come to that of a constant network
TIMES_CHANCE = 3.0  # how often mined images must share the class
LETTER_ONLY, FLOOR, PREMISE, COLLAPSE = "letter only", "floor", "premise", "collapse"


@dataclass(frozen=True)
class Run:
    """What the ledger holds of one training's end; None where it holds nothing.

    spread     of the embedding: 0 collapsed, about 1 healthy
    constant   the loss of a network that maps all images to one point, where it is known
    match      share of mined images that have the anchor's class;  chance   the same of random images
    """

    name: str = ""
    method: str = ""
    spread: float | None = None
    loss: float | None = None
    constant: float | None = None
    match: float | None = None
    chance: float | None = None

    @property
    def collapse(self) -> str:
        """Why the run is marked; "" where it is healthy as far as the ledger tells."""
        if self.spread is not None and self.spread < COLLAPSED:
            return f"its embedding's spread ended at {self.spread:.3f}"
        if self.loss is not None and self.constant and abs(self.loss - self.constant) <= CONSTANT * self.constant:
            return f"its loss, {self.loss:.3f}, is that of a constant network, {self.constant:.3f}"
        return ""


@dataclass(frozen=True)
class Level:
    """A cell of accuracy and the floors on the same table: name of the control -> its cell."""

    cell: Cell
    floors: dict[str, Cell]
    where: str = ""


@dataclass(frozen=True)
class Facts:
    """What the gates know of one cell. runs   seed -> the trainings behind it."""

    levels: tuple[Level, ...] = ()
    runs: dict[int, tuple[Run, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """A gate that stops a claim: which, why, and what a test would take."""

    name: str
    reason: str
    remedy: str


def floor(keys: Iterable[Key], facts: Mapping[Key, Facts]) -> tuple[Gate | None, list[str]]:
    """The gate, where no cell of the claim is above all floors by more than the interval; and what is unrecorded."""
    levels = [level for key in keys if key in facts for level in facts[key].levels]
    if not levels:
        return None, []
    floored = [level for level in levels if level.floors]
    if not floored:
        return None, ["no floor is recorded for this table"]
    missing = sorted({"random", "pixels"} - set().union(*(level.floors for level in floored)))
    notes = [f"floor not recorded: {', '.join(missing)}"] if missing else []
    if any(all(clears(level.cell, under) for under in level.floors.values()) for level in floored):
        return None, notes
    best = max(floored, key=lambda level: level.cell.mean - max(cell.mean for cell in level.floors.values()))
    floors = ", ".join(f"{FLOOR_NAMES.get(name, name)} {cell.mean:.1f}" for name, cell in best.floors.items())
    reason = f"the best cell, {best.cell.mean:.1f}, is not above {floors} by more than the interval"
    return Gate(FLOOR, reason, "a training long enough to pass the untrained encoder and raw pixels"), notes


FLOOR_NAMES = {"random": "the untrained encoder", "pixels": "raw pixels"}


def clears(cell: Cell, under: Cell) -> bool:
    """Whether a cell is above another by more than the 95% interval of the difference."""
    cells = {("cell", "", ""): cell, ("under", "", ""): under}
    try:
        return estimate(Contrast({("cell", "", ""): 1.0, ("under", "", ""): -1.0}), cells.__getitem__).interval[1] > 0
    except Missing:
        return False


def premise(
    keys: Iterable[Key], facts: Mapping[Key, Facts], family: str, best: bool = False, paper: float | None = None
) -> tuple[Gate | None, list[str]]:
    """The gate, where mined images share the class less than three times as often as chance.

    family   the paper whose methods mine for the claim; what its rivals mine is not asked
    best     asks it of the best row alone: of claims that vary the mining itself; else of every row that mines
    paper    the share that the paper reports, in percent
    """
    shares: list[tuple[float, float]] = []
    for key in keys:
        runs = [run for several in (facts[key].runs.values() if key in facts else ()) for run in several]
        matches = [
            (run.match, run.chance)
            for run in runs
            if run.match is not None and run.chance and belongs(run.method, family)
        ]
        if matches:
            match, chance = (sum(column) / len(matches) for column in zip(*matches, strict=True))
            shares.append((match, chance))
    if not shares:
        return None, ["how often mined images share the class is not recorded"]
    match, chance = (max if best else min)(shares, key=lambda pair: pair[0] / pair[1])
    if match >= TIMES_CHANCE * chance:
        return None, [f"mined images shared the class in {100 * match:.0f}%, chance {100 * chance:.0f}%"]
    theirs = f", paper {paper:g}%" if paper is not None else ""
    reason = f"the mined images were right in {100 * match:.0f}%, chance {100 * chance:.0f}%{theirs}"
    return Gate(PREMISE, reason, "an embedding whose mined images share the class three times as often as chance"), []


def belongs(method: str, family: str) -> bool:
    """Whether a method is one of a paper's own."""
    return method.startswith(family) or (family == "nnclr" and method == "nnsiam")


def letter_only(sense: str | None, at: str, cells: Mapping[Key, Cell]) -> Gate | None:
    """The gate, where what the claim takes for granted (`sense`, a contrast above zero) is reversed in our means."""
    if not sense:
        return None
    contrast = linear(sense, at)
    try:
        mean = estimate(contrast, cells.__getitem__).mean
    except (KeyError, Missing):
        return None
    if mean > 0:
        return None
    return Gate(
        LETTER_ONLY, f"true by the letter, but {contrast.words} is {mean:+.1f}", "a scale at which it is positive"
    )


def near_collapses(keys: Iterable[Key], facts: Mapping[Key, Facts]) -> dict[Key, dict[int, str]]:
    """Cell -> seed -> why the run is marked as collapsed."""
    collapses: dict[Key, dict[int, str]] = {}
    for key in keys:
        for seed, runs in (facts[key].runs if key in facts else {}).items():
            for run in runs:
                if run.collapse:
                    collapses.setdefault(key, {})[seed] = f"{run.name}: {run.collapse}"
    return collapses


# --- what a run's record says ----------------------------------------------------------------------------------------


def run_of(record: Mapping[str, Any], classes: int, name: str = "") -> Run:
    """The facts of a ledger record ({config, results}); `classes` of its images, all equally frequent."""
    config = record.get("config", {})
    scores = record["results"].get("training", {}).get("scores", {})
    if "method" not in config or "loss" not in scores:
        return Run(name, config.get("method", ""))
    oracle = config.get("settings", {}).get("positive") == "oracle"  # it reads labels, and mines nothing
    return Run(
        name,
        config["method"],
        scores.get("embedding_std"),
        scores["loss"],
        constant_loss(config),
        None if oracle else match_of(scores),
        1 / classes if classes else None,
    )


def match_of(scores: Mapping[str, float]) -> float | None:
    """How often mined images have the anchor's class, by the name under which a method's loop logs it.

    Looked-up rows (own past left out), pairs chosen beforehand, relations of a mining net, or pairs with one
    pseudo-label, of the clustering that is right most often.
    """
    for name in ("neighbour_match_without_self", "neighbour_match", "pair_match", "relation_match"):
        if name in scores:
            return scores[name]
    purity = [value for name, value in scores.items() if name.startswith("precision_") and not math.isnan(value)]
    return max(purity) if purity else None


def constant_loss(config: Mapping[str, Any]) -> float | None:
    """The loss when all embeddings are equal: the log of the number of candidates; None where it is not known.

    NNCLR takes its softmax over the n images of a batch; SimCLR and SupCon over the other 2n - 1 views.
    """
    n = config.get("plan", {}).get("batch_size", 0)
    candidates = {"nnclr": n, "simclr": 2 * n - 1, "supcon": 2 * n - 1}.get(config.get("method", ""), 0)
    return math.log(candidates) if candidates > 1 else None
