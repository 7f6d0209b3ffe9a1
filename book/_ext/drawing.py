"""What schematic figures are drawn from: words, tiles, boxes, dots, arrows, and the whole.

Text and lines take the page's colour and fills are variables of papers.css (Okabe-Ito's colours, lighter ones in dark
mode). Units are pixels of the drawing, y downward.
"""

import hashlib
import html
import re

BLUE, ORANGE, GREEN, PINK, YELLOW = (f"var(--draw-{name})" for name in ("blue", "orange", "green", "pink", "yellow"))
SHAPES = {  # an image is a shape on a tile; corners in units of half the tile's side
    "triangle": [(0, -0.62), (0.62, 0.5), (-0.62, 0.5)],
    "square": [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)],
    "kite": [(0, -0.65), (0.45, 0), (0, 0.65), (-0.45, 0)],
}


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Words with their baseline at y. kind: "" or "soft" or "head" (the sizes of papers.css)."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{html.escape(words)}</text>'


def tile(x: float, y: float, shape: str, colour: str, side: float = 40, tilt: float = 0, ground: str = "") -> str:
    """A small image with its upper left corner at (x, y)."""
    half = side / 2
    corners = " ".join(f"{half * px * 0.9:.1f},{half * py * 0.9:.1f}" for px, py in SHAPES[shape])
    return (
        f'<g transform="translate({x + half:g} {y + half:g})"><rect x="{-half:g}" y="{-half:g}" width="{side:g}" '
        f'height="{side:g}" rx="{side / 8:g}" fill="{ground or colour}" opacity=".22"/>'
        f'<polygon points="{corners}" fill="{colour}" transform="rotate({tilt:g})"/></g>'
    )


def box(x: float, y: float, width: float, height: float, words: str = "", dashed: bool = False) -> str:
    """A part, with its name in the middle."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    name = text(x + width / 2, y + height / 2 + 4.5, words, anchor="middle") if words else ""
    return f'<rect class="line" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"{dash}/>{name}'


def dot(x: float, y: float, colour: str = "currentColor", radius: float = 7, faint: bool = False) -> str:
    """An embedding."""
    opacity = ".35" if faint else "1"
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}" opacity="{opacity}"/>'


def cross(x: float, y: float, size: float = 5) -> str:
    """A centroid."""
    x0, x1, y0, y1 = x - size, x + size, y - size, y + size
    return f'<path class="line strong" d="M{x0:g} {y0:g}L{x1:g} {y1:g}M{x0:g} {y1:g}L{x1:g} {y0:g}"/>'


def arrow(path: str, colour: str = "", dashed: bool = False, both: bool = False) -> str:
    """A line with a head at its end (both: at its start too). path: SVG commands."""
    dash = ' stroke-dasharray="3 3"' if dashed else ""
    tint = f' style="stroke:{colour};stroke-width:2.6;opacity:1"' if colour else ""
    head = {BLUE: "blue", ORANGE: "orange", GREEN: "green"}.get(colour, "plain")
    ends = f'marker-end="url(#head-{head})"' + (f' marker-start="url(#head-{head})"' if both else "")
    return f'<path class="line" d="{path}" {ends}{dash}{tint}/>'


def drawing(width: int, height: int, alt: str, parts: list[str]) -> str:
    """The whole: parts over a transparent ground, with arrow heads named for the drawing."""
    heads = {"plain": "currentColor", "blue": BLUE, "orange": ORANGE, "green": GREEN}
    markers = "".join(
        f'<marker id="head-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for name, colour in heads.items()
    )
    name = hashlib.sha256("".join(parts).encode()).hexdigest()[:6]
    svg = (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{html.escape(alt, quote=True)}">'
        f"<defs>{markers}</defs>{''.join(parts)}</svg>"
    )
    return re.sub(r'(id="|#)head-', rf"\g<1>head-{name}-", svg)
