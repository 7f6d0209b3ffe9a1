"""Where runs are done beside this process: a Dask cluster, which is imported only here, or Slurm (`study.slurm`)."""

import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sslrepro.base.errors import require
from sslrepro.study.away import TOPIC
from sslrepro.study.run import Run
from sslrepro.study.slurm import SubmititJobs

RETRIES = 2  # of a task that raises; one whose worker dies goes to another, until four have died of it
CONNECT_SECONDS = 10  # to a scheduler, and for closing what was opened
START_SECONDS = 120  # to a scheduler of this process
FETCH_SECONDS = 300  # for the files of one run
NO_WORKER_SECONDS = 600.0  # without any worker, or without a word of the scheduler, before tasks are given up
ASK_SECONDS = 5.0  # between questions how many workers there are
PATIENCE = {  # of Dask, on machines that have other things to do
    "distributed.comm.timeouts.connect": "60s",
    "distributed.comm.timeouts.tcp": "60s",
    "distributed.scheduler.worker-saturation": 1.0,  # a worker has the run it is at: only that one dies with it
}


class ClusterGone(BrokenExecutor):
    """No task can end any more; the message is the reason, in a few words."""


@dataclass(frozen=True)
class Cluster:
    """An executor, and what is to be known about it.

    executor  takes any call; the first argument of a run's is the run
    shared    whether its workers see the folder of runs, and go on in it; else files travel as bytes
    listen    registers what is told (run's name, step) while runs go on; None where nobody tells
    where     in words
    """

    executor: Executor
    shared: bool = False
    listen: Callable[[Callable[[str, int], None]], None] | None = None
    where: str = "an executor"


@contextlib.contextmanager
def open_cluster(
    name: str, jobs: int = 2, device: str = "cpu", folder: Path | None = None, options: dict[str, Any] | None = None
) -> Iterator[Cluster]:
    """A cluster by its name, closed afterwards.

        name      "local": Dask with `jobs` worker processes of one thread on this machine; an address
                  (tcp://host:8786): a Dask scheduler that runs already; "slurm": a job per run, of which `jobs` run at
                  once
        folder    of all runs; Slurm's workers go on in it, and submitit's files lie in its .submitit
        options   of submitit's `update_parameters` (slurm_partition, timeout_min, ...) or of Dask's `LocalCluster`

    Raises ValueError where the package is missing, the name is none of these, or no scheduler answers.

    >>> with open_cluster("local", jobs=1) as cluster:
    ...     cluster.executor.submit(sum, [1, 2]).result(60)
    3
    """
    dask = name == "local" or "://" in name
    require(dask or name == "slurm", "cluster", "name", "local, slurm, or a Dask scheduler's tcp://host:port", name)
    package = "distributed" if dask else "submitit"
    require(
        importlib.util.find_spec(package) is not None,
        "cluster",
        "package",
        "installed",
        f"no {package}",
        "Install it: pip install 'sslrepro[cluster]'.",
    )
    if dask:
        with _dask(name, jobs, options or {}) as cluster:
            yield cluster
    else:
        require(folder is not None, "cluster", "folder", "given with slurm", None)
        tasks = SubmititJobs(folder / ".submitit", jobs, device, options or {})
        try:
            yield Cluster(PolledExecutor(tasks, seconds=0.5), True, None, "Slurm")
        finally:
            tasks.flush()


# --- tasks as futures -------------------------------------------------------------------------------------------------


@runtime_checkable
class Tasks(Protocol):
    """What a cluster must tell of its tasks; `PolledExecutor` makes futures of it."""

    def start(self, work: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Any]:
        """Tasks, one a call."""

    def has_ended(self, task: Any) -> bool:
        """Whether a result, or an error, can be fetched."""

    def result(self, task: Any) -> Any:
        """What the call returned; raises what it raised. TimeoutError: not yet, after all."""

    def cancel(self, task: Any) -> None:
        """Nobody waits for it; returns at once."""

    def trouble(self) -> str:
        """Why no task can end any more; "" while they can."""


