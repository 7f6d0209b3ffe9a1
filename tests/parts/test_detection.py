"""Average precision against a plain loop, the schedule, and tuning that is the same twice."""

import random

import pytest
import torch

from sslrepro import evaluate
from sslrepro.data.scenes import SceneConfig, make
from sslrepro.parts.detection import Schedule, average_precision, detect, targets
from sslrepro.parts.encoders import encoder

THRESHOLDS = [0.5 + 0.05 * k for k in range(10)]
SMALL = {"n_train": 8, "n_test": 6, "steps": 2, "batch_size": 4, "classes": 3}


@pytest.fixture(scope="module")
def scenes():
    return make(SceneConfig(n_train=2, n_test=12, classes=3))[1]


@pytest.fixture(scope="module")
def detections(scenes):
    """Boxes near the true ones, some of another class, some twice, some nowhere; masks moved with them."""
    torch.manual_seed(1)
    rng, out = random.Random(1), []
    for boxes, labels, masks in zip(scenes.boxes, scenes.labels, scenes.masks, strict=True):
        rows = [k for k in range(len(boxes)) for _ in range(rng.choice((0, 1, 1, 2)))]
        shifts = [rng.choice((0, 0, 1, 2)) for _ in rows]
        moved = (
            torch.stack([boxes[k] + torch.tensor([s, 0.0, s, 0.0]) for k, s in zip(rows, shifts, strict=True)])
            if rows
            else torch.empty(0, 4)
        )
        out.append(
            {
                "boxes": moved,
                "scores": torch.rand(len(rows)),
                "labels": torch.tensor([int(labels[k]) if rng.random() < 0.8 else 0 for k in rows], dtype=torch.long),
                "masks": torch.stack([masks[k].roll(s, -1) for k, s in zip(rows, shifts, strict=True)])
                if rows
                else masks[:0],
            }
        )
    return out


def box_overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def mask_overlap(a, b):
    return int((a & b).sum()) / int((a | b).sum())


def by_hand(scenes, detections, threshold, masks):
    """AP at one overlap: greedy by score, best free object first, precision at 101 recalls."""
    precisions = []
    for c in range(scenes.n_classes):
        truth = {(i, k) for i, labels in enumerate(scenes.labels) for k in range(len(labels)) if labels[k] == c}
        lines = sorted(
            (
                (float(d["scores"][k]), i, k)
                for i, d in enumerate(detections)
                for k in range(len(d["labels"]))
                if d["labels"][k] == c
            ),
            reverse=True,
        )
        taken, hits = set(), []
        for _, i, k in lines:
            best, name = threshold - 1e-9, None
            for j, o in truth - taken:
                if j == i:
                    overlap = (
                        mask_overlap(detections[i]["masks"][k], scenes.masks[i][o])
                        if masks
                        else box_overlap(detections[i]["boxes"][k].tolist(), scenes.boxes[i][o].tolist())
                    )
                    if overlap >= best:
                        best, name = overlap, (j, o)
            hits.append(name is not None)
            taken |= {name} - {None}
        points = [(sum(hits[: n + 1]) / len(truth), sum(hits[: n + 1]) / (n + 1)) for n in range(len(hits))]
        precisions.append(
            sum(max((p for r, p in points if r >= at / 100 - 1e-12), default=0.0) for at in range(101)) / 101
        )
    return sum(precisions) / len(precisions)


@pytest.mark.parametrize("masks", [False, True])
def test_average_precision_is_that_of_a_plain_loop(scenes, detections, masks):
    got = average_precision(scenes, detections, masks)
    values = [by_hand(scenes, detections, t, masks) for t in THRESHOLDS]
    assert got["ap50"] == pytest.approx(values[0], abs=1e-6) and got["ap75"] == pytest.approx(values[5], abs=1e-6)
    assert got["ap"] == pytest.approx(sum(values) / 10, abs=1e-6) and 0.05 < got["ap"] < got["ap50"] < 0.95


