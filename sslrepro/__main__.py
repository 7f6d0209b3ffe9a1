"""Command line: `python -m sslrepro --help`."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

EPILOG = """\
examples
  python -m sslrepro list                                        tables, methods, data sets, profiles
  python -m sslrepro reproduce nnclr_queue --profile smoke       a table in under a minute, to see it work
  python -m sslrepro reproduce nnclr_queue                       the cpu profile: minutes on two cores
  python -m sslrepro reproduce nnclr_queue --dry-run             what would run, and what is stored already
  python -m sslrepro train --method nnclr --data shapes --set settings.queue_size=512 --set plan.epochs=2
  python -m sslrepro train --method simclr --data holiday --root ~/pictures
  torchrun --nproc-per-node 2 -m sslrepro train --method mocov2   two processes, one run
  python -m sslrepro evaluate runs/<name> --evaluation knn --set k=50
  python -m sslrepro ledger --profile gpu --budget 1500 --device cuda --root cifar10.tar.xz
  python -m sslrepro show nnclr_queue --profile cpu              the stored table and verdicts, trains nothing
"""


def parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    top = argparse.ArgumentParser(
        "python -m sslrepro",
        description="Re-derive the tables of five papers whose positives are other images.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="command", required=True)

    def table_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--profile", default="cpu", help="scale: smoke, cpu, gpu or paper (default cpu)")
        sub.add_argument("--seeds", type=int, help="seeds 0..N-1 per cell (default: the profile's)")
        sub.add_argument("--dataset", help="other images than the profile's: cifar10, cifar100, ... from --root")
        sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR",
                         help="folder that holds data sets (default: $SSLREPRO_DATA)")  # fmt: skip
        sub.add_argument("--runs", default=None, metavar="DIR", help="where runs are stored (default: runs/)")

    sub = commands.add_parser("reproduce", help="train what a table needs, judge its claims, make its page")
    sub.add_argument("table", nargs="?", help="id of the table; without it, the list of tables")
    table_options(sub)
    sub.add_argument("--jobs", type=int, default=2, help="runs side by side, one thread each (default 2)")
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    sub.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    sub.add_argument("--no-book", action="store_true", help="make the page but do not build the book around it")

    sub = commands.add_parser("show", help="print a stored table and its verdicts; trains nothing")
    sub.add_argument("table")
    table_options(sub)

    commands.add_parser("list", help="tables, methods, evaluations, data sets and profiles by name")

    sub = commands.add_parser("train", help="train one run, or resume it, and evaluate it",
                              formatter_class=argparse.RawDescriptionHelpFormatter,
                              epilog="settings: any field of the run's configuration, e.g. plan.lr, plan.epochs, "
                              "settings.temperature,\nviews.recipe, data.n_train, encoder. "
                              "`--dry-run` prints them all.")  # fmt: skip
    sub.add_argument("--method", required=True, help="nnclr, simclr, ... (see list)")
    sub.add_argument("--data", default="shapes", help="digits, shapes, cifar10, ... or a folder's name in the root")
    sub.add_argument(
        "--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR", help="folder of data sets"
    )
    sub.add_argument("--profile", default="cpu", help="whose settings to start from (default cpu)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting")
    sub.add_argument("--device", default="cpu")
    sub.add_argument("--runs", default=None, metavar="DIR")
    sub.add_argument("--dry-run", action="store_true", help="print the resolved configuration, and stop")

    sub = commands.add_parser("evaluate", help="evaluate a stored run again, or with another protocol")
    sub.add_argument("run", type=Path, help="the run's folder")
    sub.add_argument("--evaluation", action="append", metavar="NAME", help="knn, linear, linear_sgd, few (default all)")
    sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change the protocol")
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR")
    sub.add_argument("--device", default="cpu")

    sub = commands.add_parser("ledger", help="do missing runs of a scale within a budget; carry results",
                              epilog="Most wanted runs first. One of --budget, --export, --import. It can be stopped "
                              "and called again anywhere.")  # fmt: skip
    sub.add_argument("--profile", default="gpu", help="scale (default gpu)")
    sub.add_argument("--budget", type=float, metavar="SECONDS", help="stop after this long")
    sub.add_argument("--seeds", type=int)
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR",
                     help="folder of data sets, or one archive <set>.tar.xz")  # fmt: skip
    sub.add_argument("--device", default="cpu")
    sub.add_argument("--threads", type=int, default=1, help="of this process (default 1)")
    sub.add_argument("--runs", default=None, metavar="DIR")
    sub.add_argument("--dry-run", action="store_true", help="list what is missing, in order, and stop")
    sub.add_argument("--export", type=Path, metavar="FILE", help="write the scale's results as one .tar.gz")
    sub.add_argument("--import", dest="import_", type=Path, metavar="FILE", help="merge such a file into the ledger")

    sub = commands.add_parser("evolution", help="train what a figure of embeddings over training needs, and keep it")
    sub.add_argument("figure", nargs="?", help="id of the figure; without it, the list of figures")
    sub.add_argument("--profile", default="cpu", help="scale: smoke, cpu or gpu (default cpu)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--dataset", help="other images than the profile's, from --root")
    sub.add_argument("--root", default=os.environ.get("SSLREPRO_DATA") or None, metavar="DIR")
    sub.add_argument("--device", default="cpu")
    sub.add_argument("--runs", default=None, metavar="DIR")

    commands.add_parser("check", help="list pages whose inputs changed; exit 1 if there are any")
    commands.add_parser("pages", help="execute again, from the ledger, the pages whose inputs changed")
    sub = commands.add_parser("bench", help="speed, side by side with torchvision and faiss in one run")
    sub.add_argument("--device", default="cpu")
    return top


def changes(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE words as a dict; values are JSON where they parse, else text."""
    from sslrepro.check import require

    out = {}
    for word in given:
        name, equals, value = word.partition("=")
        require(bool(equals), "--set", "value", "NAME=VALUE", word)
        try:
            out[name] = json.loads(value)
        except json.JSONDecodeError:
            out[name] = value
    return out


