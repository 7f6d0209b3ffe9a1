"""What do confident neighbours teach? Right neighbours for some anchors, the view for all others. A table of ours."""

from sslrepro.tables.definition import BOTH_PROBES, Definition
from sslrepro.tables.neighbour_anchors import ANCHORS, ITSELF, SHARES, VIEW, at_share

RIGHT_ONLY, WRONG_ONLY = "only its right neighbours", "only its wrong neighbours"
EVERY = "a right one for every anchor"
ACCEPTED = {share: f"its nearest for the nearest {share:.0%}, right or wrong" for share in SHARES}
SOME = {
    (share, anchors): f"right ones for {share:.0%}, {ANCHORS[anchors]}"
    for share in SHARES
    for anchors in ("drawn", "easy", "hard")
}


TABLE = Definition(
    id="neighbour_confidence",
    title="What does a confident miner gain?",
    question="If only the right neighbours are taken and all other anchors keep their view, whose neighbours gain "
    "anything?",
    method="nnclr",
    rows={
        "no lookup": {"positive": "view"},
        "no lookup, no gradient": {"positive": "detached"},
        VIEW: at_share(0.0, "drawn", wrong="view"),
        ITSELF: at_share(None, "easy"),
        RIGHT_ONLY: at_share(None, "easy", wrong="view"),
        WRONG_ONLY: at_share(None, "easy", right="view"),
    }
    | {row: at_share(share, anchors, wrong="view") for (share, anchors), row in SOME.items()}
    | {EVERY: at_share(1.0, "drawn")}
    | {row: {"accepted": share} for share, row in ACCEPTED.items()},
    columns=BOTH_PROBES,
    effect=(SOME[SHARES[0], "easy"], VIEW, "top1"),
    idea="""\
A miner can be careful: take a neighbour only where it is likely to be right, and leave the view to the others. IFND
accepts a pseudo-label by its confidence, SePP-ID keeps the most similar pairs, InvP walks to positives that are far.
What is likely to be right is what lies near: the miner's precision rises, and its neighbours are those of easy anchors.
[With wrong neighbours for all others](neighbour_anchors-cpu), right neighbours are worth much less to easy anchors than
to hard ones. Here no neighbour is wrong. A share of the anchors gets the nearest row of its class, the others keep
their own view, without gradient, as a neighbour has none. The share goes to anchors drawn anew, to easy ones, or to
hard ones.

Easy and hard are chosen with labels, by how far the nearest right row lies in front of the nearest wrong one. A real
miner has no labels: *its nearest for the nearest 20%* is NNCLR where only the anchors that lie nearest to their
neighbour take it, right or wrong, and the others keep their view.

The same takes NNCLR apart: *only its right neighbours* leaves its lookup where it is right and gives the view to the
others; *only its wrong neighbours* does the opposite.""",
    equation=r"""
\underbrace{\mathrm{acc}(\text{NNCLR}) - \mathrm{acc}(\text{view})}_{\text{the lookup}} =
\underbrace{\mathrm{acc}(\text{right only}) - \mathrm{acc}(\text{view})}_{\text{right ones}} +
\underbrace{\mathrm{acc}(\text{wrong only}) - \mathrm{acc}(\text{view})}_{\text{wrong ones}} + \text{both}""",
    reading="""\
Fixed before the first run in which some anchors keep their view. Known then: all of the map, and at `cpu` scale the
table of which anchors find right neighbours, with near rows: easy anchors 4.4 points below drawn ones, hard ones 6.3
above. All accuracies are of the linear probe, paired over seeds; the 20-NN probe is shown beside it and not counted.
Gains are over the view for every anchor, which is "no lookup, no gradient" trained beside the other rows. That row and
NNCLR's own lookup replaced the published ones before any run of this table was read, because those are from another
kind of processor.

*Primary question.* Right neighbours for easy anchors **pay** if their gain, averaged over both shares,
has a 95% t-interval above zero, **cost** if below, and is **open** otherwise. Expected: a gain of less than half of
that of drawn anchors.

*Whom right neighbours teach.* Easy and hard anchors against drawn ones, averaged over both shares, likewise; described,
not counted as tests. Expected: the gain is the hard anchors'.

*NNCLR taken apart.* The lookup's effect, that of its right neighbours alone, that of its wrong ones alone, and what is
left over; described. Each run's neighbours are its own, so that the shares that are right differ; they are shown.
Expected: the right ones gain little, the wrong ones cost about as much as the lookup.

*A confident miner with its errors.* Added after the rows above were read at `cpu` scale, and before its own runs: the
gain over the view of NNCLR that accepts its neighbours for the nearest 20% or 40% of a batch's anchors, averaged over
both shares, **pays**, **costs** or is **open**; and the same over NNCLR's own lookup, which accepts all. Expected: it
costs less than the own lookup, and does not pay.

The commit that fixed this is lost, so the history cannot show that it came before the runs (see the page of scales).

With three seeds an interval is 2.5 standard deviations of the differences to each side, with five 1.2.""",
    mapping="""\
The profile's own length, batch, views and learning rate. The queue is the ablations' default, eight batches (192 rows
at `cpu`, 12 of each class on average). Rows of the own image are passed over. An anchor without a row of its class in
the queue takes the nearest row; that is at the start only.""",
    controls=("random", "pixels"),
    notebook="confidence",
)
