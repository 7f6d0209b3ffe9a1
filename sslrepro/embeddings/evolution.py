"""The papers' figures of embeddings over training: which runs each shows, and what its page is made of."""

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sslrepro import papers
from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import RUNS, data_root
from sslrepro.data.datasets import load
from sslrepro.embeddings import maps
from sslrepro.embeddings.maps import ARMS, MAPS, TRUSTED, Atlas
from sslrepro.embeddings.player import HUES, Panel, player
from sslrepro.embeddings.snapshots import CLUSTERINGS
from sslrepro.report.figures import Figure, style
from sslrepro.report.formats import Shown, html_table, number, plural, text_table
from sslrepro.study.profiles import Profile, on_dataset, profile

NAMES = {
    "knn_top1": "20-NN, top-1",
    "linear_top1": "linear probe, top-1",
    "nmi": "NMI of k-means",
    "purity": "purity of k-means",
    "concentration": "variance between clusters",
}
LOGGED = {
    "loss": "training loss",
    "neighbour_match": "the neighbour has the class",
    "neighbour_match_without_self": "the same, own past left out",
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
Distances between far groups, their sizes and their turn mean nothing in such a map: read who is whose neighbour, and
believe it as far as the trustworthiness goes. kNN and NMI are measured in the space of the features, not in the map."""

DEFINITIONS = {
    made.id: made
    for made in (
        Definition(
            "ifnd_fig3",
            "IFND: pseudo-labels and classes as training goes on",
            "Do accepted pseudo-labels follow the classes, and do more of them as training goes on?",
            ("ifnd",),
            f"""\
Both panels show the same points. On the left their colour is the class, which the method never sees; on the right it
is the pseudo-label that the next epoch trains with. Small grey points have none yet, crosses are centroids. A cluster
takes the colour of the class it is matched to, one to one. The paper's claim is that early labels are few and
unreliable and late ones many and good. Choose *acceptance* to see which accepted labels are off. {READ_MAPS}""",
            panels=(("ifnd", "class", "ground truth"), ("ifnd", "", "IFND")),
            first="pseudo",
        ),
        Definition(
            "ifnd_fig4",
            "SimCLR, IFND and SupCon side by side",
            "Are IFND's clusters more compact than SimCLR's, and closer to those of supervised training?",
            ("simclr", "ifnd", "supcon"),
            f"""\
The three runs share images, batches and first weights; SupCon reads the labels and is the upper bound. The paper's
claim is about the last epoch: drag the slider to see how they came apart. Compactness is measured below as the share of
the variance that lies between k-means clusters, which no map can bend. {READ_MAPS}""",
            panels=(("simclr", "", ""), ("ifnd", "", ""), ("supcon", "", "")),
        ),
        Definition(
            "ifnd_fig7",
            "Attract or eliminate: four embeddings over training",
            "Does attracting pseudo-neighbours make tighter clusters that mix classes, and eliminating purer ones?",
            ("simclr", "ifnd_attract", "ifnd", "supcon"),
            f"""\
All four start from the same weights, so their first pictures are one picture. The paper's claims: attracting gives
denser clusters of mixed classes; eliminating looks like SimCLR early and better late. Density and purity are measured
below, in the space of the features. {READ_MAPS}""",
            panels=(("simclr", "", ""), ("ifnd_attract", "", ""), ("ifnd", "", ""), ("supcon", "", "")),
        ),
        Definition(
            "ifnd_fig6",
            "IFND: clustering quality over training by acceptance",
            "Do clusters agree with classes better and better, and does accepting everything early end worse?",
            ("simclr", "ifnd_constant", "ifnd_step", "ifnd"),
            """\
NMI of k-means with as many clusters as classes, on the features of all training images. The paper's claim is a
crossing: accepting everything is ahead early, accepting more and more is ahead at the end. One seed tells a shape, not
a ranking.""",
            curves=(("NMI of clusters and classes (%)", ("nmi",)),),
            labels={"ifnd": "IFND, more and more"},
        ),
        Definition(
            "nnclr_fig3",
            "NNCLR: is the neighbour of the same class?",
            "How often is the nearest neighbour in the queue of the image's class, and does accuracy rise with it?",
            ("nnclr",),
            """\
The share is that of augmented views in training. A neighbour that is the image's own past counts as a hit in the
paper's curve, so it is shown apart; where the own past is passed over (below `paper` scale) the two lines are one.
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
Losses of the two have different positives and denominators: their levels cannot be compared, their shapes can. In the
paper NNCLR's probe starts below SimCLR's and passes it early.""",
            curves=(("training loss", ("loss",)), ("linear probe, top-1 (%)", ("linear_top1",))),
        ),
        Definition(
            "nnclr_fig5",
            "NNCLR: the neighbours it finds in its queue",
            "What stands in for a view at the end of training?",
            ("nnclr",),
            """\
Left the query, then the rows of the queue nearest to it, best first, by the image they came from. The queries are whole
images here, augmented views in the paper. A thick blue frame: the query's class; a thin orange one: another.""",
            among="queued",
            last=True,
        ),
        Definition(
            "nnclr_fig7",
            "NNCLR: the neighbours of the same queries at stages of training",
            "Are neighbours chosen by colour and texture first and by class later?",
            ("nnclr",),
            """\
The nearest of all training images, so that from stage to stage nothing changes but the encoder. A thick blue frame: the
query's class; a thin orange one: another. In the embedded images colour and texture are drawn at random and tell
nothing of the class.""",
            among="neighbours",
        ),
    )
}


