"""The store: a kill at any moment loses nothing that was finished, and damage is named."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sslrepro.base import store
from sslrepro.base.store import Store, append_line, lock_folder, read_json, read_lines, write_atomic, write_json

# A forked child has everything imported already. Children end with os._exit or a signal, never by running pytest on.
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def start():
    """Start a child that runs a function; whatever is still running at the end of the test is killed."""
    children = []

    def begin(function, *arguments):
        child = FORK.Process(target=function, args=arguments, daemon=True)
        child.start()
        children.append(child)
        return child

    yield begin
    for child in children:
        child.kill()
        child.join()


def kill(child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.join(10)
    assert child.exitcode == -signal.SIGKILL


def wait_for(path: Path, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.005)


# --- whole files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["text, umlaut ä", b"\x00bytes\xff", ""])
def test_what_is_written_is_read(tmp_path, content):
    path = tmp_path / "new" / "deep" / "file"
    write_atomic(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert path.stat().st_mode & 0o777 == 0o644
    write_atomic(path, "second")
    assert path.read_text("utf-8") == "second" and os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("old", ["old content", None])
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, call, error, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)

    def fails(*arguments, **named):
        raise error

    monkeypatch.setattr(store.os, call, fails)
    with pytest.raises(type(error)):
        write_atomic(path, "new content " * 10_000)
    assert os.listdir(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_text("utf-8") == old


def test_a_value_that_cannot_be_written_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    with pytest.raises(TypeError):
        write_atomic(path, {"neither": "text nor bytes"})
    assert read_json(path) == {"a": 1} and os.listdir(tmp_path) == ["file"]


def test_the_file_is_complete_and_flushed_before_it_takes_the_name(tmp_path, monkeypatch):
    path, content, events = tmp_path / "file", "x" * 300_000, []
    path.write_text("old")
    fsync, replace = os.fsync, os.replace

    def watched_fsync(handle):
        events.append(("fsync", os.fstat(handle).st_size))
        fsync(handle)

    def watched_replace(source, target):
        assert Path(source).parent == tmp_path, "a rename is atomic within one file system only"
        assert Path(source).read_text("utf-8") == content and path.read_text("utf-8") == "old"
        events.append(("replace", Path(target)))
        replace(source, target)

    monkeypatch.setattr(store.os, "fsync", watched_fsync)
    monkeypatch.setattr(store.os, "replace", watched_replace)
    write_atomic(path, content)
    assert events == [("fsync", 300_000), ("replace", path)]


def _write_for_ever(path: Path) -> None:
    for turn in range(10**9):
        write_atomic(path, chr(ord("a") + turn % 26) * 400_000)


def test_a_reader_never_sees_a_torn_file_and_a_kill_leaves_a_whole_one(tmp_path, start):
    path = tmp_path / "file"
    seen = set()
    for turn in range(6):
        writer = start(_write_for_ever, path)
        wait_for(path)
        end = time.monotonic() + 0.15 + 0.013 * turn
        while time.monotonic() < end:
            text = path.read_text("utf-8")
            assert len(text) == 400_000 and set(text) == {text[0]}
            seen.add(text[0])
        kill(writer)
        text = path.read_text("utf-8")
        assert len(text) == 400_000 and set(text) == {text[0]}
    assert len(seen) > 1, "the writer wrote while we read"


# --- JSON -------------------------------------------------------------------------------------------------------


def test_json_goes_there_and_back_in_one_form(tmp_path):
    first, second = tmp_path / "one", tmp_path / "other"
    write_json(first, {"b": [1, 2.5, None], "a": {"d": True, "c": "ä"}})
    write_json(second, {"a": {"c": "ä", "d": True}, "b": [1, 2.5, None]})
    assert read_json(first) == {"a": {"c": "ä", "d": True}, "b": [1, 2.5, None]}
    assert first.read_bytes() == second.read_bytes() and first.read_text("utf-8").endswith("}\n")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b'{"a": 1}}', b"\x00" * 40])
def test_damaged_json_is_named(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"store: .*config\.json is not valid JSON .*Delete it"):
        read_json(path)


def test_json_that_is_not_even_text_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": "\xff\xfe"}')
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        read_json(path)


# --- JSON lines -------------------------------------------------------------------------------------------------


def test_lines_come_back_in_order(tmp_path):
    path = tmp_path / "log.jsonl"
    assert read_lines(path) == []
    records = [{"step": i, "text": "a\nb ä  "} for i in range(5)]
    for record in records:
        append_line(path, record)
    assert read_lines(path) == records
    assert path.read_bytes().count(b"\n") == 5


@pytest.mark.parametrize("cut", [1, 3, 10])
def test_a_torn_last_line_is_left_out_then_repaired(tmp_path, cut):
    path = tmp_path / "log.jsonl"
    for i in range(3):
        append_line(path, {"step": i})
    torn = path.read_bytes()[:-cut]
    path.write_bytes(torn)
    assert read_lines(path) == [{"step": 0}, {"step": 1}]
    assert path.read_bytes() == torn, "reading repairs nothing"
    append_line(path, {"step": 7})
    assert read_lines(path) == [{"step": 0}, {"step": 1}, {"step": 7}]
    assert path.read_bytes() == b'{"step": 0}\n{"step": 1}\n{"step": 7}\n'
    assert os.listdir(tmp_path) == ["log.jsonl"]


def test_a_file_that_is_only_a_torn_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": ')
    assert read_lines(path) == []
    append_line(path, {"step": 1})
    assert path.read_text("utf-8") == '{"step": 1}\n'


def test_an_empty_file_has_no_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    path.touch()
    assert read_lines(path) == []
    append_line(path, {"a": 1})
    assert read_lines(path) == [{"a": 1}]


@pytest.mark.parametrize("damage", [b'{"step": 1', b"", b"\x00\x00\x00"])
def test_damage_in_the_middle_is_named_by_file_and_line(tmp_path, damage):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 0}\n' + damage + b'\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"store: line 2 of .*log\.jsonl is not valid JSON"):
        read_lines(path)


def test_damage_that_is_not_even_text_is_named_by_file_and_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 0}\n{"step": "\xff\xfe"}\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"line 2 of .*log\.jsonl is not valid JSON"):
        read_lines(path)


def test_an_appended_line_is_on_the_disk_when_the_call_returns(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(store.os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    append_line(tmp_path / "log.jsonl", {"a": 1})
    assert sizes == [len('{"a": 1}\n')]


def _append_for_ever(path: Path, first: int) -> None:
    for i in range(first, 10**9):
        append_line(path, {"step": i, "fill": "x" * 5000})


def test_killed_appenders_lose_nothing_they_had_finished(tmp_path, start):
    path = tmp_path / "log.jsonl"
    for turn in range(5):
        held = read_lines(path)
        child = start(_append_for_ever, path, len(held))
        wait_for(path)
        time.sleep(0.04 + 0.011 * turn)
        kill(child)
        now = read_lines(path)
        assert now[: len(held)] == held and [record["step"] for record in now] == list(range(len(now)))
    assert len(read_lines(path)) > 0


# --- locks ------------------------------------------------------------------------------------------------------


def _hold(folder: Path, mark: Path, until: Path) -> None:
    with lock_folder(folder):
        mark.touch()
        while not until.exists():
            time.sleep(0.005)


def test_the_second_process_waits_for_the_first(tmp_path, start):
    folder, mine, yours, go = tmp_path / "run", tmp_path / "mine", tmp_path / "yours", tmp_path / "go"
    first = start(_hold, folder, mine, go)
    wait_for(mine)
    second = start(_hold, folder, yours, go)
    time.sleep(0.3)
    assert second.is_alive() and not yours.exists(), "the folder is held"
    go.touch()
    wait_for(yours)
    first.join(10), second.join(10)
    assert (first.exitcode, second.exitcode) == (0, 0)


def test_folders_are_locked_one_by_one(tmp_path, start):
    first, second = tmp_path / "first", tmp_path / "second"
    start(_hold, tmp_path / "run_a", first, tmp_path / "never")
    wait_for(first)
    start(_hold, tmp_path / "run_b", second, tmp_path / "never")
    wait_for(second)


def test_the_lock_of_a_killed_process_is_free(tmp_path, start):
    folder, mine, yours, go = tmp_path / "run", tmp_path / "mine", tmp_path / "yours", tmp_path / "go"
    first = start(_hold, folder, mine, tmp_path / "never")
    wait_for(mine)
    second = start(_hold, folder, yours, go)
    time.sleep(0.1)
    assert not yours.exists()
    kill(first)
    wait_for(yours)
    go.touch()
    second.join(10)
    assert second.exitcode == 0


def test_the_lock_is_free_after_an_exception(tmp_path, start):
    with pytest.raises(RuntimeError), lock_folder(tmp_path / "run"):
        raise RuntimeError
    (tmp_path / "go").touch()
    start(_hold, tmp_path / "run", tmp_path / "mine", tmp_path / "go")
    wait_for(tmp_path / "mine")


def _count(folder: Path, name: int, times: int) -> None:
    for _ in range(times):
        with lock_folder(folder):
            path = folder / "log.jsonl"
            append_line(path, {"n": len(read_lines(path)), "by": name})


def test_appenders_under_the_lock_lose_nothing(tmp_path, start):
    """Each line holds the number of lines before it, so that a line between reading and writing shows."""
    children = [start(_count, tmp_path, name, 20) for name in range(4)]
    for child in children:
        child.join(15)
        assert child.exitcode == 0
    lines = read_lines(tmp_path / "log.jsonl")
    assert [line["n"] for line in lines] == list(range(80))
    assert [sum(line["by"] == name for line in lines) for name in range(4)] == [20] * 4


# --- runs -------------------------------------------------------------------------------------------------------


def result(key: str, score: float) -> dict:
    return {"key": key, "evaluation": "knn", "protocol": {}, "scores": {"knn_top1": score}}


def test_results_keep_the_last_line_of_each_key(tmp_path):
    runs = Store(tmp_path)
    assert runs.results("a") == {}
    runs.folder("a").mkdir(), runs.folder("b").mkdir()
    for key, score in [("x", 0.1), ("y", 0.2), ("x", 0.3)]:
        runs.append_result("a", result(key, score))
    runs.append_result("b", result("x", 0.9))
    results = runs.results("a")
    assert {key: line["scores"]["knn_top1"] for key, line in results.items()} == {"x": 0.3, "y": 0.2}
    assert len(read_lines(runs.folder("a") / "results.jsonl")) == 3, "earlier lines stay"
    assert runs.results("b")["x"]["scores"] == {"knn_top1": 0.9}


def test_a_torn_result_leaves_the_one_before(tmp_path):
    runs = Store(tmp_path)
    runs.folder("a").mkdir()
    runs.append_result("a", result("x", 0.1))
    runs.append_result("a", result("x", 0.3))
    path = runs.folder("a") / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-4])
    assert runs.results("a")["x"]["scores"]["knn_top1"] == 0.1


@pytest.mark.parametrize("line", [{"key": "x"}, {"scores": {}}, {}])
def test_a_result_needs_its_key_and_scores(tmp_path, line):
    runs = Store(tmp_path)
    runs.folder("a").mkdir()
    with pytest.raises(ValueError, match="Store.append_result: line must be a dict with key and scores"):
        runs.append_result("a", line)
    assert runs.results("a") == {}


def test_names_are_the_folders_with_a_configuration(tmp_path):
    assert Store(tmp_path / "none").names() == []
    for name in ("b", "a", "c"):
        write_json(tmp_path / name / "config.json", {})
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert Store(str(tmp_path)).names() == ["a", "b", "c"]


def test_the_key_of_an_evaluation_is_its_name_and_all_of_its_protocol():
    key = store.result_key("knn", {"k": 20, "temperature": 0.07})
    assert key == store.result_key("knn", {"temperature": 0.07, "k": 20}) and key.startswith("knn ")
    others = [
        store.result_key("knn", {"k": 200, "temperature": 0.07}),
        store.result_key("knn", {"k": 20}),
        store.result_key("few", {"k": 20, "temperature": 0.07}),
    ]
    assert len({key, *others}) == 4


# --- where a number was made ------------------------------------------------------------------------------------

FIELDS = {"python", "torch", "machine", "device", "device_type", "threads", "commit", "dirty"}
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def test_the_environment_has_every_field_and_is_json():
    environment = store.environment("cpu")
    assert set(environment) == FIELDS and json.loads(json.dumps(environment)) == environment
    assert environment["device_type"] == "cpu" and environment["threads"] >= 1
    words = [environment[name] for name in ("python", "torch", "machine", "device")]
    assert all(isinstance(word, str) and word for word in words)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The package as if it lay in a folder that is no git checkout."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(store, "__file__", str(tmp_path / "store.py"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@needs_git
def test_outside_a_checkout_commit_and_dirty_are_unknown(elsewhere):
    environment = store.environment("cpu")
    assert set(environment) == FIELDS and environment["commit"] is None and environment["dirty"] is None


def test_without_git_commit_and_dirty_are_unknown(elsewhere, monkeypatch):
    monkeypatch.setenv("PATH", str(elsewhere / "nothing"))
    environment = store.environment("cpu")
    assert set(environment) == FIELDS and environment["commit"] is None and environment["dirty"] is None


@needs_git
def test_in_a_checkout_the_commit_is_named_and_edits_are_seen(elsewhere):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/none")
        return subprocess.run(["git", "-C", str(elsewhere), *who, *words], check=True, capture_output=True, text=True)

    git("init", "-q")
    (elsewhere / "store.py").write_text("a = 1\n")
    git("add", "."), git("commit", "-q", "-m", "first")
    environment = store.environment("cpu")
    assert environment["commit"] == git("rev-parse", "HEAD").stdout.strip() and len(environment["commit"]) == 40
    assert environment["dirty"] is False
    (elsewhere / "notes.txt").write_text("not code")
    assert store.environment("cpu")["dirty"] is False
    (elsewhere / "store.py").write_text("a = 2\n")
    assert store.environment("cpu")["dirty"] is True


def test_a_system_without_locks_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    with pytest.raises(RuntimeError, match="cannot be locked.*WSL 2"), lock_folder(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()
