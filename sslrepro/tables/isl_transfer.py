"""ISL, Table 2 (appendix): linear classifiers on sets of other images. Our source lacks the paper's numbers."""

from sslrepro.tables.definition import Column, Definition
from sslrepro.tables.nnclr_transfer import SETS

SIX = ("digits", "leaves", "families", "variants", "inverted", "noisy")  # chosen before any run: the judged ones

TABLE = Definition(
    id="isl_transfer",
    title="ISL on other images",
    question="Do images taken as alike help MoCo v2's features on every set that they are taken to?",
    method="isl_moco",
    rows={
        "moco_v2": {"method": "mocov2"},
        "moco_v2_isl": {},
    },
    columns={
        name: Column(f"transfer_{name}", label=SETS[name], unit="%")
        for name in (*SIX, *(name for name in SETS if name not in SIX))
    },
    evaluations={"transfer": {}},
    also=("linear_top1",),
    effect=("moco_v2_isl", "moco_v2", "leaves"),
    idea="""\
ISL finds for each image those that stay alike under small steps over a graph of neighbours, and attracts them. Its
appendix takes MoCo v2 with and without it to six sets, by linear classifiers on the last convolution's features, and
says that ISL is ahead on each. The body of that table is missing in the text we transcribed: its columns, two of its
rows and the direction are known, no number is. So nothing of the paper can be shown beside ours.""",
    equation=r"""
\min_{W} \; \sum_{i} -\log \operatorname{softmax}(W f(x_i))_{y_i} + \frac{\lambda}{2} \lVert W \rVert^2, \qquad
\lambda \in \{10^{-6}, 10^{-5.75}, \ldots, 10^{5}\} \text{ by a validation split}""",
    reading="""\
The claim is one direction on six sets: ISL above MoCo v2 on each. It is judged on the first six columns, chosen
before any run. Six strict orders are much to ask of three seeds: a single set within noise leaves it undecided, a
single clear loss refutes it. No size is claimed, and none could be compared. In a short training ISL mines late and
little, so that a tie on all sets is likely. Written before any of these runs; an untrained encoder had been timed on
four sets.""",
    mapping="""\
As on the page of NNCLR's twelve sets: same sets, images, penalties and split. The paper states neither epochs nor
the classifier's rate; its sets are CIFAR-10, CIFAR-100, Aircraft, Flowers, Food and Caltech-101, none of them
embedded.""",
    adapted={
        "isl_c05": f"all(c('isl_transfer','moco_v2_isl',m) > c('isl_transfer','moco_v2',m) for m in {list(SIX)})",
    },
    controls=("random",),
    seeds=3,
)
