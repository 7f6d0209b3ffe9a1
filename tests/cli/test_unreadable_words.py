"""Words that the command line and make cannot read: one line that names them, before anything is created."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sslrepro
from sslrepro.cli import main as entry
from sslrepro.cli.main import main
from sslrepro.cli.parser import COMMANDS, parser
from sslrepro.data import datasets
from sslrepro.study import plans
from sslrepro.study.reproduce import Request, data_root

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_root(monkeypatch):
    monkeypatch.delenv("SSLREPRO_DATA", raising=False)


@pytest.mark.parametrize(
    "words, message",
    [
        (
            ["train", "--method", "simclr", "--root", "ROOT"],
            "train: root must be left out where the synthetic images are",
        ),
        (["reproduce", "nnclr_queue", "--root", "ROOT"], r"used, got '.*'\. Name a set of it .*: holiday\."),
        (["show", "nnclr_queue", "--root", "ROOT"], "Name a set of it"),
        (["ledger", "--profile", "cpu", "--budget", "9", "--root", "ROOT"], "Name a set of it"),
        (["evolution", "ifnd_fig3", "--root", "ROOT"], "Name a set of it"),
        (["reproduce", "nnclr_queue", "--device", "nope"], "device must be cpu, cuda or cuda:<number>, got 'nope'"),
        (["train", "--method", "simclr", "--device", "nope"], "device must be cpu, cuda"),
        (["train", "--method", "simclr", "--device", "cuda:99"], "device must be a GPU of this machine, got 'cuda:99'"),
        (["ledger", "--profile", "smoke", "--budget", "9", "--device", "cuda:99"], "a GPU of this machine"),
        (["bench", "--device", "cuda:99"], "a GPU of this machine"),
        (["ledger", "--profile", "smoke", "--export", "."], "path must be a file's, got 'a folder'"),
        (["ledger", "--profile", "smoke"], "--budget must be given"),
        (["reproduce", "nnclr_queue", "--seeds", "1000000"], "seeds must be <= 1,000, got 1000000"),
        (["train", "--method", "simclr", "--profile", "gpu"], "'cifar10' is not embedded"),
        (["evaluate", "nowhere"], "run must be a run's folder"),
    ],
)
def test_wrong_input_is_one_line_before_anything_is_created(words, message, tmp_path, capsys, monkeypatch):
    (tmp_path / "root" / "holiday").mkdir(parents=True)
    words = [str(tmp_path / "root") if word == "ROOT" else word for word in words]
    monkeypatch.chdir(tmp_path)
    if words[0] not in ("show", "bench", "evaluate") and "--export" not in words:
        words += ["--runs", str(tmp_path / "runs")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1 and error.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["reproduce", "nnclr_queue", "--jobs", "0"], "--jobs: must be a whole number >= 1, got '0'"),
        (["reproduce", "nnclr_queue", "--jobs", "1.5"], "--jobs: must be a whole number >= 1"),
        (["ledger", "--threads", "0", "--budget", "9"], "--threads: must be a whole number >= 1"),
        (["ledger", "--threads", "-1", "--budget", "9"], "--threads: must be a whole number >= 1, got '-1'"),
        (["ledger", "--budget", "inf"], "--budget: must be > 0 seconds and finite, got 'inf'"),
        (["ledger", "--budget", "-3"], "--budget: must be > 0 seconds"),
        (["ledger", "--budget", "soon"], "--budget: must be > 0 seconds"),
        (["ledger", "--budget", "3", "--export", "x"], "not allowed with argument"),
        (["reproduce", "nnclr_queue", "--temperature", "0.2"], "unrecognized arguments: --temperature 0.2"),
        (["reproduce", "nnclr_queue", "--dry-run", "--compare"], "not allowed with argument"),
    ],
)
def test_numbers_that_cannot_be_are_refused_while_parsing(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(words)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"sslrepro {sslrepro.__version__}\n"


def test_every_command_has_a_file_of_its_own():
    files = {path.stem for path in (ROOT / "sslrepro" / "cli").glob("*.py")}
    modules = {command.__name__.rpartition(".")[2] for command in COMMANDS}
    assert modules == files - {"__init__", "main", "options", "parser"}
    words = {"reproduce": ["x"], "show": ["x"], "train": ["--method", "x"], "notebook": ["--table", "x"],
             "evaluate": ["x"], "new_method": ["x"], "fit": ["x"], "embed": ["x", "y", "-o", "z"], "near": ["x", "y"],
             "duplicates": ["x"], "export": ["x", "--to", "y"], "map": ["x", "-o", "y"], "cite": ["x"],
             "compare": ["x", "--set", "a=1", "--against", "a=2"]}  # fmt: skip
    first = {"second_looks": ["second-looks"]}
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        settings = parser().parse_args([*first.get(name, name.split("_")), *words.get(name, [])])
        assert settings.perform.__module__ == command.__name__


def test_home_is_expanded_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = parser().parse_args(["reproduce", "nnclr_queue", "--root=~/x", "--runs=~/y"])
    assert (settings.root, settings.runs) == (tmp_path / "x", tmp_path / "y")
    assert parser().parse_args(["ledger", "--export=~/z"]).export == tmp_path / "z"
    assert data_root("~/x") == tmp_path / "x" and data_root(None) is None
    monkeypatch.setenv("SSLREPRO_DATA", "~/images")
    assert data_root(None) == data_root(None, reads_images=False) == tmp_path / "images", (
        "a standing root offends nobody"
    )
    assert Request.of("nnclr_queue", dataset="holiday", root="~/x", folder="~/y").root == tmp_path / "x"


def test_a_dry_run_reads_no_image(tmp_path, monkeypatch, capsys):
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "holiday" / split / label).mkdir(parents=True)
            (tmp_path / "holiday" / split / label / "0.png").write_text("no image at all")
    monkeypatch.setattr(datasets, "load", None)
    words = ["reproduce", "nnclr_queue", "--seeds", "1", "--dataset", "holiday", "--root", str(tmp_path), "--runs",
             str(tmp_path / "runs")]  # fmt: skip
    assert main([*words, "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "9 runs, 0 stored, 9 to do" in output and "images    holiday: not read for a dry run" in output
    assert re.search(r"^  nnclr-holiday-s0  \d", output, re.M), "a name lacks what the images add to it"
    assert main([*words[:4], "--dataset", "holidays", *words[6:], "--dry-run"]) == 2
    assert "set must be a folder or torchvision files" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ValueError, match="image"):
        plans.plan_table("nnclr_queue", "cpu", 1, "holiday", tmp_path)


def test_a_cuda_device_is_checked_by_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Request.of("nnclr_queue", device="cuda:1").device == "cuda:1"
    with pytest.raises(ValueError, match="got 'cuda:2'. This machine has 2"):
        Request.of("nnclr_queue", device="cuda:2")


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/runs"),
        FileNotFoundError(2, "gone", "x"),
        IsADirectoryError(21, "is a folder", "x"),
        OSError(28, "No space left on device"),
    ],
)
def test_what_the_disk_refuses_is_one_line(error, monkeypatch, capsys):
    def refuse(settings):
        raise error

    monkeypatch.setattr(entry, "parser", lambda: argparse_of(refuse))
    assert main(["list"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and error.strerror in message and message.count("\n") == 1


def argparse_of(perform):
    top = parser()
    top.set_defaults(perform=perform)
    top.parse_args = lambda words: type("Settings", (), {"perform": staticmethod(perform)})
    return top


# --- make -------------------------------------------------------------------------------------------------------


def make(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, env=os.environ | environment
    )


@pytest.mark.parametrize("word", ["TEMPERATURE=0.2", "PROFIL=smoke", "table=nnclr_queue", "ROOT=/x"])
def test_make_refuses_a_variable_that_no_target_reads(word):
    done = make("reproduce", "TABLE=nnclr_queue", word, "VENV=/somewhere")
    assert done.returncode == 2 and f"no target reads {word.partition('=')[0]}. Known: VENV" in done.stderr
    assert make("list", "VENV=/somewhere", TEMPERATURE="0.2").returncode == 0, "only what was typed is checked"


def test_make_quotes_what_it_passes_on():
    done = make("reproduce", "TABLE=nnclr_queue", "VENV=/some where", "DATA=/my images", "DATASET=my set")
    assert '"/some where/bin/python" -m sslrepro' in done.stdout
    assert '--root "/my images"' in done.stdout and '--dataset "my set"' in done.stdout


# as from a shell, also where `make test` runs this
OUTSIDE_MAKE = {
    name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "SSLREPRO", "VENV"))
}


def test_make_hands_on_the_command_that_goes_on(tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$SSLREPRO_COMMAND"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "reproduce", "TABLE=nnclr_queue", "SEEDS=2", f"VENV={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=OUTSIDE_MAKE,
    )
    assert done.stdout.split()[:2] == ["make", "reproduce"], done.stdout + done.stderr
    assert {"TABLE=nnclr_queue", "SEEDS=2"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    "knobs, options",
    [
        (["PUBLISH=1"], "--publish"),
        (["REPLICATION=1"], "--publish-replication"),
        (["COMPARE=1"], "--compare"),
        (["DRY=1"], "--dry-run"),
        (["MISSING=1"], "--missing"),
        (["SIDE=24"], '--side "24"'),
        (["OUT=paper"], '--out "paper"'),
        (["SET=settings.temperature=0.2"], '--set "settings.temperature=0.2"'),
    ],
)
def test_make_passes_switches_on(knobs, options):
    done = make("reproduce", "TABLE=nnclr_queue", "VENV=/somewhere", *knobs)
    assert re.search(rf"{options}\s", done.stdout) and done.stdout.count(" --") == 4


def test_texts_are_utf8_whatever_the_locale():
    """Where Python takes text for ASCII, what is read and printed is UTF-8 all the same."""
    code = """if True:
        import locale
        from sslrepro.cli.main import main
        assert locale.getpreferredencoding(False) != "utf-8"
        print(main(["cite", "nnclr_queue"]), main(["status"]))
        from sslrepro.report import publish
        from sslrepro.study import plans
        print(main(["list"]), len(publish.stale()))
    """
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, env=os.environ | ascii_only)
    assert done.returncode == 0, done.stderr.decode()


def test_help_is_quick():
    code = "import sys; from sslrepro.cli.parser import parser; parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr
