"""The loop: the only place that steps an optimizer, logs, and saves."""

import contextlib
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import nn

from sslrepro import methods
from sslrepro.check import one_of, require
from sslrepro.config import RunConfig
from sslrepro.data.datasets import Dataset
from sslrepro.data.views import Batches, recipe
from sslrepro.methods.base import Method
from sslrepro.parts.encoders import encoder
from sslrepro.parts.extract import encoded
from sslrepro.parts.gather import averaging, rank, summed, wait, world_size
from sslrepro.parts.metrics import group_rates, relation_match
from sslrepro.parts.norm import synced_norms
from sslrepro.parts.optim import optimizer, warmup_cosine
from sslrepro.parts.teacher import MomentumTeacher
from sslrepro.store import append_line, environment, locked, read_lines, write_atomic, write_json

COLLAPSED = 0.05  # embedding_std below this share of a healthy spread: all embeddings are nearly equal

Report = Callable[[int, int], None]  # (steps done, steps in all), called after every step
Watch = Callable[[int, Method], None]  # (steps done, method), called before every step


def initialised(config: RunConfig, n_images: int | None = None, device: torch.device | str = "cpu") -> Method:
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


def compiled(method: Method, how: str) -> Method:
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


def batches(config: RunConfig, train: Dataset, method: Method, pairs: torch.Tensor | None = None) -> Batches:
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


def mined_pairs(
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
            wait()  # for the lock, and so that no process sees the pairs before all have looked for them
            sampler = train(sampler_config, beside, data, device, report)

        def encode(index: torch.Tensor) -> torch.Tensor:
            return encoded(sampler, data.rows(index), normalise)

        found, cosine = method.pairs(encode, len(data))
        if rank() == 0:
            write_atomic(kept, to_safetensors({"pairs": found.cpu().contiguous(), "cosine": cosine.cpu().contiguous()}))
        wait()
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
    method = compiled(initialised(config, len(data), device), compiling)
    plan = config.plan
    solver = optimizer(plan.optimizer, method, plan.lr, plan.weight_decay, plan.momentum, method.constant_lr)
    pairs, about_pairs = mined_pairs(config, folder, data, method, device, report)
    source = batches(config, data, method, pairs)
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
    loss = averaging(method)
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
            line |= means | {"collapsed": collapsed} | about_pairs | alike(method, data)
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
    wait()
    return method


def alike(method: Method, data: Dataset) -> dict[str, float]:
    """How well what a method takes to be alike agrees with the classes; labels meet it here, never in the method."""
    out = dict(method.reports)
    if method.pseudo_labels is not None:
        for level, group in enumerate(method.pseudo_labels):
            rates = group_rates(data.labels, group)
            out |= {f"{name}_{level}": value for name, value in rates.items() if value == value}
    if method.relations is not None:
        found = relation_match(data.labels, method.relations)
        out |= {f"relation_{name}": value for name, value in found.items() if value == value}
    return out


class Interval:
    """Sums since the last log line, on the device; labels meet mined positives here and nowhere else."""

    def __init__(self, data: Dataset):
        self.data = data
        self.clear()

    def clear(self) -> None:
        self.n = 0
        self.sums: dict[str, torch.Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, out) -> None:
        """Add the scalars of one step, and how often its mined positives share the anchor's class."""
        found = {"loss": out.loss.detach()} | out.metrics
        if out.mined is not None:
            anchor, positive = out.mined
            labels = self.data.labels
            known = positive >= 0
            match = known & (labels[anchor] == labels[positive.clamp_min(0)])
            other = known & (anchor != positive)
            found |= {"_known": known.sum(), "_match": match.sum(), "_other": other.sum()}
            found["_match_other"] = (match & other).sum()
            found["_all"] = known.new_full((), len(known), dtype=torch.int64)
        for name, value in found.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.double()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.n += 1

    def means(self) -> dict[str, float]:
        """Means over the interval, which starts anew."""
        sums = {name: summed(value).item() for name, value in self.sums.items()}
        n = world_size()
        out = {name: value / self.counts[name] / n for name, value in sums.items() if not name.startswith("_")}
        if "_known" in sums:
            out["mined_share"] = sums["_known"] / max(sums["_all"], 1)
            if sums["_known"]:
                out["neighbour_match"] = sums["_match"] / sums["_known"]
            if sums["_other"]:
                out["neighbour_match_without_self"] = sums["_match_other"] / sums["_other"]
        self.n_last = self.n
        self.clear()
        return out


def all_have_gradients(method: Method) -> None:
    """Raise RuntimeError naming the trainable parameters the first step left without a gradient."""
    idle = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise RuntimeError(f"{type(method).__name__}: no gradient reaches {', '.join(idle)}.")


def peak_bytes(device: torch.device) -> int:
    """Peak memory: allocated on the GPU, or resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def save(
    path: Path,
    config: RunConfig,
    method: Method,
    solver: torch.optim.Optimizer,
    step: int,
    seconds: float,
    peak: int,
) -> None:
    """Write a checkpoint atomically: all parameters and buffers, the optimizer's state, and the step."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    for number, state in solver.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items() if value is not None}
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    about = {"identity": config.identity, "step": str(step), "seconds": repr(seconds), "peak_bytes": str(peak)}
    write_atomic(path, to_safetensors(tensors, about))


def header(path: Path) -> dict[str, str]:
    """The record a checkpoint carries beside its tensors; a damaged file raises ValueError that names it."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata()
    except SafetensorError as error:
        raise ValueError(f"train: checkpoint {path} cannot be read ({error}). Delete it to start anew.") from None


def restore(
    path: Path, config: RunConfig, method: Method, solver: torch.optim.Optimizer | None = None
) -> tuple[int, float]:
    """Load a checkpoint into a method (and optimizer); returns (steps done, CPU-seconds spent)."""
    about = header(path)
    require(about["identity"] == config.identity, "train", f"checkpoint {path}", f"of run {config.identity}",
            about["identity"], "Delete it, or run with the configuration beside it.")  # fmt: skip
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    own = {name.removeprefix("method."): t for name, t in tensors.items() if name.startswith("method.")}
    method.load_state_dict(own, strict=True)
    if solver is not None:
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".", 2)
                state.setdefault(int(number), {})[key] = tensor
        solver.load_state_dict({"state": state, "param_groups": solver.state_dict()["param_groups"]})
        # the file holds contiguous tensors; fused kernels need a state laid out as its (channels_last) parameter
        for parameter, kept in solver.state.items():
            for key, value in kept.items():
                if value.shape == parameter.shape:
                    kept[key] = torch.empty_like(parameter).copy_(value)
    return int(about["step"]), float(about["seconds"])


@contextlib.contextmanager
def threads(n: int):
    """Use `n` threads inside the block: the same seed gives other numbers with another count."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
