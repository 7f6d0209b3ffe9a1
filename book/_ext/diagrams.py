"""The papers' schematic figures, redrawn with our parts: each function makes one SVG. No drawing contains a number."""

import random
from collections.abc import Callable

import diagrams_seppid
from drawing import BLUE, GREEN, ORANGE, PINK, YELLOW, arrow, box, cross, dot, drawing, text, tile


def nnclr_fig1() -> str:
    """Figure 1 of NNCLR: what attracts, in the space of embeddings."""
    others = [(58, 78), (112, 50), (262, 60), (284, 150), (232, 204), (66, 190), (120, 222)]
    parts = []
    for place, title in enumerate(("SimCLR: the other view attracts", "NNCLR: a neighbour attracts")):
        x = 372 * place
        parts += [f'<g transform="translate({x} 0)">', box(8, 30, 330, 214, dashed=True), text(8, 20, title, "head")]
        kinds = ("square", "kite", "square", "kite", "square", "kite", "square")
        colours = (ORANGE, PINK, PINK, YELLOW, YELLOW, ORANGE, GREEN)
        if place == 0:
            parts += [
                tile(px - 13, py - 13, shape, colour, 26)
                for (px, py), shape, colour in zip(others, kinds, colours, strict=True)
            ]
            parts += [tile(150, 112, "triangle", BLUE, 34), tile(206, 126, "triangle", BLUE, 34, 25, YELLOW)]
            parts += [arrow("M184 132H204", GREEN, both=True)]
            parts += [
                arrow("M146 108L128 66", dashed=True),
                arrow("M150 152L132 198", dashed=True),
                arrow("M146 124L84 96", dashed=True),
            ]
            parts += [text(156, 180, "two views of one image", "soft"), text(28, 142, "repelled", "soft")]
        else:
            stored = [
                (58, 78, "square", ORANGE),
                (112, 50, "kite", PINK),
                (314, 62, "square", PINK),
                (292, 158, "kite", YELLOW),
                (66, 190, "kite", ORANGE),
                (150, 204, "square", GREEN),
            ]
            parts += [
                f'<g opacity=".75">{tile(px - 13, py - 13, shape, colour, 26)}</g>' for px, py, shape, colour in stored
            ]
            parts += [
                tile(118, 96, "triangle", BLUE, 34),
                tile(196, 84, "triangle", ORANGE, 30, -15, PINK),
                f'<circle cx="211" cy="99" r="23" fill="none" stroke="{GREEN}" stroke-width="2.4"/>',
                tile(186, 172, "triangle", BLUE, 34, 25, YELLOW),
            ]
            parts += [arrow("M154 112L184 103", dashed=True), arrow("M205 168L210 127", GREEN)]
            parts += [
                text(96, 146, "view 1", "soft"),
                text(226, 194, "view 2", "soft"),
                text(220, 138, "attract", "soft"),
                text(150, 66, "nearest past embedding", "soft"),
                text(14, 236, "faint: the queue, other images", "soft"),
            ]
        parts.append("</g>")
    return drawing(
        720,
        254,
        "Two spaces of embeddings. In SimCLR two views of one image attract each other and other "
        "images are repelled. In NNCLR view 1 is replaced by its nearest past embedding, of another image "
        "of the same shape, and view 2 is drawn to that.",
        parts,
    )


