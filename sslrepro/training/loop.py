"""The loop, read from top to bottom: `fit` steps an optimizer over a method; `train` makes a stored run of it."""

import contextlib
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sslrepro import methods
from sslrepro.base.device import bf16_units, precision_line
from sslrepro.base.errors import require
from sslrepro.base.store import (
    append_line,
    environment,
    is_file_there,
    lock_folder,
    read_lines,
    write_atomic,
    write_json,
)
from sslrepro.base.tensors import write_tensors
from sslrepro.data.dataset import Dataset
from sslrepro.data.recipes import ViewConfig, recipe
from sslrepro.data.views import Batches
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import barrier, rank, world_size, wrap_ddp
from sslrepro.parts.encoders import encoder, require_side
from sslrepro.parts.extract import encode_images
from sslrepro.parts.first_weights import load_first, mark_of
from sslrepro.parts.norm import synced_norms
from sslrepro.parts.optim import optimizer, warmup_cosine
from sslrepro.training.checkpoint import Checkpoints, restore, save
from sslrepro.training.compiling import COMPILING, compile_encoders
from sslrepro.training.config import RunConfig, TrainingConfig
from sslrepro.training.micro import add_gradients
from sslrepro.training.monitor import Interval, StepDone, TrainingLog, all_have_gradients
from sslrepro.training.pairs import about_pairs, read_pairs, sampler_eyes, stored_sampler

__all__ = ["COMPILING", "Report", "Watch", "batches_for", "batches_of", "compile_encoders", "fit", "initial_method",
           "mine_pairs", "solver_of", "threads", "train"]  # fmt: skip

Report = Callable[[int, int], None]  # (steps done, steps in all), called after every step
Watch = Callable[[int, Method], None]  # (steps done, method), called before every step


def fit(
    method: Method,
    batches: Batches,
    plan: TrainingConfig,
    on_step: Callable[[StepDone], None] | None = None,
    device: torch.device | str | None = None,
    *,
    solver: torch.optim.Optimizer | None = None,
    first: int = 0,
    before_step: Watch | None = None,
    compiling: str = "no",
) -> Method:
    """Train a method object in place and return it: `plan.epochs` passes over `batches`, one optimizer step a batch.

        method        any `Method`, of the package or of a notebook cell
        batches       what it sees: `batches_for(method, data, batch_size=plan.batch_size)`
        plan          optimizer, peak learning rate, epochs, precision; its batch size must be that of `batches`
        on_step       is told every step after it was taken; default a `TrainingLog` that nobody reads, which raises
                      where the loss is not finite
        device        where to train; default where the images are
        solver        the optimizer, where its state is to go on; default a fresh one (`solver_of`)
        first         steps that were taken before
        before_step   sees the method before every step, after any refresh, and must leave it as it is
        compiling     how the encoders run: see `compile_encoders`

    Draws nothing itself: the batches are a pure function of their seed, the method of its own. Writes no file.
    Raises ValueError where plan and batches disagree, RuntimeError for parameters that no gradient reaches, and
    FloatingPointError (from the log) when the loss is not finite.

    >>> import torch
    >>> from sslrepro import TrainingConfig, batches_for, load
    >>> from sslrepro.methods.simclr import Config, SimCLR
    >>> from sslrepro.parts.encoders import encoder
    >>> images, _ = load("digits", n_train=64)
    >>> plan = TrainingConfig(epochs=1, batch_size=16)
    >>> _ = torch.manual_seed(0)
    >>> method = SimCLR(Config(dim=8, hidden=16), encoder("conv-tiny"), len(images))
    >>> losses = []
    >>> trained = fit(method, batches_for(method, images, batch_size=16), plan, lambda now: losses.append(now.out.loss))
    >>> trained is method, len(losses)
    (True, 4)
    """
    require(
        batches.batch_size == plan.batch_size,
        "fit",
        "batch_size of the batches",
        "the plan's",
        batches.batch_size,
        f"The plan says {plan.batch_size}.",
    )
    device = torch.device(batches.data.device if device is None else device)
    batches = batches if batches.data.device == device else replace(batches, data=batches.data.to(device))
    method = compile_encoders(method.to(device).train(), compiling)
    solver = solver_of(method, plan) if solver is None else solver
    on_step = TrainingLog(batches.data, plan, first=first) if on_step is None else on_step
    steps = plan.epochs * batches.per_epoch
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16")
    if plan.precision == "bf16" and not bf16_units(device):
        warnings.warn(precision_line("bf16", device), stacklevel=2)
    loss = wrap_ddp(method)

    for step, batch in enumerate(batches.between(first, steps), first):  # views are the same in every precision
        progress = step / steps
        if compiling == "graphs":
            torch.compiler.cudagraph_mark_step_begin()  # the last step's outputs may be overwritten from here on
        if step % batches.per_epoch == 0:
            method.refresh(lambda net: encode_images(net, batches.data, batches.normalise), progress)
        if before_step is not None:
            before_step(step, method)
        for group in solver.param_groups:
            factor = 1.0 if group.get("constant") else warmup_cosine((step + 1) / (steps + 1), plan.warmup)
            group["lr"] = plan.lr * factor
        out = add_gradients(loss, batch, progress, plan.accumulate, autocast)
        if step == 0:
            all_have_gradients(method)
        if method.clip_norm is not None:
            nn.utils.clip_grad_norm_(method.parameters(), method.clip_norm)
        solver.step()
        solver.zero_grad(set_to_none=True)
        method.after_step(out, progress)
        on_step(StepDone(step + 1, steps, (step + 1) / batches.per_epoch, solver.param_groups[0]["lr"], out, method))
    return method


