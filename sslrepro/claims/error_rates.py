"""How often the rule of docs/adr/0008 is wrong, and how often it sees what is there: simulated experiments.

Runs are normal: a share of each seed that all its rows have in common, and a standard deviation of one around each
row's truth. A null is a truth on the edge between claim and no claim; of several the worst is told.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources

import numpy as np

from sslrepro.base.errors import one_of
from sslrepro.claims.sentences import statistic_of
from sslrepro.claims.statistics import LEVEL, Contrast, Tree, at_least, upper_tail

EXPERIMENTS = 100_000
EFFECTS = (0.5, 1.0, 2.0)  # standard deviations of a run
SEEDS = (3, 5)
FAR = 8.0  # so far that noise never bridges it


@dataclass(frozen=True)
class Null:
    """A truth on the edge. wrong   "holds" or "contradicted": the verdict that would be wrong there, or "both"."""

    truth: tuple[float, ...]
    wrong: str = "both"
    sd: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of claim in simulation: its statistic over rows r0, r1, ..., its edges, and what an effect means."""

    name: str
    design: str
    statistic: dict
    nulls: tuple[Null, ...]
    shared: bool = True
    nulls_of: dict | None = None  # another statistic that is simulated at the edges named `narrow`
    narrow: tuple[Null, ...] = ()

    def truth(self, effect: float) -> tuple[float, ...]:
        """Row means where the claim is true by `effect`; false by as much for a negative one."""
        match self.name:
            case "trend":
                return tuple(np.linspace(0, effect, 5))
            case "equivalence":
                return (0.0, 0.0) if effect > 0 else (0.0, TOLERANCE - effect)
            case "count" | "conjunction":
                return (effect, 0.0) * (4 if self.name == "count" else 2)
        return (effect, *[0.0] * (len(self.nulls[0].truth) - 1))

    def statement_at(self, effect: float) -> dict:
        """The statistic at an effect: a claim of no difference is given that tolerance."""
        if self.name != "equivalence" or effect < 0:
            return self.statistic
        return self.statistic | {"within": effect}


TOLERANCE = 1.0


def _pairs(n: int) -> list[dict]:
    return [{"kind": "order", "more": f"r{2 * i}", "less": f"r{2 * i + 1}"} for i in range(n)]


_AT = {"at": "t/*/x"}
_ORDER = {"kind": "order", "more": "r0", "less": "r1"} | _AT
_TREND = {"kind": "trend", "rows": [f"r{i}" for i in range(5)]} | _AT
_SAME = {"kind": "equivalence", "cells": ["r0", "r1"], "within": TOLERANCE} | _AT
KINDS = (
    Kind("order", "two cells, seeds shared", _ORDER, (Null((0, 0)), Null((0, 0), sd=(1, 4)))),
    Kind("order", "two cells, seeds not shared", _ORDER,
         (Null((0, 0)), *(Null((0, 0), sd=(1, sd)) for sd in (1.5, 2, 3, 4, 8))), shared=False),
    Kind("trend", "five rows", _TREND,
         (Null((0,) * 5), Null((0,) * 5, sd=(1, 1, 1, 1, 4)), Null((0, 2, 3, 2, 0)))),
    Kind("best", "one above three rivals", {"kind": "best", "cell": "r0", "rivals": ["r1", "r2", "r3"]} | _AT,
         (Null((0, 0, 0, 0)), Null((0, 0, -FAR, -FAR)), Null((0, 0, -FAR, -FAR), sd=(1, 4, 1, 1)))),
    Kind("equivalence", "two cells, within 1 sd", _SAME,
         (Null((0, TOLERANCE)), Null((0, -TOLERANCE)), Null((0, TOLERANCE), sd=(1, 4))),
         nulls_of=_SAME | {"within": 0.01}, narrow=(Null((0, 0), "contradicted"),)),
    Kind("count", "three wins in four pairs", {"kind": "count", "count": 3, "of": _pairs(4)} | _AT,
         (Null((0, 0) * 4), Null((FAR, 0, FAR, 0, 0, 0, 0, 0), "holds"),
          Null((FAR, 0, FAR, 0, 0, 0, -FAR, 0)), Null((-FAR, 0, 0, 0, 0, 0, 0, 0), "contradicted"))),
    Kind("conjunction", "two pairs, both", {"kind": "conjunction", "of": _pairs(2)} | _AT,
         (Null((0, 0, 0, 0)), Null((FAR, 0, 0, 0)))),
)  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """Shares of experiments. power   share of right verdicts where the claim is true, and false, by EFFECTS."""

    kind: str
    told: str
    n: int
    wrong_holds: float
    wrong_contradicted: float
    power_holds: tuple[float, ...]
    power_contradicted: tuple[float, ...]

    @property
    def wrong(self) -> float:
        """The larger of both."""
        return max(self.wrong_holds, self.wrong_contradicted)


def p_values_of(tree: Tree, runs: np.ndarray, shared: bool) -> np.ndarray | tuple:
    """[experiments, 2]: as `statistics.p_values`, of many experiments at once. runs [experiments, seeds, rows]."""
    if not isinstance(tree, Contrast):
        parts = np.stack([p_values_of(part, runs, shared) for part in tree.parts], axis=-2)
        return np.stack(at_least(parts, tree.count), axis=-1)
    n = runs.shape[1]
    weights = np.zeros(runs.shape[2])
    for (_, row, _), weight in tree.weights.items():
        weights[int(row.removeprefix("r"))] = weight
    mean = (runs @ weights).mean(1) + tree.constant
    if shared:
        error, freedom = (runs @ weights).std(1, ddof=1) / np.sqrt(n), np.float64(n - 1)
    else:
        each = runs.var(1, ddof=1) * weights**2 / n
        error, freedom = np.sqrt(each.sum(1)), np.floor(each.sum(1) ** 2 / (each**2 / (n - 1)).sum(1) + 1e-9)
    above = upper_tail(mean, error, freedom)
    return np.stack([above, 1 - above], axis=-1)


