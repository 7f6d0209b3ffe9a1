"""What a reader is told while `fit` trains: the time, a bar, report.html and log.csv, looks at the features."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from sslrepro.base.store import read_lines, write_atomic
from sslrepro.data.dataset import Dataset
from sslrepro.methods.base import Method
from sslrepro.own.defaults import at_once
from sslrepro.own.health import LOOKS, Health, early_stop
from sslrepro.own.images import Survey
from sslrepro.own.report import write_report
from sslrepro.training.config import RunConfig
from sslrepro.training.loop import batches_of

MEASURED = 20  # steps behind the estimate of the time
REPORT_SECONDS = 20.0  # between two writings of report.html and log.csv
UNSEEN = ("neighbour_match", "neighbour_match_without_self")  # of the log: they would need labels


class Progress:
    """Told of every step: says the line with the time, then moves a bar, and keeps report.html and log.csv fresh."""

    def __init__(
        self,
        line: str,
        out: Path,
        seen: Survey,
        first: int,
        steps: int,
        device: str,
        say: Callable[..., None] | None,
    ):
        self.line, self.out, self.seen, self.first, self.steps, self.say = line, out, seen, first, steps, say
        n = torch.get_num_threads()
        self.where = device if device != "cpu" else f"{n} core{'s' if n > 1 else ''}"
        self.begun_at = self.written_at = time.perf_counter()
        self.bar: Any = None
        if say and first:
            say(f"goes on from step {first:,} of {steps:,}")
        if say:
            say(line, end="", flush=True)

    def __call__(self, step: int, steps: int) -> None:
        done, now = step - self.first, time.perf_counter()
        if done == 1:
            self.begun_at = now  # the first step also warms up
        if self.say and self.bar is None and (done == MEASURED or step == steps):
            seconds = (now - self.begun_at) / max(1, done - 1) * (steps - self.first)
            self.say(f" · about {duration(seconds)} on {self.where} (measured over {done} steps)", flush=True)
            self.bar = progress_bar("training", "step", self.first)
        if self.bar is not None:
            lines = self.lines() if done % 20 == 0 else []
            self.bar(
                step,
                steps,
                **{
                    name: f"{lines[-1][key]:.3f}"
                    for name, key in (("loss", "loss"), ("spread", "embedding_std"))
                    if lines and key in lines[-1]
                },
            )
        if now - self.written_at > REPORT_SECONDS:
            self.written_at = now
            self.write()

    def lines(self) -> list[dict[str, Any]]:
        return read_lines(self.out / "run" / "log.jsonl")

    def write(self) -> None:
        lines = self.lines()
        write_atomic(self.out / "log.csv", log_csv(lines))
        looks = read_lines(self.out / "run" / "health.jsonl")
        write_report(self.out, self.line, lines, looks, self.seen.bad, live=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class Looks:
    """Looks at the features (own/health.py): before the first step, about `LOOKS` times between epochs, at the end."""

    def __init__(
        self,
        run: Path,
        data: Dataset,
        config: RunConfig,
        device: str,
        first: int,
        say: Callable[..., None] | None = None,
    ):
        self.path, self.data, self.config, self.device = run / "health.jsonl", data, config, device
        self.per_epoch = len(data) // config.plan.batch_size
        self.every = max(1, config.plan.epochs // LOOKS) * self.per_epoch
        self.looks = [look for look in read_lines(self.path) if look["epoch"] * self.per_epoch <= first]
        self.health: Health | None = None
        self.say = say  # an offer to stop early is said once

    def __call__(self, step: int, method: Method) -> None:
        if step % self.every == 0 and not any(look["epoch"] * self.per_epoch == step for look in self.looks):
            self.look(method, step)

    def look(self, method: Method, step: int) -> None:
        if self.health is None:
            data = self.data.to(self.device)
            self.health = Health(data, batches_of(self.config, data, method), at_once(self.config))
        self.looks.append(self.health.look(method, step // self.per_epoch))
        write_atomic(self.path, "".join(json.dumps(look, sort_keys=True) + "\n" for look in self.looks))
        offer = early_stop(self.looks) if step < self.config.plan.epochs * self.per_epoch else ""
        if offer and self.say:
            self.say(f"\n{offer}", flush=True)
            self.say = None

    def at_end(self, method: Method, steps: int) -> None:
        if not self.looks or self.looks[-1]["epoch"] * self.per_epoch != steps:
            self.look(method, steps)


def table_csv(rows: Iterable[tuple[Any, ...]]) -> str:
    """Rows as CSV text."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def log_csv(lines: list[dict[str, Any]]) -> str:
    """The log as CSV, without what would need labels."""
    names = [name for name in dict.fromkeys(name for line in lines for name in line) if name not in UNSEEN]
    return table_csv([tuple(names), *(tuple(line.get(name, "") for name in names) for line in lines)])


def duration(seconds: float) -> str:
    """Seconds as a reader says them.

    >>> duration(5), duration(200), duration(9000)
    ('5 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def progress_bar(what: str, unit: str, first: int = 0) -> Callable[..., None]:
    """A function of (done, in all) that moves a bar on the terminal, and is told to close at the end."""
    from tqdm import tqdm

    bar: list[Any] = []

    def move(done: int, total: int, **values: str) -> None:
        if not bar:
            bar.append(tqdm(desc=what, total=total, initial=first, unit=unit, leave=False))
        if values:
            bar[0].set_postfix(values, refresh=False)
        bar[0].update(done - bar[0].n)
        if done == total:
            bar[0].close()

    move.close = lambda: [each.close() for each in bar]
    return move
