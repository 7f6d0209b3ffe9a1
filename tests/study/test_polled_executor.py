"""Tasks of a cluster as futures: each ends, with a result, an error or the reason why the cluster cannot go on."""

import io
import tarfile
from types import SimpleNamespace

import pytest

from sslrepro.study import away, clusters, workers
from sslrepro.study.clusters import Cluster, ClusterGone, PolledExecutor
from tests.study.test_workers import runs_of, wait_for

pytestmark = pytest.mark.timeout(120)


def methodcaller_of(name: str):
    return lambda self, task: getattr(task, name)()


def test_a_job_that_fails_raises_and_one_that_is_cancelled_is():
    class Job:
        def __init__(self, value=None):
            self.value, self.cancelled = value, False

        def done(self):
            return self.value is not None

        def result(self):
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

        def cancel(self):
            self.cancelled = True

    class Jobs:
        def start(self, work, calls):
            return jobs

        def trouble(self):
            return ""

        has_ended, result, cancel = map(methodcaller_of, ("done", "result", "cancel"))

    jobs = [Job(7), Job(OSError("out of memory")), Job()]
    executor = PolledExecutor(Jobs(), seconds=0.01)
    good, bad, never = executor.submit_all(int, [()] * 3)
    assert good.result(5) == 7
    with pytest.raises(OSError, match="out of memory"):
        bad.result(5)
    assert never.cancel() and jobs[2].cancelled
    wait_for(lambda: not executor.pending and executor.watcher is None, 5)


class Endless:
    """Tasks of a cluster that never end, and that it cannot end after a while."""

    def __init__(self, reason: str = ""):
        self.reason = reason

    def start(self, work, calls):
        return [None for _ in calls]

    def has_ended(self, task):
        return False

    def result(self, task):
        raise AssertionError("it has not ended")

    def cancel(self, task):
        pass

    def trouble(self):
        return self.reason


def test_every_future_ends_where_the_cluster_cannot_go_on():
    executor = PolledExecutor(Endless(), seconds=0.01)
    future = executor.submit(int, "7")
    with pytest.raises(TimeoutError):
        future.result(0.1)
    executor.tasks.reason = "it has had no worker for 600 seconds"
    with pytest.raises(ClusterGone, match="no worker for 600 seconds"):
        future.result(5)
    with pytest.raises(ClusterGone):
        executor.submit(int, "7")


def test_a_table_ends_where_the_cluster_cannot_go_on(tmp_path):
    cluster = Cluster(PolledExecutor(Endless("it is on fire"), seconds=0.01), where="a cluster")
    with pytest.raises(
        RuntimeError, match=r"^cluster: a cluster cannot go on \(it is on fire\); 0 of 2 runs are whole"
    ):
        workers.carry_out(runs_of(2), tmp_path, executor=cluster, progress=False)


def test_a_scheduler_without_workers_or_words_is_given_up(monkeypatch):
    class Client:
        status, scheduler, n_workers = "running", SimpleNamespace(identity=None), 2

        def sync(self, ask, n_workers, callback_timeout):
            if self.n_workers is None:
                raise TimeoutError
            return {"n_workers": self.n_workers}

    client, now = Client(), [0.0]
    monkeypatch.setattr(clusters.time, "monotonic", lambda: now[0])
    tasks = clusters.DaskTasks(client)
    assert tasks.trouble() == ""
    for answer in (0, None):
        client.n_workers, begun = answer, now[0]
        now[0] = begun + clusters.NO_WORKER_SECONDS - 1
        assert tasks.trouble() == ""
        now[0] = begun + clusters.NO_WORKER_SECONDS + 10
        assert tasks.trouble() == "it has had no worker for 600 seconds"
        client.n_workers = 1
        now[0] += 10
        assert tasks.trouble() == ""
    client.status = "closed"
    assert tasks.trouble() == "its scheduler does not answer"


def test_a_task_is_the_same_only_with_the_same_files():
    (run,) = runs_of(1)
    keys = [clusters._key(call)["key"] for call in ((run, b""), (run, b""), (run, b"more"))]
    assert keys[0] == keys[1] != keys[2] and keys[0].startswith(f"{run.name}-")
    assert clusters._key((7,)) == {}


@pytest.mark.parametrize(
    "name, kind",
    [
        ("{run}/evil.py", tarfile.REGTYPE),
        ("other/config.json", tarfile.REGTYPE),
        ("../config.json", tarfile.REGTYPE),
        ("{run}/config.json", tarfile.SYMTYPE),
    ],
)
def test_a_worker_sends_back_no_other_files(tmp_path, name, kind):
    run, buffer = runs_of(1)[0], io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name.format(run=run.name))
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member, io.BytesIO())
    with pytest.raises(ValueError, match=f"file must be one of {run.name}"):
        away.unpack(run, buffer.getvalue(), tmp_path / "runs")
    assert not list(tmp_path.rglob("*"))
