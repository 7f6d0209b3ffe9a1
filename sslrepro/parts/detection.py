"""Tuning a detector on images with objects, and its average precision as COCO counts it.

The counting is faster-coco-eval's own, not torchmetrics' wrapper around it: one package instead of three, same numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sslrepro.base.errors import require
from sslrepro.data.scenes import Scenes

NECKS = ("c4", "fpn")  # of detectors (parts/detectors.py)
AVERAGES = {"ap": 0, "ap50": 1, "ap75": 2}  # places in COCO's summary


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum 0.9; warm-up, then steps of the rate at 3/4 and 11/12, as MoCo's 18k and 22k of 24k."""

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup: int

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0.

        >>> [Schedule(12, 2, 0.4, 0.0, 2).rate(step) for step in (0, 1, 8, 9, 11)]
        [0.2, 0.4, 0.4, 0.04000000000000001, 0.004]
        """
        factor = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.lr * factor * 0.1 ** ((12 * step >= 9 * self.steps) + (12 * step >= 11 * self.steps))


def targets(data: Scenes, row: int, flip: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """(image in [0, 1], objects as torchvision's detectors want them) of an image, mirrored where `flip`.

    Labels count from 1: torchvision's 0 is the background.
    """
    image, boxes = data.images[row].float() / 255, data.boxes[row]
    out = {"boxes": boxes, "labels": data.labels[row] + 1}
    if data.masks:
        out["masks"] = data.masks[row].to(torch.uint8)
    if flip:
        side = image.shape[-1]
        image, out["boxes"] = (
            image.flip(-1),
            torch.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], 1),
        )
        if data.masks:
            out["masks"] = out["masks"].flip(-1)
    return image, out


def tune(net: nn.Module, data: Scenes, plan: Schedule, generator: torch.Generator, device: str) -> list[float]:
    """Train all layers of a detector in place; the loss of every step.

    generator   of order and mirroring. torchvision draws which anchors and regions count from the global generator

    Raises FloatingPointError where a loss is not finite.
    """
    net.to(device).train()
    solver = torch.optim.SGD(net.parameters(), plan.lr, momentum=0.9, weight_decay=plan.weight_decay)
    losses: list[float] = []
    order = torch.empty(0, dtype=torch.long)
    for step in range(plan.steps):
        if len(order) < plan.batch_size:
            order = torch.cat([order, torch.randperm(len(data), generator=generator)])
        rows, order = order[: plan.batch_size].tolist(), order[plan.batch_size :]
        flips = (torch.rand(len(rows), generator=generator) < 0.5).tolist()
        pairs = [targets(data, row, flip) for row, flip in zip(rows, flips, strict=True)]
        images = [image.to(device) for image, _ in pairs]
        objects = [{name: tensor.to(device) for name, tensor in target.items()} for _, target in pairs]
        for group in solver.param_groups:
            group["lr"] = plan.rate(step)
        loss = sum(net(images, objects).values())
        losses.append(loss.item())
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(f"detection: loss is {losses[-1]} at step {step}.")
        solver.zero_grad(set_to_none=True)
        loss.backward()
        solver.step()
    return losses


def detect(net: nn.Module, data: Scenes, device: str, batch_size: int = 32) -> list[dict[str, Tensor]]:
    """Per image: boxes [d 4], labels [d] from 0, scores [d] and, of Mask R-CNN, masks bool [d h w]; on the CPU."""
    net.eval()
    out = []
    with torch.no_grad():
        for rows in torch.arange(len(data)).split(batch_size):
            for result in net([data.images[row].to(device).float() / 255 for row in rows.tolist()]):
                line = {name: tensor.cpu() for name, tensor in result.items()}
                line["labels"] = line["labels"] - 1
                if "masks" in line:
                    line["masks"] = line["masks"][:, 0] >= 0.5
                out.append(line)
    return out


def average_precision(data: Scenes, detections: list[dict[str, Tensor]], masks: bool = False) -> dict[str, float]:
    """ap (mean over IoU thresholds 0.50:0.05:0.95), ap50 and ap75 of boxes, or of masks, in [0, 1], as COCO has them.

    detections   per image boxes, labels from 0, scores and, for masks, masks (`detect`)

    Raises ValueError where images and detections are not as many, or there are no masks to count.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    require(len(detections) == len(data), "detection", "detections", f"of {len(data)} images", len(detections))
    require(bool(data.masks) or not masks, "detection", "masks", "False for a set without masks", masks)
    truth = []
    for row, (boxes, labels) in enumerate(zip(data.boxes, data.labels, strict=True)):
        for k, box in enumerate(boxes.tolist()):
            truth.append(_annotation(row, len(truth) + 1, box, int(labels[k])) | {"iscrowd": 0})
            if masks:
                truth[-1] |= _area(data.masks[row][k])
    results = []
    for row, lines in enumerate(detections):
        for k, box in enumerate(lines["boxes"].tolist()):
            line = _annotation(row, len(results) + 1, box, int(lines["labels"][k]))
            line["score"] = float(lines["scores"][k])
            results.append(line | (_area(lines["masks"][k]) if masks else {}))
    if not results:
        return dict.fromkeys(AVERAGES, 0.0)
    height, width = data.images.shape[-2:]
    images = [{"id": row + 1, "height": height, "width": width} for row in range(len(data))]
    classes = [{"id": c + 1, "name": name} for c, name in enumerate(data.class_names)]
    coco = COCO({"images": images, "annotations": truth, "categories": classes}, print_function=_silent)
    count = COCOeval_faster(coco, coco.loadRes(results), "segm" if masks else "bbox", print_function=_silent)
    count.evaluate()
    count.accumulate()
    count.summarize()
    return {name: float(max(0.0, count.stats[place])) for name, place in AVERAGES.items()}


def _silent(*_: Any) -> None:
    pass


def _annotation(row: int, number: int, box: list[float], label: int) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    return {
        "id": number,
        "image_id": row + 1,
        "category_id": label + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
    }


def _area(mask: Tensor) -> dict[str, Any]:
    from faster_coco_eval.core import mask as rle

    return {"segmentation": rle.encode(np.asfortranarray(mask.numpy().astype(np.uint8))), "area": float(mask.sum())}