def names() -> list[str]:
    """Ids of all figures, sorted."""
    return sorted(DEFINITIONS)


@dataclass(frozen=True)
class Found:
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
) -> Found:
    """A figure's runs: committed where they are, else trained (or resumed). What the notebook calls."""
    root = data_root(root)
    definition = DEFINITIONS[one_of(name, DEFINITIONS, "evolution.figure", "name")]
    base = on_dataset(profile(profile_name), dataset)
    found = {arm: maps.kept(arm, base, seed, root) for arm in definition.arms}
    absent = [arm for arm in found if found[arm] is None]
    require(not absent or base.runnable, "evolution.figure", "profile", "smoke, cpu or gpu", profile_name)
    for arm in absent:
        with tqdm(desc=ARMS[arm].label, unit="step") as bar:

            def report(step: int, steps: int, bar: tqdm = bar) -> None:
                bar.total = steps
                bar.update(step - bar.n)

            found[arm] = maps.made(arm, base, seed, root, Path(runs), device, report)
    return Found(definition, base, seed, found, not absent, root)


def keep(found: Found) -> list[Path]:
    """Write the atlases of a figure where they are committed, the new ones only; returns their paths."""
    paths = []
    for arm, one in found.atlases.items():
        paths.append(maps.path_of(arm, found.profile, found.seed))
        if maps.kept(arm, found.profile, found.seed, found.root) is None:
            maps.write(paths[-1], one)
    return paths


# --- what a page shows ------------------------------------------------------------------------------------------


def picture(found: Found) -> Shown | Figure:
    """The figure: a player, curves, or neighbours as images."""
    definition = found.definition
    if definition.panels:
        panels = [
            Panel(title or definition.label(arm), found.atlases[arm], colour)
            for arm, colour, title in definition.panels
        ]
        return player(panels, definition.first, definition.id)
    return curves(found) if definition.curves else neighbours(found)


def caption(found: Found) -> Shown:
    """What is shown, from the configurations: images, encoder, epochs, seed, how maps are made."""
    one = next(iter(found.atlases.values()))
    config = one.config
    text = (
        f"{papers_number(found)} at {found.profile.name} scale: {config.data.name}, "
        f"{config.data.n_train or found.profile.n_train:,} training images of {config.data.side or 'native'} px, "
        f"encoder {config.encoder}, {plural(config.plan.epochs, 'epoch')}, seed {found.seed} alone. "
    )
    if found.definition.panels:
        text += (
            f"The maps show {len(one.shown)} of the training images, the same at every epoch, by the features of the "
            "frozen encoder brought to unit length. t-SNE (openTSNE): each epoch starts from the positions of the one "
            "before."
        )
        text += " UMAP: AlignedUMAP, all epochs at once." if "umap" in one.maps else ""
        text += f" kNN: 20-NN top-1 on test images. Trust: trustworthiness of the map with {TRUSTED} neighbours."
    return Shown(f'<p class="caption">{html.escape(text)}</p>', text)


