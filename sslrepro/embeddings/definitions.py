"""Which figures of embeddings over training does this book show, of which runs, and how are they to be read?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslrepro import papers
from sslrepro.embeddings.maps import ARMS, Atlas
from sslrepro.study.profiles import Profile


@dataclass(frozen=True)
class Definition:
    """A figure of embeddings over training, a paper's as this book shows it or one of our own.

    id         of the transcribed figure; of one of our own the paper's key and a word
    title      of its page
    question   what the figure answers
    arms       runs it shows, by name in `atlas.ARMS`
    panels     of a player: (arm, colour it always has or "", title where it is not the arm's)
    first      what a player's free panels are coloured by at first
    curves     of a picture of curves: (title of the panel, names of scores at snapshots or of what training logs)
    among      of a picture of neighbours: "neighbours" (all training images) or "queued" (the method's queue)
    last       a picture of neighbours shows the last stage only
    labels     of arms that have another name in this figure than in `atlas.ARMS`
    own        whether it is a figure of our own, which no paper has
    lines      the mined images a player draws lines to at first: of "all" images, or of the "chosen" one
    borrows    arm -> arm whose mined images its panel draws, where it mines none itself
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
    own: bool = False
    lines: str = "chosen"
    borrows: dict[str, str] = field(default_factory=dict)

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
        Definition(
            "seppid_evolution",
            "SePP-ID: mined pairs as training goes on",
            "Do the two images of a mined pair come together, and do classes with them?",
            ("mocov2", "seppid_same", "seppid"),
            f"""\
A line joins the two images of a pair that SePP-ID mined before training: solid and blue where both are of one class,
dashed and orange where they are not. The first two panels draw the pairs of the third in maps of runs that never saw
them: where a line is long there and short on the right, the pair itself may have done it, but a map is no measure of
distance. Pairs are mined once and do not change. Every pair is one more training row. SePP-ID therefore takes more
steps than MoCo v2, and the panel between them takes as many: its added rows are images with themselves. All images are
searched here, a row of the table on K, because with a tenth of them hardly any pair would lie among the images shown.
{READ_MAPS}""",
            panels=(
                ("mocov2", "", "MoCo v2 (pairs not used)"),
                ("seppid_same", "", "as many rows, no pairs"),
                ("seppid", "", ""),
            ),
            own=True,
            lines="all",
            borrows={"mocov2": "seppid", "seppid_same": "seppid"},
        ),
        Definition(
            "isl_evolution",
            "LA and ISL: mined images as training goes on",
            "Which images do LA and ISL take to be alike as training goes on, and are they of one class?",
            ("la", "isl"),
            f"""\
Press a point: lines go to the shown images that the method takes to be alike at that time, solid and blue to those of
its class, dashed and orange to others. LA clusters anew at every epoch. ISL's sets are empty for the first quarter and
then only grow. ISL has the settings it uses for ImageNet, a row of the table `isl_fig1`: with those for CIFAR, which
the other figure has, the sets stay nearly empty at this scale and there would be nothing to draw. {READ_MAPS}""",
            panels=(("la", "", ""), ("isl", "", "ISL, settings for ImageNet")),
            own=True,
            labels={"isl": "ISL, settings for ImageNet"},
        ),
        Definition(
            "invp_evolution",
            "InvP: the walk's positives as training goes on",
            "Does the walk reach images of the class, and does training on them change the embedding?",
            ("instance", "invp"),
            f"""\
Press a point: lines go to the shown images that a walk over the graph of neighbours reaches from it, thick ones at one
hop, thinner ones at two and three; solid and blue to those of its class, dashed and orange to others. On the left
InvP's invariance loss has no weight: the graph is built and nothing is drawn together along it. Both have the linear
head and the temperature with which InvP learns at this scale; as printed it hardly does. {READ_MAPS}""",
            panels=(("instance", "", "instance loss alone (walk not used)"), ("invp", "", "")),
            own=True,
        ),
    )
}


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


def transcription(definition: Definition) -> dict[str, Any]:
    """The paper's figure as transcribed; {} for a figure of our own."""
    figures = papers.paper(definition.paper)["figures"]
    return {} if definition.own else next(line for line in figures if line["id"] == definition.id)


def papers_number(definition: Definition) -> str:
    """The paper's own name of the figure (IFND, Figure 3), or that it is none of the paper's."""
    paper = papers.paper(definition.paper)["paper"]["short"]
    return f"{paper}, a figure of our own" if definition.own else f"{paper}, {transcription(definition)['number']}"
