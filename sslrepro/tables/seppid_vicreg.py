"""SePP-ID, Table 11: pairs on VICReg, early and late in training."""

from sslrepro.tables.definition import Definition
from sslrepro.tables.seppid_epochs import at_lengths, on_base, with_controls

TABLE = Definition(
    id="seppid_vicreg",
    title="SePP-ID on VICReg",
    question="Do semantic pairs help a method whose loss keeps dimensions apart, not images?",
    method="seppid",
    rows={"vicreg": {"method": "vicreg"}, "seppid": on_base(base="vicreg")},
    variants=with_controls(base="vicreg"),
    columns=at_lengths((100, 1000)),
    effect=("seppid", "vicreg", "e1000"),
    idea="""\
VICReg has three terms: two views agree, every dimension keeps its variance over the batch, and dimensions do not
repeat each other. Pairs enter the first; the other two see whatever images stand in the batch. The paper's gain is
2.35 points after 100 epochs and 2.9 after 1,000.""",
    equation=r"""
\mathcal{L} = \lambda \frac{1}{n} \sum_{(i, j)} \lVert z_i - z'_j \rVert^2 + \mu\,\bigl(v(Z) + v(Z')\bigr) +
\nu\,\bigl(c(Z) + c(Z')\bigr), \qquad j = i \text{ or } \{i, j\} \in \mathcal{P}""",
    reading="""\
The claim joins two orders. VICReg estimates variance and covariance from the batch, and ours has two dozen images,
where the paper has 2,048: its terms are noisy here, and its level is no measure of the method. What counts is the gain
over images with themselves at the same length. A pair of wrong images costs VICReg more than a contrastive loss, since
its first term has no bound. SePP-ID on VICReg on equal terms, at another learning rate, was known when this was
written; these rows were not.""",
    mapping="""\
Lengths are in proportion to the profile's own, which stands for 500 epochs. Pairs come from MoCo v2's sampler, trained
for the profile's own length, as on MoCo v2's page: a tenth of the images is looked at and as many pairs per image are
taken as in the paper.""",
    margin=("seppid_x08",),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
