"""Where runs are done beside this process: a Dask cluster, or Slurm through submitit. Both are imported only here."""

import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslrepro.base.errors import require
from sslrepro.study.away import TOPIC
from sslrepro.study.run import Run

RETRIES = 2  # of a run whose worker fails; one that dies is replaced by Dask itself, three times
CONNECT_SECONDS = 10  # to a scheduler
POLL_SECONDS = 0.5  # between looks at jobs of Slurm, which asks the queue itself once a minute at most


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
    ...     cluster.executor.submit(sum, [1, 2]).result()
    3
    """
    dask = name == "local" or "://" in name
    require(dask or name == "slurm", "cluster", "name", "local, slurm, or a Dask scheduler's tcp://host:port", name)
    package = "distributed" if dask else "submitit"
    require(importlib.util.find_spec(package) is not None, "cluster", "package", "installed", f"no {package}",
            "Install it: pip install 'sslrepro[cluster]'.")  # fmt: skip
    if dask:
        with _dask(name, jobs, options or {}) as cluster:
            yield cluster
    else:
        require(folder is not None, "cluster", "folder", "given with slurm", None)
        yield Cluster(SubmititExecutor(folder / ".submitit", jobs, device, options or {}), True, None, "Slurm")


# --- Dask -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _dask(name: str, jobs: int, options: dict[str, Any]) -> Iterator[Cluster]:
    import logging

    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in one line of ours
    with contextlib.ExitStack() as stack:
        if name == "local":
            how = {"memory_limit": 0, "dashboard_address": None, "silence_logs": logging.CRITICAL} | options
            address = stack.enter_context(LocalCluster(n_workers=jobs, threads_per_worker=1, **how))
        else:
            address = name
        try:
            client = stack.enter_context(Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
        except (OSError, ValueError) as error:
            require(False, "cluster", "scheduler", "reachable", name,
                    f"Start one with `dask scheduler` ({' '.join(str(error).split())[:200]}).")  # fmt: skip

        def listen(tell: Callable[[str, int], None]) -> None:
            client.subscribe_topic(TOPIC, lambda event: tell(*event[1]))

        where = f"{len(client.scheduler_info()['workers'])} Dask workers at {client.scheduler.address}"
        yield Cluster(DaskExecutor(client), False, listen, where)


class DaskExecutor(Executor):
    """A client's own executor, by which a run's task has the run's name: one that is asked for twice is done once."""

    def __init__(self, client: Any):
        self.client, self.inner = client, client.get_executor(retries=RETRIES)

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future:
        """As of `concurrent.futures.Executor`."""
        run = next((argument for argument in arguments if isinstance(argument, Run)), None)
        key = {} if run is None else {"key": run.name}
        return self.inner.submit(work, *arguments, **named, **key)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of the client's executor; the client stays open."""
        self.inner.shutdown(wait=wait and not cancel_futures)


# --- Slurm ----------------------------------------------------------------------------------------------------------


class SubmititExecutor(Executor):
    """Jobs of submitit as futures: all that are submitted together are one array.

    kind   "slurm"; for tests "local" (processes of this machine) or "debug"
    """

    def __init__(self, folder: Path, jobs: int, device: str, options: dict[str, Any], kind: str = "slurm"):
        import submitit

        self.inner = submitit.AutoExecutor(folder=folder, cluster=kind)
        how: dict[str, Any] = {"name": "sslrepro", "cpus_per_task": 1, "slurm_array_parallelism": jobs}
        how |= {"gpus_per_node": 1} if device.startswith("cuda") else {}
        self.inner.update_parameters(**how | options)
        self.jobs: dict[Future, Any] = {}
        self.lock, self.watcher = threading.Lock(), None

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future:
        """As of `concurrent.futures.Executor`: a job of its own."""
        return self._watch([self.inner.submit(work, *arguments, **named)])[0]

    def submit_all(self, work: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Future]:
        """One array of jobs, in order."""
        with self.inner.batch():
            jobs = [self.inner.submit(work, *arguments) for arguments in calls]
        return self._watch(jobs)

    def _watch(self, jobs: list[Any]) -> list[Future]:
        futures: list[Future] = [Future() for _ in jobs]
        for future, job in zip(futures, jobs, strict=True):
            future.add_done_callback(lambda future, job=job: job.cancel() if future.cancelled() else None)
        with self.lock:
            self.jobs |= zip(futures, jobs, strict=True)
            if self.watcher is None:
                self.watcher = threading.Thread(target=self._poll, daemon=True, name="submitit")
                self.watcher.start()
        return futures

    def _poll(self) -> None:
        while True:
            with self.lock:
                pending = dict(self.jobs)
                if not pending:
                    self.watcher = None
                    return
            for future, job in pending.items():
                if future.cancelled() or job.done():
                    with self.lock:
                        del self.jobs[future]
                    self._settle(future, job)
            time.sleep(POLL_SECONDS)

    def _settle(self, future: Future, job: Any) -> None:
        if future.cancelled() or not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job.result())
        except Exception as error:  # whatever a job ends with is the future's to raise
            future.set_exception(error)
