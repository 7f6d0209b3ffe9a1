"""SePP-ID's schematic figures, redrawn with our parts: each function makes one SVG. No drawing contains a number."""

from collections.abc import Callable

from drawing import BLUE, GREEN, ORANGE, PINK, YELLOW, arrow, box, dot, drawing, text, tile

SET = [
    ("triangle", BLUE, 0, ""),
    ("kite", PINK, 10, ""),
    ("triangle", ORANGE, 25, YELLOW),
    ("square", GREEN, 0, ""),
    ("kite", YELLOW, -20, BLUE),
    ("square", ORANGE, 15, ""),
    ("triangle", GREEN, -15, PINK),
    ("square", PINK, 30, YELLOW),
]


def seppid_fig1() -> str:
    """Figure 1: an instance learner repels an image of the same kind."""
    parts = [tile(24, 60, "triangle", BLUE, 52), tile(24, 168, "triangle", BLUE, 52, 25, YELLOW)]
    parts += [text(20, 46, "view", "soft"), text(20, 238, "another view of the same image", "soft")]
    parts += [arrow("M82 86H196", dashed=True), arrow("M82 194H196", dashed=True), box(104, 120, 82, 40, "encoder")]
    parts += [
        dot(210, 86, BLUE),
        dot(210, 194, BLUE),
        arrow("M210 100V180", GREEN, both=True),
        text(222, 144, "attract"),
    ]
    parts += [
        tile(596, 26, "triangle", ORANGE, 52, -15, PINK),
        tile(596, 108, "square", PINK, 52),
        tile(596, 186, "kite", YELLOW, 52),
    ]
    parts += [dot(520, y, colour) for y, colour in ((52, ORANGE), (134, PINK), (212, YELLOW))]
    parts += [arrow(f"M592 {y}H534", dashed=True) for y in (52, 134, 212)]
    parts += [
        arrow("M222 84L506 53", ORANGE, both=True),
        arrow("M222 88L506 132", both=True),
        arrow("M222 90L506 209", both=True),
    ]
    parts += [
        text(262, 44, "repel, though it is the same kind"),
        text(322, 190, "repel", "soft"),
        text(656, 56, "triangle", "soft"),
        text(656, 138, "square", "soft"),
        text(656, 216, "kite", "soft"),
    ]
    return drawing(
        720,
        254,
        "Two views of one triangle attract each other. Three other images are repelled, and one "
        "of them is a triangle of another colour: a false negative.",
        parts,
    )


