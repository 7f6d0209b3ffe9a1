"""The encoder in other programs: read back and compared before it is written."""

import sys

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from sslrepro.cli.main import main
from sslrepro.own import export as own_export
from sslrepro.own.export import export
from sslrepro.own.run import OwnRun


@pytest.fixture
def resnet(trained):
    """A run whose encoder is a ResNet, without training one."""
    from sslrepro.parts.encoders import encoder

    run = OwnRun(trained[1])
    run.about = run.about | {"encoder": "resnet18", "side": 32}
    torch.manual_seed(0)
    run.__dict__["encoder"] = encoder("resnet18").eval()
    return run


def test_torchvision_loads_it_strictly(resnet, tmp_path, capsys):
    path = export(resnet, "torchvision", tmp_path / "x.safetensors")
    assert 'load_state_dict(safetensors.torch.load_file("' in capsys.readouterr().out
    net = torchvision.models.resnet18()
    net.fc = nn.Identity()
    net.load_state_dict(load_file(path), strict=True)
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(net.eval()(x), resnet.encoder(x), atol=1e-5)


def test_features_that_differ_are_refused(resnet, tmp_path, monkeypatch):
    wrong = own_export._torchvision("resnet18")
    wrong.relu = nn.Identity()
    monkeypatch.setattr(own_export, "_torchvision", lambda name: wrong)
    with pytest.raises(ValueError, match=r"features of torchvision must be ours to 0\.0001, got"):
        export(resnet, "torchvision", tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("to", "package"), [("timm", "timm"), ("onnx", "onnxruntime")])
def test_what_is_not_installed_is_one_line(resnet, tmp_path, monkeypatch, to, package):
    for name in ("timm", "onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf"is not installed. `pip install .*{package}`; "):
        export(resnet, to, tmp_path / ("x.onnx" if to == "onnx" else "x.safetensors"))
    assert not list(tmp_path.iterdir())


def test_timm_loads_it_strictly(resnet, tmp_path):
    timm = pytest.importorskip("timm")
    path = export(resnet, "timm", tmp_path / "x.safetensors", say=None)
    timm.create_model("resnet18", num_classes=0).load_state_dict(load_file(path), strict=True)


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_agrees(trained, tmp_path, batch):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = OwnRun(trained[1])
    path = export(run, "onnx", tmp_path / "x.onnx", say=None)
    images = torch.randint(0, 256, (batch, 3, 16, 16), dtype=torch.uint8)
    (features,) = runtime.InferenceSession(str(path)).run(None, {"images": images.float().div(255).numpy()})
    assert torch.allclose(torch.from_numpy(features), run.features_of_images(images), atol=1e-4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "tensorflow"], "to must be one of torchvision, timm, onnx"),
        (
            ["--to", "torchvision"],
            "encoder must be one of resnet18, resnet50 or a classifier of torchvision for torchvision, got 'conv-tiny'",
        ),
        (["--to", "torchvision", "-o", "x.pt"], "out must be a .safetensors file in an existing folder"),
    ],
)
def test_wrong_input_is_one_line(trained, capsys, words, said):
    assert main(["export", str(trained[1]), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
