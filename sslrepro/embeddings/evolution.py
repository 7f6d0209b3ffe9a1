"""The papers' figures of embeddings over training: which runs each shows, and what its page is made of."""

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sslrepro import evaluate, papers
from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import RUNS, data_root
from sslrepro.data.datasets import load
from sslrepro.embeddings import maps
from sslrepro.embeddings.maps import ARMS, MAPS, TRUSTED, Atlas
from sslrepro.embeddings.player import HUES, Panel, player
from sslrepro.embeddings.snapshots import CLUSTERINGS
from sslrepro.report.formats import Display, html_table, number, plural, text_table
from sslrepro.report.headings import score_name
from sslrepro.report.plots import Figure, new_plot, own_style, style
from sslrepro.study.profiles import Profile, on_dataset, profile

SCORES = ("knn_top1", "linear_top1", "nmi", "purity", "concentration")
OWN_NAMES = {"purity": "purity of k-means", "concentration": "variance between clusters"}
LOGGED = {
    "loss": "training loss",
    "neighbour_match": "the neighbour is of the same class",
    "neighbour_match_without_self": "the same, the image's own past left out",
    "self_hit": "the neighbour is the image's own past",
}
STAGES = 4  # columns of a picture of neighbours


@dataclass(frozen=True)
class Definition:
    """A figure of a paper, as this book shows it.

    id         of the transcribed figure
    title      of its page
    question   what the figure answers
    arms       runs it shows, by name in `atlas.ARMS`
    panels     of a player: (arm, colour it always has or "", title where it is not the arm's)
    first      what a player's free panels are coloured by at first
    curves     of a picture of curves: (title of the panel, names of scores at snapshots or of what training logs)
    among      of a picture of neighbours: "neighbours" (all training images) or "queued" (the method's queue)
    last       a picture of neighbours shows the last stage only
    labels     of arms that have another name in this figure than in `atlas.ARMS`
    reading    Markdown: how to read it, what it cannot tell
    """

    id: str
    title: str
    question: str
    arms: tuple[str, ...]
    reading: str
    panels: tuple[tuple[str, str, str], ...] = ()
    first: str = "class"
    curves: tuple[tuple[str, tuple[str, ...]], ...] = ()
    among: str = ""
    last: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    def label(self, arm: str) -> str:
        """Name of an arm in this figure."""
        return self.labels.get(arm, ARMS[arm].label)

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.id.partition("_")[0]


READ_MAPS = """\
Distances between groups, their sizes and their orientation carry no meaning in such a map: read which points are
neighbours, and trust that only as far as the trustworthiness goes. kNN and NMI are measured in feature space, not in
the map."""

