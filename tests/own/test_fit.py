"""A folder of images becomes photos.ssl; a second call goes on; wrong input writes nothing."""

import csv
import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

import sslrepro
from sslrepro.cli.main import main
from sslrepro.data import sources
from sslrepro.own import fit as own_fit
from sslrepro.own import progress as own_progress
from sslrepro.own.defaults import choose
from sslrepro.own.embed import write_parquet
from sslrepro.own.fit import fit_folder
from sslrepro.own.health import verdict
from sslrepro.own.images import ImageFile, Survey
from sslrepro.own.run import OwnRun
from sslrepro.parts.encoders import encoder
from sslrepro.parts.extract import encode_images
from tests.own.conftest import TINY, draw

WORDS = ["--side", "16", "--encoder", "conv-tiny", "--batch-size", "8"]


def of(n: int, side: int) -> Survey:
    files = [ImageFile(Path(), str(i), side, side, "png", False) for i in range(n)]
    return Survey(Path("photos"), tuple(files))


def test_everything_is_in_the_folder(trained):
    images, out = trained
    held = {"encoder.safetensors", "model.json", "embeddings.npy", "embeddings.csv", "log.csv", "report.html", "run"}
    held |= {"embeddings.parquet"} if importlib.util.find_spec("pyarrow") else set()
    assert {path.name for path in out.iterdir()} == held
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert about["side"] == 16 and len(about["mean"]) == 3 and about["method"] == "nnclr" and about["epochs"] == 2
    assert about["environment"]["torch"] == torch.__version__ and about["images"]["n"] == 24
    log = list(csv.DictReader((out / "log.csv").open(encoding="utf-8")))
    assert log[-1]["step"] == "6" and not {"neighbour_match", "neighbour_match_without_self"} & log[0].keys()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and "http-equiv" not in page and about["verdict"][0] in page
    run = OwnRun(out)
    assert run.features.shape == (24, 32) and run.files[0] == "01.png"
    assert torch.allclose(run.embed([images / name for name in run.files]), run.features, atol=1e-5)


def test_a_table_of_embeddings_lies_beside_them_where_pyarrow_is(trained, tmp_path, monkeypatch):
    run, table = OwnRun(trained[1]), trained[1] / "embeddings.parquet"
    assert table.exists() == (importlib.util.find_spec("pyarrow") is not None)
    if table.exists():
        from pyarrow import parquet

        rows = parquet.read_table(table)
        assert rows["file"].to_pylist() == run.files and rows["features"].to_pylist() == run.features.tolist()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "old.parquet").write_bytes(b"of another run")
    assert not write_parquet(tmp_path / "old.parquet", run.listing, run.features)
    assert not (tmp_path / "old.parquet").exists()


def test_no_more_images_are_encoded_together_than_a_step_trains_on(photos, tmp_path, monkeypatch):
    seen = []
    for place in ("fit", "health"):
        name = f"sslrepro.own.{place}.encode_images"
        monkeypatch.setattr(name, lambda *words, plain=encode_images: seen.append(words[3]) or plain(*words))
    fit_folder(photos, tmp_path / "a.ssl", epochs=1, **TINY | {"accumulate": 2})
    assert seen == [4, 4, 4], "before, after, and the features"


def test_a_killed_call_goes_on_and_ends_the_same(photos, tmp_path, monkeypatch):
    whole = fit_folder(photos, tmp_path / "a.ssl", epochs=3, **TINY)

    class Killed(BaseException):
        pass

    progress = own_fit.Progress.__call__

    def kill(self, step, steps):
        progress(self, step, steps)
        if step == 5:
            raise Killed

    real = own_fit.train
    monkeypatch.setattr(own_fit, "train", lambda *words, **named: real(*words, **named, checkpoint_seconds=0))
    monkeypatch.setattr(own_fit.Progress, "__call__", kill)
    with pytest.raises(Killed):
        fit_folder(photos, tmp_path / "b.ssl", epochs=3, **TINY)
    with pytest.raises(ValueError, match="Its training did not end"):
        OwnRun(tmp_path / "b.ssl")
    monkeypatch.setattr(own_fit.Progress, "__call__", progress)
    resumed = fit_folder(photos, tmp_path / "b.ssl", **TINY)
    assert torch.equal(resumed.features, whole.features) and resumed.about["identity"] == whole.about["identity"]


