"""Places and streams that refuse: one line, exit status 2, nothing half-written."""

import contextlib
import os
import re
import resource
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from sslrepro.base.store import Store, append_line, lock_folder, read_lines, write_atomic
from sslrepro.cli.main import main
from sslrepro.data.trees import read_tree
from sslrepro.study import budget, workers
from sslrepro.study.run import Run
from tests.conftest import tiny
from tests.faults.test_damaged_runs import TRAIN, contents

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_root(monkeypatch):
    monkeypatch.delenv("SSLREPRO_DATA", raising=False)


def refusal(words: list[str], capfd, says: str = "") -> str:
    """The one line that a command ends with."""
    capfd.readouterr()
    assert main(words) == 2
    said = capfd.readouterr().err
    (line,) = [line for line in said.replace("\r", "\n").splitlines() if "error" in line.lower()]
    assert line.startswith("error: ") and said.endswith(f"{line}\n") and re.search(says, line), line
    return line


# --- places -------------------------------------------------------------------------------------------------------


def a_file(path: Path) -> Path:
    path.write_text("no folder", encoding="utf-8")
    return path


def a_dangling_link(path: Path) -> Path:
    path.symlink_to("nowhere/at/all")
    return path


PLACES = {
    "a file": a_file,
    "a dangling link": a_dangling_link,
    "read-only": lambda path: Path("/proc/sys/kernel/runs"),
    "oversized": lambda path: path.parent / ("x" * 300),
    "under a file": lambda path: a_file(path) / "runs",
}


@pytest.mark.parametrize("place", PLACES)
def test_runs_where_none_can_be(place, tmp_path, capfd):
    """Before a step is trained."""
    runs = PLACES[place](tmp_path / "runs")
    before = contents(tmp_path)
    line = refusal([*TRAIN, "--runs", str(runs)], capfd)
    assert str(runs)[:40] in line and contents(tmp_path) == before


@pytest.mark.parametrize("place", ["a file", "a dangling link"])
def test_a_run_whose_folder_is_none(place, tmp_path, capfd):
    name = re.search(r"simclr-\S+", refusal_name(tmp_path, capfd))[0]
    PLACES[place](tmp_path / name)
    before = contents(tmp_path)
    refusal([*TRAIN, "--runs", str(tmp_path)], capfd, name)
    assert contents(tmp_path) == before


def refusal_name(folder: Path, capfd) -> str:
    """Something that says the name of the run."""
    from sslrepro.explore import single

    changes = {"plan.epochs": 1, "plan.batch_size": 32, "data.n_train": 192, "data.n_test": 32, "data.side": 8}
    return single.plan_run("simclr", "smoke", 0, None, None, changes | {"encoder": "conv-tiny"}).name


@pytest.mark.parametrize(
    "words, says",
    [
        (["train", "--method", "simclr", "--data", "x" * 300, "--root", "ROOT"], "name must be .* at most 100 letters"),
        (["train", "--method", "simclr", "--data", "set", "--root", "ROOT/" + "x" * 300], "root"),
        (["train", "--method", "x" * 5000], "name must be one of"),
        (["reproduce", "x" * 5000], "one of"),
        (["evaluate", "ROOT/" + "x" * 300], "File name too long"),
        (["train", "--method", "simclr", "--set", "plan.epochs=10000000000000"], r"epochs must be in \[0, 1e\+06\]"),
        (["train", "--method", "simclr", "--set", "plan.epochs=1e13"], "epochs must be of type int"),
        (["train", "--method", "simclr", "--set", "plan.epochs=" + "9" * 400], "epochs must be a whole number"),
        (["train", "--method", "simclr", "--set", "plan.lr=" + "9" * 400], "lr must be a finite number"),
        (["train", "--method", "simclr", "--set", "plan.lr=" + "9" * 5000], "lr must be of type float"),
        (["train", "--method", "simclr", "--set", "plan.lr=" + "[" * 9999], "lr must be of type float"),
        (["train", "--method", "simclr", "--set", "data.n_train=10000000000000"], "n_train"),
        (["train", "--method", "simclr", "--set", "settings.hidden=10000000000"], "."),
        (["train", "--method", "simclr", "--seed", "9" * 30], "seed"),
        (["reproduce", "nnclr_queue", "--seeds", "9" * 30], "seeds must be"),
        (["ledger", "--profile", "smoke", "--export", "ROOT"], "path must be a file's"),
        (["ledger", "--profile", "cpu", "--export", "ROOT/none/" + "x" * 300], "x"),
        (["ledger", "--import", "ROOT"], "is not a bundle"),
        (["ledger", "--import", "ROOT/none"], "is not a bundle"),
        (["ledger", "--profile", "gpu", "--budget", "9", "--root", "ROOT/text"], "root must be an archive"),
        (["ledger", "--profile", "gpu", "--dry-run", "--root", "ROOT/text"], "root must be an archive"),
    ],
)
def test_what_cannot_be_is_one_line(words, says, tmp_path, capfd, monkeypatch, without_shape_checks):
    root = tmp_path / "root"
    root.mkdir()
    (root / "text").write_text("no archive")
    words = [word.replace("ROOT", str(root)) for word in words]
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    if words[0] in ("train", "reproduce", "ledger"):
        words += ["--runs", str(tmp_path / "runs")]
    assert len(refusal(words, capfd, says)) < 1500
    assert {name: held for name, held in contents(tmp_path).items() if name not in ("runs", "runs/data")} == before


