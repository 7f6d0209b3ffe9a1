"""Many runs side by side, in processes of this machine or in whatever an executor stands for."""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store
from sslrepro.study.run import Run, is_complete, label, perform_run

WAIT_SECONDS = 0.2  # between looks at what the workers did
GRACE_SECONDS = 0.6  # for a worker to end by itself once it is told to
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


def exit_with_parent(parent: int) -> None:
    """End this process as soon as `parent` (a process id) is no longer its parent: no worker outlives a killed call."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="exit with parent").start()


def _begin(channel: socket.socket, parent: int) -> None:
    """Set a worker process up: Ctrl-C is the parent's to handle, and it ends with the parent."""
    global _channel
    _channel = channel
    channel.setblocking(False)
    exit_with_parent(parent)

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
                _channel.send(json.dumps([run.name, step]).encode())

    try:
        _busy = True
        perform_run(run, folder, root, device, n_threads, report, compiling)
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
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(1, context, _begin, (self.channel, os.getpid()))
        before = set(multiprocessing.active_children())
        with _signals_blocked():
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


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Processes that start inside inherit the mask: Ctrl-C reaches them only through the one that started them."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    """Nothing interrupts the block, not even a second Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Bars:
    """A bar for the whole and one for each run that is under way."""

    def __init__(self, runs: list[Run], shown: bool):
        self.runs = {run.name: run for run in runs}
        self.shown = shown
        self.whole = tqdm(total=sum(run.steps for run in runs), desc=f"table: {len(runs)} runs", unit="step",
                          disable=not shown, position=0)  # fmt: skip
        self.steps: dict[str, int] = {}
        self.bars: dict[str, tqdm] = {}
        self.places: dict[str, int] = {}

    def move(self, name: str, step: int) -> None:
        """A run has come to a step."""
        if name not in self.bars:
            taken = {self.places[other] for other in self.bars}
            self.places[name] = next(place for place in range(1, len(self.runs) + 2) if place not in taken)
            self.bars[name] = tqdm(total=self.runs[name].steps, desc=f"  {label(self.runs[name])}", unit="step",
                                   leave=False, disable=not self.shown, position=self.places[name],
                                   initial=step)  # fmt: skip
        self.bars[name].update(step - self.bars[name].n)
        self._count(name, step)

    def finish(self, name: str) -> None:
        """A run has ended."""
        self._count(name, self.runs[name].steps)
        if name in self.bars:
            self.bars.pop(name).close()

    def _count(self, name: str, step: int) -> None:
        self.whole.update(step - self.steps.get(name, 0))
        self.steps[name] = step

    def say(self, text: str) -> None:
        """A line above the bars."""
        self.whole.write(text, file=sys.stderr)

    def close(self) -> None:
        for bar in (*self.bars.values(), self.whole):
            bar.close()


def carry_out(
    runs: list[Run],
    folder: Path = RUNS,
    root: str | Path | None = None,
    device: str = "cpu",
    jobs: int = 2,
    n_threads: int = 1,
    progress: bool = True,
    compiling: str = "no",
    executor: Executor | None = None,
) -> None:
    """Do what the store lacks, side by side, with a bar for the whole and one for each run under way.

        folder    of all runs
        jobs      processes of this machine, started afresh ("spawn"); not used with an executor
        executor  where runs are done instead: anything with the interface of `concurrent.futures.Executor` whose
                  workers see `folder`, such as a cluster's; it gets all runs at once and is left open

    A run whose worker dies is tried once more. Raises RuntimeError with the first failure's traceback after the
    others have ended; raises `Stopped` on Ctrl-C, with no process left behind and nothing lost but the steps since
    the last checkpoints.
    """
    require(jobs >= 1, "study.carry_out", "jobs", ">= 1", jobs)
    require(n_threads >= 1, "study.carry_out", "threads", ">= 1", n_threads)
    waiting = deque(run for run in runs if not is_complete(run, Store(folder)))
    if not waiting:
        return
    total, attempts, failures, finished = len(waiting), Counter[str](), [], 0
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.settimeout(WAIT_SECONDS)
    slots = [Slot(there) for _ in range(min(jobs, total))] if executor is None else []
    free: list[Slot | Executor] = [*slots] if executor is None else [executor] * total
    pending: dict[Future, tuple[Run, Slot | Executor]] = {}
    arguments = (Path(folder), str(root) if root else None, device, n_threads, compiling)
    bars = Bars(list(waiting), progress)
    try:
        while waiting or pending:
            while waiting and free:
                run, place = waiting.popleft(), free.pop()
                pending[_submitted(place, run, *arguments)] = run, place
            for name, step in _messages(here):
                bars.move(name, step)
            for future in [future for future in pending if future.done()]:
                run, place = pending.pop(future)
                free.append(place)
                try:
                    failure = future.result()
                except BrokenExecutor as error:
                    attempts[run.name] += 1
                    how = place.restart() if isinstance(place, Slot) else str(error)
                    failure = f"The worker died ({how}) {attempts[run.name]} times."
                    if isinstance(place, Slot) and attempts[run.name] < ATTEMPTS:
                        bars.say(f"the worker of {label(run)} ({run.name}) died ({how}); its run is tried once more")
                        waiting.appendleft(run)
                        continue
                if failure:
                    failures.append(f"{run.name}: {failure}")
                finished += not failure
                bars.finish(run.name)
    except BaseException as stop:
        for future in pending:
            future.cancel()
        with _signals_ignored():
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


def _submitted(place: Slot | Executor, *arguments: Any) -> Future:
    """The future of a run; one that has failed where the executor takes no more."""
    try:
        return place.submit(_work, *arguments)
    except BrokenExecutor as error:
        failed: Future = Future()
        failed.set_exception(error)
        return failed


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
