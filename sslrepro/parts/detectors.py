"""Faster and Mask R-CNN (torchvision's) whose backbone is one of our encoders.

Ren et al., NeurIPS 2015, arXiv:1506.01497; He et al., ICCV 2017, arXiv:1703.06870; FPN: Lin et al., CVPR 2017,
arXiv:1612.03144. `c4` is Detectron's layout, generalised: the encoder without its last stage sees the image, and its
last stage sees each region (res5 of a ResNet). `fpn` makes a pyramid of all stages.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import ResNet
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Float
from sslrepro.parts.detection import NECKS
from sslrepro.parts.encoders import Conv, SmallResNet

REGION = 4  # side of what the last stage leaves of a region
RATIOS = (0.5, 1.0, 2.0)  # of anchors, height to width


def stages(encoder: nn.Module) -> list[nn.Sequential]:
    """The encoder's own layers up to its pooling, as stages between which the resolution or the width changes.

    Raises ValueError for an encoder that has no such stages (AlexNet, transformers).

    >>> from sslrepro.parts.encoders import encoder
    >>> len(stages(encoder("conv"))), len(stages(encoder("resnet18-cifar")))
    (3, 4)
    """
    if isinstance(encoder, Conv):
        layers = list(encoder.layers)
        return [nn.Sequential(*layers[start : start + 3]) for start in range(0, len(layers), 3)]
    if isinstance(encoder, SmallResNet):
        stem, rest = encoder.layers[:4], encoder.layers[4:]
        return [stem, *(nn.Sequential(block) for block in rest)]
    staged = isinstance(encoder, ResNet)
    require(staged, "parts.detectors", "encoder", "one with stages: a ResNet or Conv", type(encoder).__name__)
    stem = nn.Sequential(encoder.conv1, encoder.bn1, encoder.relu, encoder.maxpool, encoder.layer1)
    return [stem, nn.Sequential(encoder.layer2), nn.Sequential(encoder.layer3), nn.Sequential(encoder.layer4)]


def widths(parts: list[nn.Sequential]) -> list[int]:
    """Channels that each stage gives."""
    return [[m for m in part.modules() if isinstance(m, _BatchNorm)][-1].num_features for part in parts]


@contextlib.contextmanager
def still_statistics(net: nn.Module) -> Iterator[None]:
    """Batch norms inside the block read their batch and leave their running statistics as they are."""
    norms = [(module, module.momentum) for module in net.modules() if isinstance(module, _BatchNorm)]
    for norm, _ in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in norms:
            norm.momentum = momentum


class _Trunk(nn.Module):
    """The stages before the last one: one map of features."""

    def __init__(self, parts: list[nn.Sequential]):
        super().__init__()
        self.stages = nn.Sequential(*parts[:-1])
        self.out_channels = widths(parts)[-2]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c i j"]:
        return self.stages(x)


class _Pyramid(nn.Module):
    """All stages and a feature pyramid over them."""

    def __init__(self, parts: list[nn.Sequential], out_channels: int = 64):
        super().__init__()
        self.stages = nn.ModuleList(parts)
        self.pyramid = FeaturePyramidNetwork(widths(parts), out_channels)
        self.out_channels = out_channels

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        maps = OrderedDict()
        for level, stage in enumerate(self.stages):
            maps[str(level)] = x = stage(x)
        return self.pyramid(maps)


class _LastStage(nn.Module):
    """The encoder's last stage on regions, averaged over places where `average`.

    Masks take regions that hold an object; the running statistics are those of the regions that are classified.
    """

    def __init__(self, stage: nn.Sequential, average: bool):
        super().__init__()
        self.stage, self.average = stage, average

    def forward(self, regions: Float[Tensor, "r c h w"]) -> Tensor:
        if self.average:
            return self.stage(regions).mean((2, 3))
        with still_statistics(self.stage):
            return self.stage(regions)


def detector(
    encoder: nn.Module,
    n_classes: int,
    normalise: tuple[tuple[float, ...], tuple[float, ...]],
    side: int,
    anchors: tuple[float, ...],
    neck: str = "c4",
    masks: bool = False,
    most: int = 20,
) -> nn.Module:
    """torchvision's Faster R-CNN, with `masks` Mask R-CNN, whose layers up to the regions are the encoder's own.

        encoder     is part of the detector: what trains the detector trains it
        n_classes   of objects; torchvision counts the background as class 0
        normalise   mean and deviation of each colour that the encoder was trained with, of images in [0, 1]
        side        of the images in px
        anchors     sides of the anchors in px, each at three ratios, at every level
        neck        "c4" or "fpn"
        most        detections kept per image

    New layers are drawn from torch's global generator. Raises ValueError for an encoder without stages.
    """
    one_of(neck, NECKS, "parts.detectors", "neck")
    parts = stages(encoder)
    require(len(parts) >= 2, "parts.detectors", "encoder", "one with two stages or more", len(parts))
    if neck == "c4":
        backbone, levels, dim = _Trunk(parts), ["0"], widths(parts)[-1]
        stride = _stride(parts[-1], backbone.out_channels)
        box_head, region = _LastStage(parts[-1], average=True), REGION * stride
        mask_head, mask_dim = _LastStage(parts[-1], average=False), dim
    else:
        backbone, levels, dim = _Pyramid(parts), [str(level) for level in range(len(parts))], 128
        box_head, region = TwoMLPHead(backbone.out_channels * REGION**2, dim), REGION
        mask_head, mask_dim = MaskRCNNHeads(backbone.out_channels, (64, 64), 1), 64
    if masks:
        of_masks = {
            "mask_roi_pool": MultiScaleRoIAlign(levels, region, sampling_ratio=2),
            "mask_head": mask_head,
            "mask_predictor": MaskRCNNPredictor(mask_dim, 64, n_classes + 1),
        }
    sizes = tuple(tuple(anchors) for _ in levels)
    return (MaskRCNN if masks else FasterRCNN)(
        backbone, min_size=side, max_size=side, image_mean=list(normalise[0]), image_std=list(normalise[1]),
        rpn_anchor_generator=AnchorGenerator(sizes, (RATIOS,) * len(levels)),
        rpn_pre_nms_top_n_train=200, rpn_pre_nms_top_n_test=200, rpn_post_nms_top_n_train=64,
        rpn_post_nms_top_n_test=64, rpn_batch_size_per_image=64,
        box_roi_pool=MultiScaleRoIAlign(levels, region, sampling_ratio=2), box_head=box_head,
        box_predictor=FastRCNNPredictor(dim, n_classes + 1), box_batch_size_per_image=32, box_score_thresh=0.01,
        box_detections_per_img=most, size_divisible=1, **(of_masks if masks else {}),
    )  # fmt: skip


def _stride(stage: nn.Sequential, channels: int) -> int:
    """Of a stage; its batch norms stay as they are."""
    was = stage.training
    with torch.no_grad():
        side = stage.eval()(torch.zeros(1, channels, 32, 32)).shape[-1]
    stage.train(was)
    return 32 // side


def require_weights(net: nn.Module, encoder: nn.Module) -> None:
    """Raise ValueError unless a detector's first layer, and every weight and statistic of it, are the encoder's."""
    first, own = (next(m for m in part.modules() if isinstance(m, nn.Conv2d)).weight for part in (net, encoder))
    require(torch.equal(first, own), "parts.detectors", "first layer", "the encoder's", "another")
    state = list(net.state_dict().values())
    missing = [
        name
        for name, tensor in encoder.state_dict().items()
        if not any(tensor.shape == other.shape and torch.equal(tensor, other) for other in state)
    ]
    require(not missing, "parts.detectors", "weights", "those of the encoder, all of them", f"lacking {missing[:5]}")