DEFINITIONS = {
    definition.id: definition
    for definition in (
        Definition(
            "ifnd_fig3",
            "IFND: pseudo-labels and classes as training goes on",
            "Do accepted pseudo-labels agree with the classes, and do more of them agree as training goes on?",
            ("ifnd",),
            f"""\
Both panels show the same points. On the left they are coloured by class, which the method never sees; on the right by
the pseudo-label that the next epoch trains with. Small grey points have no label yet; crosses are centroids. Each
cluster takes the colour of the class it is matched to, one to one. The paper claims that early labels are few and
unreliable, late ones many and good. Choose *acceptance* to see which accepted labels are wrong. {READ_MAPS}""",
            panels=(("ifnd", "class", "ground truth"), ("ifnd", "", "IFND")),
            first="pseudo",
        ),
        Definition(
            "ifnd_fig4",
            "SimCLR, IFND and SupCon side by side",
            "Are IFND's clusters more compact than SimCLR's, and closer to those of supervised training?",
            ("simclr", "ifnd", "supcon"),
            f"""\
The three runs share images, batches and initial weights; SupCon reads the labels and is the upper bound. The paper's
claim is about the last epoch; drag the slider to see how the runs diverged. Compactness is measured below as the share
of variance that lies between k-means clusters, in feature space, where no map can distort it. {READ_MAPS}""",
            panels=(("simclr", "", ""), ("ifnd", "", ""), ("supcon", "", "")),
        ),
        Definition(
            "ifnd_fig7",
            "Attract or eliminate: four embeddings over training",
            "Does attraction make tighter clusters that mix classes, and elimination purer ones?",
            ("simclr", "ifnd_attract", "ifnd", "supcon"),
            f"""\
All four start from the same weights, so their first pictures are identical. The paper claims that attraction gives
denser clusters of mixed classes, and that elimination looks like SimCLR early and better late. Density and purity are
measured below, in feature space. {READ_MAPS}""",
            panels=(("simclr", "", ""), ("ifnd_attract", "", ""), ("ifnd", "", ""), ("supcon", "", "")),
        ),
        Definition(
            "ifnd_fig6",
            "IFND: clustering quality over training by acceptance",
            "Do clusters come to agree with the classes, and does accepting every label early end up worse?",
            ("simclr", "ifnd_constant", "ifnd_step", "ifnd"),
            """\
NMI of k-means with as many clusters as classes, on the features of all training images. The paper claims a crossing:
accepting everything leads early, gradual acceptance leads at the end. One seed shows a shape, not a ranking.""",
            curves=(("NMI of clusters and classes (%)", ("nmi",)),),
            labels={"ifnd": "IFND, gradual acceptance"},
        ),
        Definition(
            "nnclr_fig3",
            "NNCLR: is the neighbour of the same class?",
            "How often does the nearest neighbour in the queue share the image's class, and does accuracy follow?",
            ("nnclr",),
            """\
The share is measured on augmented views during training. The paper's curve counts a neighbour that is the image's own
past as a hit, so it is shown separately; where the own past is skipped (below `paper` scale) the two lines coincide.
Accuracies are those of the frozen encoder on test images.""",
            curves=(
                ("neighbours in training (%)", ("neighbour_match", "neighbour_match_without_self", "self_hit")),
                ("frozen encoder (%)", ("linear_top1", "knn_top1")),
            ),
        ),
        Definition(
            "nnclr_fig4",
            "NNCLR and SimCLR: loss and probe over training",
            "Does NNCLR start behind SimCLR and end ahead of it?",
            ("simclr", "nnclr"),
            """\
The two losses have different positives and denominators, so their levels cannot be compared, but their shapes can. In
the paper NNCLR's probe starts below SimCLR's and overtakes it early.""",
            curves=(("training loss", ("loss",)), ("linear probe, top-1 (%)", ("linear_top1",))),
        ),
        Definition(
            "nnclr_fig5",
            "NNCLR: the neighbours in its queue",
            "Which neighbours replace the view at the end of training?",
            ("nnclr",),
            """\
On the left the query, then the queue rows nearest to it, best first, each shown as the image it came from. The queries
are whole images here, augmented views in the paper. A thick blue frame marks the query's class, a thin orange one
another class.""",
            among="queued",
            last=True,
        ),
        Definition(
            "nnclr_fig7",
            "NNCLR: the neighbours of the same queries at stages of training",
            "Do neighbours agree in colour and texture first, and in class later?",
            ("nnclr",),
            """\
The nearest of all training images, so that only the encoder changes from stage to stage. A thick blue frame marks the
query's class, a thin orange one another class. In the built-in images colour and texture are drawn at random and say
nothing about the class.""",
            among="neighbours",
        ),
    )
}


def names() -> list[str]:
    """Ids of all figures, sorted."""
    return sorted(DEFINITIONS)


@dataclass(frozen=True)
class FigureResults:
    """A figure with its runs.

    atlases   by arm;  committed   whether all come from the committed files
    """

    definition: Definition
    profile: Profile
    seed: int
    atlases: dict[str, Atlas]
    committed: bool
    root: str | Path | None = None


