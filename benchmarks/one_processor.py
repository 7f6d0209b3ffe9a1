"""A table with every run from one kind of processor: python -m benchmarks.one_processor TABLE [--profile night]

Runs of the ledger are from several kinds of processor, and rounding in another order moves a run of NNCLR by about two
points (benchmarks/trained_again.py). Rows that are compared share their seeds, but where one was trained here and the
other there, their difference holds that too. So the runs that another kind trained are trained again here, all of them,
and the page gives the table's differences once more without any that mixes kinds. The ledger stays as it is.

Written to benchmarks/results/one_processor.json. Stored runs of the folder are read and not trained again.
"""

import argparse
from pathlib import Path

from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, environment, read_json, write_json
from sslrepro.report.presenters import presenter
from sslrepro.study import ledger
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.results import read_results
from sslrepro.study.run import Run
from sslrepro.study.workers import carry_out

RESULTS = Path(__file__).parent / "results" / "one_processor.json"


def from_elsewhere(plan: TablePlan, device: str) -> list[Run]:
    """The table's published runs that another kind of processor than `device` trained."""
    records = {run.name: ledger.published_record(run, plan) for run in plan.runs}
    return [run for run in plan.runs if (of := records[run.name]) and of["environment"]["device"] != device]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--profile", default="cpu", help="scale (default: cpu)")
    parser.add_argument("--folder", type=Path, default=RUNS / "one-processor", help="of runs")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    words = parser.parse_args()
    here, plan = environment("cpu"), plan_table(words.table, words.profile)
    foreign = from_elsewhere(plan, here["device"])
    carry_out(foreign, words.folder, jobs=words.jobs)
    store = Store(words.folder)
    runs = {
        run.name: {line["evaluation"]: line["scores"] for line in store.results(run.name).values()} for run in foreign
    }
    stored = read_json(RESULTS) if RESULTS.exists() else {}
    stored[f"{words.table} {words.profile}"] = {"environment": here, "runs": runs}
    write_json(RESULTS, stored)
    print(presenter(plan.definition).effects(read_results(plan, words.folder, own_first=True)))


if __name__ == "__main__":
    main()
