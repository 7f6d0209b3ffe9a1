"""Copies among one's own images: recompressed, resized, cropped, turned. Groups side by side, as a page or csv."""

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sslrepro.base.errors import one_of, require
from sslrepro.base.types import Float
from sslrepro.own.images import ImageFile, decode_files, write_text
from sslrepro.own.pictures import data_uri, thumbnail
from sslrepro.own.progress import table_csv
from sslrepro.own.run import BLOCK, OwnRun, image_files

ENDINGS = (".csv", ".html")
SHOWN = 300  # groups on a page; the csv has all
THUMB = 180  # px
AT_ONCE = 2**22  # similarities in memory together, 16 MiB
MOST = 20  # pairs per image from which on it is the threshold that is wrong
TURNS = {90: 1, 180: 2, 270: 3}  # degrees -> quarter turns


@dataclass(frozen=True)
class Copy:
    """A member of a group, and how alike it is to the member that is most alike it."""

    file: ImageFile
    similarity: float


def duplicates(
    run: OwnRun,
    above: float = 0.99,
    images: Sequence[str | Path] = (),
    turned: bool = False,
    device: str = "cpu",
) -> list[list[Copy]]:
    """Groups of images that are alike, the most alike first, in a group the largest first.

        above    least similarity of a pair, in -1..1, as `OwnRun.nearest` gives it; pairs that share an image join
        images   files and folders that are looked at beside the training images
        turned   also find images that were turned by 90, 180 or 270 degrees: every image is encoded three times more

    Raises ValueError for a threshold that so many pairs exceed that they cannot be copies.
    """
    require(-1 <= above <= 1, "duplicates", "above", "in [-1, 1]", above)
    extra: tuple[ImageFile, ...] = ()
    if images:
        known = {file.path.resolve() for file in run.listing}
        others = image_files(images, owner="duplicates", remedy="")[0]
        extra = tuple(file for file in others if file.path.resolve() not in known)
    files = (*run.listing, *extra)
    x = torch.cat([run.features, run.features_of(extra, device)]) if extra else run.features
    rows = run.comparable(x)
    sides = [rows, *_embed_turned(run, files, device)] if turned else [rows]
    best: dict[tuple[int, int], float] = {}
    for other in sides:
        for i, j, similarity in _pairs(rows, other, above):
            pair = (min(i, j), max(i, j))
            best[pair] = max(best.get(pair, -1.0), similarity)
            require(
                len(best) <= MOST * len(files),
                "duplicates",
                "above",
                "a threshold that few pairs exceed",
                above,
                f"More than {MOST * len(files):,} pairs of {len(files):,} images do. Raise it.",
            )
    return _groups(files, best)


def _embed_turned(run: OwnRun, files: Sequence[ImageFile], device: str) -> Iterator[Float[torch.Tensor, "n f"]]:
    for quarters in TURNS.values():
        parts = []
        for first in range(0, len(files), BLOCK):
            images = decode_files(files[first : first + BLOCK], run.about["side"])
            parts.append(run.features_of_images(images.rot90(quarters, (2, 3)), device))
        yield run.comparable(torch.cat(parts))


def _pairs(
    a: Float[torch.Tensor, "n f"], b: Float[torch.Tensor, "n f"], above: float
) -> Iterator[tuple[int, int, float]]:
    """(row of a, another row of b, similarity) of pairs above a threshold, a block of rows at a time."""
    block = max(1, min(1024, AT_ONCE // len(b)))
    for first in range(0, len(a), block):
        similarity = a[first : first + block] @ b.T
        for i, j in (similarity >= above).nonzero().tolist():
            if first + i != j:
                yield first + i, j, min(similarity[i, j].item(), 1.0)


def _groups(files: Sequence[ImageFile], pairs: dict[tuple[int, int], float]) -> list[list[Copy]]:
    """Images joined by pairs, through any number of them."""
    most: dict[int, float] = {}
    for pair, similarity in pairs.items():
        for place in pair:
            most[place] = max(most.get(place, -1.0), similarity)
    ends = np.array(list(pairs), dtype=int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(files), len(files)))
    component = connected_components(graph, directed=False)[1]
    groups: dict[int, list[Copy]] = {}
    for place, similarity in most.items():
        groups.setdefault(int(component[place]), []).append(Copy(files[place], similarity))
    for group in groups.values():
        group.sort(key=lambda copy: (-copy.file.width * copy.file.height, copy.file.name))
    return sorted(groups.values(), key=lambda group: (-max(copy.similarity for copy in group), group[0].file.name))


def duplicates_to(
    run: str | Path | OwnRun,
    above: float = 0.99,
    out: str | Path | None = None,
    images: Sequence[str | Path] = (),
    turned: bool = False,
    device: str = "cpu",
    say: Callable[..., None] | None = print,
) -> list[list[Copy]]:
    """The groups of `duplicates`, written side by side to a page `.html`, as `.csv`, or (out None) said."""
    if out is not None:
        out = Path(out).expanduser()
        one_of(out.suffix.lower(), ENDINGS, "duplicates", "ending of the output")
        require(out.parent.is_dir(), "duplicates", "out", "a file in an existing folder", str(out))
    run = run if isinstance(run, OwnRun) else OwnRun(run)
    groups = duplicates(run, above, images, turned, device)
    if out is not None:
        write_text(out, page(groups, above) if out.suffix.lower() == ".html" else csv_of(groups))
    if say:
        if out is None:
            for group in groups:
                say("  ".join(copy.file.name for copy in group))
        n = sum(len(group) for group in groups)
        place = f" -> {out}" if out else ""
        say(f"{len(groups):,} groups of {n:,} images above {above:g}{place}")
    return groups


def csv_of(groups: list[list[Copy]]) -> str:
    """group, file, width, height, similarity."""
    head = ("group", "file", "width", "height", "similarity")
    return table_csv(
        [
            head,
            *(
                (number, c.file.name, c.file.width, c.file.height, f"{c.similarity:.4f}")
                for number, group in enumerate(groups, 1)
                for c in group
            ),
        ]
    )


def page(groups: list[list[Copy]], above: float) -> str:
    """The groups side by side, the largest image of each first; pictures inside, no network."""
    more = f", the first {SHOWN} shown; a .csv has all" if len(groups) > SHOWN else ""
    parts = [
        f"<h1>Copies above {above:g}</h1><p>{len(groups):,} groups{more}. Similarity: the cosine of features, "
        "less their mean. The largest image of a group comes first.</p>"
    ]
    for group in groups[:SHOWN]:
        parts.append("<section>" + "".join(map(_figure, group)) + "</section>")
    return PAGE.format(body="\n".join(parts))


def _figure(copy: Copy) -> str:
    small = thumbnail(copy.file.path, THUMB)
    name = html.escape(copy.file.name)
    picture = f'<img src="{data_uri(small)}" alt="{name}">' if small else '<span class="gone">cannot be read</span>'
    return (
        f"<figure>{picture}<figcaption>{name}<br>{copy.file.width} x {copy.file.height} px · "
        f"{copy.similarity:.3f}</figcaption></figure>"
    )


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Copies</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #1c1e21; background: #fff }}
section {{ display: flex; flex-wrap: wrap; gap: 1rem; border-top: 1px solid #ddd; padding: 1rem 0 }}
figure {{ margin: 0; max-width: 180px; overflow-wrap: anywhere }} img {{ display: block }} .gone {{ color: #888 }}
</style>
{body}
</html>
"""