def train(
    config: RunConfig,
    folder: Path,
    data: Dataset,
    device: torch.device | str = "cpu",
    report: Report | None = None,
    log_every: int = 20,
    checkpoint_seconds: float = 15.0,
    compiling: str = "no",
    watch: Watch | None = None,
    weights: dict[str, torch.Tensor] | None = None,
) -> Method:
    """Train a run to its end in `folder`, from its last checkpoint where there is one, and return the method.

        data                 the training split, on the CPU or on `device`
        log_every            steps that a line of the log is the mean of
        checkpoint_seconds   between checkpoints; several processes wait for the next log step
        compiling            how the encoders run: see `compile_encoders`; recorded beside the run, no part of its
                             identity
        watch                sees the method before every step, after any refresh, and must leave it as it is. After a
                             resume it sees the steps since the checkpoint again; it never sees the end, which is
                             what is returned. On every process; its time counts as training's
        weights              that the encoder starts from, where the configuration has their mark

    On the CPU, with the same thread count, a run that was killed and resumed ends bit-identical to an unbroken one.
    Raises FloatingPointError when the loss is not finite, ValueError for a checkpoint of another run.

    >>> import tempfile
    >>> from sslrepro import load
    >>> from sslrepro.study.profiles import on_dataset, profile
    >>> config = on_dataset(profile("smoke"), "digits").config("simclr", seed=0)
    >>> config = config.with_changes(**{"data.n_train": 64, "plan.batch_size": 16, "data.side": 8})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     method = train(config, Path(folder) / config.name, load(config.data)[0])
    ...     sorted(path.name for path in (Path(folder) / config.name).iterdir())
    ['checkpoint.safetensors', 'config.json', 'environment.json', 'log.jsonl']
    """
    device, folder = torch.device(device), Path(folder)
    data.require_sound("train")
    if "n_classes" in config.settings:
        n = config.settings["n_classes"]
        require(
            n >= data.n_classes, "train", "settings.n_classes", f">= {data.n_classes}, the classes of the images", n
        )
    data = data.to(device)
    checkpoint, log = folder / "checkpoint.safetensors", folder / "log.jsonl"
    if config.first_weights and not is_file_there(checkpoint):
        mark = mark_of(weights or {})
        require(mark == config.first_weights, "train", "weights", f"those of the run, {config.first_weights}", mark)
    method = initial_method(config, len(data), device, weights)
    solver = solver_of(method, config.plan)
    pairs, about_pairs = mine_pairs(config, folder, data, method, device, report)
    batches = batches_of(config, data, method, pairs)
    for side in sorted({view.side(data.images.shape[2]) for view in batches.views}):
        require_side(config.encoder, side, "train")
    steps = config.plan.epochs * batches.per_epoch

    interval, first, seconds = Interval(data), 0, 0.0
    if is_file_there(checkpoint):
        first, seconds = restore(checkpoint, config, method, solver, interval)
        if first == steps:
            return method
    if rank() == 0:
        logged = read_log(log)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", asdict(config))
        about = environment(str(device)) | {"processes": world_size()}
        about |= {"compiling": compiling} if compiling != "no" else {}
        about |= {"bf16_units": list(bf16_units(device))} if config.plan.precision == "bf16" else {}
        write_json(folder / "environment.json", about)
        # lines of steps after the checkpoint will be written again
        kept = [line for line in logged if line["step"] <= first]
        write_atomic(log, "".join(json.dumps(line, sort_keys=True) + "\n" for line in kept))

    checkpoints = Checkpoints(checkpoint, config, solver, interval, checkpoint_seconds, seconds, device)
    lines = TrainingLog(
        data,
        config.plan,
        log_every,
        first,
        interval,
        about_pairs,
        write=(lambda line: append_line(log, line)) if rank() == 0 else None,
    )

    def on_step(now: StepDone) -> None:
        if report is not None:
            report(now.step, now.steps)
        lines(now)
        checkpoints(now)

    fit(
        method,
        batches,
        config.plan,
        on_step,
        device,
        solver=solver,
        first=first,
        before_step=watch,
        compiling=compiling,
    )
    if steps == 0 and rank() == 0:
        save(checkpoint, config, method, solver, 0, 0.0, 0)
    barrier()
    return method


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a training log; raises ValueError for one that does not say its step."""
    lines = read_lines(path)
    for number, line in enumerate(lines, 1):
        numbered = isinstance(line.get("step"), int | float)
        require(numbered, "train", f"line {number} of {path}", "one of a log, with its step", line, "Delete the line.")
    return lines


def initial_method(
    config: RunConfig,
    n_images: int | None = None,
    device: torch.device | str = "cpu",
    weights: dict[str, torch.Tensor] | None = None,
) -> Method:
    """The method of a configuration as step 0 sees it: weights drawn on the CPU from the run's seed.

    n_images   of the training set; default the configuration's `data.n_train`
    weights    put into the encoder before the method is built around it, so that a teacher starts from them too
    """
    n_images = config.data.n_train if n_images is None else n_images
    settings = methods.settings(config.method, config.settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = encoder(config.encoder)
        load_first(net, weights or {})
        method = methods.build(config.method, settings, net, n_images)
    if world_size() > 1:
        method = synced_norms(method)
    return method.to(device).train()


def solver_of(method: Method, plan: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer of a plan over what is trainable in a method; biases and norms are neither decayed nor adapted."""
    return optimizer(plan.optimizer, method, plan.lr, plan.weight_decay, plan.momentum, method.constant_lr)


