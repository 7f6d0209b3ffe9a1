"""From an encoder to the average precision of a detector: what the evaluations `faster_rcnn` and `mask_rcnn` share."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from sslrepro.base.errors import require
from sslrepro.base.values import COUNT, NOT_NEGATIVE, POSITIVE, check_values, setting
from sslrepro.data.objects import load_objects
from sslrepro.data.scenes import SceneConfig
from sslrepro.parts.detection import NECKS, Schedule, average_precision, detect, tune
from sslrepro.parts.trained_encoder import TrainedEncoder


@dataclass(frozen=True)
class Protocol:
    """On what, and how, a detector is tuned.

    data       "scenes", drawn per seed, or a folder of the data root (data/objects.py)
    n_train, n_test, side, classes, most   of the images; `classes` and `most` of `scenes` alone
    neck       "c4": the encoder's last stage sees each region; "fpn": a pyramid of its stages
    anchors    sides in px
    steps, batch_size, lr, weight_decay, warmup   of SGD; the rate falls tenfold at 3/4 and at 11/12 of the steps
    """

    data: str = "scenes"
    n_train: int = 512
    n_test: int = 256
    side: int = 32
    classes: int = 16
    most: int = 3
    neck: str = setting("c4", NECKS)
    anchors: tuple[float, ...] = setting((8.0, 12.0), POSITIVE)
    steps: int = setting(300, COUNT)
    batch_size: int = setting(8, COUNT)
    lr: float = setting(0.02, POSITIVE)
    weight_decay: float = setting(1e-4, NOT_NEGATIVE)
    warmup: int = setting(20, NOT_NEGATIVE)

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchors", tuple(self.anchors))
        check_values(self, "evaluate.detection")


def tuned_scores(prefix: str, trained: TrainedEncoder, how: Protocol, masks: bool) -> dict[str, float]:
    """Average precision on the test images of a detector that starts from a copy of the encoder, which stays as it is.

        trained   its seed is of the images (`scenes`), the detector's new layers, the order of images and torchvision's
                  draws: the same for every encoder

        <prefix>_ap, _ap50, _ap75             of boxes; with `masks` <prefix>_bb_ap, ... and <prefix>_mk_ap, ...
        <prefix>_moved   how far tuning moved the first layer, relative to its norm: above zero where all layers train

    Raises ValueError where the encoder's weights did not arrive in the detector, or its first layer did not train.
    """
    from sslrepro.parts.detectors import detector, require_weights  # loads seconds of torchvision, which no plan needs

    seed, device = trained.seed, trained.device
    train, test = load_objects(how.data, scene_config(how, seed), trained.root)
    require(bool(train.masks) or not masks, "evaluate.mask_rcnn", "data", "a set with masks", how.data)
    torch.manual_seed(seed)
    backbone = copy.deepcopy(trained.encoder).to(device).requires_grad_(True)
    net = detector(backbone, train.n_classes, trained.normalise, how.side, tuple(how.anchors), how.neck, masks)
    require_weights(net, trained.encoder)
    first = next(m for m in net.modules() if isinstance(m, nn.Conv2d)).weight
    before = first.detach().clone()
    plan = Schedule(how.steps, how.batch_size, how.lr, how.weight_decay, how.warmup)
    tune(net, train, plan, torch.Generator().manual_seed(seed), device)
    moved = float((first.detach() - before).norm() / before.norm())
    require(moved > 0, f"evaluate.{prefix}_rcnn", "first layer", "trained with all others", "as it was")
    detections = detect(net, test, device)
    boxes = average_precision(test, detections)
    if not masks:
        return {f"{prefix}_{name}": value for name, value in boxes.items()} | {f"{prefix}_moved": moved}
    out = {f"{prefix}_bb_{name}": value for name, value in boxes.items()}
    out |= {f"{prefix}_mk_{name}": value for name, value in average_precision(test, detections, True).items()}
    return out | {f"{prefix}_moved": moved}


def scene_config(how: Protocol, seed: int) -> SceneConfig:
    """The scenes of a protocol and seed."""
    return SceneConfig(how.n_train, how.n_test, how.side, how.classes, how.most, seed)
