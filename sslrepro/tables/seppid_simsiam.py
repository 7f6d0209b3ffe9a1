"""SePP-ID, Table 10: pairs on SimSiam, at four lengths of training."""

from sslrepro.tables.definition import Definition
from sslrepro.tables.seppid_epochs import LENGTHS, at_lengths, on_base, with_controls

TABLE = Definition(
    id="seppid_simsiam",
    title="SePP-ID on SimSiam",
    question="Do semantic pairs help a method that has no negatives and no teacher?",
    method="seppid",
    rows={"simsiam": {"method": "simsiam"}, "seppid": on_base(base="simsiam")},
    variants=with_controls(base="simsiam"),
    columns=at_lengths(LENGTHS),
    effect=("seppid", "simsiam", "e800"),
    idea="""\
SimSiam pulls two views of an image together, through a predictor and with the gradient stopped on one side, and pushes
nothing apart. A pair row pulls two images together instead. No negative can be wrong here, so a gain cannot come from
false negatives that the pairs remove. The paper prints 0.8 to 1.2 points at every length.""",
    equation=r"""
\mathcal{L}(i, j) = -\tfrac{1}{2} \bigl( p_i \cdot \mathrm{sg}(z_j) + p_j \cdot \mathrm{sg}(z_i) \bigr), \qquad
j = i \text{ in ordinary rows}, \quad \{i, j\} \in \mathcal{P} \text{ in pair rows}""",
    reading="""\
Five orders are joined in the claim, so it holds only if the smallest of them does; read the lines. What counts is the
gain over images with themselves, which have as many further rows. SimSiam is known to need long schedules and learns
slowly at this scale: where a cell is not above the untrained encoder, its pairs are not tested. SimSiam's own row is
one of NNCLR's Table 6 and was known when this was written, and so was SePP-ID on SimSiam on equal terms, at another
learning rate.""",
    mapping="""\
Lengths are in proportion to the profile's own, which stands for 500 epochs. Pairs come from MoCo v2's sampler, trained
for the profile's own length, as on MoCo v2's page: a tenth of the images is looked at and as many pairs per image are
taken as in the paper.""",
    margin=("seppid_x08",),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
