"""SePP-ID, Table 7: MoCo v2 with and without pairs on STL-10 and CIFAR-10."""

from sslrepro.tables.definition import Column, Definition

SAME = "as many rows, images with themselves"

TABLE = Definition(
    id="seppid_datasets",
    title="SePP-ID on small sets of images",
    question="Do semantic pairs help on small sets too, and is their gain smaller the longer one trains?",
    method="seppid",
    rows={"moco_v2": {"method": "mocov2"}, "seppid": {"sampler_epochs": 100}},
    variants={SAME: {"sampler_epochs": 100, "control": "same"}},
    columns={
        f"{images}_e{n}": Column("linear_top1", sets={"epochs": n}, images=images)
        for images in ("stl10", "cifar10")
        for n in (200, 400, 800)
    },
    effect=("seppid", "moco_v2", "cifar10_e800"),
    idea="""\
On ImageNet the gain of SePP-ID grows with the number of epochs. Table 7 repeats the comparison with a ResNet-18 on
STL-10 and CIFAR-10, where the printed gain is largest after 200 epochs and smaller after each doubling. The text
quotes the gain after 200 epochs for one set and after 800 for the other (seppid_x08).""",
    equation=r"""
\Delta(T) = \mathrm{top1}_{\text{SePP-ID}}(T) - \mathrm{top1}_{\text{MoCo v2}}(T), \qquad T \in \{200, 400, 800\}""",
    reading="""\
Each set is a page of its own: the columns of CIFAR-10 are measured on CIFAR-10, those of STL-10 on STL-10. On the
profile's own images, which the paper does not have, the columns of STL-10 are shown, and there the rows are runs of
Table 2: they add nothing to it, and a verdict on STL-10 there is a verdict on Table 2. So read the page of CIFAR-10.

A gain that shrinks is a trend over three lengths, taken per seed; gains of a few tenths cannot be told from none. The
variant, which has as many further rows without pairs, says what part of a gain is due to rows alone. The paper's
CIFAR-10 baseline is some twenty points below what other papers print for similar methods (seppid_x15), so its levels
are no target. On CIFAR-10 at the `cpu` scale every trained encoder may be near the untrained one and raw pixels; where
it is, nothing about the claims is tested, and the page says so.""",
    mapping="""\
Lengths are in proportion to the profile's own, which stands for 500 epochs. A set from a data root is taken with twice
the profile's number of images. The sampler is trained on the same images, for the profile's own length; the paper does
not say on what images its sampler for these sets was trained. A tenth of the images is looked at, and as many pairs
per image are taken as on ImageNet, for the paper gives no count here.""",
    margin=("seppid_x03", "seppid_x08", "seppid_x15", "seppid_x18"),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
