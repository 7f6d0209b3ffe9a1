"""Do hard anchors gain from a row of their class, or from a row that is far? A table of ours."""

from sslrepro.tables.definition import BOTH_PROBES, Definition
from sslrepro.tables.neighbour_anchors import SHARES, VIEW, at_share
from sslrepro.tables.neighbour_confidence import SOME
from sslrepro.tables.neighbour_or_view import WRONG

KINDS = ("easy", "hard")
AS_NEAR = {share: f"wrong ones as near, for {share:.0%}, hard anchors" for share in SHARES}
ANYWHERE = {
    (share, kind): f"right ones from anywhere, for {share:.0%}, {kind} anchors" for share in SHARES for kind in KINDS
}

TABLE = Definition(
    id="neighbour_distance",
    title="Is it the neighbour's class, or its distance?",
    question="A right row of a hard anchor lies far from it. Would a wrong row that is as far do as well?",
    method="nnclr",
    rows={VIEW: at_share(0.0, "drawn", wrong="view")}
    | {SOME[share, kind]: at_share(share, kind, wrong="view") for share in SHARES for kind in KINDS}
    | {row: at_share(share, kind, "random", wrong="view") for (share, kind), row in ANYWHERE.items()}
    | {row: at_share(1 - share, "easy", "view", "as_near") for share, row in AS_NEAR.items()}
    | {row: at_share(1 - share, "easy", "view") for share, row in WRONG.items()},
    columns=BOTH_PROBES,
    effect=(SOME[SHARES[0], "hard"], AS_NEAR[SHARES[0]], "top1"),
    idea="""\
[Another view of its image](neighbour_or_view-cpu) gives a hard anchor a small part of what a right neighbour gives. But
the two differ in more than their class. A hard anchor is one whose nearest row of its own class lies farthest behind
its nearest row of another; so its right row is far, and a far positive pulls harder. A [wrong
row](neighbour_or_view-cpu) does not help; but that one was the nearest, so it was also nearer than the right one.

Here the two are told apart. Hard anchors get a wrong row that is *as near* as the right one: of all rows of other
classes in the queue the one whose cosine with the anchor is closest to that of its nearest right row. What then is left
between the two is the class. And hard and easy anchors get right rows from anywhere in their class, which are farther
than the nearest one: if distance is what teaches, these should teach more, and easy anchors should gain by them.
All other anchors keep their own view, without gradient.""",
    equation=r"""
r^{-} = \operatorname*{arg\,min}_{r \in Q,\; y_r \ne y_i} \bigl| z_i \cdot r - z_i \cdot r^{+} \bigr|, \qquad
r^{+} = \operatorname*{arg\,max}_{r \in Q,\; y_r = y_i} z_i \cdot r""",
    reading="""\
Fixed before the first run in which a wrong row is as near as a right one, and before the first run of any row on these
seeds, which are 10 to 14. Known then: the tables of [confident miners](neighbour_confidence-cpu) and of [other
views](neighbour_or_view-cpu) on seeds 0 to 4, with right rows 8 to 10 points above another view and above the own view
for hard anchors, and the nearest wrong row 3 to 4 points below the own view, not decided; and, with wrong rows for all
other anchors, that right rows from anywhere do about as well as the nearest ones. All rows of this table are trained on
one kind of processor. All accuracies are of the linear probe, paired over seeds and averaged over both shares; the
20-NN probe is shown beside it and not counted.

*Primary question.* At equal distance the **class counts** for hard anchors if right rows minus wrong rows that are as
near have a 95% t-interval above zero; it **counts the other way** if below; otherwise class and distance are **not told
apart**. Expected: it counts, by more than eight points.

*Distance alone.* Wrong rows as near over the own view **pay**, **cost** or are **open**; the same over the nearest
wrong row. Expected: they cost, about as much as the nearest.

*Distance within the class.* Right rows from anywhere over the nearest right row, for hard and for easy anchors; and the
nearest right rows of hard anchors over right rows from anywhere for easy ones. If distance explained why hard anchors
gain more, easy anchors would gain by farther rows, and the last difference would be about zero. Expected: open, open,
and five points or more.

*Added when all of the above was known*: right rows from anywhere for hard over those for easy anchors. Described.

All but the primary question is described and not counted as a test. With five seeds an interval is 1.2 standard
deviations of the differences to each side.""",
    mapping="""\
As in the table of other views: the profile's own length, batch, views and learning rate, a queue of eight batches (192
rows at `cpu`), rows of the own image passed over. The match is made anew for every anchor at every step, in the
embedding that is being trained. With 192 rows of 16 classes it is close. It holds within a training: two trainings have
two embeddings, whose right rows need not be equally far; the finding gives the mean cosines at the end. Hard anchors
with wrong rows are those that are not among the easiest 80% or 60%; an anchor without a row of its class in the queue
is one of them, at the start only, and takes its nearest wrong row.""",
    controls=("random", "pixels"),
    notebook="confidence",
    seeds=5,
    first_seed=10,
)
