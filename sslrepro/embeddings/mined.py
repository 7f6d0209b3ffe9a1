"""The papers' figures of mined positives: which runs each shows, and what its page is made of."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sslrepro import papers
from sslrepro.base.errors import one_of
from sslrepro.data.dataset import Dataset
from sslrepro.data.datasets import load
from sslrepro.embeddings import positives
from sslrepro.embeddings.positives import ARMS, BINS
from sslrepro.embeddings.sheets import Row, sheet
from sslrepro.report.formats import Display, number, plural
from sslrepro.report.plots import PALETTE, Figure, new_plot, own_style, style
from sslrepro.study.profiles import Profile, profile
from sslrepro.training.config import from_record
from sslrepro.training.loop import Report

ANCHORS, EACH = 6, 5  # rows of images, and positives of one anchor in one block
FEW = 0.05  # positives of an image on average, below which their share right says nothing
KINDS = {  # of similarities, as they are drawn
    "right": ("discovered, of the anchor's class", PALETTE[0], "-"),
    "wrong": ("discovered, of another class", PALETTE[1], "-"),
    "hard": ("the hardest discovered, which attract", PALETTE[2], "--"),
    "negative": ("negatives: near, not discovered", PALETTE[6], "-."),
    "rest": ("all other images", PALETTE[7], ":"),
}


@dataclass(frozen=True)
class Definition:
    """A figure of a paper, as this book shows it.

    id         of the transcribed figure
    title      of its page
    question   what the figure answers
    arms       runs it shows, by name in `positives.ARMS`
    kind       "histogram" of similarities, "hops": positives by distance, "rounds": positives over training
    reading    Markdown: how to read it, what it cannot tell
    """

    id: str
    title: str
    question: str
    arms: tuple[str, ...]
    kind: str
    reading: str


DEFINITIONS = {
    definition.id: definition
    for definition in (
        Definition(
            "invp_fig2a",
            "InvP: are discovered images more alike than the others?",
            "How similar to an image are those that the walk discovers, and those that repel?",
            ("invp",),
            "histogram",
            """\
Each curve is a density of its own, so a kind with few pairs is as high as one with many. That discovered images lie to
the right of the others is nearly true by construction: they were found by similarity, and the graph is at most an epoch
old. Two other things are not. If discovered images of the anchor's class and of other classes have one curve, the
similarity that mining goes by says nothing about the class. And the hardest discovered images, the least similar ones,
overlap with the negatives: there the method draws near what it pushes away for another anchor.""",
        ),
        Definition(
            "invp_fig2b",
            "InvP: which images does the walk discover?",
            "Do images at two and three hops still show what the anchor shows?",
            ("invp",),
            "hops",
            """\
On the left the anchor, then images at one, two and three hops, of each the least similar first: those are the ones that
attract. A thick blue frame marks the anchor's class, a thin orange one another class. The shares above the blocks are
of all images and all that was discovered, not of the few shown. InvP's argument needs the share to fall little from hop
to hop. Anchors are the first image of some classes, spread evenly; nobody chose them.""",
        ),
        Definition(
            "isl_fig1",
            "LA and ISL: mined positives in several rounds",
            "Which images do LA and ISL take to be alike in each round, and how many of them are of the class?",
            ("la", "isl"),
            "rounds",
            """\
For each anchor the positives of LA above and of ISL below, from round to round, the least similar first. A thick blue
frame marks the anchor's class, a thin orange one another class; a block is empty where nothing is mined for the anchor.
ISL's sets start empty, and with the settings of this figure they stay nearly so at small scale. The paper shows chosen
anchors; these are the first image of some classes, spread evenly. The shares are of all positives of all images. One
seed: the table `isl_fig1` has the shares of three.""",
        ),
    )
}


@dataclass(frozen=True)
class MinedFigure:
    """A figure with what its runs mined.

    records   by arm;  committed   whether all come from the committed files
    """

    definition: Definition
    profile: Profile
    seed: int
    records: dict[str, dict[str, Any]]
    committed: bool
    root: str | Path | None = None

    @property
    def data(self) -> Dataset:
        """The training images."""
        return load(from_record(next(iter(self.records.values()))["config"]).data, self.root)[0]


def names() -> list[str]:
    """Ids of all figures, sorted."""
    return sorted(DEFINITIONS)


def figure(
    name: str,
    profile_name: str = "cpu",
    seed: int = 0,
    root: str | Path | None = None,
    device: str = "cpu",
    report: Report | None = None,
) -> MinedFigure:
    """A figure's runs: what they mined where it is committed, else they are trained."""
    definition = DEFINITIONS[one_of(name, DEFINITIONS, "mined.figure", "name")]
    base = profile(profile_name)
    records = {arm: positives.load_committed(arm, base, seed, root) for arm in definition.arms}
    absent = [arm for arm in records if records[arm] is None]
    for arm in absent:
        records[arm] = positives.follow(positives.config_of(arm, base, seed, root), root, device, report)
    return MinedFigure(definition, base, seed, records, not absent, root)


def keep(results: MinedFigure) -> list[Path]:
    """Write what a figure's runs mined where it is committed; returns the paths."""
    return [positives.keep(arm, results.profile, record, results.seed) for arm, record in results.records.items()]


# --- what a page shows ------------------------------------------------------------------------------------------------


def picture(results: MinedFigure) -> Figure:
    """The figure: similarities, or images."""
    return {"histogram": histogram, "hops": hops, "rounds": rounds}[results.definition.kind](results)


def transcription(definition: Definition) -> dict[str, Any]:
    """The paper's figure as transcribed."""
    paper = papers.paper(definition.id.partition("_")[0])
    return next(line for line in paper["figures"] if line["id"] == definition.id)


