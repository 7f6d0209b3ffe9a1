"""Two worker processes that join a group for every job, and the jobs: a module, so that a worker finds them."""

import datetime
import io
import itertools
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
from torch import nn

from sslrepro import methods
from sslrepro.cli.main import main
from sslrepro.data import load
from sslrepro.parts.distributed import (
    all_gather,
    all_gather_detached,
    all_reduce,
    broadcast,
    local_rows,
    rank,
    world_size,
    wrap_ddp,
)
from sslrepro.parts.encoders import Conv
from sslrepro.parts.memory import Bank, unit
from sslrepro.parts.norm import synced_norms
from sslrepro.study import budget, plans
from sslrepro.study import run as run_module
from sslrepro.study.run import Run
from sslrepro.training import loop
from sslrepro.training.config import from_record
from sslrepro.training.loop import batches_of, initial_method, train
from tests import forked

N_IMAGES = 40


class Pair:
    """`pair(job, *given)` runs a job of this module on both ranks and returns what each returned."""

    def __init__(self, folder: Path):
        self.folder, self.numbers = folder, itertools.count()
        self.start()

    def start(self) -> None:
        self.pools = [ProcessPoolExecutor(1, forked.server, torch.set_num_threads, (1,)) for _ in range(2)]

    def __call__(self, job, *arguments, seconds: float = 120.0):
        where = f"file://{self.folder}/{next(self.numbers)}"
        words = where, seconds, job, packed(arguments)
        futures = [pool.submit(_joined, rank, *words) for rank, pool in enumerate(self.pools)]
        failures = [future.exception() for future in futures]
        if any(failures):
            # Each process counts its groups, and one that failed to join has counted one more than the other.
            self.close()
            self.start()
            raise next(failure for failure in failures if failure)
        return [unpacked(future.result()) for future in futures]

    def close(self) -> None:
        for pool in self.pools:
            pool.shutdown()


def packed(value) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def unpacked(value: bytes):
    return torch.load(io.BytesIO(value), weights_only=False)


def _joined(rank: int, where: str, seconds: float, job, packed_arguments: bytes) -> bytes:
    limit = datetime.timedelta(seconds=seconds)
    dist.init_process_group("gloo", init_method=where, rank=rank, world_size=2, timeout=limit)
    try:
        dist.barrier()  # a job without communication may be over, and its group closed, before the other has joined
        return packed(job(*unpacked(packed_arguments)))
    finally:
        dist.destroy_process_group()


def own(rows: torch.Tensor | None) -> torch.Tensor | None:
    """This process's share of a tensor whose first axis is the joined batch."""
    return rows if rows is None else rows.chunk(world_size())[rank()].clone()


# --- jobs -------------------------------------------------------------------------------------------------------


def primitives(rows: torch.Tensor) -> dict:
    local = own(rows)
    first = torch.full((3,), float(rank()))
    same = broadcast(first)
    return {
        "size": world_size(),
        "rank": rank(),
        "gathered": all_gather(local),
        "detached": all_gather_detached(local),
        "row": local_rows(len(local), local.device),
        "sum": all_reduce(local),
        "agreed": same,
        "in place": same is first,
        "free": not all_gather_detached(local.requires_grad_()).requires_grad,
        "transposed": all_gather(local.detach().T.contiguous().T),
    }


def transposed_sum(rows: torch.Tensor) -> torch.Tensor:
    return all_reduce(own(rows).T)


