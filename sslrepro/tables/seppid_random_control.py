"""SePP-ID, Table 9: as many further rows without semantic pairs; and Eq. 1 to the letter."""

from sslrepro.tables.definition import Column, Definition

LONG = {"epochs": 800}
WHOLE = {"sampler_epochs": 100} | LONG
SAME = "images of the searched share with themselves"
RANDOM = "random pairs"
LETTER = "SePP-ID, a pair's images among its negatives"
ADDED = ("moco_v2_random", "seppid", SAME, RANDOM, LETTER)

TABLE = Definition(
    id="seppid_random_control",
    title="SePP-ID: is it the pairs, or the extra rows?",
    question="Do as many further rows of random images do what semantic pairs do?",
    method="seppid",
    rows={
        "moco_v2": {"method": "mocov2"} | LONG,
        "moco_v2_random": {"random": True} | WHOLE,
        "seppid": WHOLE,
    },
    variants={
        SAME: {"control": "same"} | WHOLE,
        RANDOM: {"control": "random"} | WHOLE,
        LETTER: {"pair_negatives": True} | WHOLE,
    },
    columns={
        "added_pairs": Column("pairs", factor=1.0, digits=0, best="", rows=ADDED),
        "accuracy": Column("linear_top1"),
        "right": Column("pair_match", best="", label="rows of one class", unit="%", rows=ADDED),
        "over_random": Column(
            of="accuracy",
            label="over random duplicates",
            unit="points",
            best="",
            minus_row={name: "moco_v2_random" for name in ("seppid", SAME, RANDOM, LETTER)},
        ),
    },
    also=("knn_top1", "few_top1"),
    effect=("seppid", "moco_v2_random", "accuracy"),
    idea="""\
SePP-ID trains on more rows than MoCo v2, so it also takes more steps. The paper's control adds 18,109 random images,
two augmented copies of each: 0.2 points, against 4.1 for the pairs. This is the one place where the five papers of
this book test their own explanation with equal amounts of training. We add two controls. One duplicates images of the
searched tenth, none twice before each had its turn. The other pairs *different* images at random: it has the shape of
semantic pairs and none of the meaning, and would show whether a little noise in the targets is enough.""",
    equation=r"""
\mathcal{P}_{\text{semantic}} = \{\{i, j\}: c_{\min} \le z_i \cdot z_j \le c_{\max}\}, \quad
\mathcal{P}_{\text{duplicates}} = \{\{i, i\}\}, \quad
\mathcal{P}_{\text{random}} = \{\{i, j\} \text{ drawn}\}, \qquad |\mathcal{P}| \text{ equal}""",
    reading="""\
The claim sets the gain of the pairs against that of random duplicates; the baseline cancels, so it is one difference,
paired over seeds. It is *the* test of semantic pairs. If random pairs do as well as semantic ones, the meaning of the
pairs has not been shown to matter here. If they do worse than duplicates, wrong pairs do harm, and the semantic pairs,
half of which are wrong here, have that to make up for.

That random duplicates have a negligible effect, at most 0.2 points, cannot be shown with three seeds. The last variant
follows Eq. 1 to the letter, where the other views of a pair's images stay among the negatives of its row; with few
such views in the queue the two should agree. Rows of Table 2 at its longest training appear here again.""",
    mapping="""\
All rows have the length that stands for 800 epochs. The paper's duplicates are drawn from all images, with
replacement; so are ours in its row. Sampler, share and number of pairs are as in Table 2.""",
    margin=("seppid_x19", "seppid_x07"),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
