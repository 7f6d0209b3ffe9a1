"""Images with objects by name: drawn `scenes`, or a folder of a data root in PASCAL VOC's or COCO's layout.

VOC    <root>/<set>/Annotations/<id>.xml, JPEGImages/<id>.jpg, ImageSets/Main/{trainval,test}.txt (BCCD and VOC 2007)
COCO   <root>/<set>/annotations/instances_{train2017,val2017}.json and the folders train2017/, val2017/
"""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslrepro.base.errors import require
from sslrepro.data.scenes import SceneConfig, Scenes, make


def load_objects(name: str, config: SceneConfig, root: str | Path | None = None) -> tuple[Scenes, Scenes]:
    """(train, test) of `scenes`, or of a folder of the root: its first `n_train` and `n_test` images, in their order.

    Images of a folder are squeezed to `side` px squared, and boxes and masks with them; objects without area, VOC's
    "difficult" ones and COCO's crowds are left out, as are images that then show none. `classes` and `most` are of
    `scenes` alone.

    Raises ValueError where there is no such folder, or it has neither layout.
    """
    if name == "scenes":
        return make(config)
    require(
        root is not None,
        "data.objects",
        "root",
        f"the folder that holds {name}",
        root,
        "Give --root or $SSLREPRO_DATA.",
    )
    folder = Path(root).expanduser() / name
    voc, coco = (folder / "Annotations").is_dir(), (folder / "annotations").is_dir()
    require(voc or coco, "data.objects", name, "a folder with Annotations/ (VOC) or annotations/ (COCO)", str(folder))
    splits = ("trainval", "test") if voc else ("train2017", "val2017")
    names = voc_classes(folder) if voc else ()
    read = [
        (voc_split(folder, split, n, names) if voc else coco_split(folder, split, n))
        for split, n in zip(splits, (config.n_train, config.n_test), strict=True)
    ]
    return tuple(_scenes(name, lines, classes, config.side) for classes, lines in read)


def voc_classes(folder: Path) -> tuple[str, ...]:
    """Names of the objects in all of a folder's annotations, sorted."""
    files = sorted((folder / "Annotations").glob("*.xml"))
    return tuple(
        sorted({node.text.strip() for file in files for node in ElementTree.parse(file).iterfind("object/name")})
    )


def voc_split(folder: Path, split: str, n: int, names: tuple[str, ...]) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """(class names, per image file, boxes and labels) of a split's first `n` images that show an object."""
    listed = (folder / "ImageSets" / "Main" / f"{split}.txt").read_text(encoding="utf-8").split()
    lines = []
    for stem in listed:
        boxes, labels = [], []
        for node in ElementTree.parse(folder / "Annotations" / f"{stem}.xml").iterfind("object"):
            x1, y1, x2, y2 = (float(node.findtext(f"bndbox/{corner}")) for corner in ("xmin", "ymin", "xmax", "ymax"))
            if x2 > x1 and y2 > y1 and node.findtext("difficult", "0").strip() != "1":
                boxes.append((x1 - 1, y1 - 1, x2, y2))  # VOC counts pixels from 1 and includes the last
                labels.append(names.index(node.findtext("name").strip()))
        if boxes and len(lines) < n:
            lines.append({"file": folder / "JPEGImages" / f"{stem}.jpg", "boxes": boxes, "labels": labels})
    return names, lines


def coco_split(folder: Path, split: str, n: int) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """(class names, per image file, boxes, labels and masks) of a split's first `n` images that show an object."""
    from faster_coco_eval.core import mask as rle

    stored = json.loads((folder / "annotations" / f"instances_{split}.json").read_text(encoding="utf-8"))
    kinds = sorted(stored["categories"], key=lambda kind: kind["id"])
    place = {kind["id"]: number for number, kind in enumerate(kinds)}
    of_image: dict[int, list[dict[str, Any]]] = {}
    for line in stored["annotations"]:
        if not line.get("iscrowd") and min(line["bbox"][2:]) > 0:
            of_image.setdefault(line["image_id"], []).append(line)
    lines = []
    for image in [image for image in stored["images"] if image["id"] in of_image][:n]:
        objects = of_image[image["id"]]
        height, width = image["height"], image["width"]
        parts = [rle.frPyObjects(line["segmentation"], height, width) for line in objects]
        masks = [rle.decode(rle.merge(part) if isinstance(part, list) else part).astype(bool) for part in parts]
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (line["bbox"] for line in objects)]
        labels = [place[line["category_id"]] for line in objects]
        lines.append({"file": folder / split / image["file_name"], "boxes": boxes, "labels": labels, "masks": masks})
    return tuple(kind["name"] for kind in kinds), lines


def _scenes(name: str, lines: list[dict[str, Any]], classes: tuple[str, ...], side: int) -> Scenes:
    require(bool(lines), "data.objects", name, "a set with objects", "none")
    images, boxes, masks = [], [], []
    for line in lines:
        image, scale = _picture(line["file"], side)
        images.append(image)
        boxes.append((torch.tensor(line["boxes"]) * scale).clamp(0, side))
        if "masks" in line:
            masks.append(torch.stack([_shrink(mask, side) for mask in line["masks"]]))
    labels = tuple(torch.tensor(line["labels"]) for line in lines)
    return Scenes(name, torch.stack(images), tuple(boxes), labels, tuple(masks), classes)


def _picture(file: Path, side: int) -> tuple[Tensor, Tensor]:
    """Image [3 side side] and what its coordinates x y x y are multiplied by."""
    from PIL import Image

    with Image.open(file) as image:
        scale = torch.tensor([side / image.width, side / image.height] * 2)
        pixels = np.array(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), scale


def _shrink(mask: np.ndarray, side: int) -> Tensor:
    small = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(mask)[None].float(), side)[0]
    return small >= min(0.5, float(small.max()))  # a thin object keeps its fullest pixels
