"""NNCLR, Table 7f: the prediction head; and the two ways to make the loss symmetric."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_predhead",
    title="NNCLR: does it need the prediction head?",
    question="Does a prediction head between the embedding and the loss give a better encoder?",
    method="nnclr",
    rows={"without": {"predictor": False}, "with": {"predictor": True}},
    variants={
        "one direction only": {"symmetry": "none"},
        "softmax over columns (Sec. 3.2)": {"symmetry": "text"},
        "both symmetries": {"symmetry": "both"},
    },
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    values={"top1_symmetric": ("with", "top1"), "top1_asymmetric": ("one direction only", "top1")},
    also=("knn_top1", "few_top1"),
    varied="prediction_mlp",
    effect=("with", "without", "top1"),
    idea="""\
BYOL and SimSiam need a prediction head: without negatives, it keeps them from collapsing. NNCLR has negatives and
needs none; the paper adds one all the same and reports a small gain. With a neighbour as target the head has work to
do: it maps a view to what is *near* the other view, not to the view itself. Below the paper's rows are three of ours
on another small choice that the paper says does not matter: whether the loss is made symmetric, and how. Its text and
its algorithm describe different ways.""",
    equation=r"""
p = \frac{h(z)}{\lVert h(z) \rVert} \;\text{with a head}, \quad p = z \;\text{without}; \qquad
\mathcal{L} = \tfrac12 \ell\bigl(\mathrm{NN}(z^1), p^2\bigr) + \tfrac12 \ell\bigl(\mathrm{NN}(z^2), p^1\bigr)
\quad\text{or}\quad \ell\bigl(\mathrm{NN}(z^1), p^2\bigr) + \ell\bigl(p^2, \mathrm{NN}(z^1)\bigr)""",
    reading="""\
The printed gain is less than half a point. Three seeds at our scale detect effects of one to three points: expect the
claim to stay inconclusive, and read the interval as a statement of what can be excluded. An effect of several points,
either way, is a finding of ours, not the paper's. That symmetry does not matter is a tolerance of 0.3 points between
two rows, narrower than our noise: it cannot be confirmed here, only contradicted, by two rows far apart. One
direction looks up half the neighbours, and so learns from half the terms, at the same number of steps. The row with
the head is the run of Table 7a's third row, which was known when this was written.

*Corrected after the runs:* noise alone can contradict a claim of no difference whose tolerance is narrower than the
noise. What equal cells would give is stated below the verdicts.""",
    mapping="""\
At `cpu` scale the head's hidden layer has 512 units, twice the projector's, as in the paper. Without a head the
embedding itself is compared with the neighbour, and its last layer is a batch norm. The terms of a loss are averaged,
not summed, so the losses of all variants have the same magnitude. With one direction, and with a softmax over
columns, only view 1 is looked up; in every variant only view 1 enters the queue.""",
    margin=("nnclr_x05", "nnclr_x12"),
    seeds=3,
)
