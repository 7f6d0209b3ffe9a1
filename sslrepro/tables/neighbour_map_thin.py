"""The neighbour map in five levels, short enough for photographs on two cores. A table of ours."""

from sslrepro.tables.definition import Column, Definition
from sslrepro.tables.neighbour_map import point_of_map

SHARES = (0.0, 0.2, 0.4, 0.7, 1.0)  # of lookups that are right
EPOCHS = 63  # of the 500 printed ones that a scale's own stand for: the shortest column of the budget sweep

TABLE = Definition(
    id="neighbour_map_thin",
    title="How right must a neighbour be, in five levels?",
    question="Does the gain of a neighbour rise with the share of right ones on photographs too, and where does it "
    "break even?",
    method="nnclr",
    rows={"no lookup": {"positive": "view"}, "no lookup, no gradient": {"positive": "detached"}}
    | {"0% right" if share == 0 else f"{share:.0%} right, nearest": point_of_map(share, "nearest") for share in SHARES}
    | {"nearest neighbour": {}},
    columns={
        "top1": Column("linear_top1", sets={"epochs": EPOCHS}, label="linear probe", unit="%"),
        "knn": Column("knn_top1", sets={"epochs": EPOCHS}, label="20-NN", unit="%"),
    },
    effect=("100% right, nearest", "no lookup", "top1"),
    idea="""\
The neighbour map was drawn on small synthetic images, where classes are few, clean and evenly spread. On photographs
the rows of a class differ more, the views teach other things, and a wrong neighbour can still share colours or a
background with its anchor. If the gain of a neighbour is a matter of how often it is right, the same rise should be
seen there, and NNCLR's own neighbours should lie on it. Here the map is repeated in five levels, near right and near
wrong neighbours, on all images of CIFAR-10, at the shortest length of the budget sweep, as on `shapes`. Three rows are
those of the sweep: no lookup, the same without gradient through the positive, and NNCLR itself.""",
    equation=r"""
\mathrm{gain}_s(q) = \mathrm{acc}_s(q) - \mathrm{acc}_s(\text{no lookup}) \approx a_s + b_s q, \qquad
q^* : \bar a + \bar b q^* = 0""",
    reading="""\
Fixed before the first trained run of this table and of the budget sweep on CIFAR-10. Known then: map and sweep on
`shapes`, where the gain rises with the share of right neighbours, and single public or calibration runs of SimCLR and
NNCLR on CIFAR-10, whose neighbours shared the class in about a third of lookups after a few epochs. All accuracies are
of the linear probe; the 20-NN probe is shown beside it and not counted.

*Rises with precision.* Per seed the least-squares line of the gain over the set share, over the five shares. The gain
**rises** if the mean slope is positive with a one-sided probability of at least 95%.

*Break-even.* Stated only if the gain rises: the share at which the mean line is zero, with the 95% set of shares at
which the t-interval of the seeds' lines contains zero. What was expected beforehand: a rise, and a break-even that lies
higher than on `shapes`, because a wrong neighbour of a photograph takes more away; neither is built into the rule.

*NNCLR on the map.* Its gain minus the mean curve at the share of right lookups it had at the end. One miner cannot test
whether the map explains miners: the error is described.

Seeds share the images of CIFAR-10, so intervals say what other weights, views and batches would give, not other images.
With three seeds an interval is 2.5 standard deviations of the differences to each side.""",
    mapping="""\
Columns of 63 of 500 epochs: on CIFAR-10 at `night` 3 of 24, over all 50,000 images at 32 px. The queue is the
ablations' default, eight batches: 2,048 rows, about 205 of each of ten classes, so that the nearest right row is nearer
than on `shapes`. Length, number of levels and of distances were chosen by what two cores finish. The length was first
twice this one, and was halved when the machine's rate was known; only untrained encoders had been scored then.""",
    controls=("random", "pixels"),
    notebook="map",
    seeds=3,
)
