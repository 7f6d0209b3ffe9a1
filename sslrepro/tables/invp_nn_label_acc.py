"""InvP, supplementary Table 1 (referenced): how often nearest neighbours tell an image's label."""

from sslrepro.tables.definition import Column, Definition

OFF = "InvP, no positives"

TABLE = Definition(
    id="invp_nn_label_acc",
    title="InvP: do nearest neighbours tell the label?",
    question="Is an image's label told by its nearest neighbours, and more often than with other methods?",
    method="invp",
    rows={
        "invp": {"method": "invp"},
    },
    variants={
        OFF: {"method": "invp", "weight": 0.0},
        "InstDisc": {"method": "instdisc"},
        "LA": {"method": "la"},
        "ISL": {"method": "isl"},
        "MoCo v2": {"method": "mocov2"},
        "InvP, momentum queue": {"method": "invp_moco"},
    },
    columns={
        "nn_label_acc": "knn_top1",
        "top1": Column("linear_top1", label="linear top-1", unit="%"),
        "gain": Column(of="nn_label_acc", minus_row={"invp": OFF}, best="", label="gain by positives", unit="points"),
    },
    also=("few_top1",),
    effect=("invp", "InstDisc", "nn_label_acc"),
    fair=True,
    idea="""\
A method that draws neighbours together should leave embeddings in which neighbours share a class. The response gives
one number for that: labels predicted by nearest neighbours are right in so many percent, more than with other methods.
The table is in a supplement that is not in our source, so we know neither its other rows nor how many neighbours vote.
We therefore compare with the methods of its kind: InstDisc, which InvP becomes without its positives and its hard
negatives, LA and ISL, which also draw mined images together with a memory bank, and MoCo v2.""",
    equation=r"""
\hat y(x) = \operatorname*{arg\,max}_c \sum_{j \in \mathrm{NN}_{20}(x)} [y_j = c]\; e^{f(x) \cdot f(x_j) / 0.07}""",
    reading="""\
The claim has two halves. The printed value belongs to the paper's images and classes and is no target for ours; what
carries over is the order: InvP above InstDisc, LA and ISL. The comparison is on equal terms, each method with the
setting and learning rate of its own trials. All these runs were made for the page on equal terms and their numbers
were known when this was written; only the choice of rivals is new, and it is by kind, not by result. MoCo v2 sees two
views per step and is shown, but is not one of the rivals of the claim. *Gain by positives* is the part that InvP's
idea has in its level.""",
    mapping="""\
On equal terms (see that page): trials on held-out training images chose head, temperature and learning rate, and
one-view methods train for twice the epochs. For InvP they chose a linear head and temperature 0.07 in place of the
printed ones, at which it hardly learns here. Twenty nearest training images vote on each test image, by features of
the frozen encoder; the paper may have used its memory bank.""",
    margin=("invp_x02", "invp_x06"),
    controls=("random", "pixels"),
    seeds=3,
)
