"""NNCLR, Table 4: what attracts (the view or its nearest neighbour), with and without a momentum encoder."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_positives",
    title="NNCLR: is it the neighbour that helps?",
    question="Is the nearest neighbour a better positive than the view itself, with and without a momentum encoder?",
    method="nnclr",
    rows={
        "view1_nomom": {"positive": "view"},
        "nn_nomom": {"positive": "nearest"},
        "view1_mom": {"positive": "view", "teacher_momentum": 0.99},
        "nn_mom": {"positive": "nearest", "teacher_momentum": 0.99},
    },
    variants={
        "view 1, no gradient": {"positive": "detached"},
        "view 1, no head": {"positive": "view", "predictor": False},
        "view 1, no gradient, no head": {"positive": "detached", "predictor": False},
        "neighbour, no head": {"predictor": False},
        "view 1, momentum, no head": {"positive": "view", "teacher_momentum": 0.99, "predictor": False},
        "neighbour, momentum, no head": {"teacher_momentum": 0.99, "predictor": False},
    },
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    also=("knn_top1", "few_top1"),
    effect=("nn_nomom", "view1_nomom", "top1"),
    idea="""\
The table isolates NNCLR's single change. Loss, heads, negatives and views stay the same; only the vector that the
prediction is pulled towards changes, from the embedding of the image's other view to its nearest neighbour in the
queue. The paper does this twice, without and with a momentum encoder (a slow average of the network), because BYOL
and MoCo owe much to theirs, and the gain might be the same one. A second factor may hide in the rows: the paper does
not say which of them have a prediction head, and printed cells suggest that not all do. All our rows therefore have
it, and the same four without it are below. There is a third: a view as positive carries gradient where there is no
teacher, a neighbour never does. Two variants stop the view's gradient, and so change the vector alone.""",
    equation=r"""
a_i = \begin{cases} z_i & \text{view 1} \\ \mathrm{NN}(z_i, Q) & \text{neighbour} \end{cases} \qquad
\mathcal{L}_i = -\log \frac{\exp(a_i \cdot p_i^+ / \tau)}{\sum_{k=1}^{n} \exp(a_i \cdot p_k^+ / \tau)}, \qquad
z = \begin{cases} f_\theta(x) & \text{no momentum} \\ f_{\bar\theta}(x) & \text{momentum} \end{cases}""",
    reading="""\
Two claims are orders of two rows, the fairest kind: with three seeds equal rows are wrongly decided in about 3%
of cases. They count in the neighbour's favour only if both hold. The third compares two differences of noisy
cells, and requires both to be positive: expect "inconclusive". In the paper NNCLR catches up with SimCLR only
after an eighth of a long training, and public runs on CIFAR find it behind after short ones; a negative effect
here therefore says that the neighbour does not pay *within this budget*, not that it never does. The row of the
neighbour without momentum is the run of Table 7a's third row, which was known when this was written; the others
were not. If the effect has another sign without the head, the head is part of the finding.

*Added after the first runs, with the two variants without gradient:* the neighbour's row minus that of view 1
without gradient is what the choice of the vector does; the rest of the effect is the gradient that a neighbour
cannot carry.""",
    mapping="""\
The teacher's momentum is not stated; ours is 0.99 at every scale. Where the teacher would be used is not stated
either: it embeds the view that is looked up, and what enters the queue, while the student predicts. Without a
teacher, the view as positive carries gradient, as in SimCLR; with one, its embedding never does. The queue is 32,768
rows, eight batches. "View 1" is not the SimCLR of the footer, which has a shallower projector, no prediction head,
and negatives from both views.""",
    margin=("nnclr_x05", "nnclr_x06"),
    seeds=3,
)