@pytest.mark.parametrize("content", [
    b"class,coarse\na\x00b,c\n", b"class,coarse\n" + b"x" * 200_000 + b",c\n", b'class,coarse\n"a', b"\xff\xfe\x00", b"",
    b"class", b"class,coarse\na,b,c\n", b"class,coarse\n\xe2\x80\xa8,b\n", None,
])  # fmt: skip
def test_a_tree_that_is_none(content, tmp_path):
    (tmp_path / "tree.csv").write_bytes(content) if content is not None else (tmp_path / "tree.csv").mkdir()
    with pytest.raises(ValueError, match=r"data\.tree: .*tree\.csv") as told:
        read_tree(tmp_path)
    assert "\n" not in str(told.value) and len(str(told.value)) < 1000


# --- disks --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_files():
    """No file of this process may grow beyond 1,000 bytes: not a fixture, or pytest's own report could not grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_limit_of_file_sizes_leaves_what_was_there(tmp_path):
    path, log = tmp_path / "file", tmp_path / "log.jsonl"
    write_atomic(path, "old")
    append_line(log, {"step": 1, "fill": "x" * 500})
    held = contents(tmp_path)
    with small_files(), pytest.raises(OSError, match=r"File too large, writing: '.*file'"):
        write_atomic(path, "x" * 2000)
    with small_files(), pytest.raises(OSError, match=r"File too large, writing: '.*log\.jsonl'"):
        append_line(log, {"step": 2, "fill": "x" * 800})
    assert contents(tmp_path) == held and read_lines(log)[-1]["step"] == 1


def test_a_run_that_the_disk_has_no_room_for_is_one_line_and_goes_on_later(tmp_path):
    """The log fits, the checkpoint does not."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from sslrepro.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *TRAIN, "--runs", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert re.search(r"error: \[Errno 27\] File too large, writing: '.*checkpoint\.safetensors'\n$", done.stderr)
    assert not list(tmp_path.rglob(".checkpoint*")) and not list(tmp_path.rglob("results.jsonl"))
    assert main([*TRAIN, "--runs", str(tmp_path)]) == 0


def test_a_refusal_leaves_no_folder_with_a_lock(tmp_path):
    with pytest.raises(ValueError), lock_folder(tmp_path / "run"):
        raise ValueError
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError), lock_folder(tmp_path / "mine"):
        raise ValueError
    with pytest.raises(ValueError), lock_folder(tmp_path / "begun"):
        (tmp_path / "begun" / "log.jsonl").touch()
        raise ValueError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "mine"]


# --- workers ------------------------------------------------------------------------------------------------------


def test_a_worker_says_what_was_wrong_in_words(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    config = tiny("simclr", epochs=1)
    folder = Store(tmp_path).folder(config.name)
    folder.mkdir()
    (folder / "checkpoint.safetensors").write_bytes(b"half of it")
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError) as told:
        workers.carry_out([Run(config.data, 0, {}, config)], tmp_path, progress=False, executor=pool)
    assert re.fullmatch(
        rf"1 of 1 runs failed. The first: {config.name}: train: checkpoint .* Delete it to start anew\.",
        str(told.value),
    )


# --- streams ------------------------------------------------------------------------------------------------------


def shell(line: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    place = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PY": sys.executable}
    place.pop("PYTHONUNBUFFERED", None)  # argparse itself is silent where its help cannot be written at once
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=place, cwd=cwd)


@pytest.mark.parametrize("words", ["list", "--help", "train --help"])
def test_a_full_output_is_one_line(words):
    done = shell(f'"$PY" -m sslrepro {words} > /dev/full')
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")


def test_full_error_output_keeps_the_status():
    assert shell('"$PY" -m sslrepro reproduce nothing 2> /dev/full').returncode == 2


def test_closed_streams_are_stood_in_for(tmp_path):
    done = shell('"$PY" -m sslrepro list >&-')
    assert (done.returncode, done.stderr) == (0, "")
    done = shell('"$PY" -m sslrepro reproduce nothing <&- >&- 2>&-')
    assert (done.returncode, done.stderr) == (2, "")


@pytest.mark.parametrize("words", ["list", "evaluate x"])
def test_a_working_folder_that_was_deleted(words, tmp_path):
    done = shell(f'mkdir here && cd here && rmdir "$PWD" && "$PY" -m sslrepro {words}', tmp_path)
    assert done.returncode == 2 and done.stderr == (
        "error: sslrepro: the working folder must exist, got a deleted one. Change to another.\n"
    )


def test_an_archive_with_links_writes_nothing_outside(tmp_path):
    """A chain of links whose end lies outside, and a file behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tmp_path / "holiday.tar.xz"
    with tarfile.open(archive, "w:xz") as file:
        for name, target in (("holiday/a", "."), ("holiday/a/b", ".."), ("holiday/b", "../../../../outside")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            file.addfile(link)
    with pytest.raises(ValueError, match="ledger: root must be an archive"):
        budget.unpack_root(archive, tmp_path / "runs")
    assert list(outside.iterdir()) == [] and list((tmp_path / "runs").rglob("*")) == []
