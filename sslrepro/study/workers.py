"""Many runs side by side, in processes of this machine or in whatever an executor stands for."""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from sslrepro.base.device import own_gpu
from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store
from sslrepro.study.away import as_message, pack, perform_away, unpack
from sslrepro.study.bars import Bars
from sslrepro.study.clusters import Cluster, ClusterGone
from sslrepro.study.run import Run, is_complete, label, perform_run
from sslrepro.study.signals import block_signals, ignore_signals

WAIT_SECONDS = 0.2  # between looks at what the workers did
GRACE_SECONDS = 0.6  # for a worker to end by itself once it is told to
START = "spawn"  # how worker processes begin: afresh, since a fork would take CUDA and threads along
ATTEMPTS = 2  # of a run whose worker dies
_channel: socket.socket | None = None  # of a worker process, to the one that started it
_busy = False  # whether a worker process is at a run


class Stopped(KeyboardInterrupt):
    """Work was interrupted: `finished` of `total` runs are whole, `underway` go on from their last checkpoint."""

    def __init__(self, finished: int, total: int, underway: int, folder: Path):
        super().__init__(
            f"{finished} of {total} runs are whole and kept in {folder}"
            + (f"; {underway} under way go on from the last checkpoint" if underway else "")
        )
        self.finished, self.total, self.underway, self.folder = finished, total, underway, folder


class _Terminated(BaseException):
    """The worker was told to end; raised so that half-written files are removed on the way out."""


# --- in a worker ----------------------------------------------------------------------------------------------------


def exit_with_parent() -> None:
    """End this process as soon as the one that started it is gone: no worker outlives a killed call."""
    parent, by_id = multiprocessing.parent_process(), os.getppid()  # the id is the server's where one forked us

    def watch() -> None:
        while os.getppid() == by_id and (parent is None or parent.is_alive()):
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="exit with parent").start()


def _begin(channel: socket.socket) -> None:
    """Set a worker process up: Ctrl-C is the parent's to handle, and it ends with the parent."""
    global _channel
    _channel = channel
    channel.setblocking(False)
    exit_with_parent()

    def end(number: int, frame: Any) -> None:
        if _busy:
            raise _Terminated
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _work(run: Run, folder: Path, root: str | None, device: str, n_threads: int, compiling: str) -> str | None:
    """A run in a worker; returns what went wrong: in words where input or disk are to blame, else a traceback."""
    global _busy
    last = 0.0

    def report(step: int, steps: int) -> None:
        nonlocal last
        now = time.monotonic()
        if _channel is not None and (now - last > 0.5 or step == steps):
            last = now
            with contextlib.suppress(OSError):  # the bar may miss a step; the run goes on
                _channel.send(as_message(run.name, step))

    try:
        _busy = True
        perform_run(run, folder, root, own_gpu(device), n_threads, report, compiling)
    except _Terminated:
        os._exit(128 + signal.SIGTERM)
    except (ValueError, OSError, FloatingPointError) as error:
        return " ".join(str(error).split())
    except Exception:
        return traceback.format_exc()
    finally:
        _busy = False
    return None


# --- where runs are done --------------------------------------------------------------------------------------------


class Slot:
    """One worker process behind a pool of its own: when it dies, the other slots do not notice."""

    def __init__(self, channel: socket.socket):
        self.channel = channel
        self.pool: ProcessPoolExecutor | None = None
        self.processes: set[multiprocessing.process.BaseProcess] = set()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Do `work` in the process, which is started where there is none, or it died while it had nothing to do."""
        try:
            return self._submit(work, *arguments)
        except BrokenExecutor:
            self.restart()
            return self._submit(work, *arguments)

    def _submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        if self.pool is None:
            context = multiprocessing.get_context(START)
            self.pool = ProcessPoolExecutor(1, context, _begin, (self.channel,))
        before = set(multiprocessing.active_children())
        with block_signals():
            future = self.pool.submit(work, *arguments)
        self.processes |= set(multiprocessing.active_children()) - before
        return future

    def restart(self) -> str:
        """Clear a dead process away; returns which and how it ended, in words."""
        ends = []
        for process in self.processes:
            process.join(GRACE_SECONDS)
            if process.exitcode is not None:
                how = f"signal {-process.exitcode}" if process.exitcode < 0 else f"exit code {process.exitcode}"
                ends.append(f"process {process.pid}, {how}")
        self.stop()
        return "; ".join(ends)

    def stop(self) -> None:
        """End the process, whatever it is at."""
        for end in (multiprocessing.process.BaseProcess.terminate, multiprocessing.process.BaseProcess.kill):
            for process in self.processes:
                if process.is_alive():
                    end(process)
            deadline = time.monotonic() + GRACE_SECONDS
            for process in self.processes:
                process.join(max(0.0, deadline - time.monotonic()))
        self.close()

    def close(self) -> None:
        """Wait for the process, which has nothing more to do, and let it go."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool, self.processes = None, set()


