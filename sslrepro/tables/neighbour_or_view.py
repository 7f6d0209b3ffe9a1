"""Do hard anchors need a neighbour, or only another view of themselves? A table of ours."""

from sslrepro.tables.definition import BOTH_PROBES, Definition
from sslrepro.tables.neighbour_anchors import ANCHORS, SHARES, VIEW, at_share
from sslrepro.tables.neighbour_confidence import SOME

ANOTHER_FOR = ("easy", "hard")
ANOTHER = {(share, kind): f"another view for {share:.0%}, {ANCHORS[kind]}" for share in SHARES for kind in ANOTHER_FOR}
WRONG = {share: f"wrong ones for {share:.0%}, hard anchors" for share in SHARES}

TABLE = Definition(
    id="neighbour_or_view",
    title="Do hard anchors need a neighbour, or a better view?",
    question="Hard anchors gain most from a right neighbour. Would another view of their own image do as well?",
    method="nnclr",
    rows={VIEW: at_share(0.0, "drawn", wrong="view")}
    | {SOME[share, kind]: at_share(share, kind, wrong="view") for share in SHARES for kind in ANOTHER_FOR}
    | {row: at_share(share, kind, right="another", wrong="view") for (share, kind), row in ANOTHER.items()}
    | {row: at_share(1 - share, "easy", right="view") for share, row in WRONG.items()},
    columns=BOTH_PROBES,
    effect=(SOME[SHARES[0], "hard"], ANOTHER[SHARES[0], "hard"], "top1"),
    idea="""\
[Right neighbours are worth most to hard anchors](neighbour_confidence-cpu): those whose nearest row of their own class
lies farthest behind the nearest row of another. An anchor is one view of an image, and who is hard changes from step to
step. So it may be hard because this one view is poor: a crop that missed the shape, or a colour that misleads. Then
what helps is to be rid of the poor view, and the neighbour's class would have little to do with it.

Here hard anchors get another view of their own image in the neighbour's place: drawn by the same recipe, embedded by
the same network at the same step, without gradient, as a neighbour has none. All other anchors keep their own view. The
same is done for easy anchors. And hard anchors get their nearest *wrong* row, because a row may help by being other
than the view.""",
    equation=r"""
\underbrace{\mathrm{acc}(\text{right row}) - \mathrm{acc}(\text{own view})}_{\text{what hard anchors gain}} =
\underbrace{\mathrm{acc}(\text{another view}) - \mathrm{acc}(\text{own view})}_{\text{a poor view replaced}} +
\underbrace{\mathrm{acc}(\text{right row}) - \mathrm{acc}(\text{another view})}_{\text{what the neighbour adds}}""",
    reading="""\
Fixed before the first run in which an anchor gets another view of its image, or the hard anchors alone a wrong row.
Known then: all rows with right neighbours and the view for every anchor, which are those of [confident
miners](neighbour_confidence-cpu); there hard anchors gain 9.3 points over the view and easy ones 2.7. All accuracies
are of the linear probe, paired over seeds and averaged over both shares; the 20-NN probe is shown beside it and not
counted.

*Primary question.* Right neighbours teach hard anchors **more than another view** of their image does if right rows
for hard anchors minus another view for hard anchors has a 95% t-interval above zero; **less** if below; otherwise the
two are **not told apart**. Expected: more, by more than half of what hard anchors gain.

*Poor views.* Another view for hard anchors over their own view: it **pays**, **costs** or is **open**. The same for
easy anchors, and the difference of both. Described, not counted as tests. Expected: it pays a little for hard anchors,
and costs a little or nothing for easy ones.

*Any row.* The nearest wrong row for hard anchors over their own view, likewise. Expected: it costs.

*Second look*, fixed when all of the above had been read from the published rows. The view for every anchor and the
rows with right neighbours are from an Intel Xeon, at commits that are lost; the new rows are from an AMD EPYC. So every
difference between the two groups mixes two kinds of processor. All differences are therefore given once more, with the
older rows trained again on the processor of the new ones, and where the two answers differ, the second one counts. They
stand in the chapter *When do other images help?*. The primary question has the same answer there. Another view for hard
anchors, open in the published rows, pays.

With three seeds an interval is 2.5 standard deviations of the differences to each side, with five 1.2.""",
    mapping="""\
As in the table of confident miners: the profile's own length, batch, views and learning rate, a queue of eight batches
(192 rows at `cpu`), rows of the own image passed over. Where an anchor may get another view, every image of a batch has
a third one, which serves both anchors of the image. Each view is normalised by itself in training, so the third changes
no other embedding; it counts only in the running statistics of batch norm, which evaluation uses. Crops keep at least
80% of an image. Only the target is replaced: the anchor's own view still makes a prediction. The other random draws are
those of the runs with two views. Hard anchors with wrong rows are those that are not among the easiest 80%
or 60%; an anchor without a row of its class in the queue is one of them, at the start only.""",
    controls=("random", "pixels"),
    notebook="confidence",
)