def test_the_truth_scores_one_and_nothing_scores_zero(scenes):
    truth = [
        {"boxes": b, "labels": c, "scores": torch.ones(len(b)), "masks": m}
        for b, c, m in zip(scenes.boxes, scenes.labels, scenes.masks, strict=True)
    ]
    for masks in (False, True):
        assert average_precision(scenes, truth, masks) == pytest.approx({"ap": 1.0, "ap50": 1.0, "ap75": 1.0})
    nothing = [{name: tensor[:0] for name, tensor in line.items()} for line in truth]
    assert average_precision(scenes, nothing) == {"ap": 0.0, "ap50": 0.0, "ap75": 0.0}


def test_a_mirrored_image_has_its_boxes_and_masks_mirrored(scenes):
    from sslrepro.data.scenes import tight_boxes

    for row in range(6):
        image, objects = targets(scenes, row, flip=True)
        plain, _ = targets(scenes, row, flip=False)
        assert torch.equal(image.flip(-1), plain) and image.max() <= 1
        assert torch.equal(tight_boxes(objects["masks"].bool()), objects["boxes"])
        assert objects["labels"].min() >= 1


def test_the_rate_rises_and_falls_twice():
    plan = Schedule(steps=24, batch_size=1, lr=1.0, weight_decay=0.0, warmup=4)
    rates = [plan.rate(step) for step in range(24)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert [step for step in range(1, 24) if rates[step] < rates[step - 1]] == [18, 22]


@pytest.mark.parametrize("name", ["faster_rcnn", "mask_rcnn"])
def test_tuning_is_the_same_twice_and_leaves_the_encoder(name):
    torch.manual_seed(0)
    own = encoder("conv-tiny")
    before = evaluate.digest(own)
    normalise = ((0.3,) * 3, (0.2,) * 3)
    first, again = (evaluate.tune(name, own, normalise, "cpu", SMALL, seed=3) for _ in range(2))
    assert first == again and evaluate.digest(own) == before
    prefix = name.partition("_")[0]
    assert first[f"{prefix}_moved"] > 0 and all(key.startswith(prefix) for key in first)
    assert evaluate.tune(name, own, normalise, "cpu", SMALL, seed=4)[f"{prefix}_moved"] != first[f"{prefix}_moved"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "evaluate.detection: steps must be >= 1, got 0"),
        ({"neck": "c5"}, "evaluate.detection: neck must be one of c4, fpn"),
        ({"classes": 1}, "data.scenes: classes must be"),
        ({"step": 3}, "Did you mean 'steps'"),
    ],
)
def test_wrong_settings_are_said(settings, message):
    with pytest.raises(ValueError, match=message):
        evaluate.tune("faster_rcnn", encoder("conv-tiny"), ((0.0,) * 3, (1.0,) * 3), "cpu", settings)


class Knowing(torch.nn.Module):
    """A detector that answers with the objects it would be trained on, as torchvision's detectors answer."""

    def __init__(self, data):
        super().__init__()
        self.data, self.row = data, 0

    def forward(self, images):
        answers = []
        for _ in images:
            _, objects = targets(self.data, self.row, flip=False)
            masks = objects["masks"][:, None].float()  # a probability per pixel
            answers.append(objects | {"masks": masks, "scores": torch.ones(len(objects["labels"]))})
            self.row += 1
        return answers


@pytest.mark.parametrize("masks", [False, True])
def test_what_is_trained_on_and_what_is_counted_are_the_same_classes(masks):
    data, _ = make(SceneConfig(n_train=12, n_test=1))
    detections = detect(Knowing(data), data, "cpu", batch_size=5)
    assert all(torch.equal(line["labels"], labels) for line, labels in zip(detections, data.labels, strict=True))
    assert average_precision(data, detections, masks) == {"ap": 1.0, "ap50": 1.0, "ap75": 1.0}
