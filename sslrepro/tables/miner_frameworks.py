"""Every miner's relation in every framework: does what is mined depend on what learns from it? A table of ours."""

from typing import Any

from sslrepro.methods.partners import FRAMEWORKS
from sslrepro.tables import equal_terms
from sslrepro.tables.definition import Column, Definition

SHORT = {"simclr": "SimCLR", "mocov2": "MoCo v2", "simsiam": "SimSiam", "vicreg": "VICReg"}
MINERS = {"nearest": "NNCLR", "window": "SePP-ID", "clusters": "IFND", "hops": "InvP"}  # rule -> the paper it is of
HALF = 250  # of the 500 printed epochs that a scale's own stand for: an epoch has twice the rows
TOLERANCE = 2.0  # points within which gains count as equal
ON = "{} on {}".format

# the papers' own way, from the page of equal terms: (rule, framework) -> row; IFND removes negatives, others attract
PUBLISHED = {
    ("nearest", "simclr"): "nnclr",
    ("nearest", "simsiam"): "nnsiam",
    ("window", "simclr"): "seppid on simclr",
    ("window", "mocov2"): "seppid",
    ("window", "simsiam"): "seppid on simsiam",
    ("window", "vicreg"): "seppid on vicreg",
    ("clusters", "simclr"): "ifnd",
    ("clusters", "mocov2"): "ifnd_moco",
    ("hops", "mocov2"): "invp_moco",
    ("sets", "mocov2"): "isl_moco",
}
REMOVED = ("clusters",)  # rules whose papers take the images out of the negatives
ALSO = ("invp",)  # InvP with its bank, which its rebuttal compares with the queue
MINUS = {row: equal_terms.TABLE.column("gain").minus_row[row] for row in (*PUBLISHED.values(), *ALSO)}


def settings_of_cell(rule: str, framework: str) -> dict[str, Any]:
    """The settings of a cell of the grid."""
    return {"method": "partners", "base": framework, "trial": framework, "rule": rule, "epochs": HALF}


def grid(*rules: str) -> dict[str, dict[str, Any]]:
    """The rows of some rules, in every framework."""
    return {ON(rule, SHORT[base]): settings_of_cell(rule, base) for rule in rules for base in FRAMEWORKS}


JUDGED = grid(*MINERS, "labels")

TABLE = Definition(
    id="miner_frameworks",
    title="Every miner in every framework",
    question="Is what a miner gains the same whatever framework learns from it?",
    method="partners",
    rows=(
        JUDGED
        | grid("random", "same")
        | {row: equal_terms.TABLE.rows[row] for row in MINUS}
        | {off: equal_terms.TABLE.rows[off] for off in MINUS.values()}
    ),
    columns={
        "top1": "linear_top1",
        "knn": "knn_top1",
        "gain": Column(of="top1", label="gain over the bare framework", unit="points",
                       minus_row={row: ON("same", SHORT[sets["base"]]) for row, sets in JUDGED.items()} | MINUS),
        "gain_random": Column(of="top1", label="gain over random partners", unit="points",
                              minus_row={row: ON("random", SHORT[sets["base"]]) for row, sets in JUDGED.items()}),
        "harm_random": Column(of="top1", label="random partners", unit="points",
                              minus_row={ON("random", name): ON("same", name) for name in SHORT.values()}),
    },
    also=("few_top1",),
    idea="""\
Each of the five papers brings a rule that says which images are alike, and trains one framework with it. InvP's
rebuttal calls the two orthogonal; SePP-ID reports gains in four more frameworks. A rule and a framework can be told
apart only where each rule is given to each framework and nothing else changes. That is the grid.

Every image of the training set is shown once more, its first view beside a view of a **partner**. The rule picks the
partner: the nearest image (NNCLR), an image of the most similar pairs (SePP-ID), of its cluster (IFND), or among the
least similar within three hops of the neighbour graph (InvP). All rules read the same embedding, that of MoCo v2
trained on the same images for as many steps and frozen, so that a cell's pairs are the same in every framework. Where
a rule names nobody, an image is its own partner. The frameworks take the rows as they take SePP-ID's: the partner's
view is the positive, and what the masks know to be of either image repels neither. Three rows are no miners:
**labels** draws the partner from the class, **random** from all images, and **same** takes the image itself. Same is
the bare framework, with the same heads, rows and order.

Below the grid stand the same rules the way their papers use them, where a framework has such a method: mined anew
during training, with the paper's own loss. These are runs of the page of equal terms. IFND alone removes negatives, in
SimCLR and MoCo v2, the two that have negatives.

ISL's sets come from a network that is trained between rounds of the method; they are not in the grid.""",
    reading="""\
Fixed before the runs of the grid. Known then: every run of the page of equal terms, which are the lower table.

*Gain.* Linear probe minus that of the row *same* in the same framework, paired over seeds, with the 95% t-interval. A
cell gains or loses where the interval leaves out zero. Of 16 cells about one does so by chance.

*Can the framework use other images?* The row labels answers. Where it does not gain, a miner's loss in that framework
says nothing about mining.

*Orthogonal* (InvP's rebuttal). Read as: the gain of a miner is the same in every framework. For each miner the six
differences of its gains between two frameworks are taken seed by seed. By the book's rule for "no difference" it
**holds** if all six lie within two points, and is **contradicted** if one is outside at 95% after correction for six.
With three seeds the first is nearly out of reach; so the largest difference is shown with its interval. A second,
weaker reading: a miner gains in all four frameworks or loses in all four; contradicted where it gains in one and loses
in another, each by its own interval. The rebuttal's letter, that InvP does better with a momentum queue than with a
bank, is judged on the levels of these two methods, and beside it stands what InvP's positives gain in each.

*More frameworks gain* (SePP-ID). Read as: its pairs gain in each of the four. **Holds** if each gain is positive at
95%, **contradicted** if one is negative at 95% after correction for four, both for the grid and for SePP-ID's own
runs, which add 1.4% of rows where the grid adds 100%.

*What decides?* The share of partners that share the class is logged. If precision alone decided, miners of a framework
would be ordered by it, from random to labels. Per framework the rank correlation of gain and precision over the six
rows is shown; it is a description, not a test.""",
    mapping="""\
Half the profile's epochs, so that the steps are as many as on the page of equal terms: an epoch has twice the rows.
Each framework has the setting and learning rate of its own trials, the sampler those of MoCo v2; at `cpu` scale the
sampler is the run of MoCo v2 on the page of equal terms. SePP-ID's window would name 65 pairs here; the grid asks for
half as many pairs as images, the most similar below a cosine of 0.99. IFND's clusters are those of its middle
granularity, all accepted. InvP's graph has four edges per image, three hops, and the fifty least similar count. No
rule was tried before.""",
    controls=("random", "pixels"),
    fair=True,
    notebook="grid",
    seeds=3,
)  # fmt: skip
