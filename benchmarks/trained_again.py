"""Runs of the ledger trained again here: python -m benchmarks.trained_again [--look 2] [--folder runs/again] [--jobs 2]

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

The first look showed none for NNCLR and one for the other methods together, by the rule above (linear probe -1.7
points [-3.0, -0.4], 30 runs). Nearly all of it came from six runs of SimSiam and NNSiam, whose differences were up to
12 points. The second look was fixed after it and before its own first run: all further runs of the ledger of the same
length, of those ten methods and of NNSiam with controlled neighbours, of every seed, in two groups: the family of
SimSiam, and the rest. The same statistics, the same reading; no run of the first look is in it.
"""

import argparse
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslrepro.base.paths import LEDGER, RUNS
from sslrepro.base.store import Store, environment, read_json, write_json
from sslrepro.study.plans import plan_table
from sslrepro.study.results import cell_of, published_results
from sslrepro.study.run import Run
from sslrepro.study.workers import carry_out
from sslrepro.training.config import from_record

RESULTS = Path(__file__).parent / "results" / "trained_again.json"
SCORES = {"linear": "linear_top1", "knn": "knn_top1"}
FAMILY = ("simsiam", "nnsiam", "nnsiam_controlled")
OTHERS = ("simclr", "supcon", "mocov2", "byol", "simsiam", "nnsiam", "swav", "barlow", "vicreg", "msf")
PUBLISHED_ON = "AMD EPYC"  # what trained the ledger before the first look; runs of other processors came after it
SEEDS, EPOCHS, N_NNCLR, N_OTHER = (0, 1, 2), 8, 60, 3  # N_OTHER runs of each other method


def digest(path: Path) -> str:
    """The part of a run's name that depends on all of its configuration."""
    return path.stem.rpartition("-")[2]


def usual_runs(ledger: Path, methods: tuple[str, ...]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """(record, configuration) of some methods' runs of the usual length on all classes, by digest."""
    for path in sorted(ledger.glob("*-shapes-s*.json"), key=digest):
        record = read_json(path)
        config = record["config"]
        usual = "plan" in config and config["plan"]["epochs"] == EPOCHS and config["data"]["classes"] == 16
        if usual and config["method"] in methods and record["environment"]["device"] == PUBLISHED_ON:
            yield path, config


def first_look(ledger: Path) -> dict[str, list[Path]]:
    """Group -> records to be trained again, by kind and digest."""
    raised = {run.name for run in plan_table("nnclr_queue", "cpu").runs}
    kinds = defaultdict(list)
    for path, config in usual_runs(ledger, ("nnclr", *OTHERS)):
        if config["seed"] in SEEDS and path.stem not in raised:
            kinds[config["method"]].append(path)
    others = [path for kind, paths in kinds.items() if kind != "nnclr" for path in paths[:N_OTHER]]
    return {"nnclr": kinds["nnclr"][:N_NNCLR], "others": others}


def second_look(ledger: Path) -> dict[str, list[Path]]:
    """The same for what the first look left of the other methods."""
    seen = first_look(ledger)["others"]
    groups: dict[str, list[Path]] = {"simsiam family": [], "rest": []}
    for path, config in usual_runs(ledger, (*OTHERS, *FAMILY)):
        if path not in seen:
            groups["simsiam family" if config["method"] in FAMILY else "rest"].append(path)
    return groups


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


def settings_without_seeds(config: dict[str, Any]) -> str:
    """What runs that differ in their seed alone have in common."""
    data = {name: value for name, value in config["data"].items() if name not in ("seed", "fingerprint")}
    return json.dumps(config | {"seed": None, "data": data}, sort_keys=True)


def spread_between_seeds(records: list[dict[str, Any]], score: str) -> float:
    """Standard deviation between seeds of equal settings, pooled over settings; NaN where no settings have two."""
    groups = defaultdict(list)
    for record in records:
        groups[settings_without_seeds(record["config"])].append(scores(record["results"])[score])
    several = [values for values in groups.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    squares = sum(statistics.variance(values) * (len(values) - 1) for values in several)
    return math.sqrt(squares / freedom) if freedom else math.nan


def below(pairs: list[dict[str, Any]], floor: float) -> list[int]:
    """How many runs' linear probe is below a floor: as published, here, and both."""
    published, here = ({p["run"] for p in pairs if p[side]["linear_top1"] < floor} for side in ("published", "here"))
    return [len(published), len(here), len(published & here)]


def by_method(looks: dict[str, Any], ledger: Path) -> dict[str, Any]:
    """Method -> score -> both looks together: the difference, and a run's spread by rounding and between seeds.

    Two runs of one seed that round in two ways differ by two such deviations: that of one is their spread over root 2.
    "below_untrained" counts runs below the mean of untrained encoders.
    """
    untrained = published_results(plan_table("nnclr_queue", "cpu")).values_by_seed("random", "top1", control=True)
    pairs = defaultdict(list)
    for name in ("look 1", "look 2"):
        for pair in (pair for group in looks.get(name, {"pairs": {}})["pairs"].values() for pair in group):
            pairs[read_json(ledger / f"{pair['run']}.json")["config"]["method"]].append(pair)
    out = {}
    for method, each in sorted(pairs.items()):
        records = [read_json(path) for path, _ in usual_runs(ledger, (method,))]
        out[method] = {
            score: {
                "runs": len(each),
                "mean": summed["mean"],
                "half": summed["interval_runs"][1] - summed["mean"],
                "by_rounding": summed["sd"] / math.sqrt(2),
                "between_seeds": spread_between_seeds(records, score),
            }
            for score in SCORES.values()
            for summed in [summary(each, score)]
        }
        out[method]["below_untrained"] = below(each, statistics.fmean(untrained.values()))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look", type=int, choices=(1, 2), default=1, help="which runs: see above (default: 1)")
    parser.add_argument("--folder", type=Path, default=RUNS / "again", help="of runs (default: runs/again)")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    words = parser.parse_args()
    groups = (first_look if words.look == 1 else second_look)(LEDGER / "cpu")
    records = {path.stem: read_json(path) for paths in groups.values() for path in paths}
    runs = {}
    for name, record in records.items():
        config = from_record(record["config"])
        runs[name] = Run(config.data, config.seed, protocols(record), config)
    carry_out(list(runs.values()), words.folder, jobs=words.jobs)
    store = Store(words.folder)
    pairs = {
        group: [
            {
                "run": name,
                "seed": runs[name].seed,
                "here": scores(store.results(name)),
                "published": scores(records[name]["results"]),
            }
            for name in (path.stem for path in paths)
        ]
        for group, paths in groups.items()
    }
    summaries = {group: {score: summary(each, score) for score in SCORES.values()} for group, each in pairs.items()}
    published_on = sorted({record["environment"]["device"] for record in records.values()})
    looks = read_json(RESULTS) if RESULTS.exists() else {}
    looks[f"look {words.look}"] = {
        "environment": environment("cpu"),
        "published_on": published_on,
        "summaries": summaries,
        "pairs": pairs,
    }
    looks["methods"] = by_method(looks, LEDGER / "cpu")
    write_json(RESULTS, looks)
    print(json.dumps(summaries, indent=1))


if __name__ == "__main__":
    main()
