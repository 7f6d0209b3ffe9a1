"""Jobs of Slurm: commands that stand in for its own, submitit's processes, and Slurm itself where it is installed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from sslrepro.cli.main import main
from sslrepro.study import slurm, workers
from sslrepro.study.clusters import Cluster, PolledExecutor, open_cluster
from sslrepro.study.slurm import SubmititJobs
from tests.study.test_clusters import EPOCHS, ends, serial  # noqa: F401  serial is a fixture
from tests.study.test_workers import needs_proc, runs_of, wait_for

pytestmark = pytest.mark.timeout(600)


# --- processes of submitit ------------------------------------------------------------------------------------------


def cluster_of_processes(folder: Path, jobs: int = 2) -> Cluster:
    tasks = SubmititJobs(folder / ".submitit", jobs, "cpu", {"timeout_min": 5}, kind="local")
    return Cluster(PolledExecutor(tasks, seconds=0.1), shared=True)


def kill_at_first_step(folder: Path, cluster: Cluster, times: int) -> None:
    """Kill the process of the only run, `times` times, as soon as it has logged something."""
    for _ in range(times):
        (job,) = cluster.executor.pending.values()
        process = job.inner
        wait_for(lambda: list(folder.glob("*/log.jsonl")))
        os.kill(int(process.job_id), signal.SIGKILL)
        wait_for(lambda job=job, process=process: job.inner is not process or not cluster.executor.pending)


@needs_proc
@pytest.mark.parametrize("times", [1, 2])
def test_a_job_that_dies_is_started_once_more_and_goes_on(times, tmp_path, capfd):
    (run,) = runs_of(1, epochs=60)
    cluster = cluster_of_processes(tmp_path)
    (future,) = workers.submit_runs(cluster, [run], tmp_path, (None, "cpu", 1, "no"))
    kill_at_first_step(tmp_path, cluster, times)
    if times == 1:
        assert future.result(120) is None
        workers.carry_out([run], tmp_path / "serial", jobs=1, progress=False)
        assert ends(run, tmp_path) == ends(run, tmp_path / "serial")
    else:
        with pytest.raises(RuntimeError, match=r"job \S+ died \(gone\), as the one before it; its words are in /"):
            future.result(120)
    errors = capfd.readouterr().err
    assert errors.count("it is started once more") == 1 and f"of {run.name} died" in errors


def test_jobs_of_submitit_go_on_in_the_shared_folder(tmp_path, serial):  # noqa: F811
    runs = runs_of(3, EPOCHS)[:2]
    workers.carry_out(runs, tmp_path, executor=cluster_of_processes(tmp_path), progress=False)
    assert {run.name: ends(run, tmp_path) for run in runs} == {run.name: serial[run.name] for run in runs}


def test_a_job_at_its_limit_is_queued_again_with_the_same_call():
    again = slurm.Resumable(int).checkpoint("7")
    assert (again.function.work, again.args, again.result()) == (int, ("7",), 7)


# --- commands in place of Slurm's -------------------------------------------------------------------------------------


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A folder of commands that are found first: write(name, script)."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, script: str) -> None:
        (place / name).write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (place / name).chmod(0o755)

    for name in ("srun", "scancel", "sbatch"):
        write(name, f'echo "$@" >> {tmp_path}/{name}.log')
    write("squeue", "printf '12_0\\n12_1\\n'")
    write("scontrol", "echo JobId=13 ArrayJobId=12 JobState=CANCELLED Reason=None")
    return write


@pytest.fixture
def jobs(commands, tmp_path):
    return SubmititJobs(tmp_path / ".submitit", 2, "cpu", {})


def task(number: str, folder: Path) -> slurm.Job:
    paths = SimpleNamespace(result_pickle=folder / f"{number}.pkl", stderr=folder / f"{number}.err")
    return slurm.Job(((),), slurm.Resumable(int), SimpleNamespace(job_id=number, paths=paths, result=lambda: 7))


def test_a_job_has_ended_with_its_result_or_once_slurm_is_without_it(jobs, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(slurm.time, "monotonic", lambda: now[0])
    waiting, dead, whole = (task(number, tmp_path) for number in ("12_1", "12_7", "12_8"))
    whole.inner.paths.result_pickle.touch()
    assert not jobs.has_ended(dead), "Slurm was not asked yet"
    assert jobs.trouble() == "" and jobs.queued == {"12_0", "12_1"}
    assert [jobs.has_ended(job) for job in (waiting, dead, whole)] == [False, False, True]
    now[0] += slurm.RESULT_SECONDS + 1
    assert [jobs.has_ended(job) for job in (waiting, dead)] == [False, True]
    jobs.queued = {"12_7"}  # a job that was queued again meanwhile
    assert not jobs.has_ended(dead) and dead.gone_at is None
    assert jobs.result(whole) == 7


def test_a_job_that_somebody_cancelled_is_not_started_again(jobs, tmp_path):
    with pytest.raises(RuntimeError, match=r"^Slurm's job 12_7 was cancelled; the same call goes on with its run\.$"):
        jobs.result(task("12_7", tmp_path))
    assert not (tmp_path / "sbatch.log").exists()


@pytest.mark.parametrize("squeue", ["exit 1", "sleep 60"])
def test_a_controller_that_is_silent_ends_nothing_at_first_and_everything_in_the_end(
    squeue, commands, jobs, tmp_path, monkeypatch
):
    now = [100.0]
    monkeypatch.setattr(slurm.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(slurm, "ANSWER_SECONDS", 0.5)
    dead = task("12_7", tmp_path)
    assert jobs.trouble() == "" and not jobs.has_ended(dead)
    commands("squeue", squeue)
    now[0] += slurm.SILENT_SECONDS - 1
    assert jobs.trouble() == "" and not jobs.has_ended(dead)
    now[0] += slurm.ASK_SECONDS + 1
    assert jobs.trouble() == "Slurm has not answered for 600 seconds"
    commands("squeue", "echo 12_7")
    now[0] += slurm.ASK_SECONDS + 1
    assert jobs.trouble() == ""


def test_what_nobody_waits_for_is_cancelled_by_few_commands(jobs, tmp_path):
    for number in range(slurm.IDS_AT_ONCE + 3):
        jobs.cancel(task(f"12_{number}", tmp_path))
    log = tmp_path / "scancel.log"
    assert not log.exists(), "at once, and one by one, would take minutes"
    jobs.flush()
    assert [len(line.split()) for line in log.read_text("utf-8").splitlines()] == [slurm.IDS_AT_ONCE, 3]


def test_leaving_a_cluster_cancels_what_is_left(commands, tmp_path, monkeypatch):
    commands("sbatch", "echo Submitted batch job 12")
    monkeypatch.setattr(slurm.SubmititJobs, "trouble", lambda self: "")  # looks at nothing
    with open_cluster("slurm", folder=tmp_path) as cluster:
        for future in cluster.executor.submit_all(int, [("7",), ("8",)]):
            future.cancel()
    assert (tmp_path / "scancel.log").read_text("utf-8").split() == ["12_0", "12_1"]


def test_limits_and_gpus_of_a_job(commands, tmp_path):
    for options, device, limit in (({}, "cpu", slurm.LIMIT_MINUTES), ({"timeout_min": 7}, "cuda", 7)):
        inner = SubmititJobs(tmp_path, 3, device, options).inner._executor
        assert (inner.parameters["time"], inner.parameters["array_parallelism"]) == (limit, 3)
        assert inner.parameters.get("gpus_per_node") == (1 if device == "cuda" else None)
        assert inner.max_num_timeout == slurm.REQUEUES


@pytest.mark.parametrize(
    "words, says",
    [
        (["--cluster-set", "nope=1"], "--cluster-set must be options of submitit, got 'nope'"),
        (["--cluster-set", "timeout_min=x"], "--cluster-set must be options of submitit, got 'timeout_min'"),
        ([], "Slurm takes no job (sbatch: error: invalid partition"),
        (None, "slurm must be a Slurm whose commands (srun) are found here"),
    ],
)
def test_what_slurm_refuses_is_one_line(words, says, commands, tmp_path, monkeypatch, capsys):
    commands("sbatch", "echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1")
    if words is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    runs = ["reproduce", "nnclr_queue", "--profile", "smoke", "--runs", str(tmp_path / "runs"), "--cluster", "slurm"]
    assert main([*runs, *(words or [])]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: cluster: ") and says in line


# --- Slurm itself -----------------------------------------------------------------------------------------------------


def slurm_answers() -> bool:
    return shutil.which("sinfo") is not None and subprocess.run(["sinfo"], capture_output=True).returncode == 0


@pytest.mark.skipif(not slurm_answers(), reason="no Slurm here; benchmarks/slurm_here.sh starts one")
def test_a_killed_job_of_slurm_costs_nothing_but_time(tmp_path, serial):  # noqa: F811
    runs = runs_of(3, EPOCHS)
    with open_cluster("slurm", folder=tmp_path) as cluster:
        futures = workers.submit_runs(cluster, runs, tmp_path, (None, "cpu", 1, "no"))
        first = next(iter(cluster.executor.pending.values())).inner
        wait_for(lambda: (tmp_path / runs[0].name / "log.jsonl").exists() or futures[0].done())
        subprocess.run(["scancel", "--signal=KILL", first.job_id], check=True)
        assert [future.result(300) for future in futures] == [None] * 3
    assert {run.name: ends(run, tmp_path) for run in runs} == serial