def figure(
    name: str,
    profile_name: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> FigureResults:
    """A figure's runs: committed where they are, else trained (or resumed). What the notebook calls."""
    root = data_root(root)
    definition = DEFINITIONS[one_of(name, DEFINITIONS, "evolution.figure", "name")]
    base = on_dataset(profile(profile_name), dataset)
    atlases = {arm: maps.committed_atlas(arm, base, seed, root) for arm in definition.arms}
    absent = [arm for arm in atlases if atlases[arm] is None]
    require(not absent or base.runnable, "evolution.figure", "profile", "smoke, cpu or gpu", profile_name)
    for arm in absent:
        with tqdm(desc=ARMS[arm].label, unit="step") as bar:

            def report(step: int, steps: int, bar: tqdm = bar) -> None:
                bar.total = steps
                bar.update(step - bar.n)

            atlases[arm] = maps.make_atlas(arm, base, seed, root, Path(runs), device, report)
    return FigureResults(definition, base, seed, atlases, not absent, root)


def keep(results: FigureResults) -> list[Path]:
    """Write the atlases of a figure where they are committed, the new ones only; returns their paths."""
    paths = []
    for arm, atlas in results.atlases.items():
        paths.append(maps.path_of(arm, results.profile, results.seed))
        if maps.committed_atlas(arm, results.profile, results.seed, results.root) is None:
            maps.write(paths[-1], atlas)
    return paths


# --- what a page shows ------------------------------------------------------------------------------------------


def picture(results: FigureResults) -> Display | Figure:
    """The figure: a player, curves, or neighbours as images."""
    definition = results.definition
    if definition.panels:
        panels = [
            Panel(title or definition.label(arm), results.atlases[arm], colour)
            for arm, colour, title in definition.panels
        ]
        return player(panels, definition.first, definition.id)
    return curves(results) if definition.curves else neighbours(results)


def caption(results: FigureResults) -> Display:
    """What is shown, from the configurations: images, encoder, epochs, seed, how maps are made."""
    atlas = next(iter(results.atlases.values()))
    config = atlas.config
    text = (
        f"{papers_number(results)} at {results.profile.name} scale: {config.data.name}, "
        f"{config.data.n_train or results.profile.n_train:,} training images of {config.data.side or 'native'} px, "
        f"encoder {config.encoder}, {plural(config.plan.epochs, 'epoch')}, seed {results.seed} alone. "
    )
    if results.definition.panels:
        text += (
            f"The maps show {len(atlas.shown)} of the training images, the same at every epoch, by the features of the "
            "frozen encoder brought to unit length. t-SNE (openTSNE): each epoch starts from the positions of the one "
            "before."
        )
        text += " UMAP: AlignedUMAP, all epochs at once." if "umap" in atlas.maps else ""
        text += f" kNN: {title_of(results, 'knn_top1')}, on test images."
        text += f" Trust: trustworthiness of the map with {TRUSTED} neighbours."
    return Display(f'<p class="caption">{html.escape(text)}</p>', text)


def transcription(definition: Definition) -> dict[str, Any]:
    """The paper's figure as transcribed."""
    (transcribed,) = [line for line in papers.paper(definition.paper)["figures"] if line["id"] == definition.id]
    return transcribed


def papers_number(results: FigureResults) -> str:
    """The paper's own name of the figure: IFND, Figure 3."""
    paper = papers.paper(results.definition.paper)["paper"]["short"]
    return f"{paper}, {transcription(results.definition)['number']}"


def numbers_in_paper(definition: Definition) -> str:
    """What the paper says in numbers about its figure, or nothing."""
    parts = []
    for stated in transcription(definition)["numbers"]:
        value = (
            f"epoch {stated['value']}"
            if stated["unit"] == "epoch"
            else f"{stated['value']} {stated['unit']}".replace(" %", "%")
        )
        parts.append(f"{stated['what']}: {'about ' if stated['approx'] else ''}{value}")
    return f"The paper, on {transcription(definition)['dataset']}: {'; '.join(parts)}." if parts else ""


def measures(results: FigureResults) -> Display:
    """Scores of every run at its last epoch, one seed, and a link to those of all epochs."""
    maps = [kind for kind in MAPS if all(kind in atlas.maps for atlas in results.atlases.values())]
    scores = [name for name in SCORES if any(name in atlas.about["scores"] for atlas in results.atlases.values())]
    head = ["run", *(title_of(results, name) for name in scores), *(f"trust of {MAPS[kind]}" for kind in maps)]
    head += ["pseudo-labels accepted", "pairs of one pseudo-label that share the class"]
    body = []
    for arm, atlas in results.atlases.items():
        values = [atlas.score(name)[-1] for name in scores] + [atlas.about["trust"][kind][-1] for kind in maps]
        values += [atlas.score("accepted")[-1], atlas.score("precision")[-1]]
        body.append(
            [results.definition.label(arm), *("–" if value is None else number(100 * value) for value in values)]
        )
    keep = [place for place in range(len(head)) if any(line[place] != "–" for line in body)]
    head, body = [head[place] for place in keep], [[line[place] for place in keep] for line in body]
    data = base64.b64encode(csv(results).encode()).decode()
    name = f"{results.definition.id}-{results.profile.name}.csv"
    link = f'<a download="{name}" href="data:text/plain;base64,{data}">all epochs as CSV</a>'
    note = f"In %, at the last epoch, one seed. k-means: as many clusters as classes, means of {CLUSTERINGS} of them."
    return Display(
        html_table([html.escape(cell) for cell in head], [[html.escape(cell) for cell in line] for line in body])
        + f'\n<p class="caption">{note} Download: {link}.</p>',
        text_table([head, *body]) + "\n" + note,
    )


def title_of(results: FigureResults, score: str) -> str:
    """What a score at a snapshot is called, by the protocol of its evaluation at the figure's scale."""
    if score in OWN_NAMES:
        return OWN_NAMES[score]
    evaluation = score.partition("_")[0]
    own = results.profile.evaluations.get(evaluation)
    return score_name(score, None if own is None else evaluate.protocol(evaluation, own))


def csv(results: FigureResults) -> str:
    """run,epoch,score,value of every snapshot."""
    lines = ["run,epoch,score,value"]
    for arm, atlas in results.atlases.items():
        series = atlas.about["scores"] | {f"trust_{kind}": values for kind, values in atlas.about["trust"].items()}
        for name, values in sorted(series.items()):
            lines += [
                f"{arm},{epoch:g},{name},{value!r}"
                for epoch, value in zip(atlas.epochs, values, strict=True)
                if value is not None
            ]
    return "\n".join(lines) + "\n"


@own_style()
def curves(results: FigureResults) -> Figure:
    """Scores at snapshots, and what training logs, over epochs; a line for every run, or for every name of one run."""
    panels = results.definition.curves
    plot, axes = new_plot(1, len(panels), size=(5.4 * len(panels), 3.4), squeeze=False)
    parts = []
    for axis, (title, what) in zip(axes[0], panels, strict=True):
        lines = [(arm, name) for arm in results.atlases for name in what]
        for place, (arm, name) in enumerate(lines):
            epochs, values = series(results.atlases[arm], name)
            label = results.definition.label(arm) if len(what) == 1 else LOGGED.get(name) or title_of(results, name)
            mark = {"marker": "osD^"[place % 4], "markersize": 4} if name not in LOGGED else {}
            axis.plot(
                epochs, values, color=HUES[place], linestyle=("-", "--", "-.", ":")[place % 4], label=label, **mark
            )
            if values:
                parts.append(f"{title}, {label}: {number(values[0])} to {number(values[-1])}")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        axis.legend(fontsize=8, frameon=False)
    style(plot, list(axes[0]))
    return Figure(plot, f"{papers_number(results)}, curves over epochs. {'; '.join(parts)}.")


def series(atlas: Atlas, name: str) -> tuple[list[float], list[float]]:
    """(epochs, values) of a score at snapshots, or of what training logs; shares in percent."""
    if name in LOGGED:
        epochs, values = atlas.about["log"]["epoch"], atlas.about["log"].get(name, [])
        epochs = epochs if values else []
    else:
        epochs, values = atlas.epochs, atlas.score(name)
    factor = 1.0 if name == "loss" else 100.0
    pairs = [(epoch, factor * value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


@own_style()
def neighbours(results: FigureResults) -> Figure:
    """Queries and their neighbours as images, a block for every stage of training."""
    (atlas,) = results.atlases.values()
    definition, data = results.definition, load(atlas.config.data, results.root)[0]
    frames = [len(atlas.epochs) - 1] if definition.last else stages(atlas)
    index = getattr(atlas, definition.among)[frames]
    n_query, k = index.shape[1:]
    height = 0.56 * n_query + 0.3
    spacing = {
        "width_ratios": [1, *([0.5, *[1] * k] * len(frames))],
        "wspace": 0.14,
        "hspace": 0.14,
        "left": 0.01,
        "right": 0.99,
        "bottom": 0.06 / height,
        "top": 1 - 0.3 / height,
    }
    width = 0.54 * (1 + len(frames) * (k + 0.5))
    plot, axes = new_plot(
        n_query, 1 + len(frames) * (k + 1), size=(width, height), layout=None, squeeze=False, gridspec_kw=spacing
    )
    parts = []
    for row, query in zip(axes, atlas.queries, strict=True):
        for axis in row:
            axis.axis("off")
        row[0].imshow(data.images[int(query)].permute(1, 2, 0).numpy(), interpolation="nearest")
    axes[0][0].set_title("query", fontsize=8)
    label = data.labels.numpy()
    for block, frame in enumerate(frames):
        first = 2 + block * (k + 1)
        present = index[block] >= 0
        same = present & (label[index[block]] == label[atlas.queries][:, None])
        share = f"{number(100 * same.sum() / max(present.sum(), 1), 0)}% of the class"
        axes[0][first].set_title(f"epoch {atlas.epochs[frame]:g}: {share}", fontsize=8, loc="left")
        parts.append(f"epoch {atlas.epochs[frame]:g} {share}")
        for query, place in np.argwhere(present):
            axis = axes[query][first + place]
            axis.imshow(data.images[int(index[block][query, place])].permute(1, 2, 0).numpy(), interpolation="nearest")
            axis.axis("on"), axis.set_xticks([]), axis.set_yticks([])
            hit = same[query, place]
            for side in axis.spines.values():
                side.set(color=HUES[0] if hit else HUES[1], linewidth=2.4 if hit else 1.0)
    plot.patch.set_facecolor("#ffffff")
    return Figure(plot, f"{papers_number(results)}: {n_query} queries and their {k} nearest; {', '.join(parts)}.")


def stages(atlas: Atlas) -> list[int]:
    """Frames of a picture of neighbours: evenly spaced, first and last included."""
    last = len(atlas.epochs) - 1
    return sorted({round(place * last / (STAGES - 1)) for place in range(STAGES)})


def rerun(results: FigureResults) -> Display:
    """The command that reproduces the runs of this figure."""
    profile = results.profile
    command = f"python -m sslrepro evolution {results.definition.id} --profile {profile.base} --seed {results.seed}"
    command += f" --dataset {profile.dataset}" if profile.dataset else ""
    places = [atlas.about["environment"] for atlas in results.atlases.values()]
    commits = ", ".join(sorted({str(where["commit"])[:10] for where in places}))
    note = f"Run on {places[0]['device']} with torch {places[0]['torch']}, commit {commits}."
    return Display(
        f'<div class="rerun"><pre>{html.escape(command)}</pre><p>{html.escape(note)}</p></div>', f"{command}\n{note}"
    )


class Text:
    """Markdown for a notebook."""

    def __init__(self, text: str):
        self.text = text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": self.text, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


def question(definition: Definition, cite: bool = False) -> Text:
    """Which figure of which paper, and what it asks; with a citation of the book's bibliography."""
    paper = f"{{cite:t}}`{definition.paper}`" if cite else papers.paper(definition.paper)["paper"]["short"]
    return Text(f"*{transcription(definition)['number']} of* {paper}. {definition.question}")


def reading(definition: Definition) -> Text:
    """How to read the figure, and what the paper says of it in numbers."""
    return Text(f"{definition.reading} {numbers_in_paper(definition)}".strip())
