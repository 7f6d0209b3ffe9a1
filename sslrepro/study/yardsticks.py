"""Is our stack right? One public result that is run first on a GPU, with the interval it must meet.

dkobak/simclr-cifar10 trains SimCLR for 100 epochs of CIFAR-10 with a ResNet-18: 10-NN 83.2 +- .2 and linear probe
85.6 +- .2 (standard deviation over three runs). Its recipe is short and public, so our run follows it setting by
setting, and the result tests views, loss, optimizer, bf16 and both evaluations together.

What is fixed here was fixed before any such run. The mean over our seeds must lie within `TOLERANCE` of theirs in both
scores. Half of it is noise: one run of ours against a mean of three of theirs has a standard deviation of
.2 * sqrt(1 + 1/3) = .23, so .5 in 95% of cases. The other half is for what we know to differ and did not measure:
images from JPEG files, batch norm in the head, bf16, the dropped last batch, biases without weight decay, and L-BFGS in
place of Adam. A result that is too high fails as well: it would mean that test images leak. A fault that costs less
than a point is not seen by this test.
"""

import statistics
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sslrepro import evaluate
from sslrepro.base.errors import require
from sslrepro.base.paths import LEDGER
from sslrepro.base.store import read_json
from sslrepro.data.recipes import ViewConfig
from sslrepro.study import plans
from sslrepro.study.plans import TablePlan
from sslrepro.study.profiles import Profile, profile
from sslrepro.study.run import Run
from sslrepro.tables.definition import Definition
from sslrepro.training.config import RunConfig, flat, from_record

SCALE = "gpu"  # the one whose ledger it opens
SEEDS = 3  # as many as theirs
ROW = "SimCLR, 100 epochs"
THEIRS = {"knn_top1": 83.2, "linear_top1": 85.6}  # %, means over three runs
THEIR_SPREAD = 0.2  # points, standard deviation over those runs, of both
TOLERANCE = 1.0  # points, both ways
EQUAL_VOTES = 1000.0  # a temperature so high that all neighbours weigh the same, as theirs do
EVALUATIONS = {"knn": {"k": 10, "temperature": EQUAL_VOTES}, "linear": {}}

DEFINITION = Definition(
    id="yardsticks",
    title="Yardsticks",
    question="Does the whole stack reach what others publish for the same recipe?",
    method="simclr",
    rows={ROW: {}},
    columns={"knn": "knn_top1", "linear": "linear_top1"},
    controls=(),
)


def acceptance_config(seed: int = 0, scale: Profile | None = None) -> RunConfig:
    """The run that must meet the interval: dkobak/simclr-cifar10's settings for 100 epochs, in ours."""
    scale = scale or profile(SCALE)
    plan = replace(scale.plan, epochs=100, batch_size=512, lr=0.06 * 512 / 256, warmup=0.0)
    settings = {"temperature": 0.5, "hidden": 1024, "dim": 128}
    return RunConfig("simclr", settings, scale.encoder, scale.data, ViewConfig("gray10-cifar"), plan, seed)


def acceptance_plan(root: str | Path | None = None, seeds: int | None = None, read_images: bool = True) -> TablePlan:
    """Its runs, as a table of one row.

    seeds        default as many as theirs
    read_images  as for `plans.plan_table`
    """
    scale = profile(SCALE)
    fingerprint = plans.fingerprint_of if read_images else plans.noted_fingerprint
    data = replace(scale.data, fingerprint=fingerprint(scale.data, scale, root))
    protocols = {name: evaluate.protocol(name, settings) for name, settings in EVALUATIONS.items()}
    runs = []
    for seed in range(SEEDS if seeds is None else seeds):
        config = replace(acceptance_config(seed, scale), data=data)
        runs.append(Run(data, seed, protocols, config))
    return TablePlan(DEFINITION, scale, len(runs), {(ROW, ""): runs})


@dataclass(frozen=True)
class Acceptance:
    """What our runs come to beside theirs.

    verdict   "pass", "too low", "too high", or "no run yet"
    means     score -> mean over our seeds, %
    n         seeds
    """

    verdict: str
    means: dict[str, float]
    n: int

    def __str__(self) -> str:
        if not self.n:
            aims = " and ".join(f"{name} {low:.1f} to {high:.1f}" for name, (low, high) in intervals().items())
            return f"no run yet; to pass: {aims}"
        gaps = ", ".join(f"{name} {mean:.2f} ({mean - THEIRS[name]:+.2f})" for name, mean in self.means.items())
        return f"{self.verdict}: {gaps}, n = {self.n}, tolerance {TOLERANCE} points"


def intervals() -> dict[str, tuple[float, float]]:
    """Score -> (least, most) in % that pass."""
    return {name: (value - TOLERANCE, value + TOLERANCE) for name, value in THEIRS.items()}


def acceptance(records: list[dict[str, Any]]) -> Acceptance:
    """Whether records of the acceptance run, one per seed, meet the interval.

    Raises ValueError for the record of another run, and for one that lacks a score.
    """
    values: dict[str, list[float]] = {name: [] for name in THEIRS}
    for record in records:
        config = from_record(record["config"])
        require_acceptance_run(config)
        for name in THEIRS:
            scores = [line["scores"][name] for line in record["results"].values() if agrees(line, name)]
            require(len(scores) == 1, "yardsticks", name, "measured once, by the test's own protocol", len(scores))
            values[name].append(100 * scores[0])
    if not records:
        return Acceptance("no run yet", {}, 0)
    means = {name: statistics.fmean(of) for name, of in values.items()}
    low, high = (
        any(sign * (means[name] - value) > TOLERANCE + 1e-9 for name, value in THEIRS.items()) for sign in (-1, 1)
    )
    return Acceptance("too low" if low else "too high" if high else "pass", means, len(records))


def agrees(line: dict[str, Any], score: str) -> bool:
    """Whether a result is a score of the test by the test's protocol."""
    name = line["evaluation"]
    return score in line["scores"] and name in EVALUATIONS and line["protocol"] == protocol_of(name)


def protocol_of(name: str) -> dict[str, Any]:
    """An evaluation's full protocol as a record stores it."""
    return {key: list(value) if isinstance(value, tuple) else value
            for key, value in evaluate.protocol(name, EVALUATIONS[name]).items()}  # fmt: skip


def require_acceptance_run(config: RunConfig) -> None:
    """Raise ValueError, naming the first setting that differs, unless a run is the test's but for seed and files."""
    expected = asdict(replace(acceptance_config(config.seed), first_weights=config.first_weights))
    given = asdict(config)
    for name, value in flat(expected).items():
        if name not in ("data.fingerprint", "data.seed"):
            require(
                flat(given).get(name) == value, "yardsticks", name, f"{value!r}, as in the test", flat(given).get(name)
            )


def published_acceptance() -> Acceptance:
    """The same of what the ledger holds."""
    folder, records = LEDGER / SCALE, []
    for path in sorted(folder.glob("simclr-cifar10-s*.json")):
        record = read_json(path)
        try:
            require_acceptance_run(from_record(record["config"]))
        except ValueError:  # another run of SimCLR
            continue
        records.append(record)
    return acceptance(records)


@cache
def public() -> dict[str, Any]:
    """{rows, sources}: what others published (papers/public_yardsticks.yaml)."""
    return yaml.safe_load(resources.files("sslrepro.papers").joinpath("public_yardsticks.yaml").read_text("utf-8"))
