"""The neighbour map where views differ by their crop alone: what a neighbour is worth when views teach less. Ours."""

from typing import Any

from sslrepro.tables.definition import BOTH_PROBES, Definition
from sslrepro.tables.neighbour_map import point_of_map

SHARES = (0.0, 0.2, 0.4, 0.57, 0.75, 1.0)  # of lookups that are right
MINERS = {"nearest neighbour": {}, "of the 8 nearest": {"top_k": 8}, "soft": {"positive": "soft"}}
ROWS = (
    {
        "no lookup": {"positive": "view"},
        "no lookup, no gradient": {"positive": "detached"},
        "0% right": point_of_map(0.0),
    }
    | {
        f"{share:.0%} right, {right}": point_of_map(share, right)
        for share in SHARES[1:]
        for right in ("nearest", "random")
    }
    | MINERS
)


def with_crops_only(sets: dict[str, Any]) -> dict[str, Any]:
    """A row's settings, seen through crops alone."""
    return sets | {"recipe": "crop"}


TABLE = Definition(
    id="neighbour_map_crops",
    title="How right must a neighbour be when views differ by their crop alone?",
    question="Is a neighbour worth more where the views vary less?",
    method="nnclr",
    rows={row: with_crops_only(sets) for row, sets in ROWS.items()},
    columns=BOTH_PROBES,
    effect=("57% right, nearest", "no lookup", "top1"),
    idea="""\
A neighbour can only teach what the views do not. Two crops of an image with colours jittered and blurred already teach
an encoder to ignore colour and sharpness; two plain crops do not, but two images of a class differ in both. So the
weaker the views, the more a right neighbour should bring, and the less right it need be to pay. NNCLR's own
evidence points there: with crops alone it loses a few points where SimCLR and BYOL lose many (Table 5). Here the
neighbour map is drawn again with nothing but crops and flips. All else, the draws of who is right included, is that
of the map with all augmentations.""",
    equation=r"""
\mathrm{gain}_s(q) = \mathrm{acc}_s(q) - \mathrm{acc}_s(\text{no lookup}) \approx a_s + b_s q, \qquad
\Delta_s = \frac{1}{|Q|} \sum_{q \in Q}
\left(\mathrm{gain}^{\text{crops}}_s(q) - \mathrm{gain}^{\text{all}}_s(q)\right)""",
    reading="""\
Fixed before the runs of this table. Known of the map with all augmentations were the gains of near right and near
wrong neighbours, which this table compares with, and two thirds of its runs.

*Worth of a neighbour.* The primary number is the mean difference of the gains, crops alone minus all augmentations,
over the six shares of this table, near right and near wrong neighbours, linear probe, paired over seeds. Neighbours are
**worth more** with crops alone if its 95% t-interval lies above zero, **worth less** if below, **open** otherwise. The
same for shares of 40% and more describes neighbours that are right as often as the paper's, and is not counted.

*Rise, break-even and distance* are read as on the map with all augmentations.

*Miners.* Three are placed on the curve by their share of right lookups; three are too few for more than a description.

A gain over a low accuracy is easier than one over a high one: accuracies are shown, and the difference says nothing
about which of the two trains the better encoder. With three seeds an interval is 2.5 standard deviations of the
differences to each side.""",
    mapping="""\
Crops are those of the paper's Table 5 (8 to 100% of the area, flips, no colour, no blur). Length, batch, learning
rate and queue are those of the map; nothing was tuned for crops.""",
    controls=("random", "pixels"),
    notebook="map",
    seeds=3,
)