def test_more_epochs_go_on_from_what_is_there(photos, tmp_path, capsys):
    out = tmp_path / "photos.ssl"
    words = ["fit", str(photos), "--out", str(out)]
    assert main([*words, *WORDS, "--epochs", "2"]) == 0
    pixels, line = capsys.readouterr().out.splitlines()[:2]
    assert re.fullmatch(r"pixels: 18 kB kept in /.*own-[0-9a-f]{12}-16px\.npy", pixels)
    assert re.fullmatch(
        r"24 images \(12 jpeg, 12 png\), 40 px -> 16 px · conv-tiny · nnclr · 2 epochs of 3 steps · "
        r"about \d+ s on 1 core \(measured over 6 steps\)",
        line,
    )
    before = load_file(out / "encoder.safetensors")
    assert main(words) == 0
    assert "has its 2 epochs; --epochs 4 goes on from there" in capsys.readouterr().out
    assert main([*words, "--epochs", "4"]) == 0
    assert "goes on from step 6 of 12" in capsys.readouterr().out
    log = list(csv.DictReader((out / "log.csv").open(encoding="utf-8")))
    assert [line["step"] for line in log] == [str(step) for step in range(1, 13)]
    run = OwnRun(out)
    assert run.about["epochs"] == 4 and run.about["plans"] == [2, 4]
    assert not torch.equal(before["layers.0.weight"], run.encoder.state_dict()["layers.0.weight"])
    assert main([*words, "--epochs", "3"]) == 2
    assert "fit: epochs must be >= 4, those trained, got 3" in capsys.readouterr().err
    assert main([*words, "--method", "simclr"]) == 2
    assert "method must be 'nnclr', as in" in capsys.readouterr().err
    draw(5).save(photos / "another.png")
    assert main([*words, "--epochs", "8"]) == 2
    assert "trained on, got '25, or others'. --out" in capsys.readouterr().err