def nnclr_fig2() -> str:
    """Figure 2 of NNCLR: one training step, with the names of our parts."""
    parts = [tile(8, 54, "triangle", BLUE), tile(8, 182, "triangle", BLUE, 40, 25, YELLOW)]
    parts += [text(8, 110, "view 1", "soft"), text(8, 238, "view 2", "soft")]
    for y in (74, 202):
        parts += [
            arrow(f"M52 {y}H76"),
            box(80, y - 20, 76, 40, "encoder"),
            arrow(f"M156 {y}H176"),
            box(180, y - 20, 82, 40, "projector"),
            arrow(f"M262 {y}H292"),
            dot(302, y, BLUE),
            text(298, y + 24, "z"),
        ]
    parts += [
        box(398, 30, 200, 92, dashed=True),
        text(608, 72, "queue of past", "soft"),
        text(608, 88, "embeddings", "soft"),
    ]
    parts += [
        dot(x, y, faint=True, radius=6)
        for x, y in ((420, 50), (470, 48), (532, 54), (574, 80), (540, 104), (428, 106), (490, 106))
    ]
    parts += [arrow("M312 74H452", dashed=True), text(324, 66, "nearest"), dot(464, 76, GREEN, 8)]
    parts += [
        arrow("M312 202H350"),
        box(354, 182, 86, 40, "predictor"),
        arrow("M440 202H452"),
        dot(464, 202, ORANGE, 8),
    ]
    parts += [arrow("M464 190V88", GREEN), text(454, 150, "attract", anchor="end")]
    parts += [dot(x, 202, ORANGE, 6, faint=True) for x in (546, 572, 598, 624)]
    parts += [arrow("M474 88L556 190", dashed=True), text(530, 150, "repel")]
    parts += [text(460, 230, "p", "", "middle"), text(538, 230, "p of the batch's other images", "soft")]
    parts += [arrow("M302 64V12H498V26"), text(312, 26, "after the step", "soft")]
    return drawing(
        720,
        246,
        "One step of NNCLR. Both views pass encoder and projector. The embedding of view 1 looks "
        "up its nearest row in the queue of past embeddings. The prediction from view 2 is attracted to "
        "that row; predictions of the batch's other images are the negatives. After the step the embedding "
        "of view 1 enters the queue.",
        parts,
    )


def nnclr_fig6() -> str:
    """Figure 6 of NNCLR: four methods on two axes."""
    parts = [
        text(212, 16, "the positive: the image's other view", "head", "middle"),
        text(548, 16, "the positive: a neighbour of it", "head", "middle"),
    ]
    for row, words in enumerate((("repels", "the batch"), ("repels", "nobody"))):
        parts += [text(2, 96 + 158 * row, words[0], "head"), text(2, 112 + 158 * row, words[1], "head")]
    for place, name in enumerate(("SimCLR", "NNCLR", "SimSiam", "NNSiam")):
        row, column = divmod(place, 2)
        contrast, mined = row == 0, column == 1
        parts += [
            f'<g transform="translate({66 + 332 * column} {28 + 158 * row})">',
            box(0, 0, 318, 146),
            text(10, 20, name, "head"),
        ]
        for y, tilt, ground in ((46, 0, BLUE), (106, 25, YELLOW)):
            parts += [
                tile(12, y - 15, "triangle", BLUE, 30, tilt, ground),
                arrow(f"M45 {y}H60"),
                box(63, y - 14, 44, 28, "f, g"),
            ]
        parts += [arrow("M107 46H124"), dot(132, 46, BLUE, 6)]
        if mined:
            parts += [box(170, 24, 108, 42, dashed=True), text(282, 40, "Q", "soft"), arrow("M140 46H202", dashed=True)]
            parts += [
                dot(x, y, faint=True, radius=4) for x, y in ((184, 34), (236, 34), (262, 50), (240, 58), (186, 58))
            ]
            target = 210
        else:
            target = 132
        parts.append(dot(target, 46, GREEN if mined else BLUE, 6))
        predicted = name != "SimCLR"
        parts += [arrow("M107 106H124"), dot(132, 106, BLUE, 6)]
        if predicted:
            parts += [arrow("M140 106H152"), box(155, 92, 28, 28, "q"), arrow("M183 106H201"), dot(210, 106, ORANGE, 6)]
        end = 210 if predicted else 132
        parts.append(arrow(f"M{end} 97L{target} 56", GREEN, both=contrast and not mined))
        if contrast:
            parts += [dot(x, 106, ORANGE if predicted else BLUE, 4, faint=True) for x in (246, 264, 282)]
            parts.append(arrow(f"M{target + 8} 52L246 96", dashed=True))
            parts.append(text(238, 128, "negatives", "soft"))
        if name == "SimSiam":
            parts.append(text(148, 50, "stopped gradient", "soft"))
        parts.append("</g>")
    return drawing(
        720,
        336,
        "Four methods. SimCLR: two views attract, the batch repels. NNCLR: the nearest neighbour "
        "of one view attracts the prediction from the other, the batch repels. SimSiam: the prediction "
        "from one view is drawn to the other view, without gradient, and nothing repels. NNSiam: the same "
        "with the nearest neighbour of the other view as target.",
        parts,
    )


