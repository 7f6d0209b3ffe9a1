"""NNCLR, Table 5: what is left of three methods when random crops are the only augmentation."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="nnclr_croponly",
    title="NNCLR: are random crops enough?",
    question="Does a method whose positives are other images depend less on hand-made augmentation?",
    method="nnclr",
    rows={
        "simclr": {"method": "simclr", "epochs": 300},
        "byol": {"method": "byol", "epochs": 300},
        "nnclr": {"epochs": 300},
    },
    variants={"NNCLR, 1,000 epochs": {"epochs": 1000}},
    columns={
        "full_aug": "linear_top1",
        "only_crop": Column("linear_top1", sets={"recipe": "crop"}),
        "drop": Column(of="only_crop", minus="full_aug"),
    },
    effect=("nnclr", "simclr", "drop"),
    values={
        "full_1000ep": ("NNCLR, 1,000 epochs", "full_aug"),
        "crop_1000ep": ("NNCLR, 1,000 epochs", "only_crop"),
    },
    idea="""\
Two views of one image differ in what the augmentation changes and agree in everything else. Without colour jitter,
two crops share their colour histogram; a contrastive learner can tell images apart by it and learn little more.
NNCLR's positive is another image, with colours of its own, so this shortcut should not pay. The paper trains SimCLR,
BYOL and NNCLR for 300 epochs with the full augmentation and with random crops alone, and reports that NNCLR loses
least; at 1,000 epochs, where only NNCLR was run, it loses less still.""",
    equation=r"""
\mathrm{drop} = \mathrm{top1}(\text{crops alone}) - \mathrm{top1}(\text{full augmentation}) \leq 0""",
    reading="""\
Read the drops, not the levels: each is the difference of two runs of one method with the same seed, images and
initial weights, so what the seeds share cancels, and the interval is that of the paired differences. A method that
learned little with full augmentation has little to lose: a small drop counts only where the row is clearly above the
untrained encoder. What colours give away depends on the images. The built-in shapes are drawn in random colours that
say nothing about the class but do identify the image, so the shortcut exists; how much it pays there need not be what
it pays on photographs. Whether more training closes the gap is read from NNCLR's two rows.""",
    unrun={"nnclr_c19": "the size of an effect, which is not judged below the paper's scale; ours is shown"},
    mapping="""\
Full augmentation is the profile's own recipe; crops alone keep the mirror flip, as in BYOL's code, whose setup the
paper follows. Crops keep the profile's smallest area in both columns. Epochs are mapped in proportion, 1,000 to twice
the profile's own. The queue is the ablations' default, 32,768, counted in batches.""",
    margin=("nnclr_x04",),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
