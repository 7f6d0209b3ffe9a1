"""The embedding player: atlases as one piece of HTML with a slider, and as a strip of stills for print.

Everything is in the piece: data, style and script. It works from a file, without a network; without JavaScript, and in
print, the strip stands in its place.
"""

import base64
import html
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import PROJECT
from sslrepro.embeddings.maps import LIMIT, MAPS, STEP, Atlas
from sslrepro.report.formats import Display, number
from sslrepro.report.plots import new_plot, own_style

LINES = {"chosen": "of the image pointed at", "all": "of all shown images", "none": "none"}
COLOURS = {"class": "class", "pseudo": "pseudo-label", "accepted": "acceptance", "cluster": "k-means cluster"}
# seven hues that colour-blind eyes tell apart (Okabe and Ito's without yellow, and a brown); the glyph tells them too
HUES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8a6a4a")
TINTS = {"light": (-0.4, -0.15, 0.15, 0.35), "dark": (0.0, 0.2, 0.4, 0.6)}  # towards black or white, by glyph
ACCEPTED = ("accepted, in the cluster of its class", "accepted, in another cluster")
ACCEPTED_COLOURS = {"light": ("#0072b2", "#d55e00"), "dark": ("#56b4e9", "#f0803c")}
LINE_COLOURS = ACCEPTED_COLOURS  # to mined images of the class, and of another
NONE = {"light": "#a9afb8", "dark": "#6d7681"}
INK = {"light": "#1c1f23", "dark": "#f4f5f7"}
PAPER = {"light": "#ffffff", "dark": "#14181e"}
MARKERS = ("o", "s", "^", "D")
STILLS = 4  # columns of the strip


@dataclass(frozen=True)
class Panel:
    """One picture of the player.

    colour   by what its points are always coloured; "" = as the reader chooses
    mined    whose mined images its lines go to; None = nobody's
    """

    title: str
    atlas: Atlas
    colour: str = ""
    mined: Atlas | None = None


def mix(colour: str, share: float) -> str:
    """A colour moved towards white (share > 0) or black (share < 0)."""
    end = 255 if share > 0 else 0
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(part + (end - part) * abs(share)):02x}" for part in parts)


def looks(names: list[str], coarse: list[int] | None) -> tuple[list[int], list[int]]:
    """(hue, glyph) of every class: one hue for each ancestor where there is a tree, glyphs told apart inside it."""
    n = len(names)
    rows = coarse if coarse is not None and len(set(coarse)) <= len(HUES) else [place % len(HUES) for place in range(n)]
    seen: dict[int, int] = {}
    glyphs = []
    for row in rows:
        glyphs.append(seen.get(row, 0) % len(MARKERS))
        seen[row] = seen.get(row, 0) + 1
    return list(rows), glyphs


def class_colours(theme: str, hues: list[int], glyphs: list[int]) -> list[str]:
    """A colour for every class; inside a hue they differ in lightness, as well as in the glyph."""
    return [mix(HUES[hue], TINTS[theme][glyph]) for hue, glyph in zip(hues, glyphs, strict=True)]


def short(names: list[str]) -> list[str]:
    """Names without a first word that all of them share."""
    first = names[0].split(" ")[0]
    if len(names) > 1 and all(name.startswith(f"{first} ") for name in names):
        return [name[len(first) + 1 :] for name in names]
    return names


def encode(values: np.ndarray) -> dict[str, Any]:
    """Whole numbers as base64, one byte each where all fit, else two, little-endian."""
    kind = "<i1" if values.size and values.min() >= -128 and values.max() <= 127 else "<i2"
    return {"bytes": int(kind[2]), "data": base64.b64encode(values.astype(kind).tobytes()).decode()}


def crosses(atlas: Atlas, group: str, kind: str) -> dict[str, Any]:
    """Where centroids stand, [F g 2] in steps; -32768 where a group is empty."""
    steps = atlas.centroids(group, kind) / STEP
    return encode(np.where(np.isnan(steps), -32768, np.rint(np.nan_to_num(steps))))


def kinds(panels: list[Panel]) -> list[str]:
    """The maps that all panels have."""
    return [kind for kind in MAPS if all(kind in panel.atlas.maps for panel in panels)]


def reach(panels: list[Panel], kind: str) -> float:
    """Half the side of the pictures, so that every point of every frame is inside; the same for all panels."""
    return min(LIMIT, 1.04 * max(float(np.abs(panel.atlas.maps[kind]).max()) for panel in panels))


def has_lines(panel: Panel) -> bool:
    """Whether there are mined images to draw lines to."""
    return panel.mined is not None and panel.mined.mined.size > 0


def choices(panels: list[Panel], first: str) -> list[str]:
    """What the reader can colour by, `first` first: nothing that no panel has."""
    groups = {name for panel in panels for name in panel.atlas.groups}
    colourings = groups | ({"accepted"} if "pseudo" in groups else set())
    shown = {panel.colour for panel in panels}
    return sorted((name for name in COLOURS if name in colourings - shown), key=lambda name: name != first)


