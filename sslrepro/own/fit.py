"""From a folder of images to `photos.ssl/`: trained, resumed or trained for more epochs, in one call."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
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
from sslrepro.own.defaults import at_once, choose, words
from sslrepro.own.embed import write_parquet
from sslrepro.own.health import verdict
from sslrepro.own.images import Survey, pixels, pixels_in_words, survey
from sslrepro.own.labels import read_labels, write_scores
from sslrepro.own.progress import Looks, Progress, log_csv, progress_bar, table_csv
from sslrepro.own.report import write_report
from sslrepro.own.run import ENCODER, LISTING, MODEL, ROWS, TABLE, OwnRun
from sslrepro.parts.encoders import encoder as build_encoder
from sslrepro.parts.extract import encode_images
from sslrepro.parts.first_weights import mark_of, matching, read_weights, share_in_words
from sslrepro.training.checkpoint import header, restore, save
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import initial_method, solver_of, train
from sslrepro.training.monitor import Interval


def fit_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    method: str | None = None,
    epochs: int | None = None,
    encoder: str | None = None,
    side: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    seed: int | None = None,
    weights: str | Path | None = None,
    weights_except: Sequence[str] = (),
    labels: str | Path | None = None,
    skip_bad: bool = False,
    cache: str | Path | None = None,
    device: str | None = None,
    say: Callable[..., None] | None = print,
) -> OwnRun:
    """Train an encoder on all images under a folder, into `photos.ssl/`; go on from what is there already.

        folder      any tree of images; no classes, no splits
        out         default `<name of the folder>.ssl` in the working folder
        method      default "nnclr"
        epochs      in all: more than were trained go on from there, the learning rate raised again to where the
                    longer schedule has it
        encoder, side, batch_size, accumulate, seed   see `own.defaults.choose`; those of a run that is there stay
        weights     file of tensors that the encoder starts from (parts/first_weights.py); default random ones
        weights_except   names in it, or in the encoder, that are not loaded; all others must fit
        labels      "folders" or a csv file `file,label`: scores of the features after training (own/labels.py)
        skip_bad    leave out files that cannot be read, and list them in the report
        cache       folder of decoded pixels, from which sets that are large beside the memory are read batch by batch;
                    default the user's cache folder
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
    asked = dict(
        method=method,
        encoder=encoder,
        side=side,
        epochs=epochs,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
    )
    before = _stored_config(out)
    seen = survey(folder, skip_bad)
    label_of = None if labels is None else read_labels(labels, seen)
    config = choose(seen, device, **asked) if before is None else _longer_config(before, out, asked)
    start = None if weights is None else first_tensors(config.encoder, weights, weights_except, say)
    cache = None if cache is None else Path(cache).expanduser()
    bar = progress_bar("decoding", "img") if say else None
    try:
        seen, data = pixels(seen, config.data.side, skip_bad, bar, cache)
    finally:
        if bar:
            bar.close()  # an error begins a line of its own
    if say:
        say(pixels_in_words(seen, data, cache))
    data = replace(data, name=config.data.name)
    if before is None:
        config = choose(seen, device, **(asked | {"side": config.data.side}))
        config = config.with_changes(
            **{"data.fingerprint": data.fingerprint, "first_weights": mark_of(start) if start else ""}
        )
    else:
        same = config.data.fingerprint == data.fingerprint
        require(
            same,
            "fit",
            f"images under {folder}",
            f"the {config.data.n_train} that {out} was trained on",
            f"{len(data)}, or others",
            "--out <another>.ssl trains on these.",
        )
        same = start is None or mark_of(start) == config.first_weights
        require(
            same, "fit", "weights", f"those that {out} started from", str(weights), "--out <another>.ssl starts anew."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with lock_folder(out / "run", wait=False):
            run = _train_or_open(seen, data, config, out, device, say, start)
            if label_of is not None:
                write_scores(run, label_of, say)
            return run
    except BlockingIOError:
        raise ValueError(f"fit: {out} is being trained by another process. Wait for it, or choose --out.") from None


def first_tensors(
    name: str, weights: str | Path, leave_out: Sequence[str], say: Callable[..., None] | None
) -> dict[str, torch.Tensor]:
    """What an encoder loads of a file, and a line that says how much of it that is.

    Raises ValueError where names or shapes differ that `leave_out` does not list.
    """
    with torch.random.fork_rng(devices=[]):
        net = build_encoder(name)
    start = matching(net, read_weights(weights), leave_out)
    require(bool(start), "fit", "weights_except", "names that leave something to load", ",".join(leave_out))
    if say:
        say(f"weights: {share_in_words(net, start)} of {name} from {weights}")
    return start


def _stored_config(out: Path) -> RunConfig | None:
    """The run that a folder holds; None where it can become one. Raises ValueError for a folder of something else."""
    if not out.exists():
        return None
    require(out.is_dir(), "fit", "out", "a folder, or a name that is free", str(out), "Choose another --out.")
    held = sorted(path.name for path in out.iterdir())
    if not (out / "run" / "config.json").exists():
        require(
            held in ([], ["run"]),
            "fit",
            "out",
            "a folder of `sslrepro fit`, or a name that is free",
            str(out),
            f"It holds {', '.join(held[:3])}. Choose another --out.",
        )
        return None
    return from_record(read_json(out / "run" / "config.json"))


def _longer_config(before: RunConfig, out: Path, asked: dict[str, Any]) -> RunConfig:
    """The configuration that a run goes on with: its own, with the epochs that are asked for."""
    own = dict(
        method=before.method,
        encoder=before.encoder,
        side=before.data.side,
        seed=before.seed,
        batch_size=before.plan.batch_size,
        accumulate=before.plan.accumulate,
    )
    for name, value in own.items():
        require(
            asked[name] in (None, value),
            "fit",
            name,
            f"{value!r}, as in {out}",
            asked[name],
            "--out <another>.ssl starts anew.",
        )
    epochs = before.plan.epochs if asked["epochs"] is None else asked["epochs"]
    return before.with_changes(**{"plan.epochs": epochs})


def _train_or_open(
    seen: Survey,
    data: Dataset,
    config: RunConfig,
    out: Path,
    device: str,
    say: Callable[..., None] | None,
    start: dict[str, torch.Tensor] | None,
) -> OwnRun:
    run = out / "run"
    first = extend(run, config, data, device)
    steps = config.plan.epochs * (len(data) // config.plan.batch_size)
    if first >= steps and _complete(out, config):
        if say:
            say(f"{out} has its {config.plan.epochs} epochs; --epochs {2 * config.plan.epochs} goes on from there")
        return OwnRun(out)
    progress = Progress(words(seen, config), out, seen, first, steps, device, say)
    health = Looks(run, data, config, device, first, say)
    on_device = data.to(device)
    method = train(
        config, run, on_device, device, progress, log_every=max(1, min(20, steps // 50)), watch=health, weights=start
    )
    progress.close()
    health.at_end(method, steps)
    finish(method, seen, data, config, out, device)
    if say:
        say(verdict(health.looks)[0])
        table = ", embeddings.parquet" if (out / TABLE).exists() else ""
        say(f"-> {out} (report.html, embeddings.csv and .npy{table}, encoder.safetensors)")
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
    require(
        owner is not None,
        "fit",
        f"checkpoint {path}",
        "of this run",
        about["identity"],
        "--out <another>.ssl starts anew.",
    )
    write_json(plans, sorted({*known, epochs}))
    method = initial_method(config, len(data), device)
    solver, interval = solver_of(method, config.plan), Interval(data)
    step, seconds = restore(path, owner, method, solver, interval)
    save(path, config, method, solver, step, seconds, int(about["peak_bytes"]), interval)
    return first


def finish(method: Method, seen: Survey, data: Dataset, config: RunConfig, out: Path, device: str) -> None:
    """Write what a trained method leaves: encoder, features, log, report; last model.json, which completes them."""
    normalise = data.mean_std()
    features = encode_images(method.encoder, data.to(device), tuple(map(tuple, normalise)), at_once(config)).cpu()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in method.encoder.state_dict().items()}
    content = to_safetensors(weights)
    write_atomic(out / ENCODER, content)
    buffer = io.BytesIO()
    np.save(buffer, features.numpy())
    write_atomic(out / ROWS, buffer.getvalue())
    sizes = ((file.name, file.width, file.height) for file in seen.files)
    write_atomic(out / LISTING, table_csv(chain([("file", "width", "height")], sizes)))
    write_parquet(out / TABLE, seen.files, features)
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