def carry_out(
    runs: list[Run],
    folder: Path = RUNS,
    root: str | Path | None = None,
    device: str = "cpu",
    jobs: int = 2,
    n_threads: int = 1,
    progress: bool = True,
    compiling: str = "no",
    executor: Executor | Cluster | None = None,
) -> None:
    """Do what the store lacks, side by side, with a bar for the whole and one for each run under way.

        folder    of all runs
        jobs      processes of this machine, started afresh ("spawn"); not used with an executor
        executor  where runs are done instead: anything with the interface of `concurrent.futures.Executor` whose
                  workers see `folder`, or a `Cluster`, which says whether they do (else files travel as bytes); it
                  gets all runs at once and is left open

    A run whose worker dies is tried once more; a cluster has its own rule. Raises RuntimeError with the first
    failure's traceback after the others have ended, or at once where the cluster is gone; raises `Stopped` on Ctrl-C,
    with no process left behind and nothing lost but the steps since the last checkpoints (of a run that is away: all
    its steps since it was sent).
    """
    require(jobs >= 1, "study.carry_out", "jobs", ">= 1", jobs)
    require(n_threads >= 1, "study.carry_out", "threads", ">= 1", n_threads)
    waiting = deque(run for run in runs if not is_complete(run, Store(folder)))
    if not waiting:
        return
    cluster = executor if isinstance(executor, Cluster) or executor is None else Cluster(executor, shared=True)
    total, attempts, failures, finished = len(waiting), Counter[str](), [], 0
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.setblocking(False)
    slots = [Slot(there) for _ in range(min(jobs, total))] if cluster is None else []
    free = [*slots]
    pending: dict[Future, tuple[Run, Slot | None]] = {}
    how = (str(root) if root else None, device, n_threads, compiling)
    arguments = (Path(folder), *how)
    bars = Bars(list(waiting), progress)
    try:
        if cluster is not None:
            if cluster.listen is not None:
                cluster.listen(lambda name, step: _send(there, name, step))
            pending = dict(
                zip(submit_runs(cluster, waiting, folder, how), [(run, None) for run in waiting], strict=True)
            )
            waiting.clear()
        while waiting or pending:
            while waiting and free:
                run, slot = waiting.popleft(), free.pop()
                pending[slot.submit(_work, run, *arguments)] = run, slot
            for name, step in _messages(here):
                bars.move(name, step)
            for future in [future for future in pending if future.done()]:
                run, slot = pending.pop(future)
                if slot is None:
                    failure = take_in(run, future, cluster, folder, f"{finished} of {total} runs are whole")
                else:
                    free.append(slot)
                    try:
                        failure = future.result()
                    except BrokenExecutor:
                        attempts[run.name] += 1
                        how_it_died = slot.restart()
                        failure = f"The worker died ({how_it_died}) {attempts[run.name]} times."
                        if attempts[run.name] < ATTEMPTS:
                            bars.say(
                                f"the worker of {label(run)} ({run.name}) died ({how_it_died}); its run is tried "
                                "once more"
                            )
                            waiting.appendleft(run)
                            continue
                if failure:
                    failures.append(f"{run.name}: {failure}")
                finished += not failure
                bars.finish(run.name)
    except BaseException as stop:
        for future in pending:
            future.cancel()
        with ignore_signals():
            _stop_all(slots)
        if isinstance(stop, KeyboardInterrupt):
            raise Stopped(finished, total, sum(not f.cancelled() for f in pending), Path(folder)) from None
        raise
    finally:
        bars.close()
        here.close()
        for slot in slots:
            slot.close()
        there.close()
    if failures:
        raise RuntimeError(f"{len(failures)} of {total} runs failed. The first: {failures[0]}")


def submit_runs(
    cluster: Cluster, runs: Iterable[Run], folder: Path, how: tuple[Any, ...], until: float | None = None
) -> list[Future]:
    """The futures of runs; failed ones where the executor takes no more.

    how     (root, device, threads, compiling), as for `carry_out`
    until   as for `perform_away`
    """
    if cluster.shared:
        work, calls = _work, [(run, Path(folder), *how) for run in runs]
    else:
        work, calls = perform_away, [(run, pack(run, Path(folder)), *how, until, str(folder)) for run in runs]
    if hasattr(cluster.executor, "submit_all"):
        return _or_fail(len(calls), lambda: cluster.executor.submit_all(work, calls))
    return [_or_fail(1, lambda call=call: [cluster.executor.submit(work, *call)])[0] for call in calls]


def _or_fail(n: int, submit: Callable[[], list[Future]]) -> list[Future]:
    try:
        return submit()
    except BrokenExecutor as error:
        futures: list[Future] = [Future() for _ in range(n)]
        for future in futures:
            future.set_exception(error)
        return futures


def take_in(run: Run, future: Future, cluster: Cluster, folder: Path, so_far: str, held: bool = False) -> str | None:
    """What went wrong with a run that a cluster has ended; its files are put into the folder of runs.

    held   whether this process has the lock of the run's folder

    Raises RuntimeError where the cluster is gone.
    """
    try:
        wrong = future.result()
        if not cluster.shared:
            wrong, content = wrong
            unpack(run, content, Path(folder), held)
    except (ClusterGone, CancelledError) as error:
        raise RuntimeError(
            f"cluster: {cluster.where} cannot go on ({error or 'cancelled'}); {so_far} and kept in "
            f"{folder}. The same call goes on with the others."
        ) from None
    except BrokenExecutor as error:
        return f"The worker died ({error}) 1 times."
    except Exception as error:  # whatever a cluster ends a task with: a worker that died too often, a job that failed
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not wrong and not is_complete(run, Store(folder)):
        return "It came back without all of its results."
    return wrong


def _send(channel: socket.socket, name: str, step: int) -> None:
    with contextlib.suppress(OSError):  # the bar may miss a step, and is gone before the last word
        channel.send(as_message(name, step))


def _messages(channel: socket.socket) -> Iterator[tuple[str, int]]:
    """What workers have said by now: (run, step); waits a moment for the first."""
    channel.settimeout(WAIT_SECONDS)
    with contextlib.suppress(TimeoutError, BlockingIOError):
        while True:
            name, step = json.loads(channel.recv(4096))
            channel.settimeout(0)
            yield name, step


def _stop_all(slots: list[Slot]) -> None:
    """Stop all workers at once, so that the time it takes does not grow with their number."""
    enders = [threading.Thread(target=slot.stop) for slot in slots]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()