def payload(panels: list[Panel], first: str, lines: str = "chosen") -> dict[str, Any]:
    """All that the script needs."""
    first_atlas = panels[0].atlas
    names, (hues, glyphs) = (
        first_atlas.about["classes"],
        looks(first_atlas.about["classes"], first_atlas.about["coarse"]),
    )
    atlases = list({id(panel.atlas): panel.atlas for panel in panels}.values())
    drawn = list({id(panel.mined): panel.mined for panel in panels if has_lines(panel)}.values())
    maps = kinds(panels)
    runs = [
        {
            "groups": {name: encode(group) for name, group in atlas.groups.items() if name != "class"},
            "scores": {name: _round(atlas.score(name)) for name in ("knn_top1", "nmi")},
            "maps": {
                kind: {
                    "xy": encode(np.rint(atlas.maps[kind] / STEP)),
                    "trust": _round(atlas.about["trust"][kind]),
                    "crosses": {group: crosses(atlas, group, kind) for group in atlas.near},
                }
                for kind in maps
            },
        }
        for atlas in atlases
    ]
    place = {id(atlas): number for number, atlas in enumerate(atlases)}
    return {
        "epochs": first_atlas.epochs,
        "start": len(first_atlas.epochs) - 1,
        "classes": short(names),
        "rows": hues,
        "glyphs": glyphs,
        "accepted": ACCEPTED,
        "palette": {
            theme: {
                "classes": class_colours(theme, hues, glyphs),
                "accepted": ACCEPTED_COLOURS[theme],
                "lines": LINE_COLOURS[theme],
                "none": NONE[theme],
                "ink": INK[theme],
                "paper": PAPER[theme],
            }
            for theme in ("light", "dark")
        },
        "label": encode(first_atlas.label),
        "colours": [[name, COLOURS[name]] for name in choices(panels, first)],
        "maps": [[kind, MAPS[kind]] for kind in maps],
        "reach": {kind: reach(panels, kind) / STEP for kind in maps},
        "runs": runs,
        "mined": [{"layers": atlas.mined.shape[2], "places": encode(atlas.mined)} for atlas in drawn],
        "lines": sorted(LINES.items(), key=lambda option: option[0] != lines) if drawn else [],
        "panels": [
            {
                "title": p.title,
                "run": place[id(p.atlas)],
                "colour": p.colour,
                "mined": [id(atlas) for atlas in drawn].index(id(p.mined)) if has_lines(p) else -1,
            }
            for p in panels
        ],
    }


