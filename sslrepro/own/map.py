"""`map.html`: one's own images in two dimensions, by t-SNE and UMAP; one file that needs no network.

The points are drawn by Bokeh, whose script is taken out of the installed package when the file is written
(docs/adr/0011-map-script.md); thumbnails come in sheets, a picture of 1,024 each.
"""

import base64
import html
import json
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sslrepro.base.errors import require
from sslrepro.base.types import Float
from sslrepro.own.images import Survey, write_text
from sslrepro.own.labels import read_labels
from sslrepro.own.layouts import LAYOUTS
from sslrepro.own.pictures import data_uri, thumbnail
from sslrepro.own.run import OwnRun
from sslrepro.parts.cluster import kmeans
from sslrepro.parts.mining import nearest

MOST = 50_000  # images on one map
SHEET = 32  # thumbnails across and down a sheet, which is one picture
THUMB = {5_000: 64, 20_000: 48, MOST: 32}  # images -> px of a thumbnail, so that a page stays below some 60 MB
NEAR = 8  # neighbours shown of a clicked image
PER_CLUSTER, CLUSTERS = 50, 20  # images for each cluster, and clusters at most: no more colours can be told apart
SCRIPTS = ("bokeh.min.js", "bokeh-gl.min.js", "bokeh-api.min.js")  # drawing, drawing by WebGL, its words


def map_to(
    run: str | Path | OwnRun,
    out: str | Path,
    seed: int = 0,
    labels: str | Path | None = None,
    say: Callable[..., None] | None = print,
) -> Path:
    """Write the map of a run's images, at most 50,000, to a page `.html`, and return the file.

        seed     of both layouts and of the clusters
        labels   "folders" or a csv file `file,label`: a further colouring; see `own.labels.read_labels`

    Raises ValueError for another ending, a folder that is not there, more images than a page holds, labels that do not
    fit, and a package that is not installed; then nothing is written.
    """
    out = Path(out).expanduser()
    right = out.suffix.lower() == ".html" and out.parent.is_dir()
    require(right, "map", "out", "a .html file in an existing folder", str(out))
    run = run if isinstance(run, OwnRun) else OwnRun(run)
    n = len(run.listing)
    require(n <= MOST, "map", f"images of {run.folder}", f"at most {MOST:,}", n)
    scripts = "".join(f"<script>{text}</script>\n" for text in library())
    rows = run.comparable(run.features)
    colourings = {"cluster": clusters(rows, seed)}
    if labels is not None:
        left_out = tuple((name, "") for name in run.about["images"]["left_out"])
        label_of = read_labels(labels, Survey(run.images_folder, tuple(run.listing), left_out), "map")
        colourings["label"] = by_name([label_of.get(name, "no label") for name in run.files])
    side = next(px for most, px in THUMB.items() if n <= most)
    sheets, missing = thumbnails(run, side)
    data = {
        "names": run.files,
        "layouts": {name: packed(place(rows, seed), "<f4") for name, place in LAYOUTS.items()},
        "colourings": {name: {"of": packed(of, "<u2"), "names": names} for name, (of, names) in colourings.items()},
        "near": packed(neighbours(rows), "<i4"),
        "k": min(NEAR, n - 1),
        "side": side,
        "sheet": SHEET,
        "sheets": sheets,
    }
    # "<" may not stand in a script: a file name could end it
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    title = f"{n:,} images of {run.folder.name}"
    about = f"{run.about['method']}, {run.about['epochs']} epochs, features of {run.about['encoder']}"
    parts = {
        "title": html.escape(title),
        "about": html.escape(about),
        "data": text,
        "library": scripts,
        "script": own_file("map_page.js"),
    }
    page = own_file("map_page.html")
    for name, part in parts.items():
        page = page.replace(f"<!--{name}-->", part, 1) if name != "title" else page.replace("<!--title-->", part)
    write_text(out, page)
    if say:
        gone = f"; {missing:,} files are no longer readable" if missing else ""
        say(f"{n:,} images, {len(page.encode()) / 1e6:.1f} MB -> {out}{gone}")
    return out


def own_file(name: str) -> str:
    """A file beside this one."""
    return resources.files("sslrepro.own").joinpath(name).read_text("utf-8")


def library() -> list[str]:
    """Bokeh's scripts, where pip put them; raises ValueError where it is not installed."""
    try:
        files = {path.name: path for path in metadata.files("bokeh") or [] if path.parts[-2:-1] == ("js",)}
        return [Path(files[name].locate()).read_text("utf-8").replace("</script", "<\\/script") for name in SCRIPTS]
    except (metadata.PackageNotFoundError, KeyError, FileNotFoundError):
        raise ValueError("map: bokeh is not installed whole. `pip install bokeh`.") from None


def packed(values: Any, kind: str) -> str:
    """Numbers as base64 of little-endian bytes: a third of their text."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def neighbours(rows: Float[torch.Tensor, "n f"]) -> np.ndarray:
    """[n k] the nearest other rows of each, the nearest first."""
    n, out = len(rows), []
    for part in rows.split(1024):
        out += nearest(part, rows, min(NEAR + 1, n))[1].tolist()
    return np.array([[other for other in row if other != own][:NEAR] for own, row in enumerate(out)], dtype=int)


def clusters(rows: Float[torch.Tensor, "n f"], seed: int) -> tuple[list[int], list[str]]:
    """(cluster of each row, names) by k-means, the largest cluster first."""
    k = max(1, min(CLUSTERS, len(rows) // PER_CLUSTER))
    of = kmeans(rows, k, seed, spherical=True)[0].tolist()
    order = [cluster for cluster, _ in Counter(of).most_common()]
    return [order.index(cluster) for cluster in of], [f"cluster {place + 1}" for place in range(len(order))]


def by_name(labels: Sequence[str]) -> tuple[list[int], list[str]]:
    """(number of each label, names), the most frequent first; what is beyond the colours is "others".

    >>> by_name(["sea", "dog", "sea"])
    ([0, 1, 0], ['sea', 'dog'])
    """
    order = [name for name, _ in Counter(labels).most_common()]
    names = order if len(order) <= CLUSTERS else [*order[: CLUSTERS - 1], "others"]
    number = {name: min(place, len(names) - 1) for place, name in enumerate(order)}
    return [number[label] for label in labels], names


def thumbnails(run: OwnRun, side: int) -> tuple[list[str], int]:
    """(sheets of 1,024 thumbnails as data URIs, in order, from left to right and down; files that cannot be read)."""
    per_sheet, sheets, missing = SHEET * SHEET, [], 0
    for first in range(0, len(run.listing), per_sheet):
        files = run.listing[first : first + per_sheet]
        sheet = Image.new("RGB", (SHEET * side, -(-len(files) // SHEET) * side), (238, 238, 238))
        for place, file in enumerate(files):
            small = thumbnail(file.path, side)
            missing += small is None
            if small is not None:
                left, top = (side - small.width) // 2, (side - small.height) // 2
                sheet.paste(small, (place % SHEET * side + left, place // SHEET * side + top))
        sheets.append(data_uri(sheet, 75))
    return sheets, missing
