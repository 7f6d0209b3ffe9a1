"""From a folder of images to `photos.ssl/`: trained, resumed or trained for more epochs, in one call."""

import csv
import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as to_safetensors

import sslrepro
from sslrepro.base.errors import require
from sslrepro.base.store import environment, lock_folder, read_json, read_lines, write_atomic, write_json
from sslrepro.data.dataset import Dataset
from sslrepro.methods.base import Method
from sslrepro.own.defaults import choose, words
from sslrepro.own.health import LOOKS, Health, verdict
from sslrepro.own.images import Survey, pixels, survey
from sslrepro.own.labels import read_labels, write_scores
from sslrepro.own.report import write_report
from sslrepro.own.run import ENCODER, LISTING, MODEL, ROWS, OwnRun
from sslrepro.parts.extract import encode_images
from sslrepro.training.checkpoint import header, restore, save
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import batches_of, initial_method, solver_of, train
from sslrepro.training.monitor import Interval

MEASURED = 20  # steps behind the estimate of the time
REPORT_SECONDS = 20.0  # between two writings of report.html and log.csv
UNSEEN = ("neighbour_match", "neighbour_match_without_self")  # of the log: they would need labels


def fit_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    method: str | None = None,
    epochs: int | None = None,
    encoder: str | None = None,
    side: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    labels: str | Path | None = None,
    skip_bad: bool = False,
    device: str | None = None,
    say: Callable[..., None] | None = print,
) -> OwnRun:
    """Train an encoder on all images under a folder, into `photos.ssl/`; go on from what is there already.

        folder      any tree of images; no classes, no splits
        out         default `<name of the folder>.ssl` in the working folder
        method      default "nnclr"
        epochs      in all: more than were trained go on from there, the learning rate raised again to where the
                    longer schedule has it
        encoder, side, batch_size, seed   see `own.defaults.choose`; those of a run that is there stay as they are
        labels      "folders" or a csv file `file,label`: scores of the features after training (own/labels.py)
        skip_bad    leave out files that cannot be read, and list them in the report
        device      default "cuda" where there is one, else "cpu"
        say         is called as `print` is; None: nothing is said

    A call that is killed loses seconds: the same call goes on. Raises ValueError for wrong input before anything is
    written, and where images or settings are not those of the run that is there.
    """
    folder = Path(folder).expanduser()
    out = Path(f"{folder.resolve().name or 'images'}.ssl") if out is None else Path(out).expanduser()
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device is None else device
    usable = device == "cpu" or (device.startswith("cuda") and torch.cuda.is_available())
    require(usable, "fit", "device", "cpu, or cuda where there is a GPU", device)
    asked = dict(method=method, encoder=encoder, side=side, epochs=epochs, batch_size=batch_size, seed=seed)
    before = _stored_config(out)
    seen = survey(folder, skip_bad)
    label_of = None if labels is None else read_labels(labels, seen)
    config = choose(seen, device, **asked) if before is None else _longer_config(before, out, asked)
    seen, data = pixels(seen, config.data.side, skip_bad, _bar("decoding", "img") if say else None)
    data = replace(data, name=config.data.name)
    if before is None:
        config = choose(seen, device, **(asked | {"side": config.data.side}))
        config = config.with_changes(**{"data.fingerprint": data.fingerprint})
    else:
        same = config.data.fingerprint == data.fingerprint
        require(same, "fit", f"images under {folder}", f"the {config.data.n_train} that {out} was trained on",
                f"{len(data)}, or others", "--out <another>.ssl trains on these.")  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
        with lock_folder(out / "run", wait=False):
            run = _train_or_open(seen, data, config, out, device, say)
            if label_of is not None:
                write_scores(run, label_of, say)
            return run
    except BlockingIOError:
        raise ValueError(f"fit: {out} is being trained by another process. Wait for it, or choose --out.") from None