def seppid_fig3() -> str:
    """Figure 3: the whole method, with the names of our parts."""
    parts = [text(8, 20, "once, before training", "head"), box(4, 30, 712, 124, dashed=True)]
    parts += [
        tile(16 + 30 * (n % 4), 50 + 34 * (n // 4), shape, colour, 26, tilt, ground)
        for n, (shape, colour, tilt, ground) in enumerate(SET)
    ]
    parts += [text(16, 140, "all images", "soft"), arrow("M138 84H176"), text(138, 76, "share", "soft")]
    parts += [
        tile(184 + 30 * (n % 2), 50 + 34 * (n // 2), *SET[i][:2], 26, *SET[i][2:]) for n, i in enumerate((0, 2, 3, 6))
    ]
    parts += [
        text(176, 140, "as they are", "soft"),
        arrow("M246 84H270"),
        box(274, 64, 84, 40, "sampler"),
        text(274, 120, "trained, frozen", "soft"),
        arrow("M358 84H384"),
    ]
    parts += [
        dot(x, y, colour, 6) for x, y, colour in ((400, 70, BLUE), (416, 82, ORANGE), (404, 96, GREEN), (452, 76, PINK))
    ]
    parts += [
        arrow("M468 84H494"),
        box(498, 64, 104, 40, "similar_pairs"),
        text(498, 120, "cosine in a window", "soft"),
        arrow("M602 84H626"),
    ]
    parts += [
        tile(632, 52, "triangle", BLUE, 28),
        tile(668, 52, "triangle", ORANGE, 28, 25, YELLOW),
        tile(632, 90, "triangle", GREEN, 28, -15, PINK),
        tile(668, 90, "triangle", BLUE, 28),
    ]
    parts += [text(632, 140, "pairs", "soft"), text(8, 190, "training", "head"), box(4, 200, 712, 120, dashed=True)]
    parts += [arrow("M664 146V214H420V226", both=False), arrow("M74 146V226")]
    parts += [
        box(16, 230, 160, 40, "rows of one image"),
        box(340, 230, 160, 40, "rows of two images"),
        arrow("M176 250H218"),
        arrow("M340 250H298"),
        box(222, 230, 72, 40, "shuffle"),
        arrow("M258 270V290H520"),
        box(524, 270, 180, 40, "base method, unchanged"),
    ]
    parts += [text(16, 290, "one augmentation for each view", "soft")]
    return drawing(
        720,
        330,
        "Above, once before training: a random share of all images, as they are, passes a trained "
        "and frozen sampler; embeddings whose cosine lies in a window become pairs. Below, training: rows "
        "of one image and rows of two images are augmented, shuffled together and given to an unchanged "
        "base method.",
        parts,
    )


def seppid_fig4() -> str:
    """Figure 4: how the sampler compares every two images it looks at."""
    parts = [text(8, 20, "every image of the share against every other", "head")]
    images = [SET[0], SET[2], SET[3], SET[6], SET[4]]
    for n, (shape, colour, tilt, ground) in enumerate(images):
        parts += [
            tile(140 + 62 * n, 32, shape, colour, 40, tilt, ground),
            tile(72, 92 + 48 * n, shape, colour, 40, tilt, ground),
        ]
    near = {(0, 1), (1, 3)}
    for i in range(5):
        for j in range(5):
            x, y = 140 + 62 * j, 92 + 48 * i
            kind = "pair" if (i, j) in near else "once" if j > i else "not"
            fill = {"pair": GREEN, "once": "currentColor", "not": "none"}[kind]
            opacity = {"pair": ".8", "once": ".12", "not": "0"}[kind]
            parts.append(f'<rect x="{x}" y="{y}" width="40" height="40" rx="5" fill="{fill}" opacity="{opacity}"/>')
            parts.append(f'<rect class="line" x="{x}" y="{y}" width="40" height="40" rx="5"/>')
    parts += [text(140, 350, "each two once; the diagonal and the other half are left out", "soft")]
    parts += [box(486, 96, 18, 190), f'<rect x="486" y="112" width="18" height="34" fill="{GREEN}" opacity=".8"/>']
    parts += [
        text(514, 108, "above: copies of one image", "soft"),
        text(514, 134, "in the window: a pair"),
        text(514, 200, "below: other images", "soft"),
        text(486, 306, "cosine", "soft"),
    ]
    parts += [dot(495, y, radius=3, faint=True) for y in (170, 188, 196, 214, 226, 240, 258, 270)]
    return drawing(
        720,
        362,
        "A table of images against images, of which the upper half is compared. Two cells whose "
        "cosine lies in a window become pairs; what lies above the window are copies of one image, what "
        "lies below are other images.",
        parts,
    )


def seppid_fig6() -> str:
    """Figure 6: images and pairs become rows of two views."""
    parts = [text(8, 20, "an image: two views of it", "head"), text(372, 20, "a pair: one view of each", "head")]
    for x, second, tilt, ground in ((0, BLUE, 0, ""), (364, ORANGE, 25, YELLOW)):
        parts.append(f'<g transform="translate({x} 0)">')
        parts += [tile(8, 66, "triangle", BLUE, 52)]
        parts += [tile(8, 138, "triangle", second, 52, tilt, ground)] if x else []
        low = 164 if x else 100
        parts += [
            arrow("M64 92H104"),
            arrow(f"M64 {low}L104 164"),
            box(108, 72, 76, 40, "augment"),
            box(108, 144, 76, 40, "augment"),
            arrow("M184 92H222"),
            arrow("M184 164H222"),
        ]
        parts += [
            tile(228, 66, "triangle", GREEN if x else PINK, 52, -30),
            tile(228, 138, "triangle", second, 52, tilt + 40, PINK),
        ]
        parts += [arrow("M254 122V134", GREEN, both=True), text(290, 98, "u", "soft"), text(290, 170, "v", "soft")]
        parts.append("</g>")
    parts += [text(8, 226, "both kinds of row stand in one list, and the loss is the same", "soft")]
    return drawing(
        720,
        240,
        "Left, an image is augmented twice and the two views attract each other. Right, the two "
        "images of a pair are augmented once each and attract each other. Both are rows of one training "
        "set.",
        parts,
    )


DRAWINGS: dict[str, Callable[[], str]] = {
    "seppid_fig1": seppid_fig1,
    "seppid_fig3": seppid_fig3,
    "seppid_fig4": seppid_fig4,
    "seppid_fig6": seppid_fig6,
}
