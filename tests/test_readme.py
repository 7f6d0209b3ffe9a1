"""What the README tells a reader to type exists and is understood."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sslrepro.cli.parser import parser
from sslrepro.study.profiles import PROFILES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.strip()
]


def test_the_two_commands_are_there():
    assert COMMANDS[:2] == ["make reproduce TABLE=nnclr_queue", "make test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8"), "CI calls the README's own test command"


@pytest.mark.parametrize("words", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_the_target_and_passes_the_knobs_on(words):
    _, *arguments = shlex.split(words)
    done = subprocess.run(["make", "-n", "VENV=/somewhere", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for knob in (
        word.split("=")[1]
        for word in arguments
        if word.startswith(("TABLE", "METHOD", "PROFILE", "SEEDS", "JOBS", "DATASET"))
    ):
        assert re.search(rf"(?<!\w){re.escape(knob)}(?!\w)", done.stdout), f"{knob} is lost in: {done.stdout}"


def test_make_refuses_an_unknown_target():
    done = subprocess.run(["make", "-n", "reprodce", "VENV=/somewhere"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0


@pytest.mark.parametrize("words", [c for c in COMMANDS if "-m sslrepro" in c and "--help" not in c])
def test_the_command_line_parses(words):
    assert parser().parse_args(shlex.split(words.split("-m sslrepro")[1])).command


@pytest.mark.parametrize("name", PROFILES)
def test_the_row_of_a_scale_says_what_it_trains(name):
    """Epochs, and images, their side and the batch where the row gives them."""
    profile = PROFILES[name]
    row = re.search(rf"^\| `{name}` \| (.*?) \|", README, re.M).group(1)
    numbers = {unit: int(number.replace(",", "")) for number, unit in re.findall(r"(\d[\d,]*) ([a-z]+)", row)}
    assert numbers.get("epoch", numbers.get("epochs")) == profile.plan.epochs
    assert numbers.get("synthetic", profile.data.n_train) == profile.data.n_train
    assert numbers.get("px", profile.data.side) == profile.data.side
    batch = re.search(r"batch ([\d,]+)", row)
    assert batch is None or int(batch.group(1).replace(",", "")) == profile.plan.batch_size


def test_every_path_it_names_exists():
    for path in re.findall(r"`((?:sslrepro|notebooks|book|docs|benchmarks|tests)/[\w/.]*)`", README):
        if path not in ("book/ledger/", "book/replications/"):  # filled by commands
            assert (ROOT / path).exists(), path
    assert (ROOT / "docs" / "nnclr_queue.png").exists()


def test_help_lists_every_target():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for target in ("reproduce", "notebook", "book", "test", "bench", "check", "pages", "clean"):
        assert re.search(rf"^{target}\b", listed, re.M), target
    for knob in ("PROFILE=", "SEEDS=", "DATA=", "JOBS=", "DEVICE=", "VENV=", "PUBLISH=", "COMPARE=", "REPLICATION="):
        assert knob in listed
