"""Folders with objects: VOC's and COCO's layout, tiny ones written here, to boxes and masks in the resized pixels."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from sslrepro.data.objects import load_objects
from sslrepro.data.scenes import SceneConfig

SMALL = SceneConfig(n_train=2, n_test=2, side=24)


def picture(path, width=48, height=96):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)


def voc_xml(objects):
    lines = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin><xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox></object>"
        for name, hard, b in objects
    )
    return f"<annotation>{lines}</annotation>"


@pytest.fixture
def root(tmp_path):
    voc = tmp_path / "cells"
    for folder in ("Annotations", "ImageSets/Main"):
        (voc / folder).mkdir(parents=True)
    objects = {
        "a": [("wbc", 0, (1, 1, 24, 48)), ("rbc", 0, (5, 5, 5, 9)), ("rbc", 1, (1, 1, 9, 9))],  # no area; difficult
        "b": [("rbc", 0, (25, 49, 48, 96)), ("rbc", 0, (1, 1, 4, 8))],
        "c": [("rbc", 0, (7, 7, 7, 9))],  # nothing is left
    }
    for stem, lines in objects.items():
        picture(voc / "JPEGImages" / f"{stem}.jpg")
        (voc / "Annotations" / f"{stem}.xml").write_text(voc_xml(lines), encoding="utf-8")
    (voc / "ImageSets/Main/trainval.txt").write_text("c\na\nb\n", encoding="utf-8")
    (voc / "ImageSets/Main/test.txt").write_text("b\n", encoding="utf-8")
    coco = tmp_path / "coco"
    (coco / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        picture(coco / split / "1.jpg")
        annotation = {
            "id": 1,
            "image_id": 1,
            "category_id": 7,
            "bbox": [24, 0, 24, 48],
            "iscrowd": 0,
            "segmentation": [[24, 0, 48, 0, 48, 48, 24, 48]],
        }
        crowd = annotation | {"id": 2, "iscrowd": 1, "segmentation": {"size": [96, 48], "counts": [96 * 48]}}
        stored = {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 48, "height": 96}],
            "annotations": [annotation, crowd],
            "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "ant"}],
        }
        (coco / "annotations" / f"instances_{split}.json").write_text(json.dumps(stored), encoding="utf-8")
    return tmp_path


def test_voc(root):
    train, test = load_objects("cells", SMALL, root)
    assert train.class_names == ("rbc", "wbc") and len(train) == 2 and len(test) == 1 and not train.masks
    assert train.boxes[0].tolist() == [[0, 0, 12, 12]] and train.labels[0].tolist() == [1]
    assert train.boxes[1].tolist() == [[12, 12, 24, 24], [0, 0, 2, 2]]
    assert train.images.shape == (2, 3, 24, 24) and train.images.dtype == torch.uint8


def test_coco(root):
    train, _ = load_objects("coco", SMALL, root)
    assert train.class_names == ("ant", "cat") and train.labels[0].tolist() == [1]
    assert train.boxes[0].tolist() == [[12, 0, 24, 12]]
    mask = torch.zeros(24, 24, dtype=torch.bool)
    mask[:12, 12:] = True
    assert torch.equal(train.masks[0][0], mask)


def test_what_is_missing_is_said(root, tmp_path):
    with pytest.raises(ValueError, match="data.objects: root must be the folder that holds cells"):
        load_objects("cells", SMALL)
    with pytest.raises(ValueError, match="data.objects: nothing must be a folder with Annotations"):
        load_objects("nothing", SMALL, tmp_path)