def show_lists() -> None:
    """Everything that has a name."""
    from sslrepro import evaluate, methods, tables
    from sslrepro.data.views import RECIPES
    from sslrepro.parts.encoders import ENCODERS
    from sslrepro.profiles import PROFILES

    print("tables (make reproduce TABLE=<id>)")
    for name in tables.names():
        print(f"  {name:16} {tables.definition(name).question}")
    print("\nprofiles")
    for name, profile in PROFILES.items():
        print(f"  {name:16} {profile.where}")
    print(f"\nmethods          {', '.join(methods.names())}")
    print(f"evaluations      {', '.join(evaluate.names())}")
    print(f"view recipes     {', '.join(RECIPES)}")
    print(f"encoders         {', '.join(ENCODERS)}")
    print("data             shapes, digits (embedded); cifar10, cifar100, stl10, tinyimagenet, any folder (--root)")


def reproduce(given: argparse.Namespace) -> None:
    """Train, judge, publish, and print where everything is."""
    if given.table is None:
        return show_lists()
    from sslrepro import report, study

    runs = Path(given.runs) if given.runs else study.RUNS
    made = study.plan(given.table, given.profile, given.seeds, given.dataset, given.root)
    store = study.Store(runs)
    left = [task for task in made.tasks if not study.complete(task, store)]
    print(f"{made.definition.id} at {made.profile.name} scale ({made.profile.where}): {len(made.tasks)} runs, "
          f"{len(made.tasks) - len(left)} stored, {len(left)} to do")  # fmt: skip
    if given.dry_run:
        for task in left:
            print(f"  {task.name}  {task.steps:,} steps")
        return None
    from sslrepro.check import require

    require(made.profile.runnable, "reproduce", "profile", "smoke, cpu or gpu", made.profile.name,
            "It is planned here (--dry-run) and run by those who have the machine.")  # fmt: skip
    begun = time.perf_counter()
    study.carry_out(made.tasks, runs, given.root, given.device, given.jobs)
    trained = time.perf_counter() - begun
    compared = study.publish_ledger(made, runs)
    found = study.results(made, runs)
    from sslrepro import publish

    page = publish.publish(made)
    print(f"\n{printed(found)}\n")
    print(f"cost      {report.cost(found)}")
    if left:
        print(f"          {trained / 60:.1f} minutes here, {given.jobs} runs side by side")
    print(f"ledger    {made.ledger}: {compared['agree']} runs with the numbers that stood there, "
          f"{compared['differ']} differ (largest by {compared['largest']:.4f}), {compared['new']} new")  # fmt: skip
    print(f"notebook  {page}")
    built = study.PROJECT / "_build" / "html" / "executed" / f"{page.stem}.html"
    if (
        not given.no_book
        and made.profile.judged
        and (not built.exists() or built.stat().st_mtime < page.stat().st_mtime)
    ):
        build_book()
    listed = page.stem in (study.PROJECT / "book" / "_toc.yml").read_text()
    print(f"page      {built}" if built.exists() else f"page      {'run `make book`' if listed else 'not in the book'}")
    return None


