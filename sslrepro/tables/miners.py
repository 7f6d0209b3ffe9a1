"""What every miner finds, on one axis: precision, recall, own images, age. A table of ours, from runs of others."""

from sslrepro.tables import equal_terms
from sslrepro.tables.definition import Column, Definition

MINERS = ("nnclr", "nnsiam", "seppid", "ifnd", "ifnd_moco", "isl", "isl_moco", "invp", "invp_moco", "la", "pcl", "fnc",
          "msf")  # fmt: skip
OF_NNCLR = {  # at the setting and learning rate of NNCLR's trials, its defaults
    "nnclr, soft": {"method": "nnclr", "positive": "soft"},
    "nnclr, one of 8 nearest": {"method": "nnclr", "top_k": 8},
    "nnclr, one of 32 nearest": {"method": "nnclr", "top_k": 32},
}
OFF = {name: equal_terms.TABLE.column("gain").minus_row[name] for name in MINERS} | dict.fromkeys(
    OF_NNCLR, equal_terms.OFF("nnclr")
)

TABLE = Definition(
    id="miners",
    title="What the miners find, on one axis",
    question="How much of what a miner finds is right, and how much of what is right does it find?",
    method="nnclr",
    rows={name: equal_terms.TABLE.rows[name] for name in MINERS}
    | OF_NNCLR
    | {off: equal_terms.TABLE.rows[off] for off in OFF.values()},
    columns={
        "top1": "linear_top1",
        "knn": "knn_top1",
        "gain": Column(of="top1", label="gain over switched off", unit="points", minus_row=OFF),
    },
    idea="""\
The papers grade their miners in different currencies: NNCLR by the share of neighbours of the class, SePP-ID by the
accuracy of its pairs, IFND by true positive and true negative rates, ISL by the purity of its sets, InvP by the label
of the nearest neighbour. No two can be compared. Here all are put on the same two axes, as a search engine would be:
**precision**, the share of what is mined that has the anchor's class, and **recall**, the share of the class's other
images that are mined for an anchor at one time. Beside them stand how often a miner returns the anchor's own image,
how old what it returns is, and what it gains.

No run was made for this table. All are on equal terms: the same images, the same number of encoded views, the settings
and learning rate of their trials. Numbers are of the last steps of training.""",
    reading="""\
Fixed before the table was made, after its runs: accuracy, gain and the share right of these runs stand on the page of
equal terms, recall, own images and age nowhere.

*Precision* is taken over other images. *Recall* of a relation over the whole set (clusters, sets) is measured; of one
that is looked up (neighbours, hops, keys) it is the number of items per anchor that are right over the number of the
class's other images, and at most that, since two rows of a queue may show one image. *Own images* follow from the two
logged shares with and without them; where the search passes them over, they are 0 by construction. *Age* is the mean
where it is logged, else the oldest that the method can return, in steps.

A miner is **better** than another only where it is at least as precise and finds at least as much in the mean, and the
intervals of one of the two do not overlap: all else is a choice between few and right and many and wrong. The miners
that no other beats are named. Whether precision goes with gain is answered by the rank correlation over miners of one
level each, the finest; heads, losses and bases differ between rows, so it is a description and no test. What would
speak for mining at this scale: a positive rank correlation, and gains at the precise end.""",
    mapping="""\
As on the page of equal terms. The soft neighbour is placed by the row of most weight. IFND and PCL keep several
granularities; the table has a line for each, the figure all of them. LA's ten clusterings are of one size and are
averaged.""",
    controls=("random", "pixels"),
    fair=True,
    notebook="miners",
    seeds=3,
)
