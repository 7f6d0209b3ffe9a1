"""Runs of the ledger trained again here: python -m benchmarks.trained_again [--folder runs/again] [--jobs 2]

Does today's code on this processor give, on average, the numbers that are published? One run says little: rounding in
another order is another path through training, as another seed would be. So many are trained again and compared pair
by pair, NNCLR's and those of other methods apart. What differs is the processor and every change of code since; the
two are not told apart. Written to benchmarks/results/trained_again.json; runs that the folder holds are not trained
again.

Fixed before the first run: which runs (the first of each kind by the digest in their names, those of `nnclr_queue`
left out, because its five rows raised the question), the two scores, and the reading. Two intervals of 95% are given.
One takes runs as independent. The other takes the means of seeds, because runs of a seed share images and first
weights. A difference is shown where the first leaves out zero and all seeds have its sign; where only the first does,
it is open.
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from sslrepro.base.paths import LEDGER, RUNS
from sslrepro.base.store import Store, environment, read_json, write_json
from sslrepro.study.plans import plan_table
from sslrepro.study.results import cell_of
from sslrepro.study.run import Run
from sslrepro.study.workers import carry_out
from sslrepro.training.config import from_record

RESULTS = Path(__file__).parent / "results" / "trained_again.json"
SCORES = {"linear": "linear_top1", "knn": "knn_top1"}
OTHERS = ("simclr", "supcon", "mocov2", "byol", "simsiam", "nnsiam", "swav", "barlow", "vicreg", "msf")
SEEDS, EPOCHS, N_NNCLR, N_OTHER = (0, 1, 2), 8, 60, 3  # N_OTHER runs of each other method


def digest(path: Path) -> str:
    """The part of a run's name that depends on all of its configuration."""
    return path.stem.rpartition("-")[2]


def chosen(ledger: Path) -> list[Path]:
    """Records to be trained again, by kind and digest."""
    raised = {run.name for run in plan_table("nnclr_queue", "cpu").runs}
    kinds = defaultdict(list)
    for path in sorted(ledger.glob("*-shapes-s*.json"), key=digest):
        config = read_json(path)["config"]
        usual = "plan" in config and config["plan"]["epochs"] == EPOCHS and config["data"]["classes"] == 16
        if usual and config["seed"] in SEEDS and config["method"] in ("nnclr", *OTHERS) and path.stem not in raised:
            kinds[config["method"]].append(path)
    return [path for kind, paths in kinds.items() for path in paths[: N_NNCLR if kind == "nnclr" else N_OTHER]]


def protocols(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The two evaluations as the record had them done."""
    lines = record["results"].values()
    return {line["evaluation"]: line["protocol"] for line in lines if line.get("evaluation") in SCORES}


def scores(results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Both scores of a run, in points."""
    of = {line.get("evaluation"): line["scores"] for line in results.values()}
    return {score: 100 * of[evaluation][score] for evaluation, score in SCORES.items()}


def summary(pairs: list[dict[str, Any]], score: str) -> dict[str, Any]:
    """Mean difference of a group of runs, here minus published, with both intervals, in points."""
    gaps = [pair["here"][score] - pair["published"][score] for pair in pairs]
    by_seed = defaultdict(list)
    for pair, gap in zip(pairs, gaps, strict=True):
        by_seed[pair["seed"]].append(gap)
    runs = cell_of(dict(enumerate(gaps)))
    seeds = cell_of({seed: statistics.fmean(values) for seed, values in by_seed.items()})
    shown = abs(runs.mean) > runs.half_width
    one_sign = len({statistics.fmean(values) > 0 for values in by_seed.values()}) == 1
    return {
        "runs": len(gaps),
        "mean": runs.mean,
        "sd": runs.sd,
        "interval_runs": [runs.mean - runs.half_width, runs.mean + runs.half_width],
        "interval_seeds": [seeds.mean - seeds.half_width, seeds.mean + seeds.half_width],
        "above": sum(gap > 0 for gap in gaps),
        "same": sum(gap == 0 for gap in gaps),
        "reading": ("shown" if one_sign else "open") if shown else "none shown",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=RUNS / "again", help="of runs (default: runs/again)")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    words = parser.parse_args()
    records = {path.stem: read_json(path) for path in chosen(LEDGER / "cpu")}
    runs = []
    for record in records.values():
        config = from_record(record["config"])
        runs.append(Run(config.data, config.seed, protocols(record), config))
    carry_out(runs, words.folder, jobs=words.jobs)
    pairs = defaultdict(list)
    for run in runs:
        here, published = scores(Store(words.folder).results(run.name)), scores(records[run.name]["results"])
        kind = "nnclr" if run.config.method == "nnclr" else "others"
        pairs[kind].append({"run": run.name, "seed": run.seed, "here": here, "published": published})
    summaries = {kind: {score: summary(each, score) for score in SCORES.values()} for kind, each in pairs.items()}
    published_on = sorted({record["environment"]["device"] for record in records.values()})
    write_json(RESULTS, {"environment": environment("cpu"), "published_on": published_on,
                         "summaries": summaries, "pairs": pairs})  # fmt: skip
    print(json.dumps(summaries, indent=1))


if __name__ == "__main__":
    main()
