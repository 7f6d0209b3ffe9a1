"""Which anchors must find the right neighbours? Their share fixed, the anchors varied. A table of ours."""

from typing import Any

from sslrepro.tables.definition import BOTH_PROBES, Definition

SHARES = (0.2, 0.4)  # of lookups that are right: near NNCLR's own after 8 epochs and after 64
ANCHORS = {"drawn": "drawn anew", "fixed": "the same images", "easy": "easy anchors", "hard": "hard anchors"}
VIEW = "the view for every anchor"  # no lookup, no gradient: to the bit the same step
ITSELF = "NNCLR's own lookup"  # but for the first steps, when rows of the queue show no image
AS_OFTEN = {"drawn": "as often right, drawn anew", "hard": "as often right, hard anchors"}  # as the nearest are


def at_share(share: float | None, anchors: str, right: str = "nearest", wrong: str = "nearest") -> dict[str, Any]:
    """The settings of right neighbours for a share of the anchors, and of what the others get."""
    sets = {"method": "nnclr_controlled", "right_share": share, "right": right, "wrong": wrong}
    return sets if anchors == "drawn" else sets | {"anchors": anchors}


SET = {(share, anchors): f"{share:.0%} right, {words}" for share in SHARES for anchors, words in ANCHORS.items()}
RANDOM = {  # the same with right rows from anywhere in the class
    (share, anchors): f"{share:.0%} right, random rows, {ANCHORS[anchors]}"
    for share in SHARES
    for anchors in ("drawn", "easy", "hard")
}

TABLE = Definition(
    id="neighbour_anchors",
    title="Which anchors must find the right neighbours?",
    question="Is a neighbour of the right class worth as much to an anchor that finds it by itself as to one that does "
    "not?",
    method="nnclr",
    rows={
        "no lookup": {"positive": "view"},
        "nearest neighbour": {},
        VIEW: at_share(0.0, "drawn", wrong="view"),
        ITSELF: at_share(None, "easy"),
    }
    | {row: at_share(None, anchors) for anchors, row in AS_OFTEN.items()}
    | {row: at_share(share, anchors) for (share, anchors), row in SET.items()}
    | {row: at_share(share, anchors, "random") for (share, anchors), row in RANDOM.items()},
    columns=BOTH_PROBES,
    effect=(AS_OFTEN["drawn"], ITSELF, "top1"),
    idea="""\
On the published [map](neighbour_map-cpu) real miners lie below the curve: their neighbours gain about five points less
than neighbours that are set to be right as often. So being right may not be all. A miner's lookups differ from the
map's in two things, because right and wrong rows are the nearest of their kind in both.

* **Who is right.** A nearest neighbour is right where an image of the class lies near already: easy anchors find right
  neighbours, hard ones tend not to. The map draws the anchors anew at each step.
* **When.** A miner's neighbours are wrong at first and become right; the map's are right equally often throughout.

Here the share of right lookups stays and the anchors change. *Drawn anew*: the map. *The same images*: drawn once for
all of training, and for both views. *Easy*: as many as would have been drawn, but those whose nearest right row lies
farthest in front of their nearest wrong one. *Hard*: those where it lies farthest behind. And without a set share: *as
often right* takes, at each step and for each view, as many anchors as are right by themselves, and draws which, or
takes the hard ones. Easy anchors without a set share are *NNCLR's own lookup*, so that two steps lead from NNCLR to the
map: who is right, then when.

An easy anchor's right row is also a near one. *Random rows* take it from anywhere in the class instead: what easy and
hard anchors still differ by is then not how near the nearest is.""",
    equation=r"""
\underbrace{\mathrm{acc}(q) - \mathrm{acc}(\text{NNCLR})}_{\text{below the map}} =
\underbrace{\mathrm{acc}(\text{as often, drawn}) - \mathrm{acc}(\text{NNCLR})}_{\text{who}} +
\underbrace{\mathrm{acc}(q) - \mathrm{acc}(\text{as often, drawn})}_{\text{when}}""",
    reading="""\
Fixed before the first run in which anchors are not drawn anew or their share is the run's own. Known then: NNCLR and
the same without lookup, the map, the miners' distance from it at 8 epochs, and that after 64 epochs NNCLR's neighbours
are right in about 40% of lookups and still worth less than the view. All accuracies are of the linear probe, paired
over seeds; the 20-NN probe is shown beside it and not counted.

*Primary question.* Who is right **matters** to NNCLR if "as often right, drawn anew" differs from NNCLR's own lookup
with a 95% t-interval that leaves out zero; otherwise it is **open**. The expectation, not built into the rule: drawn
anchors are better.

*Second look.* NNCLR's own lookup was first the row "nearest neighbour", whose runs other tables share. They are from
another kind of processor than the rows of this table. Over them "as often right, drawn anew" came out 4.2 ± 2.6 points
ahead (n = 5), with easy anchors 4.4 ± 2.4 behind drawn ones and hard ones 6.3 ± 1.3 ahead. But the same five runs of
"nearest neighbour", trained again on this processor for another purpose, lie 3.4 points higher in the mean. So NNCLR's
own lookup and the view for every anchor became rows of their own, trained beside the others, and the primary question
is answered by them, whatever they say. This was fixed before their first run. Over the runs that were trained again,
drawn anchors are 0.8 ± 2.4 points ahead; two trainings of one algorithm are not enough to decide, so the question was
put to [new seeds](neighbour_anchors_again-cpu). Rows of the map are from both kinds of processor; the chapter gives all
differences once more with every run from one.

*The way from NNCLR to the map* is described in its two steps and their sum. The second holds more than timing: a set
share is higher over training than one that rises to it. The map's row is the one whose share is nearer to NNCLR's own
at the end of training (20% or 40%); what is left of the difference in shares is in the second step too.

*Anchors at a set share.* Easy, hard and the same images, each against drawn anew: differences averaged over both
shares, 95% t-interval; each **pays**, **costs** or is **open**. Expected: easy anchors cost, hard ones pay. Described,
not counted as tests.

*Anchors or rows?* The same with random rows of the class, easy and hard against drawn anew. If easy anchors cost with
near rows and not with random ones, it is the rows. Described, and added, before any run of the table was read.

*Hard anchors of NNCLR.* "As often right, hard anchors" against drawn anew, likewise.

The commit that fixed this is lost, so the history cannot show that it came before the runs (see the page of scales).

With three seeds an interval is 2.5 standard deviations of the differences to each side, with five 1.2.""",
    mapping="""\
The profile's own length, batch, views and learning rate. The queue is the ablations' default, eight batches (192 rows
at `cpu`, 12 of each class on average). Rows of the own image are passed over. Batches have 24 anchors at `cpu` and
`night`, so that 20% are about five of them, for each view. Rows drawn anew at a set share are the map's.""",
    controls=("random", "pixels"),
    notebook="anchors",
)
