"""Command line: `python -m sslrepro --help`."""

import argparse
import json
import math
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
  python -m sslrepro reproduce all --dry-run                     every table: how many runs, and for how long
  python -m sslrepro train --method nnclr --data shapes --set settings.queue_size=512 --set plan.epochs=2
  python -m sslrepro train --method simclr --data holiday --root ~/pictures
  torchrun --nproc-per-node 2 -m sslrepro train --method mocov2   two processes, one run
  python -m sslrepro evaluate runs/<name> --evaluation knn --set k=50
  python -m sslrepro ledger --profile gpu --budget 1500 --device cuda --root cifar10.tar.xz
  python -m sslrepro notebook --table nnclr_queue                change one parameter and look, in JupyterLab
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

    def speed_options(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
        sub.add_argument("--compile", default="no", choices=("no", "kernels", "graphs"),
                         help="encoders plain, fused by torch.compile, or as CUDA graphs (default no)")  # fmt: skip

    sub = commands.add_parser("reproduce", help="train what a table needs, judge its claims, make its page")
    sub.add_argument("table", nargs="?", help="id of the table, or all of them; without it, the list of tables")
    table_options(sub)
    sub.add_argument("--jobs", type=int, default=2, help="runs side by side, one thread each (default 2)")
    speed_options(sub)
    sub.add_argument("--dry-run", action="store_true", help="say what would run, and stop")
    sub.add_argument("--missing", action="store_true", help="only the runs that the ledger does not hold whole")
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
    speed_options(sub)
    sub.add_argument("--runs", default=None, metavar="DIR")
    sub.add_argument("--dry-run", action="store_true", help="print the resolved configuration, and stop")

    sub = commands.add_parser("notebook", help="a notebook with one parameter to change, opened in JupyterLab")
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", help="id of the table whose setting is changed")
    what.add_argument("--method", help="name of the method")
    sub.add_argument("--no-open", action="store_true", help="write it and say where it is")
    sub.add_argument("jupyter", nargs="*", metavar="WORD", help="for JupyterLab, after --: --no-browser, --allow-root")

    sub = commands.add_parser("evaluate", help="evaluate a stored run again, or with another protocol")
    sub.add_argument("run", type=Path, help="the run's folder")
    sub.add_argument("--evaluation", action="append", metavar="NAME", help="see list (default all that read features)")
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
    speed_options(sub)
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
    print(
        "data             shapes, digits (embedded); cifar10, cifar100, stl10, tinyimagenet, any folder (--root);\n"
        "                 <set>-<level> for the labels of a level of its class tree"
    )


def reproduce(given: argparse.Namespace) -> None:
    """Train, judge, publish, and print where everything is: one table, or "all" of them with shared runs done once."""
    if given.table is None:
        return show_lists()
    from sslrepro import plans, study
    from sslrepro.check import require
    from sslrepro.ledger import every_plan
    from sslrepro.tasks import united

    runs = Path(given.runs) if given.runs else study.RUNS
    if given.table == "all":
        made, left_out = every_plan(given.profile, given.root, given.seeds, given.dataset)
    else:
        made, left_out = [plans.plan(given.table, given.profile, given.seeds, given.dataset, given.root)], {}
    require(bool(made), "reproduce", "profile", "one at which some table can be had", given.profile)
    store = study.Store(runs)
    wanted = united([task for one in made for task in one.tasks])
    if given.missing:
        homes = {task.name: one for one in made for task in one.tasks}
        wanted = [task for task in wanted if study.published(task, homes[task.name]) is None]
    wanted.sort(key=lambda task: task.seed)  # whole seeds of every table first, the most wanted tables leading
    left = [task for task in wanted if not study.complete(task, store)]
    announce(given, made, left_out, wanted, left)
    if given.dry_run:
        return None
    require(made[0].profile.runnable, "reproduce", "profile", "smoke, cpu or gpu", made[0].profile.name,
            "It is planned here (--dry-run) and run by those who have the machine.")  # fmt: skip
    begun = time.perf_counter()
    study.carry_out(wanted, runs, given.root, given.device, given.jobs, compiling=given.compile)
    trained = time.perf_counter() - begun
    compared = [study.publish_ledger(one, runs) for one in made]  # all of them before any page: claims read several
    pages = [present(one, runs, found, len(made) > 1) for one, found in zip(made, compared, strict=True)]
    if left:
        print(f"\n{trained / 60:.1f} minutes here, {given.jobs} runs side by side")
    html = study.PROJECT / "_build" / "html" / "executed"
    built = {page: html / f"{page.stem}.html" for page in pages}
    stale = [p for p, b in built.items() if not b.exists() or b.stat().st_mtime < p.stat().st_mtime]
    if not given.no_book and made[0].profile.judged and stale:
        build_book()
    contents = (study.PROJECT / "book" / "_toc.yml").read_text()
    for page, place in built.items():
        where = place if place.exists() else "run `make book`" if page.stem in contents else "not in the book"
        print(f"page      {where if page.stem in str(where) else f'{page.stem}: {where}'}")
    return None


def present(made: Any, runs: Path, compared: dict[str, Any], briefly: bool) -> Path:
    """Make a table's page and print what it says: in full, or its finding and the counts of its verdicts."""
    from sslrepro import publish, report, study, survey

    page = publish.publish(made)
    found = study.results(made, runs)
    if briefly:
        ours = found.definition.notebook == "methods"
        print(f"\n{made.definition.id}: {(survey if ours else report).finding(found)}")
        verdicts = [verdict.verdict for verdict in found.verdicts()]
        if verdicts:
            print("  " + ", ".join(f"{verdicts.count(one)} {one}" for one in dict.fromkeys(verdicts)))
    else:
        print(f"\n{printed(found)}\n")
        print(f"cost      {report.cost(found)}")
    print(f"ledger    {made.ledger}: {compared['agree']} runs with the numbers that stood there, "
          f"{compared['differ']} differ (largest by {compared['largest']:.4f}), {compared['new']} new"
          + (f", {compared['added']} with further evaluations" if compared["added"] else ""))  # fmt: skip
    print(f"notebook  {page}")
    return page


def announce(given: argparse.Namespace, made: list[Any], left_out: dict[str, str], wanted: list[Any],
             left: list[Any]) -> None:  # fmt: skip
    """Say what will run and for how long, as far as the ledger tells; with --dry-run every run by name."""
    from sslrepro.ledger import estimate

    ledgers = {task.name: one.ledger for one in made for task in one.tasks}
    scale = f"at {made[0].profile.name} scale ({made[0].profile.where})"
    counts = f"{len(wanted)} runs, {len(wanted) - len(left)} stored, {len(left)} to do"
    if given.table == "all":
        print(f"{len(made)} tables {scale}: {counts}")
        for one in made:
            without = f", without {', '.join(one.left_out)}" if one.left_out else ""
            print(f"  {one.definition.id:20} {len(one.tasks):4} runs, {one.seeds} seeds{without}")
        for table, reason in left_out.items():
            print(f"  {table:20} left out: {reason}")
        print(f"  {sum(len(one.tasks) for one in made) - len(ledgers)} runs saved, because tables share them")
    else:
        print(f"{made[0].definition.id} {scale}: {counts}")
        for row, reason in made[0].left_out.items():
            print(f"  {row} left out: {reason}")
    if left:
        parts = [estimate([task for task in left if ledgers[task.name] == folder], folder)
                 for folder in dict.fromkeys(ledgers.values())]  # fmt: skip
        if None in parts:
            print("time      unknown: nothing was measured at this scale")
        else:
            minutes = sum(parts) / 60
            print(f"time      about {minutes:.0f} processor-minutes, {math.ceil(minutes / given.jobs)} minutes with "
                  f"{given.jobs} runs side by side, as the ledger's took")  # fmt: skip
    if given.dry_run:
        for task in left:
            print(f"  {task.name}  {task.steps:,} steps")


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
        record = trial.perform_here(task, runs, given.root, device, given.compile)
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
    tally = work.work(given.profile, given.budget, given.root, runs, given.device, given.threads, given.seeds,
                      compiling=given.compile)  # fmt: skip
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


def open_notebook(given: argparse.Namespace) -> None:
    """Write a notebook with one parameter to change, keep the reader's where there is one, and open it."""
    from importlib.util import find_spec

    from sslrepro import change
    from sslrepro.check import require

    path, new = change.write(change.chosen(given.table, given.method))
    print(f"{'written' if new else 'kept   '}   {path}")
    if not new:
        print("          it was there, and may be yours: rename or delete it for a fresh one")
    if given.no_open:
        return
    require(find_spec("jupyterlab") is not None, "notebook", "jupyterlab", "installed", None,
            "pip install -r requirements.txt, or open the file with an editor of your own (--no-open).")  # fmt: skip
    known = [str(change.PROJECT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]  # the kernel finds this sslrepro
    place = os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, known)))}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", str(path), *given.jupyter], place)


def evaluate_again(given: argparse.Namespace) -> None:
    """Evaluate a stored run."""
    from sslrepro import evaluate, study
    from sslrepro.check import require
    from sslrepro.config import from_record
    from sslrepro.store import read_json, result_key

    require((given.run / "config.json").exists(), "evaluate", "run", "a run's folder (it has a config.json)",
            str(given.run))  # fmt: skip
    config = from_record(read_json(given.run / "config.json"))
    chosen = given.evaluation or [name for name in evaluate.names() if not evaluate.of_run(name)]
    protocols = {name: evaluate.protocol(name, changes(given.set)) for name in chosen}
    task = study.Task(config.data, config.seed, protocols, config)
    study.perform(task, given.run.resolve().parent, given.root, given.device, 1)
    done = study.Store(given.run.resolve().parent).results(task.name)
    for name, protocol in protocols.items():
        print(name, protocol)
        for score, value in done[result_key(name, protocol)]["scores"].items():
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
            case "notebook":
                open_notebook(given)
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
