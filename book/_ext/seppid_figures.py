"""SePP-ID's Figures 2 and 5 on the synthetic images, from benchmarks/results/seppid_pairs.json."""

import functools
import json
from statistics import fmean
from typing import Any

import numpy as np
from blocks import plain_table, raw
from docutils import nodes
from docutils.parsers.rst import Directive
from speed_tables import MEASURED
from sphinx.application import Sphinx

from sslrepro.report.plots import PALETTE, Figure, new_plot, own_style, style

SHOWN = 10  # pairs, of dozens: every so many in order of their cosine


@functools.cache
def measurements() -> dict[str, Any]:
    """The record of the last measurement; {} before there was one."""
    path = MEASURED / "seppid_pairs.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


@functools.cache
def training_images(seed: int) -> Any:
    """Those of the `cpu` scale."""
    from dataclasses import replace

    from sslrepro.data import load
    from sslrepro.study.profiles import profile

    return load(replace(profile("cpu").data, seed=seed))[0]


def show(axis: Any, seed: int, image: int) -> str:
    """Draw a training image; returns the name of its class."""
    from sslrepro.data.shapes import FAMILIES

    data = training_images(seed)
    axis.imshow(data.images[image].permute(1, 2, 0), interpolation="nearest")
    axis.set_xticks([]), axis.set_yticks([])
    return [shape for family in FAMILIES.values() for shape in family][int(data.labels[image])]


@own_style()
def looks() -> Figure:
    """Figure 2: an anchor, five images, and their cosines by an untrained and a trained encoder."""
    entries = {name: measurements()["samplers"][name][0] for name in ("untrained", "full length")}
    seed = entries["untrained"]["seed"]
    plot, axes = new_plot(1, 7, size=(11, 2.4), gridspec_kw={"width_ratios": [1, 1, 1, 1, 1, 1, 2.4]})
    first = entries["untrained"]["looks"]["augmented"]["first"]["index"]
    names = [show(axis, seed, image) for axis, image in zip(axes, first, strict=False)]
    for axis, name, kind in zip(
        axes, names, ("anchor", "same 1", "same 2", "other 1", "other 2", "other 3"), strict=False
    ):
        axis.set_title(kind, fontsize=9), axis.set_xlabel(name, fontsize=8)
    words = []
    for place, (name, entry) in enumerate(entries.items()):
        cosine = entry["looks"]["augmented"]["first"]["cosine"]
        spread = (np.array(cosine) - min(cosine)) / (max(cosine) - min(cosine))
        axes[6].plot(range(5), spread, "os"[place], color=PALETTE[place], label=name)
        words.append(f"{name} " + ", ".join(f"{value:.3f}" for value in cosine))
    axes[6].set_xticks(range(5), ["same 1", "same 2", "other 1", "other 2", "other 3"], fontsize=7, rotation=30)
    axes[6].set_ylabel("cosine, from the\nleast to the most", fontsize=8)
    axes[6].legend(fontsize=7, frameon=False)
    style(plot, [axes[6]])
    alt = f"An anchor ({names[0]}) and five images ({', '.join(names[1:])}), with their cosines to the anchor, all of "
    return Figure(plot, f"{alt}augmented views: {'; '.join(words)}.", "seppid_fig2")


@own_style()
def pairs() -> Figure:
    """Figure 5: anchors above, the images they were paired with below, in order of the cosine."""
    entry = measurements()["samplers"]["full length"][0]
    every = entry["by_cosine"]
    chosen = [every[round(n * (len(every) - 1) / (SHOWN - 1))] for n in range(SHOWN)]
    plot, axes = new_plot(2, SHOWN, size=(11, 2.9))
    parts = []
    for (first, second, cosine), (above, below) in zip(chosen, axes.T, strict=True):
        names = show(above, entry["seed"], first), show(below, entry["seed"], second)
        right = names[0] == names[1]
        above.set_title(f"{cosine:.3f}", fontsize=9)
        above.set_xlabel(names[0], fontsize=8), below.set_xlabel(names[1], fontsize=8)
        for side in below.spines.values():
            side.set_color(PALETTE[2] if right else PALETTE[1]), side.set_linewidth(2.4)
        parts.append(f"{names[0]} with {names[1]} at {cosine:.3f}")
    return Figure(plot, f"Anchors above, found images below: {'; '.join(parts)}.", "seppid_fig5")