def papers_number(definition: Definition) -> str:
    """The paper's own name of the figure: ISL, Figure 1."""
    short = papers.paper(definition.id.partition("_")[0])["paper"]["short"]
    return f"{short}, {transcription(definition)['number']}"


def question(definition: Definition, cite: bool = False) -> str:
    """Which figure of which paper, and what it asks; with a citation of the book's bibliography."""
    key = definition.id.partition("_")[0]
    paper = f"{{cite:t}}`{key}`" if cite else papers.paper(key)["paper"]["short"]
    return f"*{transcription(definition)['number']} of* {paper}. {definition.question}"


def reading(definition: Definition) -> str:
    """How to read the figure."""
    return definition.reading


def caption(results: MinedFigure) -> Display:
    """What is shown, from the configurations: images, encoder, epochs, settings, seed."""
    configs = {arm: from_record(record["config"]) for arm, record in results.records.items()}
    first = next(iter(configs.values()))
    set_here = "; ".join(
        f"{ARMS[arm].label}: {', '.join(f'{name} {value}' for name, value in ARMS[arm].settings.items()) or 'defaults'}"
        for arm in configs
    )
    text = (
        f"{papers_number(results.definition)} at {results.profile.name} scale: {first.data.name}, "
        f"{first.data.n_train:,} training images of {first.data.side} px, encoder {first.encoder}, "
        f"{plural(first.plan.epochs, 'epoch')}, seed {results.seed} alone. Settings beside the scale's: {set_here}."
    )
    return Display(f'<p class="caption">{html.escape(text)}</p>', text)


def rerun(results: MinedFigure) -> Display:
    """The command that follows the runs of this figure again."""
    command = f"python -m sslrepro evolution {results.definition.id} --profile {results.profile.base}"
    command += f" --seed {results.seed}"
    commits = ", ".join(sorted({str(record["environment"]["commit"])[:10] for record in results.records.values()}))
    return Display(
        f"<pre>{html.escape(command)}</pre>\n<p>Made at commit {html.escape(commits)}.</p>",
        f"{command}\nMade at commit {commits}.",
    )


def measures(results: MinedFigure) -> Display:
    """The shares of all images, by stage: epoch, positives per image, share right."""
    lines = []
    for arm, record in results.records.items():
        for stage in record["stages"]:
            shares = ", ".join("none" if share is None else f"{number(100 * share)}%" for share in stage["match"])
            sizes = ", ".join(number(size, 1 if size >= FEW else 3) for size in stage["degree"])
            lines.append(f"{ARMS[arm].label}, epoch {stage['epoch']:g}: {sizes} positives, {shares} of the class")
    return Display("<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>", "\n".join(lines))


@own_style()
def histogram(results: MinedFigure) -> Figure:
    """Densities of similarities to an anchor, by kind of image."""
    (record,) = results.records.values()
    edges = np.linspace(-1, 1, BINS + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    plot, axis = new_plot(1, 1, size=(8, 3.6))
    parts = []
    for name, (label, colour, line) in KINDS.items():
        counts = np.array(record["similarity"][name], dtype=float)
        if counts.sum():
            axis.plot(middles, counts / counts.sum() / (edges[1] - edges[0]), line, color=colour, label=label)
            parts.append(f"{label}: mean {number(float((counts * middles).sum() / counts.sum()), 2)}")
    axis.set_xlabel("cosine to the anchor", fontsize=9)
    axis.set_ylabel("density", fontsize=9)
    axis.legend(fontsize=8, frameon=False)
    style(plot, [axis])
    return Figure(plot, f"{papers_number(results.definition)}: similarities at the end. {'; '.join(parts)}.")


def hops(results: MinedFigure) -> Figure:
    """Anchors, and what was discovered at each distance at the end."""
    (record,) = results.records.values()
    stage = record["stages"][-1]
    blocks = [f"{plural(layer, 'hop')}: {words}" for layer, words in enumerate(shares_of(stage), 1)]
    rows = []
    for anchor in stage["anchors"][:ANCHORS]:
        listed = [[place for place, layer, _ in anchor["positives"] if layer == at] for at in range(1, len(blocks) + 1)]
        rows.append(Row(anchor["index"], "", listed))
    return images(results, blocks, rows)


def rounds(results: MinedFigure) -> Figure:
    """Anchors, and their positives from round to round, a row for each method."""
    some = next(iter(results.records.values()))
    stages = range(len(some["stages"]))
    blocks = [
        f"epoch {some['stages'][stage]['epoch']:g}: "
        + ", ".join(
            f"{ARMS[arm].label} {shares_of(record['stages'][stage])[0]}" for arm, record in results.records.items()
        )
        for stage in stages
    ]
    rows = [
        Row(
            record["stages"][0]["anchors"][place]["index"],
            ARMS[arm].label,
            [[image for image, _, _ in record["stages"][stage]["anchors"][place]["positives"]] for stage in stages],
        )
        for place in range(min(ANCHORS, len(some["stages"][0]["anchors"])))
        for arm, record in results.records.items()
    ]
    return images(results, blocks, rows)


def shares_of(stage: dict[str, Any]) -> list[str]:
    """The share of a stage's positives that are right, in words, by layer."""
    return [
        "none" if share is None else f"{number(100 * share, 0)}% right" if size >= FEW else "hardly any"
        for share, size in zip(stage["match"], stage["degree"], strict=True)
    ]


def images(results: MinedFigure, blocks: list[str], rows: list[Row]) -> Figure:
    """A sheet of anchors and the positives of each block, with what it says in words."""
    n_anchors = len({row.anchor for row in rows})
    alt = (
        f"{papers_number(results.definition)}: {n_anchors} anchors and their positives as images; {'; '.join(blocks)}."
    )
    return Figure(sheet(results.data, "anchor", blocks, rows, EACH), alt)
