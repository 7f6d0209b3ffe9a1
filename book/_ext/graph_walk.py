"""InvP's Figure 1: a walk over a graph of nearest neighbours, to be stepped through; drawn by the parts that train."""

import html
from collections.abc import Iterator
from functools import cache

import torch
from docutils import nodes
from docutils.parsers.rst import Directive
from drawing import BLUE, GREEN, ORANGE, SHAPES, arrow, drawing, text
from sphinx.application import Sphinx

from sslrepro.parts.graph import NeighbourGraph
from sslrepro.parts.mining import extreme, nearest

NEIGHBOURS, HOPS, HARD, SEED = 3, 3, 4, 714
WIDTH, HEIGHT = 720, 330
CLUSTERS = ((170, 150, "triangle", 13), (400, 210, "square", 9), (570, 110, "kite", 8))  # centre, class, images
STEPS = ("the anchor", "its neighbours", "two hops", "three hops", "the hardest attract", "who repels")


@cache
def walk() -> tuple[torch.Tensor, list[str], NeighbourGraph, list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """(points [n 2], class of each, graph, masks of hop 1, 2, 3, mask of the hardest, mask of the nearest rows).

    The plane stands for the space of embeddings, so that near in the drawing is near in the graph: similarity is minus
    the squared distance, which is what cosines of unit rows say of theirs.
    """
    draw = torch.Generator().manual_seed(SEED)
    points, kinds = [], []
    for x, y, kind, n in CLUSTERS:
        spread = torch.randn(n, 2, generator=draw) * torch.tensor([62.0, 44.0])
        points.append(torch.tensor([float(x), float(y)]) + spread)
        kinds += [kind] * n
    at = torch.cat(points).clamp(torch.tensor([24.0, 26.0]), torch.tensor([WIDTH - 24.0, HEIGHT - 24.0]))
    rows = embedded(at)
    graph, everyone = NeighbourGraph(len(at), NEIGHBOURS), torch.arange(len(at))
    graph.write(everyone, nearest(rows, rows, NEIGHBOURS, everyone, everyone)[1])
    anchor = torch.tensor([start(at)])
    within = [graph.within(anchor, hops)[0] for hops in range(1, HOPS + 1)]
    layers = [within[0], within[1] & ~within[0], within[2] & ~within[1]]
    similarity = rows[anchor] @ rows.T
    hard = extreme(similarity, within[-1][None], HARD, largest=False)[0]
    near = extreme(similarity, everyone[None] != anchor, 2 * len(at) // 3)[0]
    return at, kinds, graph, layers, hard, near


def embedded(at: torch.Tensor) -> torch.Tensor:
    """Points of the plane on a large sphere, nearly flat there, so that cosines order as distances do."""
    centred = (at - at.mean(0)) / 4000
    return torch.nn.functional.normalize(torch.cat([centred, torch.ones(len(at), 1)], 1).double(), dim=1)


def start(at: torch.Tensor) -> int:
    """The image of the first class that lies furthest towards the second."""
    n = CLUSTERS[0][3]
    return int(
        (at[:n] - torch.tensor([float(CLUSTERS[0][0]), float(CLUSTERS[0][1])])).square().sum(1).argsort()[n // 2]
    )


def image(x: float, y: float, kind: str, colour: str, size: float = 8) -> str:
    """An image: the shape is its class."""
    corners = " ".join(f"{x + size * px * 1.3:.1f},{y + size * py * 1.3:.1f}" for px, py in SHAPES[kind])
    return f'<polygon points="{corners}" fill="{colour}"/>'


def edge(at: torch.Tensor, first: int, second: int) -> str:
    """An arrow from an image to one of its nearest."""
    (x, y), (u, v) = at[first].tolist(), at[second].tolist()
    length = max(((u - x) ** 2 + (v - y) ** 2) ** 0.5, 1e-6)
    cut = min(11 / length, 0.4)
    dx, dy = (u - x) * cut, (v - y) * cut
    return arrow(f"M{x + dx:.1f} {y + dy:.1f}L{u - dx:.1f} {v - dy:.1f}")


def scene(step: int) -> str:
    """The drawing of one step, as a whole SVG."""
    at, kinds, graph, layers, hard, near = walk()
    anchor, reached = start(at), torch.stack(layers[: min(step, HOPS)]).any(0) if step else torch.zeros(len(at)).bool()
    parts = []
    sources = [anchor] if step else []
    for layer in layers[: min(step, HOPS) - 1] if step else []:
        sources += layer.nonzero()[:, 0].tolist()
    edges = [(i, int(j)) for i in sources for j in graph.neighbours[i]]
    parts += [f'<g opacity="{0.3 if step > HOPS else 1}">{"".join(edge(at, i, j) for i, j in edges)}</g>']
    for place, (x, y) in enumerate(at.tolist()):
        colour, opacity = "currentColor", 0.28
        if place == anchor:
            colour, opacity = BLUE, 1.0
        elif step == HOPS + 1 and bool(hard[place]):
            colour, opacity = GREEN, 1.0
        elif step == HOPS + 2:
            repels = bool(near[place]) and not bool(reached[place])
            colour, opacity = (GREEN, 1.0) if bool(hard[place]) else (ORANGE, 1.0) if repels else ("currentColor", 0.2)
        elif step <= HOPS and bool(reached[place]):
            colour, opacity = GREEN, 0.95
        parts.append(f'<g opacity="{opacity}">{image(x, y, kinds[place], colour, 10 if place == anchor else 8)}</g>')
    x, y = at[anchor].tolist()
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="17" fill="none" stroke="{BLUE}" stroke-width="2"/>')
    parts.append(text(x, y - 22, "anchor", "soft", "middle"))
    return drawing(WIDTH, HEIGHT, f"{STEPS[step]}: {words(step)}", parts)


def words(step: int) -> str:
    """What a step shows, with counts taken from the graph that is drawn."""
    at, kinds, graph, layers, hard, near = walk()
    anchor = start(at)
    same = torch.tensor([kind == kinds[anchor] for kind in kinds])
    if step == 0:
        return "An image and its embedding; the other images are rows of the memory bank. A shape is a class."
    if step <= HOPS:
        reached = torch.stack(layers[:step]).any(0)
        listed = graph.walks(torch.tensor([anchor]), step)[0].tolist()
        return (
            f"Along at most {step} arrow{'s' if step > 1 else ''}, {int(reached.sum())} images are reached, of which "
            f"{int((reached & same).sum())} have the anchor's class. The released code lists {len(listed)} ends of "
            f"walks: {len(set(listed))} different images, the anchor itself {listed.count(anchor)} "
            f"time{'' if listed.count(anchor) == 1 else 's'}."
        )
    if step == HOPS + 1:
        return (
            f"Of what was reached the {int(hard.sum())} least similar images attract; {int((hard & same).sum())} of "
            "them have the anchor's class. Near ones are passed over, since the network holds them to be alike already."
        )
    repels = near & ~torch.stack(layers).any(0)
    repels[anchor] = False
    return (
        f"Among the nearest rows, those that were not reached repel, {int(repels.sum())} here. Whether the anchor's "
        "own row is among them, is a positive, or is neither, no source states."
    )


def walk_page() -> str:
    """All steps as one block of HTML: a radio button for each, and the drawing and sentence of the chosen one."""
    buttons = "".join(
        f'<label><input type="radio" name="graph-walk" value="{step}"{" checked" if step == 0 else ""}>'
        f" {html.escape(name)}</label>"
        for step, name in enumerate(STEPS)
    )
    scenes = "".join(
        f'<div class="scene" data-step="{step}"><div class="scroll">{scene(step)}</div>'
        f"<p>{html.escape(words(step))}</p></div>"
        for step in range(len(STEPS))
    )
    choice = f'<fieldset class="filter"><legend>step</legend>{buttons}</fieldset>'
    return f'<div class="diagram graph-walk">{choice}{scenes}</div>'


def rules() -> Iterator[str]:
    """CSS that shows the chosen step alone."""
    for step in range(len(STEPS)):
        yield f'.graph-walk:has(input[value="{step}"]:checked) .scene[data-step="{step}"] {{ display: block; }}'


class GraphWalk(Directive):
    """The walk, to be stepped through."""

    def run(self) -> list[nodes.Node]:
        css = f"<style>.graph-walk .scene {{ display: none; }} {' '.join(rules())}</style>"
        return [nodes.raw("", css + walk_page(), format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("graph-walk", GraphWalk)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