def test_a_kill_while_epochs_are_added_harms_nothing(photos, tmp_path, monkeypatch):
    out = tmp_path / "photos.ssl"
    fit_folder(photos, out, epochs=1, **TINY)
    monkeypatch.setattr(own_fit, "train", lambda *words, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit_folder(photos, out, epochs=3)
    assert OwnRun(out).about["epochs"] == 1
    monkeypatch.undo()
    assert fit_folder(photos, out, epochs=2, say=None).about["epochs"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "nnclrr"], "method must be one of"),
        (["--method", "supcon"], "method must be one that sees no labels, got 'supcon'"),
        (["--encoder", "resnet19"], "Did you mean 'resnet18'"),
        (["--side", "4"], "side must be 8..1024 px, got 4"),
        (["--batch-size", "25"], "batch_size must be 4..24 images, got 25"),
        (["--device", "cuda:9"], "device must be cpu, or cuda where there is a GPU"),
        (["--seed", "-1"], "seed must be >= 0"),
    ],
)
def test_wrong_words_are_one_line_and_write_nothing(photos, tmp_path, capsys, words, said):
    assert main(["fit", str(photos), "--out", str(tmp_path / "x.ssl"), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not (tmp_path / "x.ssl").exists()


def test_an_error_while_decoding_begins_a_line(photos, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr("sslrepro.own.fit.progress_bar", lambda *_: SimpleNamespace(close=lambda: closed.append(1)))
    monkeypatch.setattr("sslrepro.own.fit.pixels", lambda *_: [][0])
    with pytest.raises(IndexError):
        fit_folder(photos, tmp_path / "x.ssl", **TINY | {"say": print})
    assert closed


def test_a_folder_of_something_else_is_left_alone(photos, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x", encoding="utf-8")
    assert main(["fit", str(photos), "--out", str(tmp_path / "mine")]) == 2
    assert "It holds thesis.tex. Choose another --out." in capsys.readouterr().err
    assert main(["fit", str(photos), "--out", str(tmp_path / "mine" / "thesis.tex")]) == 2
    assert "out must be a folder" in capsys.readouterr().err


def test_unreadable_files_are_in_the_report(photos, tmp_path):
    (photos / "<b>.jpg").write_bytes(b"no image")
    run = fit_folder(photos, tmp_path / "x.ssl", epochs=1, skip_bad=True, **TINY)
    assert run.about["images"]["left_out"] == ["<b>.jpg"]
    assert "&lt;b&gt;.jpg" in (run.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("n", "side", "device", "chosen"),
    [
        (2000, 240, "cpu", (96, "resnet18", 64, 100)),
        (2000, 240, "cuda", (224, "resnet18", 256, 800)),
        (50_000, 32, "cpu", (32, "resnet18-cifar", 64, 20)),
        (24, 20, "cpu", (32, "resnet18-cifar", 6, 200)),
    ],
)
def test_defaults_follow_images_and_device(n, side, device, chosen):
    config = choose(of(n, side), device)
    assert (config.data.side, config.encoder, config.plan.batch_size, config.plan.epochs) == chosen


def test_weights_of_a_resnet_load_strictly_in_torchvision(photos, tmp_path):
    run = fit_folder(photos, tmp_path / "x.ssl", epochs=1, side=32, encoder="resnet18", batch_size=12, say=None)
    net = torchvision.models.resnet18()
    net.fc = nn.Identity()
    net.load_state_dict(load_file(run.folder / "encoder.safetensors"), strict=True)
    x = torch.randn(2, 3, 32, 32)
    assert torch.allclose(net.eval()(x), run.encoder(x), atol=1e-5)


def test_images_of_one_colour_train_and_are_said_to_collapse(tmp_path):
    from PIL import Image

    (tmp_path / "gray").mkdir()
    for n in range(8):
        Image.new("RGB", (20, 20), (9, 9, 9)).save(tmp_path / "gray" / f"{n}.png")
    run = fit_folder(tmp_path / "gray", tmp_path / "gray.ssl", epochs=1, **TINY)
    assert run.about["verdict"][0].startswith("It has collapsed")


def test_verdicts_follow_the_numbers():
    look = dict(
        epoch=0, rank=20.0, width=512, spread=0.9, uniformity=-3.0, alignment=0.9, recognised=0.2, images=512, kept=None
    )
    assert verdict([look])[0].startswith("Too early")
    begun = verdict([look, look | {"recognised": 0.4, "kept": 0.5}])[0]
    assert begun.startswith("It has begun to work") and "most are not" in begun
    assert verdict([look, look | {"recognised": 0.5, "kept": 0.5}])[0].startswith("It is working")
    assert verdict([look, look | {"recognised": 0.22, "kept": 0.9}])[0].startswith("Not yet")
    assert verdict([look, look | {"spread": 0.1, "recognised": 0.9}])[0].startswith("Images huddle")
    assert "neighbours have settled" in verdict([look, look | {"kept": 0.9}])[-1]


def test_in_python_a_folder_is_fitted_by_its_path(trained):
    images, out = trained
    run = sslrepro.fit(str(images), out, say=None)
    assert run.embed(images / "01.png").shape == (1, 32)
    assert run.encoder.training is False and len(run.nearest(images / "01.png", 10)) == 10


def test_a_set_larger_than_memory_is_read_from_where_it_is_said_and_trains_the_same(
    photos, tmp_path, capsys, monkeypatch
):
    whole = fit_folder(photos, tmp_path / "whole.ssl", epochs=1, **TINY)
    monkeypatch.setattr(sources, "RESIDENT", 0.0)
    words = [
        "fit",
        str(photos),
        "--out",
        str(tmp_path / "read.ssl"),
        "--cache",
        str(tmp_path / "disk"),
        "--epochs",
        "1",
    ]
    assert main([*words, *WORDS]) == 0
    (store,) = (tmp_path / "disk").glob("*.npy")
    assert f"kept in {store} and read from there, batch by batch" in capsys.readouterr().out
    read = OwnRun(tmp_path / "read.ssl")
    assert torch.equal(whole.features, read.features) and whole.about["identity"] == read.about["identity"]


def test_an_encoder_starts_from_given_weights_and_says_how_many(photos, tmp_path, capsys):
    torch.manual_seed(5)
    net = encoder("conv-tiny")
    torch.save(net.state_dict() | {"fc.weight": torch.ones(3)}, tmp_path / "w.pth")
    words = [
        "fit",
        str(photos),
        "--out",
        str(tmp_path / "a.ssl"),
        *WORDS,
        "--epochs",
        "1",
        "--weights",
        str(tmp_path / "w.pth"),
    ]
    assert main(words) == 2
    assert "1 only the file has (fc.weight)" in capsys.readouterr().err and not (tmp_path / "a.ssl").exists()
    starts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            own_progress.Looks,
            "__call__",
            lambda self, step, method: starts.append(
                {name: tensor.clone() for name, tensor in method.encoder.state_dict().items()}
            ),
        )
        assert main([*words, "--weights-except", "fc.weight"]) == 0
    assert "weights: 12 of 12 tensors, 100.0% of the numbers of conv-tiny from" in capsys.readouterr().out
    assert all(torch.equal(tensor, starts[0][name]) for name, tensor in net.state_dict().items())
    config = json.loads((tmp_path / "a.ssl" / "run" / "config.json").read_text(encoding="utf-8"))
    assert len(config["first_weights"]) == 16
    torch.save({name: tensor + 1 for name, tensor in net.state_dict().items()}, tmp_path / "w.pth")
    assert main([*words[:-2], "--epochs", "1", "--weights", str(tmp_path / "w.pth")]) == 2
    assert "weights must be those that" in capsys.readouterr().err


def test_a_batch_in_parts_trains_and_is_another_run(photos, tmp_path):
    runs = [fit_folder(photos, tmp_path / f"{n}.ssl", epochs=1, accumulate=n, method="mocov2", **TINY) for n in (1, 2)]
    assert runs[0].about["identity"] != runs[1].about["identity"]
    with pytest.raises(
        ValueError, match="accumulate must be a divisor of the batch, 8 images, that leaves 2 or more, got 3"
    ):
        fit_folder(photos, tmp_path / "3.ssl", epochs=1, accumulate=3, **TINY)


def test_an_early_stop_is_offered_once_and_never_at_the_end(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own_progress, "early_stop", lambda looks: f"settled at {looks[-1]['epoch']}")
    words = ["fit", str(photos), "--out", str(tmp_path / "a.ssl"), *WORDS]
    assert main([*words, "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "settled at 0" in out and "settled at 1" not in out and "settled at 2" not in out
