"""SePP-ID, Table 1: which method should train the sampler; how long, on what, and in which window of cosines."""

from sslrepro.tables.definition import Column, Definition

SHORT = "MoCo-v2, an eighth as long"
UNTRAINED = "an untrained encoder"
ONLINE = "an untrained encoder, on augmented images"
AUGMENTED = "MoCo-v2, on augmented images"
LOWER = "MoCo-v2, cosines of 0.85 to 0.90"
PRINTED = "MoCo-v2, cosines of 0.97 to 0.99, as printed"
NNCLR, FNC = "NNCLR's own neighbours", "FNC's own finds"
MINED = ("moco_v2", "simsiam", "simclr", SHORT, UNTRAINED, AUGMENTED, ONLINE, LOWER)  # PRINTED may find none

TABLE = Definition(
    id="seppid_sampler",
    title="SePP-ID: how often are the pairs right?",
    question="Which method finds semantic pairs most reliably, and does a better sampler make a better encoder?",
    method="seppid",
    rows={
        "moco_v2": {"sampler_epochs": 100},
        "simsiam": {"sampler": "simsiam", "sampler_epochs": 100},
        "simclr": {"sampler": "simclr", "sampler_epochs": 100},
    },
    variants={
        SHORT: {"sampler_epochs": 12},
        UNTRAINED: {"sampler_epochs": 0, "high": 1.0},
        AUGMENTED: {"sampler_epochs": 100, "sampler_views": "augmented"},
        ONLINE: {"sampler_epochs": 0, "sampler_views": "augmented", "high": 1.0},
        LOWER: {"sampler_epochs": 100, "quantile": None, "low": 0.85, "high": 0.9, "max_pairs": 18_109},
        PRINTED: {"sampler_epochs": 100, "quantile": None},
        NNCLR: {"method": "nnclr", "queue_size": 98_304},
        FNC: {"method": "fnc"},
    },
    columns={
        "pair_accuracy": Column("pair_match", digits=2, rows=MINED),
        "neighbours": Column(
            "neighbour_match_without_self", label="images found in training: same class", unit="%", rows=(NNCLR,)
        ),
        "pairs": Column("pairs", factor=1.0, digits=0, best="", label="pairs", rows=MINED),
        "covered": Column("paired_images", factor=1.0, digits=0, best="", label="images in a pair", rows=MINED),
        "degree": Column("pair_degree", factor=1.0, digits=1, best="", label="most pairs of one image", rows=MINED),
        "cosine": Column("pair_cosine", factor=1.0, digits=3, best="", label="mean cosine of a pair", rows=MINED),
        "top1": Column("linear_top1", label="linear probe after training on them, top-1", unit="%"),
    },
    values={
        "spps_accuracy": ("moco_v2", "pair_accuracy"),
        "nnclr_pair_accuracy": (NNCLR, "neighbours"),
        "fnc_pair_accuracy": (FNC, "neighbours"),
        "pair_acc_window_097_099": ("moco_v2", "pair_accuracy"),
        "pair_acc_best_other_window": (LOWER, "pair_accuracy"),
        "top1_window_097_099": ("moco_v2", "top1"),
        "top1_best_other_window": (LOWER, "top1"),
        "top1_pairs_pretrained_clean": ("moco_v2", "top1"),
        "top1_pairs_online_augmented": (ONLINE, "top1"),
    },
    also=("knn_top1",),
    effect=("moco_v2", "simclr", "pair_accuracy"),
    idea="""\
Before training starts, an encoder that was trained without labels looks at a tenth of the images as they are, and
every two that it finds nearly identical become a pair. The table asks who should look. The paper tries three methods,
each trained for 100 epochs, and prints one number for each: the share of pairs whose two images have the same label.
Below the paper's rows we vary what it holds fixed: how long the sampler was trained, whether it sees the images or
augmented views of them, and which cosines make a pair. All rows train the same method, MoCo v2, on the pairs they
found, so that the last column says what the pairs were worth.""",
    equation=r"""
\mathcal{P} = \{\,\{i, j\}:\ i \ne j,\ c_{\min} \le z_i \cdot z_j \le c_{\max}\,\}, \qquad
\text{accuracy} = \frac{|\{\{i, j\} \in \mathcal{P}:\ y_i = y_j\}|}{|\mathcal{P}|}""",
    reading="""\
Read accuracy and number of pairs together: accuracy alone can be had by taking few pairs. The rows take the same
number, the most similar up to a cosine of 0.99, except where a row names a window. The printed window holds only a
handful of pairs here (three among the training images of a seed that no table uses, none of them right), because it
belongs to the paper's sampler; that row is shown to say so. Chance is one in sixteen.

The three methods are close in the paper (1.3 points) and one of a few dozen pairs is already more than that here: with
three seeds expect no order of the rows. The row of one epoch was known when this was written, from the page of all
methods (about 11% right), and so was about half right for a sampler of full length, from the page of equal terms; the
other rows were not.

92% for pairs is not comparable with 57% for NNCLR's neighbours (seppid_x11): the former is about the few most similar
pairs, the latter about every query. We judge the order and show both numbers. That a window of the highest cosines
makes better pairs *and* a better encoder is said in the text without a table; the window below, with as many pairs,
stands for all others. That choosing pairs with an untrained encoder on augmented images lowers accuracy is judged
against pairs that such an encoder picks once, before training, which is the worst case of looking during training; two
more rows tell its two causes apart. The last column differs between rows by what 1.4% of the training rows can do: if
it does not follow the accuracy of the pairs, there are too few of them to matter.""",
    mapping="""\
The paper's 100 epochs stand for the profile's own length, whatever the length of the run that trains on the pairs:
at this scale the sampler is as well trained as any other encoder here, which is what the paper has. It has the head of
its own method at the profile's width, where the paper's has 256 dimensions. A tenth of the images is looked at, and as
many pairs per image are taken as the paper found (1.4%), in place of its window. What FNC finds
is a row of its own: its share is of the anchors that find anything at its threshold.""",
    adapted={
        "seppid_c02": "v('seppid','spps_accuracy') > v('seppid','nnclr_pair_accuracy')",
    },
    margin=("seppid_x11", "seppid_x12", "seppid_x17"),
    controls=("random", "pixels"),
    seeds=3,
)
