"""The loop: the only place that steps an optimizer, logs, and saves."""

import contextlib
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as to_safetensors
from torch import nn

from sslrepro import methods
from sslrepro.base.errors import one_of, require
from sslrepro.base.store import append_line, environment, locked, read_lines, write_atomic, write_json
from sslrepro.data.dataset import Dataset
from sslrepro.data.views import Batches, recipe
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import barrier, rank, world_size, wrap_ddp
from sslrepro.parts.encoders import encoder
from sslrepro.parts.extract import encoded
from sslrepro.parts.norm import synced_norms
from sslrepro.parts.optim import optimizer, warmup_cosine
from sslrepro.parts.teacher import MomentumTeacher
from sslrepro.training.checkpoint import restore, save
from sslrepro.training.config import RunConfig
from sslrepro.training.monitor import COLLAPSED, Interval, all_have_gradients, class_agreement, peak_bytes

Report = Callable[[int, int], None]  # (steps done, steps in all), called after every step
Watch = Callable[[int, Method], None]  # (steps done, method), called before every step


def initial_method(config: RunConfig, n_images: int | None = None, device: torch.device | str = "cpu") -> Method:
    """The method of a configuration as step 0 sees it: weights drawn on the CPU from the run's seed.

    n_images   of the training set; default the configuration's `data.n_train`
    """
    n_images = config.data.n_train if n_images is None else n_images
    settings = methods.settings(config.method, config.settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        made = methods.build(config.method, settings, encoder(config.encoder), n_images)
    if world_size() > 1:
        made = synced_norms(made)
    return made.to(device).train()


COMPILING = ("no", "kernels", "graphs")


def compile_encoders(method: Method, how: str) -> Method:
    """The method with its encoders' forward and backward passes compiled; names of weights and checkpoints stay.

        how   "no"; "kernels": fused by torch.compile; "graphs": and replayed as CUDA graphs, so that a step of many
              small kernels is no longer held up by their launches

    Numbers then agree with the plain run to rounding, no longer to the bit. Worth a minute of warm-up on a GPU; on the
    CPU it needs a C++ compiler and gains little.
    """
    one_of(how, COMPILING, "train", "compiling")
    if how == "no":
        return method
    for owner in method.modules():
        nets = [
            net for name, net in owner.named_children() if name in ("projector", "predictor") and [*net.parameters()]
        ]
        if isinstance(owner, Method):
            nets.append(owner.encoder)
        elif isinstance(owner, MomentumTeacher):
            nets.append(owner)
        for net in nets:
            net.compile(dynamic=False, mode="reduce-overhead" if how == "graphs" else "default")
    return method


def batches_of(config: RunConfig, train: Dataset, method: Method, pairs: torch.Tensor | None = None) -> Batches:
    """The batches of a run, shared out evenly over processes; as many views as the method wants, in recipe order."""
    n = world_size()
    size = config.plan.batch_size
    require(size % n == 0, "train", "batch_size", f"a multiple of the {n} processes", size)
    views = recipe(config.views)
    if method.n_views is not None:
        views = tuple(views[place % len(views)] for place in range(method.n_views))
    return Batches(train, views, size, config.seed, method.needs_labels, method.n_support,
                   normalise=tuple(tuple(part) for part in train.mean_std()), pairs=pairs,
                   pair_weight=method.pair_weight,
                   rank=rank(), world=n)  # fmt: skip


def mine_pairs(
    config: RunConfig, folder: Path, data: Dataset, method: Method, device: torch.device, report: Report | None
) -> tuple[torch.Tensor | None, dict[str, float]]:
    """(pairs, how good they are) of a method that trains on pairs; its sampler is trained first, beside the run.

    Mined once per run and kept in `pairs.safetensors`. (None, {}) for all other methods.
    """
    sampler_config = config.sampler
    if sampler_config is None:
        return None, {}
    kept = folder / "pairs.safetensors"
    normalise = tuple(tuple(part) for part in data.mean_std())
    if not kept.exists():
        beside = folder.parent / sampler_config.name
        with locked(beside) if rank() == 0 else contextlib.nullcontext():
            barrier()  # for the lock, and so that no process sees the pairs before all have looked for them
            sampler = train(sampler_config, beside, data, device, report)

        def encode(index: torch.Tensor) -> torch.Tensor:
            return encoded(sampler, data.rows(index), normalise)

        found, cosine = method.pairs(encode, len(data))
        if rank() == 0:
            write_atomic(kept, to_safetensors({"pairs": found.cpu().contiguous(), "cosine": cosine.cpu().contiguous()}))
        barrier()
    with safe_open(kept, "pt") as file:
        found, cosine = file.get_tensor("pairs"), file.get_tensor("cosine")
    labels = data.labels.cpu()
    degree = torch.bincount(found.flatten(), minlength=len(data))
    about = {"pairs": float(len(found)), "paired_images": float((degree > 0).sum()), "pair_degree": float(degree.max())}
    if len(found):
        about["pair_match"] = float((labels[found[:, 0]] == labels[found[:, 1]]).double().mean())
        about["pair_cosine"] = float(cosine.double().mean())
    return found.to(data.device), about


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
) -> Method:
    """Train a run to its end in `folder`, from its last checkpoint where there is one, and return the method.

        data                 the training split, on the CPU or on `device`
        checkpoint_seconds   least time between checkpoints, which fall on log steps
        compiling            how the encoders run: see `compiled`; recorded beside the run, no part of its identity
        watch                sees the method before every step, after any refresh, and must leave it as it is. After a
                             resume it sees the steps since the checkpoint again; it never sees the end, which is
                             what is returned. On every process; its time counts as training's

    On the CPU, with the same thread count, a run that was killed and resumed ends bit-identical to an unbroken one.
    Raises FloatingPointError when the loss is not finite, ValueError for a checkpoint of another run.
    """
    device = torch.device(device)
    if "n_classes" in config.settings:
        n = config.settings["n_classes"]
        require(
            n >= data.n_classes, "train", "settings.n_classes", f">= {data.n_classes}, the classes of the images", n
        )
    data = data.to(device)
    method = compile_encoders(initial_method(config, len(data), device), compiling)
    plan = config.plan
    solver = optimizer(plan.optimizer, method, plan.lr, plan.weight_decay, plan.momentum, method.constant_lr)
    pairs, about_pairs = mine_pairs(config, folder, data, method, device, report)
    source = batches_of(config, data, method, pairs)
    steps = plan.epochs * source.per_epoch
    checkpoint, log = folder / "checkpoint.safetensors", folder / "log.jsonl"
    first, seconds_before = 0, 0.0
    if checkpoint.exists():
        first, seconds_before = restore(checkpoint, config, method, solver)
        if first == steps:
            return method
    if rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", asdict(config))
        about = environment(str(device)) | {"processes": world_size()}
        write_json(folder / "environment.json", about | ({"compiling": compiling} if compiling != "no" else {}))
        # lines of steps after the checkpoint will be written again
        kept = [line for line in read_lines(log) if line["step"] <= first]
        write_atomic(log, "".join(json.dumps(line, sort_keys=True) + "\n" for line in kept))

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    begun_at = saved_at = time.perf_counter()
    busy_before = time.process_time()
    interval = Interval(data)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16")
    warned = False
    loss = wrap_ddp(method)
    for step in range(first, steps):
        progress = step / steps
        if compiling == "graphs":
            torch.compiler.cudagraph_mark_step_begin()  # the last step's outputs may be overwritten from here on
        if step % source.per_epoch == 0:
            method.refresh(lambda net: encoded(net, data, source.normalise), progress)
        if watch is not None:
            watch(step, method)
        for group in solver.param_groups:
            factor = 1.0 if group.get("constant") else warmup_cosine((step + 1) / (steps + 1), plan.warmup)
            group["lr"] = plan.lr * factor
        batch = source.at(step)  # not under autocast: views are the same in every precision
        with autocast:
            out = loss(batch, progress)
        out.loss.backward()
        if step == 0:
            all_have_gradients(method)
        if method.clip_norm is not None:
            nn.utils.clip_grad_norm_(method.parameters(), method.clip_norm)
        solver.step()
        solver.zero_grad(set_to_none=True)
        method.after_step(out, progress)
        interval.add(out)
        if report is not None:
            report(step + 1, steps)

        if (step + 1) % log_every == 0 or step == steps - 1:  # the only copies to the host that the loop itself makes
            means = interval.means()
            if not means["loss"] < float("inf"):
                raise FloatingPointError(
                    f"{type(method).__name__}: the loss is {means['loss']} within steps {step + 1 - interval.n_last}"
                    f"..{step + 1} of {steps}. Lower lr (now {plan.lr}) or raise warmup; the last checkpoint is kept."
                )
            collapsed = means.get("embedding_std", 1.0) < COLLAPSED
            if collapsed and not warned:
                warned = True
                warnings.warn(f"{type(method).__name__}: embeddings have collapsed by step {step + 1} (spread "
                              f"{means['embedding_std']:.3f}, healthy is about 1).", stacklevel=2)  # fmt: skip
            now = time.perf_counter()
            line = {"step": step + 1, "epoch": (step + 1) / source.per_epoch, "lr": solver.param_groups[0]["lr"]}
            line |= means | {"collapsed": collapsed} | about_pairs | class_agreement(method, data)
            line["images_per_second"] = round((step + 1 - first) * plan.batch_size / (now - begun_at), 1)
            if rank() == 0:
                append_line(log, line)
            if step == steps - 1 or now - saved_at >= checkpoint_seconds:
                spent = seconds_before + time.process_time() - busy_before
                if rank() == 0:
                    save(checkpoint, config, method, solver, step + 1, spent, peak_bytes(device))
                saved_at = time.perf_counter()
    if steps == 0 and rank() == 0:
        save(checkpoint, config, method, solver, 0, 0.0, 0)
    barrier()
    return method


@contextlib.contextmanager
def threads(n: int):
    """Use `n` threads inside the block: the same seed gives other numbers with another count."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
