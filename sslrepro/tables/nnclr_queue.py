"""NNCLR, Table 7a: the size of the queue that is searched for neighbours."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_queue",
    title="NNCLR: how long must the queue be?",
    question="Does a longer queue, which holds nearer neighbours, give a better encoder?",
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
NNCLR replaces the positive of a view by its nearest neighbour among past embeddings. The queue determines which
neighbours are available: a short queue offers few candidates, so the neighbour is far away and often of another
class; a long one offers more, but its oldest rows were written by an encoder that no longer exists. The paper varies
the length from 8,192 to 98,304 rows at batch 4,096, which is 2 to 24 batches, and reports a steady gain.""",
    equation=r"""
\mathrm{NN}(z, Q) = \operatorname*{arg\,min}_{r \in Q} \lVert z - r \rVert_2, \qquad
\mathcal{L}_i = -\log \frac{\exp(\mathrm{NN}(z_i, Q) \cdot p_i^+ / \tau)}
{\sum_{k=1}^{n} \exp(\mathrm{NN}(z_i, Q) \cdot p_k^+ / \tau)}""",
    reading="""\
The claim is an order over five rows in two metrics: eight steps, every one of which must rise. It is easy to
contradict and hard to confirm, so look at the effect and its interval before the verdict. Rows share seeds, images
and initial weights; they differ only in the queue.""",
    unrun={
        "nnclr_c24": "no number in the paper; a queue beyond 24 batches would pass an eighth of our images",
    },
    mapping="""\
Queues keep the paper's length *in batches* and never exceed an eighth of the training images. Rows of the anchor's
own image are skipped, because a small queue would otherwise return the image itself.""",
)
