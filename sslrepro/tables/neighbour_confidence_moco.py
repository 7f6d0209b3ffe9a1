"""Confident neighbours beside the view: one more positive in MoCo v2, for some anchors. A table of ours."""

from typing import Any

from sslrepro.tables.definition import BOTH_PROBES, Definition
from sslrepro.tables.neighbour_anchors import VIEW
from sslrepro.tables.neighbour_confidence import EVERY, SOME


def more_positives(share: float, anchors: str) -> dict[str, Any]:
    """The settings of one more positive, always right and near, for a share of the anchors; none for the others."""
    sets = {"method": "mocov2_controlled", "role": "attract", "right_share": share, "right": "nearest", "wrong": "view"}
    return sets | {"trial": "mocov2"} | ({} if anchors == "drawn" else {"anchors": anchors})


TABLE = Definition(
    id="neighbour_confidence_moco",
    title="What does a confident miner gain where the view stays?",
    question="In MoCo v2, where a right neighbour attracts beside the view and not in its place: whose neighbours gain "
    "anything?",
    method="mocov2",
    rows={"MoCo v2": {}, VIEW: more_positives(0.0, "drawn")}
    | {row: more_positives(share, anchors) for (share, anchors), row in SOME.items()}
    | {EVERY: more_positives(1.0, "drawn")},
    columns=BOTH_PROBES,
    effect=(SOME[0.2, "hard"], SOME[0.2, "easy"], "top1"),
    fair=True,
    idea="""\
In NNCLR [right neighbours are worth more to hard anchors](neighbour_confidence-cpu), and little to easy ones, which a
confident miner would serve. There the neighbour takes the view's place, so an easy anchor gives up its own view for a
row that is nearly the same. Here it need not: in MoCo v2 the row of the queue is one more positive beside the view's
own key, each with half the weight. A share of the anchors gets the nearest row of its class, always right; the others
have their view alone. If whose neighbours are right matters here too, it is not the view that was given up.""",
    equation=r"""
L_i = -\tfrac{1}{2} \log p(\text{own key}) - \tfrac{1}{2} \log p(\text{right row}) \quad \text{for a share of the } i,
\qquad L_i = -\log p(\text{own key}) \quad \text{else}""",
    reading="""\
Fixed before the first run of this table but that of MoCo v2. Known then: the same in NNCLR at `cpu` scale, where hard
anchors gain 9.3 points over the view, drawn ones 5.7 and easy ones 2.7 (linear probe, mean of both shares, n = 5). All
accuracies are of the linear probe, paired over seeds; the 20-NN probe is shown beside it and not counted.

*Primary question.* What was found in NNCLR **holds in MoCo v2** if hard anchors are above easy ones, averaged over both
shares, with a 95% t-interval above zero; the opposite is **contradicted**, and otherwise it is **open**. Expected: it
holds, with smaller differences.

*Gains* of easy, drawn and hard anchors over the view alone, and easy and hard against drawn ones, are described. The
view for every anchor is MoCo v2, trained beside the other rows; the published row "MoCo v2" may be from another kind of
processor and enters no difference.

The commit that fixed this is lost, so the history cannot show that it came before the runs (see the page of scales).

With three seeds an interval is 2.5 standard deviations of the differences to each side, with five 1.2.""",
    mapping="""\
The setting and the learning rate that trials on held-out training images chose for MoCo v2, the profile's own length,
batch and views. The queue is an eighth of the images (576 rows at `cpu`, 36 of each class on average). Rows of the own
image are passed over.""",
    controls=("random", "pixels"),
    notebook="confidence",
)