class PolledExecutor(Executor):
    """A cluster's tasks as futures. One thread looks at them, and every future ends, whatever becomes of the cluster.

    A future that relies on being called back waits for ever where the one who would call is gone; looking does not.
    """

    def __init__(self, tasks: Tasks, seconds: float):
        self.tasks, self.seconds = tasks, seconds
        self.pending: dict[Future, Any] = {}
        self.lock, self.watcher = threading.Lock(), None

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future:
        """As of `concurrent.futures.Executor`, without named arguments."""
        require(not named, "cluster", "arguments", "given by position", ", ".join(named))
        return self.submit_all(work, [arguments])[0]

    def submit_all(self, work: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Future]:
        """A future for each call, in order; Slurm has all of them as one array."""
        if reason := self.tasks.trouble():
            raise ClusterGone(reason)
        futures: list[Future] = [Future() for _ in calls]
        tasks = self.tasks.start(work, calls)
        for future, task in zip(futures, tasks, strict=True):
            future.add_done_callback(lambda future, task=task: self.tasks.cancel(task) if future.cancelled() else None)
        with self.lock:
            self.pending |= zip(futures, tasks, strict=True)
            if self.watcher is None and self.pending:
                self.watcher = threading.Thread(target=self._watch, daemon=True, name="tasks of a cluster")
                self.watcher.start()
        return futures

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take leave of what is pending: waited for, cancelled, or both."""
        with self.lock:
            futures = list(self.pending)
        for future in futures:
            if cancel_futures:
                future.cancel()
            elif wait:
                future.exception()

    def _watch(self) -> None:
        while True:
            with self.lock:
                pending = dict(self.pending)
                if not pending:
                    self.watcher = None
                    return
            reason = self.tasks.trouble()
            for future, task in pending.items():
                if self._settle(future, task, reason):
                    with self.lock:
                        del self.pending[future]
            time.sleep(self.seconds)

    def _settle(self, future: Future, task: Any, reason: str) -> bool:
        """Whether nothing is left to be done for a task."""
        try:
            if future.cancelled():
                return True
            if self.tasks.has_ended(task):
                result = self.tasks.result(task)
            elif reason:
                raise ClusterGone(reason)
            else:
                return False
        except TimeoutError:
            return False
        except Exception as error:  # whatever a task ends with is its future's to raise
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            if future.set_running_or_notify_cancel():
                future.set_result(result)
        return True


# --- Dask -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _dask(name: str, jobs: int, options: dict[str, Any]) -> Iterator[Cluster]:
    import logging

    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in one line of ours
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(PATIENCE))
        if name == "local":
            kept = {"memory_limit": 0, "dashboard_address": None, "silence_logs": logging.CRITICAL} | options
            address = LocalCluster(n_workers=jobs, threads_per_worker=1, **kept)
            stack.callback(_close, address)
        else:
            address = name
        try:
            seconds = CONNECT_SECONDS if name != "local" else START_SECONDS  # a busy machine's own is there for sure
            client = Client(address, timeout=seconds, set_as_default=False)
        except (OSError, ValueError) as error:
            require(
                False,
                "cluster",
                "scheduler",
                "reachable",
                name,
                f"Start one with `dask scheduler` ({' '.join(str(error).split())[:200]}).",
            )
        stack.callback(_close, client)

        def listen(tell: Callable[[str, int], None]) -> None:
            client.subscribe_topic(TOPIC, lambda event: tell(*event[1]))

        where = f"{len(client.scheduler_info(n_workers=-1)['workers'])} Dask workers at {client.scheduler.address}"
        yield Cluster(PolledExecutor(DaskTasks(client), seconds=0.1), False, listen, where)


def _close(client_or_cluster: Any) -> None:
    """Close within bounds: what does not answer any more is left to itself."""
    with contextlib.suppress(TimeoutError, OSError):
        client_or_cluster.close(timeout=CONNECT_SECONDS)


class DaskTasks:
    """Tasks of a Dask client. A run's has the run's name and a digest of what is sent with it.

    With the name alone a second call could be handed the first one's result, or meet its task half-forgotten.
    """

    def __init__(self, client: Any):
        self.client, self.worker_at, self.ask_next = client, time.monotonic(), 0.0

    def start(self, work: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Any]:
        """As of `Tasks`."""
        return [self.client.submit(work, *call, retries=RETRIES, pure=False, **_key(call)) for call in calls]

    def has_ended(self, task: Any) -> bool:
        """As of `Tasks`."""
        return task.status in ("finished", "error", "cancelled")

    def result(self, task: Any) -> Any:
        """As of `Tasks`; raises ClusterGone where the scheduler took the task with it."""
        if task.status == "cancelled":
            raise ClusterGone("its scheduler does not answer")
        try:
            return task.result(timeout=FETCH_SECONDS)
        except OSError as error:  # the scheduler ended while the files were on the way; a TimeoutError is one
            if isinstance(error, TimeoutError) and self.client.status == "running":
                raise
            raise ClusterGone("its scheduler does not answer") from error

    def cancel(self, task: Any) -> None:
        """As of `Tasks`: the scheduler forgets it with the last reference to it, which goes with the future."""

    def trouble(self) -> str:
        """As of `Tasks`: the scheduler is gone or silent, or there has been no worker, for `NO_WORKER_SECONDS`."""
        if self.client.status in ("closing", "closed"):
            return "its scheduler does not answer"
        now = time.monotonic()
        if now >= self.ask_next:
            self.ask_next = now + ASK_SECONDS
            if self._n_workers():
                self.worker_at = now
        silent = now - self.worker_at > NO_WORKER_SECONDS
        return f"it has had no worker for {NO_WORKER_SECONDS:.0f} seconds" if silent else ""

    def _n_workers(self) -> int:
        try:
            scheduler = self.client.sync(self.client.scheduler.identity, n_workers=0, callback_timeout=CONNECT_SECONDS)
        except (OSError, AttributeError):  # while it is looked for again
            return 0
        return scheduler["n_workers"]


def _key(call: tuple[Any, ...]) -> dict[str, str]:
    """The name of a run's task, as a named argument of `Client.submit`; {} for another call's."""
    from dask.tokenize import tokenize

    return {"key": f"{call[0].name}-{tokenize(*call)[:8]}"} if call and isinstance(call[0], Run) else {}