def batches_for(
    method: Method,
    data: Dataset,
    recipe_name: str = "moco2",
    crop_min: float = 0.0,
    batch_size: int = 64,
    seed: int = 0,
    pairs: torch.Tensor | None = None,
) -> Batches:
    """The batches a method sees of a training split: as many views as it wants, in recipe order, labels where declared.

        recipe_name   a recipe of `data.recipes.RECIPES`, such as "moco2", "simclr", "byol"
        crop_min      least share of the image's area in a large crop; 0: the recipe's own
        batch_size    images (not views) a step, over all processes
        seed          of order, crops and colours
        pairs         [p 2] further rows of two images each (SePP-ID)

    Raises ValueError for an unknown recipe or a batch that is larger than the set.

    >>> from sslrepro import load
    >>> from sslrepro.methods.base import Method
    >>> images, _ = load("digits", n_train=64)
    >>> batch = batches_for(Method, images, "simclr", batch_size=16).at(0)
    >>> [tuple(view.shape) for view in batch.views], tuple(batch.index.shape)
    ([(16, 3, 8, 8), (16, 3, 8, 8)], (16,))
    """
    n = world_size()
    require(batch_size % n == 0, "train", "batch_size", f"a multiple of the {n} processes", batch_size)
    views = recipe(ViewConfig(recipe_name, crop_min))
    if method.n_views is not None:
        views = tuple(views[place % len(views)] for place in range(method.n_views))
    return Batches(
        data,
        views,
        batch_size,
        seed,
        method.needs_labels,
        method.n_support,
        normalise=tuple(tuple(part) for part in data.mean_std()),
        pairs=pairs,
        pair_weight=method.pair_weight,
        rank=rank(),
        world=n,
    )


def batches_of(config: RunConfig, train: Dataset, method: Method, pairs: torch.Tensor | None = None) -> Batches:
    """The batches of a run, shared out evenly over processes; as many views as the method wants, in recipe order."""
    return batches_for(
        method, train, config.views.recipe, config.views.crop_min, config.plan.batch_size, config.seed, pairs
    )


def mine_pairs(
    config: RunConfig, folder: Path, data: Dataset, method: Method, device: torch.device, report: Report | None
) -> tuple[torch.Tensor | None, dict[str, float]]:
    """(pairs, how good they are) of a method that trains on pairs; its sampler is trained first, beside the run.

    Mined once per run and kept in `pairs.safetensors`. (None, {}) for all other methods.
    """
    if config.sampler is None and config.settings.get("sampler_run") is None:
        return None, {}
    kept = folder / "pairs.safetensors"
    if not is_file_there(kept):
        sampler = sampler_of(config, folder.parent, data, device, report)
        encode = sampler_eyes(
            sampler, batches_of(config, data, method), config.settings.get("sampler_views") == "augmented"
        )
        seen = {"labels": data.labels} if method.needs_labels else {}
        pairs, cosine = method.pairs(encode, len(data), **seen)
        if rank() == 0:
            write_tensors(kept, {"pairs": pairs, "cosine": cosine}, {})
        barrier()
    pairs, cosine = read_pairs(kept, len(data))
    return pairs.to(data.device), about_pairs(pairs, cosine, data)


def sampler_of(config: RunConfig, runs: Path, data: Dataset, device: torch.device, report: Report | None) -> Method:
    """The method that mines a run's pairs: a stored run where one is named, else trained here, beside the run.

    Raises ValueError where the named run is not in the folder `runs`, or cannot be a sampler of these images.
    """
    if config.sampler is None:
        stored, checkpoint = stored_sampler(config.settings["sampler_run"], runs, config)
        method = initial_method(stored, len(data) if stored.data == config.data else None, device)
        restore(checkpoint, stored, method)
        barrier()  # so that no process sees the pairs before all have looked for them
        return method
    beside = runs / config.sampler.name
    with lock_folder(beside) if rank() == 0 else contextlib.nullcontext():
        barrier()  # for the lock, and for the same reason
        return train(config.sampler, beside, data, device, report)


@contextlib.contextmanager
def threads(n: int):
    """Use `n` threads inside the block: the same seed gives other numbers with another count."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
