"""The encoder for other programs: torchvision, timm, ONNX; read back and compared before it is written."""

import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors
from torch import nn

from sslrepro.base.errors import one_of, require
from sslrepro.base.store import write_atomic
from sslrepro.own.run import OwnRun
from sslrepro.parts.backbones import TIMM, backbone
from sslrepro.parts.encoders import ENCODERS

RESNETS = ("resnet18", "resnet50")  # whose layers, and their names, are torchvision's and timm's
AGREE = 1e-4  # largest difference of a feature, of the largest feature
HOW = {
    "torchvision": "net = torchvision.models.{name}(); net.fc = torch.nn.Identity(); "
    'net.load_state_dict(safetensors.torch.load_file("{file}"), strict=True)',
    "timm": 'net = timm.create_model("{name}", num_classes=0); '
    'net.load_state_dict(safetensors.torch.load_file("{file}"), strict=True)',
    "onnx": 'features = onnxruntime.InferenceSession("{file}").run(None, {{"images": images}})[0]  '
    "# float32 [n 3 {side} {side}], 0..1: mean and std are inside",
}


OTHERS = (  # torchvision's other classifiers: their last linear layer has another name in each
    'net = sslrepro.parts.backbones.backbone("{name}"); '
    'net.load_state_dict(safetensors.torch.load_file("{file}"), strict=True)'
)


def export(
    run: str | Path | OwnRun, to: str, out: str | Path | None = None, say: Callable[..., None] | None = print
) -> Path:
    """Write the encoder for another program, and return the file.

        to    "torchvision", "timm": a safetensors file whose names load strictly there; "onnx": a graph that maps
              images [n 3 side side] in 0..1 to features, mean and std inside
        out   default encoder-<to>.safetensors or encoder.onnx in the run's folder

    Raises ValueError for an encoder that the program has not, for a package that is not installed (with what to
    install), and where the program's features differ from ours by more than 1e-4.
    """
    one_of(to, HOW, "export", "to")
    run = run if isinstance(run, OwnRun) else OwnRun(run)
    own = "encoder.onnx" if to == "onnx" else f"encoder-{to}.safetensors"
    out = run.folder / own if out is None else Path(out).expanduser()
    ending = ".onnx" if to == "onnx" else ".safetensors"
    require(
        out.suffix == ending and out.parent.is_dir(),
        "export",
        "out",
        f"a {ending} file in an existing folder",
        str(out),
    )
    name, side = run.about["encoder"], run.about["side"]
    images = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))
    content = _onnx(run, images) if to == "onnx" else _weights(run, to, images)
    write_atomic(out, content)
    if say:
        say(
            f"{name} -> {out}: loads strictly, features agree"
            if to != "onnx"
            else f"{name} -> {out}: features agree with torch's"
        )
        how = HOW[to] if to != "torchvision" or name in RESNETS else OTHERS
        say(how.format(name=name.removeprefix(TIMM), file=out, side=side))
    return out


def _weights(run: OwnRun, to: str, images: torch.Tensor) -> bytes:
    name = run.about["encoder"]
    own = name.startswith(TIMM) if to == "timm" else name not in ENCODERS and not name.startswith(TIMM)
    kind = "timm/<model>" if to == "timm" else "a classifier of torchvision"
    require(
        name in RESNETS or own,
        "export",
        "encoder",
        f"one of {', '.join(RESNETS)} or {kind} for {to}",
        name,
        f"{to} has no such layers; --to onnx exports it.",
    )
    net = _torchvision(name) if to == "torchvision" else _timm(name.removeprefix(TIMM))
    weights = {key: tensor.contiguous() for key, tensor in run.encoder.state_dict().items()}
    net.load_state_dict(weights, strict=True)
    with torch.no_grad():
        _agree(net.eval()(images), run.encoder(images), to)
    about = {
        "encoder": name,
        "side": run.about["side"],
        "mean": run.about["mean"],
        "std": run.about["std"],
        "method": run.about["method"],
        "epochs": run.about["epochs"],
    }
    return to_safetensors(weights, {key: str(value) for key, value in about.items()})


def _torchvision(name: str) -> nn.Module:
    return backbone(name)


def _timm(name: str) -> nn.Module:
    return _import_or_raise("timm", "timm", "encoder.safetensors has timm's names already").create_model(
        name, num_classes=0
    )


class _FromImages(nn.Module):
    """Images in 0..1 to features: mean and standard deviation inside."""

    def __init__(self, encoder: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.encoder((images - self.mean) / self.std)


def _onnx(run: OwnRun, images: torch.Tensor) -> bytes:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        runtime = _import_or_raise(package, "onnx onnxscript onnxruntime", "--to torchvision needs nothing more")
    net = _FromImages(run.encoder, *run.normalise).eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "encoder.onnx"
        torch.onnx.export(
            net,
            (images,),
            path,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=False,
            verbose=False,
        )
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for batch in (images, images[:1]):
            _agree(torch.from_numpy(session.run(None, {"images": batch.numpy()})[0]), net(batch), "onnxruntime")
        return path.read_bytes()


def _import_or_raise(module: str, packages: str, otherwise: str) -> Any:
    """A module; raises ValueError with what to install where it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(f"export: {module} is not installed. `pip install {packages}`; {otherwise}.") from None


def _agree(theirs: torch.Tensor, ours: torch.Tensor, to: str) -> None:
    worst = float((theirs - ours).abs().max() / ours.abs().max().clamp_min(1e-12))
    require(worst <= AGREE, "export", f"features of {to}", f"ours to {AGREE:g}", f"{worst:.2g} apart")