def _stored_config(out: Path) -> RunConfig | None:
    """The run that a folder holds; None where it can become one. Raises ValueError for a folder of something else."""
    if not out.exists():
        return None
    require(out.is_dir(), "fit", "out", "a folder, or a name that is free", str(out), "Choose another --out.")
    held = sorted(path.name for path in out.iterdir())
    if not (out / "run" / "config.json").exists():
        require(held in ([], ["run"]), "fit", "out", "a folder of `sslrepro fit`, or a name that is free", str(out),
                f"It holds {', '.join(held[:3])}. Choose another --out.")  # fmt: skip
        return None
    return from_record(read_json(out / "run" / "config.json"))


def _longer_config(before: RunConfig, out: Path, asked: dict[str, Any]) -> RunConfig:
    """The configuration that a run goes on with: its own, with the epochs that are asked for."""
    own = dict(method=before.method, encoder=before.encoder, side=before.data.side, seed=before.seed,
               batch_size=before.plan.batch_size)  # fmt: skip
    for name, value in own.items():
        require(asked[name] in (None, value), "fit", name, f"{value!r}, as in {out}", asked[name],
                "--out <another>.ssl starts anew.")  # fmt: skip
    epochs = before.plan.epochs if asked["epochs"] is None else asked["epochs"]
    return before.with_changes(**{"plan.epochs": epochs})