def gradients(rows: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a loss that reads all rows, each process with another factor; and of a neighbour that shares the gradient."""
    mine = factor if world_size() == 1 else factor * (1.0 + 2 * rank())
    x, beside = own(rows).requires_grad_(), torch.zeros_like(rows, requires_grad=True)
    twice = 2 * beside
    ((all_gather(x) + twice) * mine).sin().sum().backward()
    y = own(rows).requires_grad_()
    (all_reduce(y) * own(mine)).sin().sum().backward()
    return x.grad, beside.grad, y.grad


def normed(kind: str, x: torch.Tensor, target: torch.Tensor, affine: bool) -> dict:
    """Batch norm in train mode, its gradients and statistics, and its output in eval mode after it."""
    torch.manual_seed(0)
    norm = getattr(nn, kind)(x.shape[1], momentum=0.3, affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    net = nn.Sequential(norm)
    net = (net if world_size() == 1 else synced_norms(net)).double()
    x = own(x).requires_grad_()
    out = net(x)
    (out * own(target)).square().sum().backward()
    grads = {f"gradient of {name}": all_reduce(p.grad) for name, p in net.named_parameters()}
    trained = {name: t.clone() for name, t in net.state_dict().items()}
    return {"out": out, "x": x.grad, "eval": net.eval()(own(target))} | trained | grads


def built(name: str, settings: dict) -> methods.Method:
    torch.manual_seed(3)
    return methods.build(name, methods.settings(name, settings), Conv((4, 6), (2, 2)), N_IMAGES)


def stepped(name: str, settings: dict, state: dict, batch, progress: float) -> dict:
    """Loss and gradients of this process's share of a batch in float64, and the state after the step."""
    method = built(name, settings)
    method = (method if world_size() == 1 else synced_norms(method)).double().train()
    method.load_state_dict(state)
    shares = {key: own(value) for key, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    views, support = tuple(own(view) for view in batch.views), ("support", "support_index")
    fields = vars(batch) | shares | {key: getattr(batch, key) for key in support} | {"views": views}
    fields["seed"] += rank()
    loss = wrap_ddp(method)  # kept until the backward pass is over: it averages there
    step = loss(type(batch)(**fields), progress)
    step.loss.backward()
    grads = {key: p.grad for key, p in method.named_parameters() if p.requires_grad}
    method.after_step(step, progress)
    return {"loss": all_reduce(step.loss.detach()) / world_size(), "grads": grads, "state": method.state_dict()}


def mined(name: str, settings: dict, state: dict, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The state after a refresh on embeddings, encoded and kept, that are another process's only roughly."""
    method = built(name, settings).double()
    method.load_state_dict(state)
    for module in method.modules():
        if isinstance(module, Bank):
            module.entries.copy_(unit(module.entries + rank() * torch.randn_like(module.entries)))
    method.refresh(lambda net: (net(images) + rank() * torch.randn(len(images), 1)).detach().float(), 0.9)
    return method.state_dict()


def ledger_worked(records: list[dict], folder: Path, budget_seconds: float) -> tuple:
    """What a call of the ledger did with runs that it lacks: (finished, busy, missing, failed)."""
    configs = [from_record(record) for record in records]
    runs = [Run(config.data, config.seed, {"knn": {"k": 5, "temperature": 0.07}}, config) for config in configs]
    with mock.patch.object(plans, "LEDGER", folder / "ledger"):
        plan = plans.plan_table("nnclr_queue", "smoke", 1)
        with mock.patch.object(budget, "missing_runs", lambda *_: [(plan, run) for run in runs]):
            tally = budget.work_through("smoke", budget_seconds, folder=folder / "runs", quiet=True)
    return tally.finished, tally.busy, tally.missing, tally.failed


def performed(record: dict, folder: Path, evaluations: dict[str, dict]) -> float:
    """Do a run with its evaluations; then how many processes still answer each other."""
    config = from_record(record)
    run_module.perform_run(Run(config.data, config.seed, evaluations, config), folder, None, "cpu", 1)
    return float(all_reduce(torch.ones(())))


def trained(
    record: dict, folder: Path, double: bool = False, late: float = 0.0, stop_at: int | None = None
) -> dict[str, torch.Tensor]:
    """The state a run ends with.

    double    networks and memories in float64, the views as they are
    late      seconds by which the second process starts after the first
    stop_at   step after which the run is given up, saved wherever that can be; then there is no state
    """
    config = from_record(record)
    if rank():
        time.sleep(late)

    def report(step: int, steps: int) -> None:
        if step == stop_at:
            raise Exception("stopped")

    with mock.patch.object(loop, "initial_method", in_double if double else initial_method):
        try:
            how = dict(log_every=3, report=report, checkpoint_seconds=15.0 if stop_at is None else 0.0)
            return train(config, folder, load(config.data)[0], **how).state_dict()
        except Exception as stop:
            if str(stop) != "stopped":
                raise
            return {}


def in_double(*arguments, start=initial_method) -> methods.Method:
    """`initialised` in float64: encoders raise what they are shown."""
    method = start(*arguments).double()
    for module in method.modules():
        if isinstance(module, Conv):
            module.register_forward_pre_hook(lambda _, shown: (shown[0].double(),))
    return method


def norms(record: dict) -> list[str]:
    """Classes of the batch norms in the encoder of a run, or how the run is refused."""
    try:
        return sorted({type(m).__name__ for m in initial_method(from_record(record)).encoder.modules()})
    except ValueError as error:
        return [str(error)]


def refused(record: dict) -> str:
    config = from_record(record)
    try:
        batches_of(config, load(config.data)[0], initial_method(config))
    except ValueError as error:
        return str(error)
    return ""


def from_command_line() -> None:
    """`python -m sslrepro` that saves every third step, and whose second process dies after its 20th."""
    from sslrepro.training.loop import train

    def killed(config, folder, data, device, report, **more):
        def each(step: int, steps: int) -> None:
            if step == 20 and rank() == 1:
                os.kill(os.getpid(), signal.SIGKILL)

        return train(config, folder, data, device, each, log_every=3, checkpoint_seconds=0, **more)

    run_module.train = killed
    raise SystemExit(main())


if __name__ == "__main__":
    from_command_line()
