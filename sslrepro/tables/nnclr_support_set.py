"""NNCLR, Table 8: how the support set is filled; and random replacement, from the text."""

from sslrepro.tables.definition import Column, Definition

RANDOM = "queue, random rows replaced"

TABLE = Definition(
    id="nnclr_support_set",
    title="NNCLR: must the support set be a queue?",
    question="Are past embeddings as good a support set as fresh ones from the current encoder?",
    method="nnclr",
    rows={
        "encoder_16384": {"support": "encoder", "queue_size": 16_384},
        "queue_16384": {"queue_size": 16_384},
    },
    variants={
        RANDOM: {"queue_size": 16_384, "eviction": "random"},
        "queue, both views pushed": {"queue_size": 16_384, "push_both_views": True},
    },
    columns={
        "top1": "linear_top1",
        "top5": "linear_top5",
        "over_random": Column(
            of="top1", minus_row={"queue_16384": RANDOM}, best="", label="top-1, minus random replacement"
        ),
        "seconds": Column("seconds", factor=1.0, digits=0, best="low", label="processor-seconds of training"),
    },
    values={
        "fifo_minus_random": ("queue_16384", "over_random"),
        "step_time_encoder_set": ("encoder_16384", "seconds"),
        "step_time_queue": ("queue_16384", "seconds"),
        "top1_queue_one_view": ("queue_16384", "top1"),
        "top1_queue_both_views": ("queue, both views pushed", "top1"),
    },
    also=("knn_top1", "few_top1"),
    varied="variant",
    effect=("queue_16384", "encoder_16384", "top1"),
    idea="""\
A queue is cheap but stale: its rows were written by encoders that no longer exist. The paper asks whether that costs
anything, or even helps. Its control passes a fresh random set of images through the current encoder at every step and
looks neighbours up there: no row is stale, and the step takes far longer. Two more statements about the queue appear
only in the text, without a row: replacing random rows instead of the oldest, which makes some rows very old, and
pushing both views, which fills the queue twice as fast with half as many images.""",
    equation=r"""
Q_{\text{queue}} = \bigl(z(x_j; \theta_{s(j)})\bigr)_{j}, \quad t - m/n \le s(j) < t, \qquad
Q_{\text{encoder}} = \bigl(z(x_j; \theta_t)\bigr)_{j \sim \text{data}}, \qquad
\mathrm{NN}(z, Q) = \operatorname*{arg\,min}_{r \in Q} \lVert z - r \rVert_2""",
    reading="""\
The claim is that two rows differ by at most 0.3 points. Three seeds cannot show that: their noise is wider, so the
verdict can be "contradicted", by a large difference, or "inconclusive", and hardly "holds". Read the interval of the
effect. The text's claim on random replacement is an order with a size; here its direction is judged. A row lives four
steps on average under either rule, but with random replacement some live many times that, and in a short training the
encoder moves fast: the harm should show. If it does not, staleness is not what limits a queue of this length. Of the
text's "four times slower" only the direction is judged, from processor-seconds of runs of equal length: other work
ran on the machine, and the rows may have been timed on different days, so times are reliable to about a quarter. The
queue's row is also a row of Table 7a, which was known when this was written.

*Corrected after the runs:* noise alone can contradict a claim of no difference whose tolerance is narrower than the
noise. What equal cells would give is stated below the verdicts.""",
    mapping="""\
The support set is four batches of rows in both rows of the table, as in the paper. Fresh images are drawn at random
for every step and shown as one augmented view; they may include the anchor's own image, whose rows are skipped in
both. Embedding them puts batch norm into training mode and so moves its running statistics, with which the encoder is
later evaluated.""",
    adapted={
        "nnclr_c33": "v('nnclr','step_time_encoder_set') > v('nnclr','step_time_queue')",
        "nnclr_c34": "v('nnclr','fifo_minus_random') > 0",
    },
    seeds=3,
)
