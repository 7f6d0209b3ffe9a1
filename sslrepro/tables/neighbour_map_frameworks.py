"""The neighbour map in other frameworks: a target, one more positive, negatives removed. A table of ours."""

from typing import Any

from sslrepro.tables.definition import Column, Definition

SHARES = (0.0, 0.2, 0.4, 0.7, 1.0)  # of other images that share the class
RECALLS, PRECISIONS = (0.5, 1.0), (0.25, 0.5, 1.0)  # of the negatives removed

TARGETS = {f"target, {share:.0%} right": {"method": "nnsiam_controlled", "right_share": share, "trial": "nnsiam"}
           for share in SHARES}  # fmt: skip
POSITIVES = {
    f"one more positive, {share:.0%} right": {
        "method": "mocov2_controlled",
        "role": "attract",
        "right_share": share,
        "trial": "mocov2",
    }
    for share in SHARES
}


def without_negatives(recall: float, precision: float) -> dict[str, Any]:
    """The settings of MoCo v2 from which a share of the class's rows is removed, with errors as the precision says."""
    sets = {"method": "mocov2_controlled", "role": "remove", "trial": "mocov2"}
    return sets | {"removed": recall / precision, "right_share": precision}


REMOVALS = {
    f"{recall:.0%} of the class removed, {precision:.0%} right": without_negatives(recall, precision)
    for recall in RECALLS
    for precision in PRECISIONS
}
BARE = {"SimSiam": {"method": "simsiam", "trial": "nnsiam"}, "MoCo v2": {"method": "mocov2"}}
MINERS = {"NNSiam": {"method": "nnsiam"}}

TABLE = Definition(
    id="neighbour_map_frameworks",
    title="How right must other images be in other frameworks?",
    question="Does the break-even of NNCLR's neighbour hold for a target without negatives, for one more positive, and "
    "for negatives removed?",
    method="mocov2",
    rows=BARE | TARGETS | POSITIVES | REMOVALS | MINERS,
    columns={
        "top1": "linear_top1",
        "knn": "knn_top1",
        "gain": Column(
            of="top1",
            label="gain over none",
            unit="points",
            minus_row={row: "SimSiam" for row in TARGETS | MINERS} | {row: "MoCo v2" for row in POSITIVES | REMOVALS},
        ),
        "gain_knn": Column(
            of="knn",
            label="the same, 20-NN",
            unit="points",
            minus_row={row: "SimSiam" for row in TARGETS | MINERS} | {row: "MoCo v2" for row in POSITIVES | REMOVALS},
        ),
    },
    effect=(("target, 100% right", "top1"), ("SimSiam", "top1")),
    fair=True,
    idea="""\
The neighbour map asks how right a neighbour must be before it pays, in one framework: NNCLR, where a neighbour takes
the view's place beside negatives. Other images have other roles elsewhere. Three are mapped here, each with an oracle
that reads labels and makes errors as often as asked.

* **A target without negatives** (NNSiam on SimSiam): the prediction from one view meets a stored row in place of the
  other view. A wrong target is not corrected by negatives.
* **One more positive** (MoCo v2): a row of the queue attracts beside the view's own key, each with half the weight. The
  view is not given up, so a wrong row should cost less than where it replaces the view.
* **Negatives removed** (MoCo v2): rows of the anchor's class no longer repel, half of them or all, and with them as
  many wrong rows as the precision says. A wrong removal only costs a negative.

Right and wrong rows are the nearest of their kind, as a miner's are.""",
    equation=r"""
\mathrm{gain}_s(q) = \mathrm{acc}_s(q) - \mathrm{acc}_s(\text{none}) \approx a_s + b_s q, \qquad
\text{precision} = \frac{|\text{right}|}{|\text{removed}|}, \quad
\text{recall} = \frac{|\text{right}|}{|\text{class}|}""",
    reading="""\
Fixed before the runs of this table. Known then: SimSiam, NNSiam and MoCo v2 on equal terms, whose runs are shared, and
NNCLR's map. All accuracies are of the linear probe; the 20-NN probe stands beside it and is not counted.

*Rises with precision.* For a target and for one more positive, per seed the least-squares line of the gain over the
five shares. The gain **rises** if the mean slope is positive with a one-sided probability of at least 95%. Only then a
break-even is stated: the share at which the mean line is zero, with the 95% set of shares at which the t-interval of
the seeds' lines contains zero.

*Negatives removed.* The gain of all of the class removed without error **pays** or **costs** if its 95% t-interval over
seeds leaves out zero. Errors **cost** if the gain at 100% right exceeds that at 25% right, averaged over both recalls
and paired over seeds, with an interval above zero.

*Which role forgives errors?* The gain at no right image at all, a target beside one more positive, is described and not
counted, since the frameworks differ in more than the role. NNCLR's break-even is shown beside theirs.

With three seeds an interval is 2.5 standard deviations of the differences to each side.""",
    mapping="""\
Every row has the setting and the learning rate that trials on held-out training images chose for its framework (NNSiam
for the targets, MoCo v2 for the others), the profile's own length, batch and views, and queues of an eighth of the
images (576 rows at `cpu`, 36 of each class on average). Rows of the own image are passed over.""",
    controls=("random", "pixels"),
    notebook="roles",
    seeds=3,
)