def _train_or_open(
    seen: Survey, data: Dataset, config: RunConfig, out: Path, device: str, say: Callable[..., None] | None
) -> OwnRun:
    run = out / "run"
    first = extend(run, config, data, device)
    steps = config.plan.epochs * (len(data) // config.plan.batch_size)
    if first >= steps and _complete(out, config):
        if say:
            say(f"{out} has its {config.plan.epochs} epochs; --epochs {2 * config.plan.epochs} goes on from there")
        return OwnRun(out)
    progress = Progress(words(seen, config), out, seen, first, steps, device, say)
    health = Looks(run, data, config, device, first)
    on_device = data.to(device)
    method = train(config, run, on_device, device, progress, log_every=max(1, min(20, steps // 50)), watch=health)
    progress.close()
    health.at_end(method, steps)
    finish(method, seen, data, config, out, device)
    if say:
        say(verdict(health.looks)[0])
        say(f"-> {out} (report.html, embeddings.csv and .npy, encoder.safetensors)")
    return OwnRun(out)


def extend(run: Path, config: RunConfig, data: Dataset, device: str) -> int:
    """Steps that were trained; a checkpoint of the same run with another number of epochs becomes one of `config`.

    plans.json lists the numbers of epochs before the checkpoint changes hands, so that a kill between the two is no
    harm. Raises ValueError for fewer epochs than were trained.
    """
    path, plans = run / "checkpoint.safetensors", run / "plans.json"
    known = read_json(plans) if plans.exists() else []
    epochs = config.plan.epochs
    if not path.exists():
        write_json(plans, [epochs])
        return 0
    about = header(path)
    first, per_epoch = int(about["step"]), len(data) // config.plan.batch_size
    done = -(-first // per_epoch)
    require(epochs >= done, "fit", "epochs", f">= {done}, those trained", epochs, "--out <another>.ssl starts anew.")
    if about["identity"] == config.identity:
        return first
    owners = [config.with_changes(**{"plan.epochs": number}) for number in known]
    owner = next((each for each in owners if each.identity == about["identity"]), None)
    require(owner is not None, "fit", f"checkpoint {path}", "of this run", about["identity"],
            "--out <another>.ssl starts anew.")  # fmt: skip
    write_json(plans, sorted({*known, epochs}))
    method = initial_method(config, len(data), device)
    solver, interval = solver_of(method, config.plan), Interval(data)
    step, seconds = restore(path, owner, method, solver, interval)
    save(path, config, method, solver, step, seconds, int(about["peak_bytes"]), interval)
    return first


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
            self.bar = _bar("training", "step", self.first)
        if self.bar is not None:
            lines = self.lines() if done % 20 == 0 else []
            self.bar(step, steps, **{name: f"{lines[-1][key]:.3f}" for name, key in
                     (("loss", "loss"), ("spread", "embedding_std")) if lines and key in lines[-1]})  # fmt: skip
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

    def __init__(self, run: Path, data: Dataset, config: RunConfig, device: str, first: int):
        self.path, self.data, self.config, self.device = run / "health.jsonl", data, config, device
        self.per_epoch = len(data) // config.plan.batch_size
        self.every = max(1, config.plan.epochs // LOOKS) * self.per_epoch
        self.looks = [look for look in read_lines(self.path) if look["epoch"] * self.per_epoch <= first]
        self.health: Health | None = None

    def __call__(self, step: int, method: Method) -> None:
        if step % self.every == 0 and not any(look["epoch"] * self.per_epoch == step for look in self.looks):
            self.look(method, step)

    def look(self, method: Method, step: int) -> None:
        if self.health is None:
            data = self.data.to(self.device)
            self.health = Health(data, batches_of(self.config, data, method))
        self.looks.append(self.health.look(method, step // self.per_epoch))
        write_atomic(self.path, "".join(json.dumps(look, sort_keys=True) + "\n" for look in self.looks))

    def at_end(self, method: Method, steps: int) -> None:
        if not self.looks or self.looks[-1]["epoch"] * self.per_epoch != steps:
            self.look(method, steps)


def finish(method: Method, seen: Survey, data: Dataset, config: RunConfig, out: Path, device: str) -> None:
    """Write what a trained method leaves: encoder, features, log, report; last model.json, which completes them."""
    normalise = data.mean_std()
    features = encode_images(method.encoder, data.to(device), tuple(map(tuple, normalise)), 128).cpu()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in method.encoder.state_dict().items()}
    content = to_safetensors(weights)
    write_atomic(out / ENCODER, content)
    buffer = io.BytesIO()
    np.save(buffer, features.numpy())
    write_atomic(out / ROWS, buffer.getvalue())
    sizes = [(file.name, file.width, file.height) for file in seen.files]
    write_atomic(out / LISTING, table_csv([("file", "width", "height"), *sizes]))
    lines, looks = read_lines(out / "run" / "log.jsonl"), read_lines(out / "run" / "health.jsonl")
    write_atomic(out / "log.csv", log_csv(lines))
    write_report(out, words(seen, config), lines, looks, seen.bad)
    mean, std = normalise
    write_json(out / MODEL, {
        "side": config.data.side, "mean": mean, "std": std, "background": "white", "encoder": config.encoder,
        "features": features.shape[1], "encoder_sha256": hashlib.sha256(content).hexdigest(), "method": config.method,
        "settings": config.settings, "epochs": config.plan.epochs, "seed": config.seed, "identity": config.identity,
        "plans": read_json(out / "run" / "plans.json"), "verdict": verdict(looks),
        "images": {"folder": str(seen.folder.resolve()), "n": len(data), "fingerprint": data.fingerprint,
                   "left_out": [name for name, _ in seen.bad]},
        "version": sslrepro.__version__, "environment": environment(device),
    })  # fmt: skip


def _complete(out: Path, config: RunConfig) -> bool:
    """Whether everything that `finish` writes is there, of this very run."""
    names = (ENCODER, ROWS, LISTING, MODEL, "log.csv", "report.html")
    if not all((out / name).is_file() for name in names):
        return False
    about = read_json(out / MODEL)
    whole = hashlib.sha256((out / ENCODER).read_bytes()).hexdigest() == about.get("encoder_sha256")
    return whole and about.get("identity") == config.identity


def table_csv(rows: list[tuple[Any, ...]]) -> str:
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


def _bar(what: str, unit: str, first: int = 0) -> Callable[..., None]:
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