def verdict_shares(
    statistic: dict,
    truth: Sequence[float],
    n: int,
    rng: np.random.Generator,
    sd: Sequence[float] | None = None,
    shared: bool = True,
    experiments: int = EXPERIMENTS,
) -> tuple[float, float]:
    """Shares of experiments in which the claim holds and is contradicted."""
    tree = statistic_of(statistic).tree
    runs = np.asarray(truth, dtype=float) + rng.normal(size=(experiments, n, len(truth))) * (1.0 if sd is None else sd)
    if shared:
        runs = runs + rng.normal(size=(experiments, n, 1))
    p = p_values_of(tree, runs, shared)
    return float((p[:, 0] <= LEVEL).mean()), float((p[:, 1] <= LEVEL).mean())


def rates(kind: Kind, n: int, rng: np.random.Generator, experiments: int = EXPERIMENTS) -> Rates:
    """Both wrong verdicts at the worst edge, and the right ones at EFFECTS."""
    wrong = {"holds": 0.0, "contradicted": 0.0}
    edges = [(kind.statistic, null) for null in kind.nulls] + [(kind.nulls_of, null) for null in kind.narrow]
    for statistic, null in edges:
        shares = verdict_shares(statistic, null.truth, n, rng, null.sd, kind.shared, experiments)
        for name, share in zip(wrong, shares, strict=True):
            if null.wrong in ("both", name):
                wrong[name] = max(wrong[name], share)
    right = [
        [
            verdict_shares(
                kind.statement_at(side * effect), kind.truth(side * effect), n, rng, None, kind.shared, experiments
            )[place]
            for effect in EFFECTS
        ]
        for place, side in enumerate((1, -1))
    ]
    return Rates(kind.name, kind.design, n, wrong["holds"], wrong["contradicted"], tuple(right[0]), tuple(right[1]))


def simulation(experiments: int = EXPERIMENTS, seed: int = 0) -> list[Rates]:
    """Every kind at every number of seeds."""
    rng = np.random.default_rng(seed)
    return [rates(kind, n, rng, experiments) for kind in KINDS for n in SEEDS]


def load_rates() -> list[Rates]:
    """The committed simulation."""
    text = resources.files(__package__).joinpath("error_rates.json").read_text("utf-8")
    return [
        Rates(**{name: tuple(value) if isinstance(value, list) else value for name, value in line.items()})
        for line in json.loads(text)["rates"]
    ]


def as_json(lines: Iterable[Rates], experiments: int) -> str:
    """The file that `load_rates` reads."""
    rounded = [
        {
            name: [round(v, 4) for v in value]
            if isinstance(value, tuple)
            else round(value, 4)
            if isinstance(value, float)
            else value
            for name, value in asdict(line).items()
        }
        for line in lines
    ]
    return (
        json.dumps({"experiments": experiments, "level": LEVEL, "effects": EFFECTS, "rates": rounded}, indent=1) + "\n"
    )


def as_markdown(lines: Iterable[Rates]) -> str:
    """A table: shares in percent."""
    out = [
        "| kind | simulated | seeds | wrongly holds | wrongly contradicted | holds at 0.5 / 1 / 2 sd | "
        "contradicted at 0.5 / 1 / 2 sd |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        power = [
            " / ".join(f"{100 * share:.0f}" for share in shares)
            for shares in (line.power_holds, line.power_contradicted)
        ]
        out.append(
            f"| {line.kind} | {line.told} | {line.n} | {100 * line.wrong_holds:.1f} | "
            f"{100 * line.wrong_contradicted:.1f} | {power[0]} | {power[1]} |"
        )
    return "\n".join(out) + "\n"


@dataclass(frozen=True)
class Expected:
    """Of so many decided claims: how many verdicts are wrong at most, on average, and with 95% confidence."""

    decided: int
    judged: int
    mean: float
    most: int


def expected_wrong(judged: Iterable[tuple[str, int]], decided: int) -> Expected:
    """How many wrong verdicts to expect, at most, among judged claims: (kind, seeds) of each.

    decided   how many of them hold or are contradicted; the others cannot be wrong, and no more can be than these.
              Each judged claim errs with at most its kind's simulated rate, were it on the edge; claims are taken as
              independent for `most`, which shared runs make a rough number
    """
    table = load_rates()
    chances = [chance(table, kind, n) for kind, n in judged]
    spread = np.array([1.0])
    for p in chances:
        spread = np.convolve(spread, [1 - p, p])
    most = int(np.searchsorted(np.cumsum(spread), 0.95))
    return Expected(decided, len(chances), min(float(sum(chances)), float(decided)), min(most, decided))


def chance(table: list[Rates], kind: str, n: int) -> float:
    """The rate of a kind at the simulated number of seeds that is nearest; the worst of its lines."""
    kind = "order" if kind == "gap" else kind
    one_of(kind, [line.kind for line in table], "claims.expected_wrong", "kind")
    near = min((line.n for line in table if line.kind == kind), key=lambda m: abs(m - n))
    return max(line.wrong for line in table if line.kind == kind and line.n == near)
