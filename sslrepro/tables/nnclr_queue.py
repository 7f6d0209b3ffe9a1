"""NNCLR, Table 7a: the size of the queue that is searched for neighbours."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_queue",
    title="NNCLR: how long must the queue be?",
    question="Does a longer queue, and so a nearer neighbour, give a better encoder?",
    method="nnclr",
    rows={
        "q8192": {"queue_size": 8_192},
        "q16384": {"queue_size": 16_384},
        "q32768": {"queue_size": 32_768},
        "q65536": {"queue_size": 65_536},
        "q98304": {"queue_size": 98_304},
    },
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    also=("knn_top1", "few_top1"),
    varied="queue_size",
    effect=("q98304", "q8192", "top1"),
    idea="""\
NNCLR replaces the positive of a view by its nearest neighbour among past embeddings. The queue decides what can be
found: a short one offers few candidates, so the neighbour is far and often of another class; a long one offers more,
but its oldest rows were written by an encoder that no longer exists. The paper varies the length from 8,192 to 98,304
rows at batch 4,096, which is 2 to 24 batches, and reports a steady gain.""",
    equation=r"""
\mathrm{NN}(z, Q) = \operatorname*{arg\,min}_{r \in Q} \lVert z - r \rVert_2, \qquad
\mathcal{L}_i = -\log \frac{\exp(\mathrm{NN}(z_i, Q) \cdot p_i^+ / \tau)}
{\sum_{k=1}^{n} \exp(\mathrm{NN}(z_i, Q) \cdot p_k^+ / \tau)}""",
    reading="""\
The claim is an order over five rows in two metrics, eight steps of which every one must rise: it is easy to
contradict and hard to confirm, so look at the effect and its interval before the verdict. Rows share seeds, images and
first weights; they differ in the queue alone.""",
    unrun={
        "nnclr_c24": "no number in the paper; a queue beyond 24 batches would pass an eighth of our images",
    },
    mapping="""\
Queues keep the paper's length *in batches* and never exceed an eighth of the training images; rows of the anchor's own
image are passed over, because at small scale a queue would otherwise return the image itself.""",
)