def transcribed(definition: Definition) -> dict[str, Any]:
    """The paper's figure as transcribed."""
    (one,) = [one for one in papers.paper(definition.paper)["figures"] if one["id"] == definition.id]
    return one


def papers_number(found: Found) -> str:
    """The paper's own name of the figure: IFND, Figure 3."""
    paper = papers.paper(found.definition.paper)["paper"]["short"]
    return f"{paper}, {transcribed(found.definition)['number']}"


def printed(definition: Definition) -> str:
    """What the paper says in numbers about its figure, or nothing."""
    said = []
    for one in transcribed(definition)["numbers"]:
        value = (
            f"epoch {one['value']}" if one["unit"] == "epoch" else f"{one['value']} {one['unit']}".replace(" %", "%")
        )
        said.append(f"{one['what']}: {'about ' if one['approx'] else ''}{value}")
    return f"The paper, on {transcribed(definition)['dataset']}: {'; '.join(said)}." if said else ""


def measures(found: Found) -> Shown:
    """Scores of every run at its last epoch, one seed, and a link to those of all epochs."""
    maps = [kind for kind in MAPS if all(kind in one.maps for one in found.atlases.values())]
    scores = [name for name in NAMES if any(name in one.about["scores"] for one in found.atlases.values())]
    head = ["run", *(NAMES[name] for name in scores), *(f"trust of {MAPS[kind]}" for kind in maps)]
    head += ["pseudo-labels accepted", "pairs of one pseudo-label that share the class"]
    body = []
    for arm, one in found.atlases.items():
        values = [one.score(name)[-1] for name in scores] + [one.about["trust"][kind][-1] for kind in maps]
        values += [one.score("accepted")[-1], one.score("precision")[-1]]
        body.append([found.definition.label(arm), *("–" if value is None else number(100 * value) for value in values)])
    keep = [place for place in range(len(head)) if any(line[place] != "–" for line in body)]
    head, body = [head[place] for place in keep], [[line[place] for place in keep] for line in body]
    data = base64.b64encode(csv(found).encode()).decode()
    name = f"{found.definition.id}-{found.profile.name}.csv"
    link = f'<a download="{name}" href="data:text/plain;base64,{data}">all epochs as CSV</a>'
    note = f"In %, at the last epoch, one seed. k-means: as many clusters as classes, means of {CLUSTERINGS} of them."
    return Shown(
        html_table([html.escape(cell) for cell in head], [[html.escape(cell) for cell in line] for line in body])
        + f'\n<p class="caption">{note} Take along: {link}.</p>',
        text_table([head, *body]) + "\n" + note,
    )


def csv(found: Found) -> str:
    """run,epoch,score,value of every snapshot."""
    lines = ["run,epoch,score,value"]
    for arm, one in found.atlases.items():
        series = one.about["scores"] | {f"trust_{kind}": values for kind, values in one.about["trust"].items()}
        for name, values in sorted(series.items()):
            lines += [f"{arm},{epoch:g},{name},{value!r}" for epoch, value in zip(one.epochs, values, strict=True)
                      if value is not None]  # fmt: skip
    return "\n".join(lines) + "\n"


