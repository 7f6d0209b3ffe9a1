"""Encoders of other packages have the features their classifiers had; weights from files fit or are refused by name."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from sslrepro.parts.backbones import backbone, is_backbone, require_side, torchvision_names
from sslrepro.parts.encoders import encoder, require_name
from sslrepro.parts.first_weights import load_first, mark_of, matching, read_weights, share_in_words


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_features_are_what_the_classifier_of_torchvision_sees(name):
    net, whole = encoder(name).eval(), models.get_model(name).eval()
    left = whole.load_state_dict(net.state_dict(), strict=False)
    assert not left.unexpected_keys and len(left.missing_keys) == 2  # weight and bias of the classifier
    last = [module for module in whole.modules() if isinstance(module, nn.Linear)][-1]
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert net(x).shape == (2, net.dim) and torch.allclose(last(net(x)), whole(x), atol=1e-5)


def test_a_model_of_timm_loads_strictly_there():
    timm = pytest.importorskip("timm")
    net = encoder("timm/convnext_atto").eval()
    theirs = timm.create_model("convnext_atto", num_classes=0).eval()
    theirs.load_state_dict(net.state_dict(), strict=True)
    require_side("timm/convnext_atto", net, 64)
    assert torch.allclose(net(x := torch.rand(2, 3, 64, 64)), theirs(x), atol=1e-5) and net.dim == 320
    with pytest.raises(ValueError, match="a model of timm, got 'timm/convnext_ato'. Did you mean 'timm/convnext_atto'"):
        backbone("timm/convnext_ato")


def test_timm_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    assert is_backbone("timm/convnext_atto")
    with pytest.raises(ValueError, match=r"parts.encoder: timm is not installed. `pip install timm==[0-9.]+`\.$"):
        encoder("timm/convnext_atto")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet-18", "Did you mean 'resnet18'"),
        ("mobilenet_v3_smal", "Did you mean 'mobilenet_v3_small'"),
        ("timm/../x", "timm/<model> or a classifier of torchvision"),
        ("", "got ''"),
    ],
)
def test_another_name_is_refused_with_the_nearest(name, said):
    with pytest.raises(ValueError, match=f"fit: encoder must be .*{said}"):
        require_name(name, "fit")


def test_a_network_without_a_linear_classifier_is_refused():
    with pytest.raises(ValueError, match="must be a network that ends with a linear classifier, got 'squeezenet1_1'"):
        backbone("squeezenet1_1")
    assert "squeezenet1_1" in torchvision_names() and "fcn_resnet50" not in torchvision_names()


class OneSize(nn.Module):
    dim = 3

    def forward(self, x):
        torch._assert(x.shape[2] == 8, "Wrong image height! Expected 8 but got 9!")
        return x.mean((2, 3))


def test_a_side_that_a_network_does_not_take_is_said_before_training():
    net = OneSize().train()
    require_side("vit", net, 8)
    with pytest.raises(
        ValueError, match=r"vit does not take images of 9 px \(Wrong image height.*Choose another --side"
    ):
        require_side("vit", net, 9)
    net.dim = 4
    with pytest.raises(ValueError, match=r"features of vit at 8 px must be \[2 4\], got \(2, 3\)"):
        require_side("vit", net, 8)
    assert net.training


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


@pytest.mark.parametrize("form", ["x.safetensors", "x.pth", "x.ckpt"])
def test_weights_of_a_file_are_loaded_whole(net, tmp_path, form):
    file = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    if form == "x.safetensors":
        save_file(file, tmp_path / form)
    else:
        torch.save(file if form == "x.pth" else {"epoch": 3, "state_dict": file}, tmp_path / form)
    chosen = matching(net, read_weights(tmp_path / form))
    assert share_in_words(net, chosen) == "7 of 7 tensors, 100.0% of the numbers"
    load_first(net, chosen)
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in file.items())
    assert mark_of(chosen) == mark_of(dict(reversed(file.items()))) != mark_of(file | {"0.bias": file["0.bias"] + 1})


def test_what_does_not_fit_is_an_error_unless_it_is_named(net):
    file = net.state_dict() | {"fc.weight": torch.ones(2), "0.bias": torch.ones(5)}
    del file["1.weight"]
    with pytest.raises(
        ValueError,
        match=r"got '1 only the encoder has \(1.weight\); 1 only the file has \(fc.weight\); 1 of "
        r"another shape \(0.bias\)'. Name what to leave out: --weights-except 1.weight,fc.weight,0.bias",
    ):
        matching(net, file)
    chosen = matching(net, file, ["1.weight", "fc.weight", "0.bias"])
    assert sorted(chosen) == ["0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var"]
    with pytest.raises(ValueError, match="name to leave out must be one of the file or of the encoder, got 'f.weight'"):
        matching(net, file, ["f.weight"])


class Evil:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "file must be an existing file"),
        (lambda path: path.write_bytes(b"no weights"), "cannot be read as torch.save, loaded with weights_only=True"),
        (lambda path: torch.save({"x": Evil()}, path), "cannot be read as torch.save, loaded with weights_only=True"),
        (lambda path: torch.save({"epoch": 3}, path), "must be a file of tensors by name"),
    ],
)
def test_what_is_no_file_of_weights_is_one_line(tmp_path, make, said, capsys):
    make(tmp_path / "x.pth")
    with pytest.raises(ValueError, match=said) as error:
        read_weights(tmp_path / "x.pth")
    assert "\n" not in str(error.value) and "run" not in capsys.readouterr().out
