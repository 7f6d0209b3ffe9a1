"""How right must a neighbour be? NNCLR with neighbours of controlled precision and distance. A table of ours."""

from typing import Any

from sslrepro.tables.definition import BOTH_PROBES, Definition

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.57, 0.75, 1.0)  # of lookups that are right; NNCLR reports 57% at its end
FEWER = (0.0, 0.2, 0.4, 0.57)  # of these also with wrong neighbours drawn at random


def point_of_map(right_share: float, right: str = "nearest", wrong: str = "nearest") -> dict[str, Any]:
    """The settings of a point of the map."""
    return {"method": "nnclr_controlled", "right_share": right_share, "right": right, "wrong": wrong}


POINTS = {"0% right": point_of_map(0.0)} | {
    f"{share:.0%} right, {right}": point_of_map(share, right)
    for share in SHARES[1:]
    for right in ("nearest", "random", "farthest")
}
RANDOM_ERRORS = {f"{share:.0%} right, wrong at random": point_of_map(share, wrong="random") for share in FEWER}
MINERS = {
    "nearest neighbour": {},
    "nearest, queue of 2 batches": {"queue_size": 8_192},
    "nearest, queue of 4 batches": {"queue_size": 16_384},
    "nearest, queue of 16 batches": {"queue_size": 65_536},
    "nearest, queue of 24 batches": {"queue_size": 98_304},
    "random eviction": {"queue_size": 16_384, "eviction": "random"},
    "both views pushed": {"queue_size": 16_384, "push_both_views": True},
    "current encoder": {"queue_size": 16_384, "support": "encoder"},
    "of the 2 nearest": {"top_k": 2},
    "of the 4 nearest": {"top_k": 4},
    "of the 8 nearest": {"top_k": 8},
    "of the 16 nearest": {"top_k": 16},
    "of the 32 nearest": {"top_k": 32},
    "soft": {"positive": "soft"},
    "soft, temperature 0.02": {"positive": "soft", "soft_temperature": 0.02},
    "soft, temperature 0.5": {"positive": "soft", "soft_temperature": 0.5},
}

TABLE = Definition(
    id="neighbour_map",
    title="How right must a neighbour be?",
    question="How much does a neighbour gain over the view, by how often it shares the class and how near it is?",
    method="nnclr",
    rows={"no lookup": {"positive": "view"}, "no lookup, no gradient": {"positive": "detached"}}
    | POINTS
    | RANDOM_ERRORS
    | MINERS,
    columns=BOTH_PROBES,
    effect=("57% right, nearest", "no lookup", "top1"),
    idea="""\
A mined positive is right or wrong, near or far, and a miner decides both at once: that is why methods that mine better
cannot tell which of the two helped. Here both are set. Each lookup returns a row of the anchor's class with a fixed
probability, else a row of another class; right rows are the nearest of the class, drawn at random from it, or the
farthest of it; wrong rows are the nearest of the other classes, as a miner's errors are, or drawn at random. All else
is NNCLR: queue, heads, loss and update. An oracle reads labels to do so, and is a diagnostic, not a method. The result
is a map: the gain over the view by precision and distance, with the precision at which a neighbour breaks even. Real
miners are then placed on it by the precision they reached: a map that predicts their gains explains them.""",
    equation=r"""
\mathrm{gain}_s(q) = \mathrm{acc}_s(q) - \mathrm{acc}_s(\text{no lookup}) \approx a_s + b_s q, \qquad
q^* : \bar a + \bar b q^* = 0""",
    reading="""\
Fixed before the runs of the map. Known then: the runs of the miners and of no lookup, from other tables, and a pilot
with two seeds and a queue of 24 batches in which the gain over no lookup rose from -6 and -11 points with no right
neighbour to +14 and +11 with all right, and crossed zero at or before 35%. All accuracies are of the linear probe; the
20-NN probe is shown beside it and not counted.

*Rises with precision.* Per seed the least-squares line of the gain over the set share, over all eight shares. The gain
**rises** if the mean slope is positive with a one-sided probability of at least 95%.

*Break-even.* The share at which the mean line is zero, with the 95% set of shares at which the t-interval of the seeds'
lines contains zero; stated only if the gain rises. The curve need not be straight, so the share at which the mean of
the points crosses zero, by linear interpolation, is given beside it.

*Distance.* For random against nearest and farthest against random right neighbours: the difference of the gains,
averaged over the seven shares above zero, paired over seeds, 95% t-interval. The same for wrong neighbours at random
against the nearest, averaged over four shares.

*Miners.* The map's prediction for a miner is the mean curve of near right and near wrong neighbours, interpolated at
the share of right lookups the miner had at the end of training. Its error is the miner's gain minus the prediction. No
miner takes part in the curve, so all are held out. The map **explains** the miners if the root mean square error is
smaller than that of predicting the miners' own mean gain, and is described otherwise. A miner's precision rises over
training where the map's is fixed, so miners should fall below the curve; soft neighbours mix rows and are placed by the
row of most weight.

With three seeds an interval is 2.5 standard deviations of the differences to each side.""",
    mapping="""\
The profile's own length, batch, views and learning rate. The queue is the ablations' default, eight batches (192 rows
at `cpu`, 12 of each class on average): the nearest of the class is the nearest of about twelve, the farthest the
farthest of them. Rows of the own image are passed over. Draws are the same for all shares of a seed, so that who is
right at a small share is right at a larger one. The printed 57% is one of the shares.""",
    controls=("random", "pixels"),
    notebook="map",
    seeds=3,
)