def ifnd_fig2() -> str:
    """Figure 2 of IFND: (a) more pseudo-labels are believed as training goes on; (b) what they take from the loss."""
    parts = [text(4, 16, "(a) refresh: cluster all images, believe the surest assignments", "head")]
    draw = random.Random(4)
    colours = (BLUE, ORANGE, GREEN)
    for stage, (name, spread, believed) in enumerate((("early", 34, 0.0), ("half way", 24, 0.5), ("late", 16, 1.0))):
        x = 4 + 238 * stage
        parts += [box(x, 28, 222, 132), text(x + 8, 44, name, "soft")]
        for cluster, (cx, cy) in enumerate(((62, 96), (118, 68), (164, 116))):
            points = [(draw.uniform(-1, 1) * spread, draw.uniform(-1, 1) * spread * 0.8) for _ in range(10)]
            points.sort(key=lambda point: point[0] ** 2 + point[1] ** 2)
            for rank, (dx, dy) in enumerate(points):
                sure = rank < believed * len(points)
                parts.append(
                    dot(x + cx + dx, cy + dy, colours[cluster] if sure else "currentColor", 4.2, faint=not sure)
                )
            parts.append(cross(x + cx, cy))
    parts.append(text(4, 178, "grey: a label nobody else has; coloured: the cluster's; crosses: centroids", "soft"))
    parts.append(text(4, 214, "(b) loss: who of the batch repels the anchor", "head"))
    parts += [box(4, 226, 698, 158)]
    parts += [
        tile(210, 284, "triangle", BLUE, 40),
        text(210, 340, "anchor", "soft"),
        tile(60, 284, "triangle", BLUE, 40, 25, YELLOW),
        text(34, 340, "its other view: attracts", "soft"),
        arrow("M206 304H104", GREEN, both=True),
    ]
    parts += [tile(330, 238, "triangle", ORANGE, 32, -15, PINK), tile(330, 334, "triangle", GREEN, 32, 40)]
    parts += [
        '<path class="line" stroke-dasharray="2 5" d="M254 296L326 260M254 312L326 346"/>',
        text(374, 252, "same pseudo-label:", "soft"),
        text(374, 268, "left out", "soft"),
        text(374, 354, "left out", "soft"),
    ]
    parts += [arrow("M254 304H556"), text(402, 298, "other labels: repelled", "soft")]
    parts += [
        tile(562, y, shape, colour, 32)
        for y, shape, colour in ((244, "square", ORANGE), (288, "kite", PINK), (332, "square", YELLOW))
    ]
    parts += [dot(x, 304, faint=True, radius=3) for x in (622, 636, 650)]
    return drawing(
        720,
        390,
        "Above, three stages of training: early no image carries its cluster's label, half way "
        "those near a centroid do, late all do, and clusters are tighter. Below, an anchor attracts its "
        "other view; images with its pseudo-label are left out of the loss; all other images are "
        "repelled.",
        parts,
    )


DRAWINGS: dict[str, Callable[[], str]] = {
    "nnclr_fig1": nnclr_fig1,
    "nnclr_fig2": nnclr_fig2,
    "nnclr_fig6": nnclr_fig6,
    "ifnd_fig2": ifnd_fig2,
} | diagrams_seppid.DRAWINGS