@own_style()
def cosines() -> Figure:
    """Cosines of all pairs that were compared, of one class and of two, by samplers of three lengths; log scale."""
    samplers = measurements()["samplers"]
    edges = np.linspace(-1, 1, 41)
    plot, axes = new_plot(1, len(samplers), size=(11, 3.0), sharey=True)
    words = []
    for axis, (name, entries) in zip(axes, samplers.items(), strict=True):
        for place, (key, label) in enumerate(
            (("cosines_other", "of two classes"), ("cosines_same", "of one class"), ("cosines_pairs", "taken as pairs"))
        ):
            total = np.sum([entry[key] for entry in entries], axis=0)
            axis.stairs(total, edges, color=PALETTE[(7, 0, 1)[place]], linewidth=1.6, label=label)
        axis.set_yscale("log"), axis.set_title(name, fontsize=10), axis.set_xlabel("cosine", fontsize=9)
        right = fmean(entry["right"] for entry in entries)
        words.append(f"{name}: pairs from {min(entry['lowest'] for entry in entries):.3f}, {100 * right:.0f}% right")
    axes[0].legend(fontsize=8, frameon=False), axes[0].set_ylabel("pairs of images", fontsize=9)
    style(plot, list(axes))
    return Figure(plot, f"Histograms of cosines between images, by sampler. {'. '.join(words)}.", "seppid_cosines")


def looks_table() -> str:
    """How often another class is nearest, by encoder and by what it looks at."""
    body = []
    for name, entries in measurements()["samplers"].items():
        for how in ("augmented", "as they are"):
            each = [entry["looks"][how] for entry in entries]
            body.append(
                [
                    name,
                    how,
                    spread_of([look["other_nearest"] for look in each]),
                    spread_of([look["as_in_the_sentence"] for look in each]),
                ]
            )
    body.append(["chance", "", "60%", "5%"])
    return plain_table(["encoder", "images", "another class is nearest", "exactly as in the paper's sentence"], body)


def pairs_table() -> str:
    """Counts, degrees, window and share right, by sampler."""
    body = []
    for name, entries in measurements()["samplers"].items():
        degree = np.sum([np.pad(entry["degree"], (0, 8))[:8] for entry in entries], axis=0)
        body.append(
            [
                name,
                f"{fmean(entry['pairs'] for entry in entries):.0f}",
                spread_of([entry["right"] for entry in entries]),
                f"{min(e['lowest'] for e in entries):.3f} to {max(e['lowest'] for e in entries):.3f}",
                ", ".join(str(entry["in_printed_window"]) for entry in entries),
                " / ".join(str(int(n)) for n in degree if n),
            ]
        )
    head = [
        "sampler",
        "pairs",
        "of one class",
        "lowest cosine of a pair",
        "pairs in the printed window, by seed",
        "images in 1 / 2 / 3 / … pairs, all seeds",
    ]
    return plain_table(head, body)


def spread_of(shares: list[float]) -> str:
    """A mean of shares in percent, and its range over seeds."""
    low, high = (f"{100 * value:.0f}" for value in (min(shares), max(shares)))
    return f"{100 * fmean(shares):.0f}% ({low} to {high})"


PARTS = {"looks": looks, "pairs": pairs, "cosines": cosines, "looks-table": looks_table, "pairs-table": pairs_table}
PHOTOS = ("looks", "pairs")


class SeppidFigure(Directive):
    """A picture or table of the measurement. Argument: which."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if not measurements():
            return [nodes.paragraph("", "Not measured yet.")]
        part = PARTS[self.arguments[0]]()
        if isinstance(part, str):
            return [raw(part)]
        shown = part._repr_mimebundle_()["text/html"]
        return [
            raw(shown.replace('class="plot wide"', 'class="plot wide photo"') if self.arguments[0] in PHOTOS else shown)
        ]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("seppid-figure", SeppidFigure)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
