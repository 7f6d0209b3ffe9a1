"""Damaged or missing parts of a stored run: one line that names the file and what to do, and nothing written."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sslrepro.base.store import Store, read_json
from sslrepro.cli.main import main
from sslrepro.data import load
from sslrepro.training.config import from_record
from sslrepro.training.loop import train

SMALL = (
    "plan.epochs=1",
    "plan.batch_size=32",
    "data.n_train=192",
    "data.n_test=32",
    "data.side=8",
    "encoder=conv-tiny",
)
TRAIN = ["train", "--method", "simclr", "--profile", "smoke", *(word for change in SMALL for word in ("--set", change))]
COMMANDS = {
    "train": lambda runs, name: [*TRAIN, "--runs", str(runs)],  # the run is there, whole
    "resume": lambda runs, name: [*TRAIN, "--runs", str(runs)],  # it was cut off
    "evaluate": lambda runs, name: ["evaluate", str(runs / name), "--evaluation", "knn", "--set", "k=5"],
}
READS = {
    "train": ("config.json", "environment.json", "results.jsonl", "log.jsonl"),
    "resume": ("results.jsonl", "log.jsonl", "checkpoint.safetensors"),
    "evaluate": ("config.json", "results.jsonl", "checkpoint.safetensors"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("stored") / "runs"
    assert main([*TRAIN, "--runs", str(runs)]) == 0
    return runs


@pytest.fixture(scope="module")
def cut_off(trained, tmp_path_factory):
    """The same run, two thirds done."""
    runs = tmp_path_factory.mktemp("stored") / "runs"
    (name,) = Store(trained).names()
    config = from_record(read_json(trained / name / "config.json"))

    def stop(step: int, steps: int) -> None:
        if step > 2 * steps / 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, runs / name, load(config.data)[0], report=stop, log_every=2, checkpoint_seconds=0)
    (runs / name / "results.jsonl").touch()
    return runs


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything under a folder but locks."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
        if p.name != ".lock"
    }


# --- what happens to a file ---------------------------------------------------------------------------------------


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def content(value: object):
    """Other content: bytes as they are, anything else as JSON with a line's end."""

    def change(path: Path) -> None:
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n")

    change.__name__ = repr(value)[:40]
    return change


def with_values(**values: object):
    """A JSON object with other values."""

    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")

    change.__name__ = repr(values)[:40]
    return change


def without(name: str):
    """A JSON object that lacks a name."""

    def change(path: Path) -> None:
        path.write_text(
            json.dumps({k: v for k, v in json.loads(path.read_text("utf-8")).items() if k != name}), encoding="utf-8"
        )

    change.__name__ = f"without {name}"
    return change


def no_record(path: Path) -> None:
    save_file(load_file(path), path)


def other_record(path: Path) -> None:
    save_file(load_file(path), path, {"identity": "x", "step": "many"})


DEEP = b"[" * 100_000
BINARY = b"\x00\xff\xfe\n" * 9
DAMAGES = {
    "config.json": [folder, dangling, halved, content(b""), content([]), content(5), content(DEEP), content(BINARY),
                    content(b"9" * 5000), content({}), content({"pixels": 3}), content({"pixels": {}}), without("method"),
                    with_values(plan=5), with_values(settings=[]), with_values(data=None), with_values(method=3),
                    with_values(method="../simclr"), with_values(seed=10**30), with_values(plan={"lr": 10**400}),
                    with_values(plan={"epochs": 10**13}), with_values(encoder=["conv"]), with_values(data={"name": "a\nb"}),
                    with_values(more=1), with_values(settings={"dim": 10**40})],
    "environment.json": [gone, folder, dangling, content(b""), content([])],
    "results.jsonl": [folder, dangling, content(BINARY), content(5), content([]), content({"key": 1}), content({"key": "x", "scores": 3}),
                      content({"key": "x", "scores": {"a": "b"}}), content({"key": "x", "scores": {"a": None}}),
                      content({"key": ["x"], "scores": {}}), content({"key": "training", "scores": {}}), content(DEEP + b"\n")],
    "log.jsonl": [folder, dangling, content(BINARY), content(5), content([]), content({"loss": 1.0}), content({"step": "x"}), content({"step": None})],
    "checkpoint.safetensors": [folder, dangling, halved, content(b""), content(BINARY), content(b"\xff" * 64), no_record, other_record],
}  # fmt: skip
CASES = [
    (name, change, command)
    for name, changes in DAMAGES.items()
    for change in changes
    for command in COMMANDS
    if name in READS[command]
]


@pytest.mark.parametrize("name, change, command", CASES, ids=[f"{n}-{change.__name__}-{c}" for n, change, c in CASES])
def test_one_line_and_nothing_written(
    name, change, command, trained, cut_off, tmp_path, capfd, without_shape_checks, monkeypatch
):
    runs = shutil.copytree(cut_off if command == "resume" else trained, tmp_path / "runs")
    (run,) = Store(runs).names()
    change(runs / run / name)
    before = contents(runs)
    capfd.readouterr()
    status = main(COMMANDS[command](runs, run))
    said = capfd.readouterr().err
    (line,) = [line for line in said.replace("\r", "\n").splitlines() if "error" in line]
    assert line.startswith("error: ") and said.endswith(f"{line}\n") and status == 2
    assert run in line and len(line) < 1200
    assert contents(runs) == before
