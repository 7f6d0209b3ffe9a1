"""NNCLR, Table 7d: the width of the embedding."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_dim",
    title="NNCLR: does the width of the embedding matter?",
    question="Does the width d of the embedding, in which neighbours are searched, affect the encoder?",
    method="nnclr",
    rows={
        "d128": {"dim": 128},
        "d256": {"dim": 256},
        "d512": {"dim": 512},
        "d1024": {"dim": 1024},
        "d2048": {"dim": 2048},
    },
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    also=("knn_top1", "few_top1"),
    varied="d",
    effect=("d2048", "d128", "top1"),
    idea="""\
Neighbours are searched in the space of the embedding, not in that of the encoder's features. Its width d determines
how much of an image can distinguish two embeddings, how much memory a queue takes, and the size of the heads' last
layers. SimCLR found little effect of d; NNCLR might show more, because its positives are chosen there. The paper
varies d sixteenfold and finds next to nothing.""",
    equation=r"""
z = \frac{g(f(x))}{\lVert g(f(x)) \rVert} \in \mathbb{R}^d, \qquad Q \in \mathbb{R}^{m \times d}, \qquad
\mathrm{NN}(z, Q) = \operatorname*{arg\,max}_{r \in Q}\; z \cdot r""",
    reading="""\
The claim says that nothing happens: five rows within a third of a point. At our scale seeds differ by more than that,
so noise would contradict the printed width whatever is true. The claim is judged with the two points that "robust" is
given in the claim on k. It holds where all five rows agree and the seeds do too; it is inconclusive where noise is as
wide as the tolerance; only a width that really differs contradicts it. The interval of the effect, widest minus
narrowest d, says how large an effect these seeds exclude: that is the finding. The row 256 is the run of Table 7a's
third row, which was known when this was written.

*Corrected after the runs:* noise alone can contradict a claim of no difference whose tolerance is narrower than the
noise. What equal cells would give is stated below the verdicts.""",
    mapping="""\
d keeps its ratio to the default of 256, which stands for the profile's width: at `cpu` scale 128 stands for 256, and
the five rows are 64 to 1,024. The paper's largest d is as wide as its encoder's features; our largest is eight times
as wide as the 128 features, and four times as wide as the hidden layers of 256 before it, so our wide rows can hold
no more than the narrow ones could. Hidden widths stay as the profile has them, in all rows.""",
    adapted={"nnclr_c30": "spread(col('nnclr_dim','top1')) <= 2"},
    seeds=3,
)
