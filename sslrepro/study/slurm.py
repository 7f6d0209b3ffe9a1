"""Runs as jobs of Slurm, through submitit, which is imported only here: every job ends, also one that nobody ends."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sslrepro.base.errors import require

ATTEMPTS = 2  # of a job that dies; one that somebody cancelled stays cancelled
LIMIT_MINUTES = 60  # of a job, unless told; at its end it is queued again and goes on from the run's checkpoint
REQUEUES = 10_000  # submitit's bound on how often, 3 unless told
ASK_SECONDS = 5.0  # between questions which jobs there are
RESULT_SECONDS = 15.0  # for a result to appear on a slow disk once its job is gone
ANSWER_SECONDS = 10.0  # for a command of Slurm
SILENT_SECONDS = 600.0  # without an answer, before jobs are given up; a controller may be started anew meanwhile
IDS_AT_ONCE = 500  # on one command line


class Resumable:
    """A call whose job is queued again where it is preempted or out of time; the run goes on from its checkpoint."""

    def __init__(self, work: Callable[..., Any]):
        self.work = work

    def __call__(self, *arguments: Any) -> Any:
        return self.work(*arguments)

    def checkpoint(self, *arguments: Any) -> Any:
        """What is to be done by the next job: the same call."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


@dataclass(eq=False)
class Job:
    """A call, and what does it.

    inner      the job of submitit that is at it now
    attempts   how many there were
    gone_at    when Slurm was first seen without it
    """

    call: tuple[Any, ...]
    work: Resumable
    inner: Any
    attempts: int = 1
    gone_at: float | None = None


class SubmititJobs:
    """Jobs of submitit, as `clusters.Tasks`: all that start together are one array.

        kind   "slurm"; for tests "local" (processes of this machine) or "debug"

    submitit learns that a job died from Slurm's accounting, asked every ten minutes at most; a Slurm without accounting
    tells it nothing, and the job is waited for without end. So the queue is asked instead: what is not in it and has
    left no result is dead, and is started once more; the run goes on from its checkpoint in the shared folder.

    Raises ValueError where Slurm's commands are missing or an option is not submitit's.
    """

    def __init__(self, folder: Path, jobs: int, device: str, options: dict[str, Any], kind: str = "slurm"):
        import submitit

        self.kind, self.unwanted = kind, []
        self.queued: set[str] | None = None
        self.heard_at, self.ask_next = time.monotonic(), 0.0
        kept: dict[str, Any] = {"name": "sslrepro", "cpus_per_task": 1, "slurm_array_parallelism": jobs}
        kept |= {"timeout_min": LIMIT_MINUTES} | ({"gpus_per_node": 1} if device.startswith("cuda") else {})
        try:
            self.inner = submitit.AutoExecutor(folder=folder, cluster=kind, slurm_max_num_timeout=REQUEUES)
        except RuntimeError:
            require(False, "cluster", "slurm", "a Slurm whose commands (srun) are found here", "none")
        try:
            self.inner.update_parameters(**kept | options)
        except (AssertionError, NameError, TypeError, ValueError) as error:
            known = " ".join(str(error).split())[:200]
            require(False, "cluster", "--cluster-set", "options of submitit", ", ".join(options) or None, f"({known})")

    def start(self, work: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Job]:
        """As of `Tasks`. Raises ValueError with Slurm's words where it takes no job."""
        work = Resumable(work)
        return [Job(call, work, inner) for call, inner in zip(calls, self._submit(work, calls), strict=True)]

    def _submit(self, work: Resumable, calls: list[tuple[Any, ...]]) -> list[Any]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            with self.inner.batch():
                return [self.inner.submit(work, *call) for call in calls]
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            words = " ".join(str(error).split())
            raise ValueError(f"cluster: Slurm takes no job ({words[:300]}). See --cluster-set.") from None

    def has_ended(self, task: Job) -> bool:
        """As of `Tasks`: there is a result, or the job is gone."""
        if task.inner.paths.result_pickle.exists():
            return True
        if self.kind != "slurm":
            return task.inner.done()
        if self.queued is None or task.inner.job_id in self.queued:
            task.gone_at = None
            return False
        now = time.monotonic()
        task.gone_at = now if task.gone_at is None else task.gone_at
        return now - task.gone_at > RESULT_SECONDS

    def result(self, task: Job) -> Any:
        """As of `Tasks`; a job that left none is started once more, unless somebody cancelled it."""
        if task.inner.paths.result_pickle.exists():
            return task.inner.result()
        name, state = f"job {task.inner.job_id}", state_of(task.inner.job_id) if self.kind == "slurm" else "gone"
        if state.startswith("CANCELLED"):
            raise RuntimeError(f"Slurm's {name} was cancelled; the same call goes on with its run.")
        if task.attempts >= ATTEMPTS:
            raise RuntimeError(
                f"Slurm's {name} died ({state}), as the one before it; its words are in {task.inner.paths.stderr}."
            )
        tell(f"Slurm's {name} of {getattr(task.call[0], 'name', 'a call')} died ({state}); it is started once more")
        (task.inner,) = self._submit(task.work, [task.call])
        task.attempts, task.gone_at = task.attempts + 1, None
        raise TimeoutError

    def cancel(self, task: Job) -> None:
        """As of `Tasks`; what Slurm has is cancelled at the next look, all of it by one command."""
        if self.kind == "slurm":
            self.unwanted.append(task.inner.job_id)
        else:
            task.inner.cancel(check=False)

    def trouble(self) -> str:
        """As of `Tasks`: Slurm has not answered for `SILENT_SECONDS`. Asks for the queue where it is time to."""
        if self.kind != "slurm":
            return ""
        self.flush()
        now = time.monotonic()
        if now >= self.ask_next:
            self.ask_next = now + ASK_SECONDS
            self.queued = queue()
            self.heard_at = self.heard_at if self.queued is None else now
        silent = now - self.heard_at > SILENT_SECONDS
        return f"Slurm has not answered for {SILENT_SECONDS:.0f} seconds" if silent else ""

    def flush(self) -> None:
        """Cancel what nobody waits for any more."""
        while self.unwanted:
            some, self.unwanted = self.unwanted[:IDS_AT_ONCE], self.unwanted[IDS_AT_ONCE:]
            answer("scancel", *some)


def answer(*words: str) -> str | None:
    """What a command of Slurm prints; None where it fails, is missing or takes too long."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def queue() -> set[str] | None:
    """Jobs of this user that are waiting, running or about to end, each task of an array by its own id (`12_3`)."""
    printed = answer("squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}")
    return None if printed is None else set(printed.split())


def state_of(job: str) -> str:
    """How a job ended, in Slurm's word (FAILED, CANCELLED, NODE_FAIL, ...); "gone" where it is forgotten already."""
    printed = answer("scontrol", "--oneliner", "show", "job", job) or ""
    states = [word.removeprefix("JobState=") for word in printed.split() if word.startswith("JobState=")]
    return states[0] if states else "gone"


def tell(text: str) -> None:
    """A line above the bars."""
    with contextlib.suppress(OSError):
        tqdm.write(text, file=sys.stderr)