def build_book() -> None:
    """Build the book without its chatter; a failure is reported, the page and numbers stand."""
    import subprocess

    from sslrepro.study import PROJECT

    words = [str(Path(sys.executable).parent / "jupyter-book"), "build", "book", "--path-output", ".", "--all", "-q"]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        print(f"the book did not build; `make book` shows why:\n{done.stderr[-500:]}", file=sys.stderr)


def show(given: argparse.Namespace) -> None:
    """Print what is known of a table."""
    from sslrepro import report, study

    made = study.plan(given.table, given.profile, given.seeds, given.dataset, given.root)
    found = study.results(made, Path(given.runs) if given.runs else study.RUNS)
    if not any(found.rows.values()):
        print(f"{given.table} has not been run at {made.profile.name} scale: "
              f"make reproduce TABLE={given.table} PROFILE={given.profile}")  # fmt: skip
        return
    print(f"{printed(found)}\n\n{report.cost(found)}")


def printed(found: Any) -> str:
    """A table for the terminal, with its finding and, where a paper claims something, the verdicts."""
    from sslrepro import report, survey

    if found.definition.notebook == "methods":
        return f"{survey.table(found)}\n\n{survey.finding(found)}"
    return f"{report.table(found)}\n\n{report.finding(found)}\n\n{report.verdicts(found)}"


def train(given: argparse.Namespace) -> None:
    """One run, trained or resumed, then evaluated; under `torchrun` by several processes together."""
    from sslrepro.parts.gather import joined

    with joined(given.device) as device:
        train_one(given, device)


def train_one(given: argparse.Namespace, device: str) -> None:
    """The run of one process."""
    from dataclasses import asdict

    from sslrepro import study, trial
    from sslrepro.parts.gather import rank
    from sslrepro.train import threads

    task = trial.single(given.method, given.profile, given.seed, given.data, given.root, changes(given.set))
    if rank() == 0:
        print(json.dumps(asdict(task.config), indent=1))
    if given.dry_run:
        return
    runs = Path(given.runs) if given.runs else study.RUNS
    with threads(1):
        record = trial.perform_here(task, runs, given.root, device)
    if rank() > 0:
        return
    for line in record["results"].values():
        for name, value in line["scores"].items():
            print(f"  {name:32} {value:.4f}" if isinstance(value, float) else f"  {name:32} {value}")
    print(f"run       {runs / task.name}")


