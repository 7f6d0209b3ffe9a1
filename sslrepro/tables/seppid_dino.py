"""SePP-ID, Table 12: pairs on DINO, without multi-crop."""

from sslrepro.tables.definition import Column, Definition
from sslrepro.tables.seppid_epochs import at_lengths, on_base, over_same, with_controls

TABLE = Definition(
    id="seppid_dino",
    title="SePP-ID on DINO",
    question="Do semantic pairs help self-distillation?",
    method="seppid",
    rows={"dino": {"method": "dino"}, "seppid": on_base(base="dino")},
    variants=with_controls(base="dino"),
    columns=at_lengths((200,))
    | {
        "own": Column("linear_top1", label="at the profile's own length", unit="%"),
        "over_same_own": over_same("own", "own length"),
    },
    effect=("seppid", "dino", "e200"),
    idea="""\
DINO's student predicts what a slowly moving teacher assigns to the other view, over prototypes. In a pair row the
teacher sees one image and the student the other, in both directions. The paper runs both without multi-crop, for 200
epochs, and prints a gain of 1.8 points.""",
    equation=r"""
\mathcal{L}(i, j) = -\tfrac{1}{2} \sum_{(a, b) \in \{(i, j), (j, i)\}}
\mathrm{softmax}\Bigl(\frac{t(x_a) - c}{\tau_t}\Bigr) \cdot \log \mathrm{softmax}\Bigl(\frac{s(x_b)}{\tau_s}\Bigr)""",
    reading="""\
One order, at one length. DINO at this scale has three epochs for the paper's 200, during which its last layer is frozen
for one and its teacher has hardly moved: if neither row is above the untrained encoder, nothing is tested. The second
column has the profile's own length for that reason; it is ours and no claim rests on it. DINO's cell there was known
when this was written, and so was SePP-ID on DINO on equal terms, which are the same runs here.""",
    mapping="""\
Lengths are in proportion to the profile's own, which stands for 500 epochs. Pairs come from MoCo v2's sampler, trained
for the profile's own length, as on MoCo v2's page: a tenth of the images is looked at and as many pairs per image are
taken as in the paper. There are two large views and no small ones, in the
profile's recipe.""",
    margin=(
        "seppid_x04",
        "seppid_x16",
    ),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