def curves(found: Found) -> Figure:
    """Scores at snapshots, and what training logs, over epochs; a line for every run, or for every name of one run."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = found.definition.curves
    plot, axes = plt.subplots(1, len(panels), figsize=(5.4 * len(panels), 3.4), layout="constrained", squeeze=False)
    said = []
    for axis, (title, what) in zip(axes[0], panels, strict=True):
        lines = [(arm, name) for arm in found.atlases for name in what]
        for place, (arm, name) in enumerate(lines):
            epochs, values = series(found.atlases[arm], name)
            label = found.definition.label(arm) if len(what) == 1 else (LOGGED | NAMES)[name]
            mark = {"marker": "osD^"[place % 4], "markersize": 4} if name not in LOGGED else {}
            axis.plot(
                epochs, values, color=HUES[place], linestyle=("-", "--", "-.", ":")[place % 4], label=label, **mark
            )
            if values:
                said.append(f"{title}, {label}: {number(values[0])} to {number(values[-1])}")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        axis.legend(fontsize=8, frameon=False)
    style(plot, list(axes[0]))
    return Figure(plot, f"{papers_number(found)}, curves over epochs. {'; '.join(said)}.")


def series(one: Atlas, name: str) -> tuple[list[float], list[float]]:
    """(epochs, values) of a score at snapshots, or of what training logs; shares in percent."""
    if name in LOGGED:
        epochs, values = one.about["log"]["epoch"], one.about["log"].get(name, [])
        epochs = epochs if values else []
    else:
        epochs, values = one.epochs, one.score(name)
    factor = 1.0 if name == "loss" else 100.0
    pairs = [(epoch, factor * value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def neighbours(found: Found) -> Figure:
    """Queries and their neighbours as images, a block for every stage of training."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    (one,) = found.atlases.values()
    definition, data = found.definition, load(one.config.data, found.root)[0]
    frames = [len(one.epochs) - 1] if definition.last else stages(one)
    index = getattr(one, definition.among)[frames]
    n_query, k = index.shape[1:]
    height = 0.56 * n_query + 0.3
    plot, axes = plt.subplots(n_query, 1 + len(frames) * (k + 1), squeeze=False,
                              figsize=(0.54 * (1 + len(frames) * (k + 0.5)), height),
                              gridspec_kw={"width_ratios": [1, *([0.5, *[1] * k] * len(frames))], "wspace": 0.14,
                                           "hspace": 0.14, "left": 0.01, "right": 0.99, "bottom": 0.06 / height,
                                           "top": 1 - 0.3 / height})  # fmt: skip
    said = []
    for row, query in zip(axes, one.queries, strict=True):
        for axis in row:
            axis.axis("off")
        row[0].imshow(data.images[int(query)].permute(1, 2, 0).numpy(), interpolation="nearest")
    axes[0][0].set_title("query", fontsize=8)
    label = data.labels.numpy()
    for block, frame in enumerate(frames):
        first = 2 + block * (k + 1)
        known = index[block] >= 0
        same = known & (label[index[block]] == label[one.queries][:, None])
        share = f"{number(100 * same.sum() / max(known.sum(), 1), 0)}% of the class"
        axes[0][first].set_title(f"epoch {one.epochs[frame]:g}: {share}", fontsize=8, loc="left")
        said.append(f"epoch {one.epochs[frame]:g} {share}")
        for query, place in np.argwhere(known):
            axis = axes[query][first + place]
            axis.imshow(data.images[int(index[block][query, place])].permute(1, 2, 0).numpy(), interpolation="nearest")
            axis.axis("on"), axis.set_xticks([]), axis.set_yticks([])
            hit = same[query, place]
            for side in axis.spines.values():
                side.set(color=HUES[0] if hit else HUES[1], linewidth=2.4 if hit else 1.0)
    plot.patch.set_facecolor("#ffffff")
    return Figure(plot, f"{papers_number(found)}: {n_query} queries and their {k} nearest; {', '.join(said)}.")


def stages(one: Atlas) -> list[int]:
    """Frames of a picture of neighbours: evenly spaced, first and last included."""
    last = len(one.epochs) - 1
    return sorted({round(place * last / (STAGES - 1)) for place in range(STAGES)})


def rerun(found: Found) -> Shown:
    """The command that makes the runs of this figure anew."""
    command = f"python -m sslrepro evolution {found.definition.id} --profile {found.profile.name} --seed {found.seed}"
    places = [one.about["environment"] for one in found.atlases.values()]
    commits = ", ".join(sorted({str(where["commit"])[:10] for where in places}))
    note = f"Made on {places[0]['device']} with torch {places[0]['torch']}, commit {commits}."
    return Shown(f'<div class="rerun"><pre>{html.escape(command)}</pre><p>{html.escape(note)}</p></div>',
                 f"{command}\n{note}")  # fmt: skip


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
    return Text(f"*{transcribed(definition)['number']} of* {paper}. {definition.question}")


def reading(definition: Definition) -> Text:
    """How to read the figure, and what the paper says of it in numbers."""
    return Text(f"{definition.reading} {printed(definition)}".strip())
