"""The command line: what it says of wrong names, what its help teaches, training and evaluation by hand."""

import gc

import pytest

from sslrepro import methods
from sslrepro.base.store import Store, read_json
from sslrepro.study.profiles import PROFILES
from tests.cli import command


@pytest.mark.parametrize(
    "words, message",
    [
        (("reproduce", "nnclr_quue"), "got 'nnclr_quue'. Did you mean 'nnclr_queue'?"),
        (("reproduce", "nnclr_queue", "--profile", "smok"), "Did you mean 'smoke'?"),
        (("reproduce", "nnclr_queue", "--seeds", "0"), "seeds must be >= 1, got 0"),
        (("train", "--method", "nnlcr"), "Did you mean 'nnclr'?"),
        (("train", "--method", "nnclr", "--set", "settings.temprature=1"), "Did you mean 'temperature'?"),
        (("train", "--method", "nnclr", "--set", "plan.epoch=1"), "Did you mean 'epochs'?"),
        (("train", "--method", "nnclr", "--set", 'views.recipe="byl"', "--dry-run"), "Did you mean 'byol'?"),
        (("train", "--method", "nnclr", "--data", "cifar10"), "give DATA=<dir>"),
        (("evaluate", "nowhere"), "run must be a run's folder"),
        (("reproduce", "nnclr_queue", "--profile", "paper"), "run by those who have the machine"),
    ],
)
def test_wrong_names_get_one_line_with_the_nearest(words, message, reply, monkeypatch):
    monkeypatch.setenv("SSLREPRO_DATA", "")
    status, _, err = reply(*words)
    assert status == 2
    assert message in err and err.count("\n") == 1 and err.startswith("error: ")


def test_the_process_ends_with_the_commands_status():
    done = command("reproduce", "nnclr_quue", check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")


def test_a_stop_ends_at_once_and_says_how_to_go_on(reply, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    at_exit = []
    monkeypatch.setattr("sslrepro.own.fit.fit_folder", stop)
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr("sys.argv", ["/usr/bin/sslrepro"])
    monkeypatch.delenv("SSLREPRO_COMMAND", raising=False)
    status, _, err = reply("fit", "my photos", "--epochs", "8")
    assert status == 130 and err.endswith(
        "stopped; what was finished is kept\ngo on with: sslrepro fit 'my photos' --epochs 8\n"
    )
    assert gc.freeze in at_exit, "without it the interpreter takes a second to end"


def test_windows_is_named_in_one_line(reply, monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    status, _, err = reply("list")
    assert status == 2 and err == "error: sslrepro: the system must be Linux or macOS, got Windows. WSL 2 runs it.\n"


def test_help_teaches(reply):
    status, text, _ = reply("--help")
    assert status == 0
    for word in ("reproduce", "train", "evaluate", "list", "show", "bench", "--profile smoke"):
        assert word in text
    listed = reply("list")[1]
    assert "nnclr_queue" in listed and all(name in listed for name in (*methods.names(), *PROFILES))


def test_a_sampler_is_named_by_an_option_of_its_own(reply):
    _, text, _ = reply("train", "--method", "seppid", "--sampler", "mocov2-shapes-s0-0", "--dry-run")
    assert '"sampler_run": "mocov2-shapes-s0-0"' in text
    status, _, err = reply("train", "--method", "nnclr", "--sampler", "mocov2-shapes-s0-0", "--dry-run")
    assert status == 2 and "sampler_run" in err and err.count("\n") == 1


def test_the_paper_profile_can_be_planned(reply):
    _, text, _ = reply("reproduce", "nnclr_queue", "--profile", "paper", "--dry-run")
    assert "27 runs, 0 stored, 27 to do" in text
    assert text.count("312,000 steps") == 21, (
        "1,281,167 // 4,096 = 312 steps an epoch, 1,000 epochs; 6 controls untrained"
    )


def test_train_and_evaluate_from_the_command_line(tmp_path, reply):
    words = ("train", "--method", "nnclr", "--profile", "smoke", "--runs", str(tmp_path), "--set", "plan.epochs=1",
             "--set", "settings.top_k=3")  # fmt: skip
    assert "linear_top1" in reply(*words)[1]
    (name,) = Store(tmp_path).names()
    _, again, _ = reply("evaluate", str(tmp_path / name), "--evaluation", "knn", "--set", "k=5")
    assert "'k': 5" in again and "knn_top1" in again
    assert read_json(tmp_path / name / "config.json")["settings"]["top_k"] == 3


def test_a_folder_of_images_from_the_command_line(tmp_path, reply):
    from PIL import Image

    for split in ("train", "test"):
        for number, colour in enumerate(("red", "green", "blue")):
            folder = tmp_path / "pictures" / split / colour
            folder.mkdir(parents=True)
            for copy in range(14):
                Image.new("RGB", (20, 16 + copy % 3), tuple(200 if i == number else copy for i in range(3))).save(
                    folder / f"{copy}.png"
                )
    _, out, _ = reply("train", "--method", "simclr", "--profile", "smoke", "--data", "pictures", "--root", str(tmp_path),
                     "--runs", str(tmp_path / "runs"))  # fmt: skip
    assert "linear_top1" in out