def ledger(given: argparse.Namespace) -> None:
    """Missing runs within a budget, or a bundle out or in."""
    from sslrepro import ledger as work
    from sslrepro import study
    from sslrepro.check import require

    if given.import_ is not None:
        found = work.import_bundle(given.import_)
        print(f"{found['new']} new runs, {found['agree']} agree with what stood there, {found['differ']} differ (kept)")
        return
    if given.export is not None:
        print(f"{work.export(given.export, [given.profile])} files in {given.export}")
        return
    runs = Path(given.runs) if given.runs else study.RUNS
    if given.dry_run:
        root = work.unpacked(given.root, runs)
        agenda = work.agenda(given.profile, root, given.seeds)
        left = [(made, task) for made, task in agenda if study.published(task, made) is None]
        for made, task in left:
            print(f"  {made.definition.id:16} {task.name}  {task.steps:,} steps")
        print(f"{len(left)} runs missing at {given.profile} scale")
        return
    require(given.budget is not None, "ledger", "--budget", "given, in seconds", None)
    tally = work.work(given.profile, given.budget, given.root, runs, given.device, given.threads, given.seeds)
    for name in tally.finished:
        print(f"  done      {name}")
    for name, error in tally.failed.items():
        print(f"  failed    {name}: {error}")
    if tally.cut_off:
        print(f"  cut off   {tally.cut_off}: the next call goes on with it")
    print(f"{len(tally.finished)} runs in {tally.seconds:.0f} s, {tally.missing} still missing")


def evolution(given: argparse.Namespace) -> None:
    """A figure's runs, watched while they train; its small files, from which pages draw."""
    from sslrepro import evolution as figures
    from sslrepro import study

    if given.figure is None:
        for name in figures.names():
            print(f"  {name:16} {figures.DEFINITIONS[name].question}")
        return
    runs = Path(given.runs) if given.runs else study.RUNS
    found = figures.figure(given.figure, given.profile, given.seed, given.dataset, given.root, runs, given.device)
    print(f"{figures.measures(found)}\n")
    for path in figures.keep(found):
        print(f"kept      {path}")


def evaluate_again(given: argparse.Namespace) -> None:
    """Evaluate a stored run."""
    from sslrepro import evaluate, study
    from sslrepro.check import require
    from sslrepro.config import from_record
    from sslrepro.store import read_json

    require((given.run / "config.json").exists(), "evaluate", "run", "a run's folder (it has a config.json)",
            str(given.run))  # fmt: skip
    config = from_record(read_json(given.run / "config.json"))
    chosen = given.evaluation or evaluate.names()
    protocols = {name: evaluate.protocol(name, changes(given.set)) for name in chosen}
    task = study.Task(config.data, config.seed, protocols, config)
    study.perform(task, given.run.resolve().parent, given.root, given.device, 1)
    done = study.Store(given.run.resolve().parent).results(task.name)
    for name, protocol in protocols.items():
        print(name, protocol)
        for score, value in done[study.result_key(name, protocol)]["scores"].items():
            print(f"  {score:32} {value:.4f}")


def main(words: list[str] | None = None) -> int:
    """Run a command; wrong input prints one line and returns 2."""
    given = parser().parse_args(words)
    try:
        match given.command:
            case "reproduce":
                reproduce(given)
            case "show":
                show(given)
            case "list":
                show_lists()
            case "train":
                train(given)
            case "evolution":
                evolution(given)
            case "evaluate":
                evaluate_again(given)
            case "ledger":
                ledger(given)
            case "check":
                from sslrepro.publish import stale

                found = stale()
                print("\n".join(found) if found else "every page is up to date")
                return 1 if found else 0
            case "pages":
                from sslrepro.publish import renew, renew_picture

                for page in [*renew(), *renew_picture()]:
                    print(page)
            case "bench":
                from benchmarks.suite import main as bench

                bench(given.device)
    except (ValueError, RuntimeError, FloatingPointError) as error:
        if os.environ.get("RANK", "0") == "0" or not isinstance(error, ValueError):  # wrong input is said once
            print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `... list | head`; nothing more can be printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("\nstopped; the same command resumes", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
