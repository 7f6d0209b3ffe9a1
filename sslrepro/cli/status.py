"""`status`: the runs of a folder, how far they are, their last loss, and when they ended or will end."""

import argparse
from pathlib import Path
from typing import Any

from sslrepro.cli.options import runs_option


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("status", help="list runs: steps, last loss, when they ended or will end")
    runs_option(sub)
    sub.set_defaults(perform=status)


def status(settings: argparse.Namespace) -> None:
    """Print a line for each run, those that changed last first."""
    from sslrepro.base.errors import require
    from sslrepro.base.paths import RUNS
    from sslrepro.base.store import Store
    from sslrepro.report.formats import text_table

    folder = settings.runs or RUNS
    require(folder.is_dir(), "status", "--runs", "a folder of runs", str(folder))
    places = [folder / name for name in Store(folder).names()]
    if not places:
        print(f"no runs in {folder}")
        return
    lines = sorted(map(line_of, places), key=lambda line: -line[0])
    print(text_table([["run", "step", "last loss", "ended, or will end"], *(cells for _, cells in lines)]))


def line_of(place: Path) -> tuple[float, list[str]]:
    """(time of the last change, cells) of a run's folder; a run that stands still goes by its own speed."""
    from sslrepro.base.store import read_json, read_lines
    from sslrepro.study.run import steps_per_epoch
    from sslrepro.training.config import from_record

    record = read_json(place / "config.json")
    log, results = place / "log.jsonl", place / "results.jsonl"
    lines = read_lines(log)
    changed = max(path.stat().st_mtime for path in (place / "config.json", log, results) if path.exists())
    if "method" not in record:
        return changed, [place.name, "-", "-", clock(changed) if results.exists() else "not evaluated"]
    config = from_record(record, place / "config.json")
    done, last = (lines[-1]["step"], lines[-1]) if lines else (0, {})
    per_epoch = steps_per_epoch(config) or (done / last["epoch"] if last.get("epoch") else 0)  # 0: a folder of images
    steps = round(config.plan.epochs * per_epoch)
    loss = f"{last['loss']:.4f}" if "loss" in last else "-"
    speed = last.get("images_per_second", 0)
    end = "not started" if not lines else "unknown"
    if results.exists():
        end = clock(results.stat().st_mtime)
    elif speed:
        seconds = (steps - done) * config.plan.batch_size / speed
        end = f"about {clock(changed + seconds)}" if done < steps else "trained, not evaluated"
    return changed, [place.name, f"{done:,} of {steps:,}" if steps else "not known", loss, end]


def clock(seconds: float) -> str:
    """A time of this machine's clock, to the minute."""
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