def _round(values: list[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in values]


def player(panels: list[Panel], first: str, name: str, lines: str = "chosen") -> Display:
    """The player of atlases of one set of images and one length.

    first   what free panels are coloured by at first: "class", "pseudo", "accepted" or "cluster"
    name    of the figure, for the page's ids
    lines   which lines to mined images are drawn at first: "chosen" or "all"
    """
    require(len(panels) >= 1, "player", "panels", "at least one", len(panels))
    one_of(first, COLOURS, "player", "first")
    one_of(lines, LINES, "player", "lines")
    first_atlas = panels[0].atlas
    for panel in panels:
        same = panel.atlas.epochs == first_atlas.epochs and np.array_equal(panel.atlas.label, first_atlas.label)
        same = same and (panel.mined is None or np.array_equal(panel.mined.shown, panel.atlas.shown))
        require(same, "player", f"panel {panel.title!r}", "of the same images and epochs as the first", panel.title)
    assets = PROJECT / "book" / "assets"
    data = script_data(payload(panels, first, lines))
    script = "".join((assets / name).read_text("utf-8") for name in ("player_marks.js", "player.js"))
    image = base64.b64encode(strip(panels, first, lines)).decode()
    alt = html.escape(describe(panels), quote=True)
    parts = [
        f'<div class="evolution" id="evolution-{html.escape(name, quote=True)}">',
        f'<script type="application/json">{data}</script>',
        f'<img class="ev-strip" alt="{alt}" src="data:image/png;base64,{image}">',
        f"<style>\n{(assets / 'player.css').read_text('utf-8')}</style>",
        f"<script>\n{{\n{script}}}\n</script>",  # in a block: a page with two players declares every name twice
        "</div>",
    ]
    return Display("\n".join(parts), describe(panels))


def script_data(value: Any) -> str:
    """A value as JSON in a script element, which no text of it, such as a class name, can end."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def describe(panels: list[Panel]) -> str:
    """The pictures in words, from their scores."""
    first, last = panels[0].atlas.epochs[0], panels[0].atlas.epochs[-1]
    kind = kinds(panels)[0]
    parts = []
    for panel in list({id(panel.atlas): panel for panel in panels}.values()):
        knn, nmi = panel.atlas.score("knn_top1"), panel.atlas.score("nmi")
        trust = panel.atlas.about["trust"][kind]
        parts.append(
            f"{panel.title}: kNN {_change(knn)}, NMI {_change(nmi)}, trustworthiness of {MAPS[kind]} {_change(trust)}"
        )
    return (
        f"Maps of {len(panels[0].atlas.shown)} training images from epoch {first:g} to {last:g}. "
        + "; ".join(parts)
        + "."
    )


def _change(values: list[float]) -> str:
    return f"{number(100 * values[0])}% to {number(100 * values[-1])}%"


def stills(n: int) -> list[int]:
    """The frames of the strip, evenly spaced, first and last included."""
    return sorted({round(place * (n - 1) / (STILLS - 1)) for place in range(STILLS)})


@own_style()
def strip(panels: list[Panel], first: str, lines: str = "chosen") -> bytes:
    """A PNG of small multiples, a row for every panel and a column for every still; 128 colours, on white.

    lines   "all" draws those to mined images
    """
    from PIL import Image

    kind, columns = kinds(panels)[0], stills(len(panels[0].atlas.epochs))
    size = 2.05
    plot, axes = new_plot(
        len(panels), len(columns), squeeze=False, size=(size * len(columns), (size + 0.18) * len(panels))
    )
    half = reach(panels, kind)
    for row, panel in zip(axes, panels, strict=True):
        colour = panel.colour or first
        row[0].set_ylabel(f"{panel.title}\ncolour: {COLOURS[colour]}", fontsize=7)
        for axis, frame in zip(row, columns, strict=True):
            if lines == "all" and has_lines(panel):
                _lines(axis, panel, kind, frame)
            _still(axis, panel.atlas, colour, kind, frame)
            axis.set_xlim(-half, half), axis.set_ylim(-half, half), axis.set_aspect("equal")
            axis.set_xticks([]), axis.set_yticks([])
            knn = panel.atlas.score("knn_top1")[frame]
            axis.set_title(f"epoch {panel.atlas.epochs[frame]:g}, kNN {number(100 * knn)}%", fontsize=7, pad=2)
            for side in axis.spines.values():
                side.set_color("#c9cdd3")
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png", dpi=110, metadata={"Software": None}, facecolor="#ffffff")
    small = io.BytesIO()
    Image.open(buffer).convert("RGB").quantize(128).save(small, format="PNG", optimize=True)
    return small.getvalue()


def _still(axis: Any, atlas: Atlas, colour: str, kind: str, frame: int) -> None:
    positions = atlas.maps[kind][frame]
    category, paints, markers = _categories(atlas, colour, frame)
    for marker in MARKERS:
        mine = (category >= 0) & (markers == marker)
        axis.scatter(*positions[mine].T, s=6, c=paints[mine], marker=marker, linewidths=0, zorder=2)
    axis.scatter(*positions[category < 0].T, s=3, c=NONE["light"], marker="o", linewidths=0, zorder=1)
    group = "pseudo" if colour == "accepted" else colour
    if group in atlas.near:
        axis.scatter(*atlas.centroids(group, kind)[frame].T, s=14, c=INK["light"], marker="x", linewidths=0.8, zorder=3)


def line_ends(atlas: Atlas, frame: int) -> np.ndarray:
    """[p 2] the shown images that a mined image joins, each pair once: there and back, dashes would look solid."""
    anchor, layer, slot = np.nonzero(atlas.mined[frame] >= 0)
    ends = np.stack([anchor, atlas.mined[frame][anchor, layer, slot]], 1)
    return np.unique(np.sort(ends, 1), axis=0)


def _lines(axis: Any, panel: Panel, kind: str, frame: int) -> None:
    from matplotlib.collections import LineCollection

    positions, pairs = panel.atlas.maps[kind][frame], line_ends(panel.mined, frame)
    right = panel.atlas.label[pairs[:, 0]] == panel.atlas.label[pairs[:, 1]]
    for mine, colour, line in ((~right, 1, "--"), (right, 0, "-")):
        ends = positions[pairs[mine]]
        how = {"colors": LINE_COLOURS["light"][colour], "linestyles": line, "linewidths": 0.6, "alpha": 0.7}
        axis.add_collection(LineCollection(ends, zorder=1.5, **how))


def _categories(atlas: Atlas, colour: str, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(category, -1 for none; colour; marker) of each point of a frame."""
    hues, glyphs = looks(atlas.about["classes"], atlas.about["coarse"])
    tones, marks = np.array(class_colours("light", hues, glyphs)), np.array(MARKERS)[glyphs]
    group = atlas.groups.get("pseudo" if colour == "accepted" else colour)
    category = np.full(len(atlas.shown), -1) if group is None else group[frame].astype(int)
    if colour == "accepted":
        category = np.where(category < 0, -1, np.where(category == atlas.label, 0, 1))
        tones, marks = np.array(ACCEPTED_COLOURS["light"]), np.array(["o", "^"])
    return category, tones[category % len(tones)], marks[category % len(marks)]
