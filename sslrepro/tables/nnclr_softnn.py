"""NNCLR, Table 7e: the nearest row, or a mean of all rows weighted by similarity; and an oracle of Sec. 4.5."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_softnn",
    title="NNCLR: one neighbour, or a soft mean of all?",
    question="Is the single nearest row a better positive than a mean of the queue weighted by similarity?",
    method="nnclr",
    rows={"soft": {"positive": "soft"}, "hard": {"positive": "nearest"}},
    variants={
        "soft, temperature 0.02": {"positive": "soft", "soft_temperature": 0.02},
        "soft, temperature 0.5": {"positive": "soft", "soft_temperature": 0.5},
        "hard, 300 epochs": {"epochs": 300},
        "oracle (labels used), 300 epochs": {"positive": "oracle", "epochs": 300},
    },
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    values={
        "nn_300ep": ("hard, 300 epochs", "top1"),
        "oracle_nn_300ep": ("oracle (labels used), 300 epochs", "top1"),
    },
    also=("knn_top1", "few_top1"),
    varied="nn_type",
    effect=("hard", "soft", "top1"),
    idea="""\
A soft neighbour is a mean of all rows of the queue, weighted by a softmax over their similarity to the anchor. It
varies less than a single row does, and a single wrong neighbour cannot spoil it; but a mean of many images is an
image of none, and how many it averages depends on a temperature that the paper does not give. At a low temperature it
*is* the nearest row. We therefore add two more temperatures below the paper's rows. Below those is the paper's other
question about the choice of row: what if it always shared the anchor's class? An oracle, which reads labels, picks
the nearest row of that class.""",
    equation=r"""
\mathrm{softNN}(z, Q) = \frac{\sum_{r \in Q} w_r\, r}{\bigl\lVert \sum_{r \in Q} w_r\, r \bigr\rVert}, \qquad
w_r = \frac{\exp(z \cdot r / \tau_s)}{\sum_{r' \in Q} \exp(z \cdot r' / \tau_s)}, \qquad
\lim_{\tau_s \to 0} \mathrm{softNN}(z, Q) = \mathrm{NN}(z, Q)""",
    reading="""\
One claim is an order of two rows and can be decided with three seeds if the effect is a few points. The printed soft
row equals another table's row in both metrics, so the printed size of the effect should not be trusted. A verdict
applies to our temperature only: if 0.02 comes near the hard row and 0.5 falls away from it, the temperature decides,
and the paper's claim has no content without it; if all three lie below the hard row, the claim stands on firmer
ground than the paper gives it. The oracle's claim is an order too. It should hold wherever neighbours are often of
another class; if it does not, the class of the positive is not what limits training at this scale. The hard row is
the run of Table 7a's third row, which was known when this was written.""",
    mapping="""\
The soft neighbour's temperature is that of the loss, 0.1; 0.5 is that of the work the paper cites for it, which
weights rows by minus their squared distance: between unit rows, twice the cosine up to a constant. The mean is scaled
to unit norm and carries no gradient. Rows of the anchor's own image get no weight. Our queue has eight batches, as
the paper's has, but far fewer rows; over fewer rows a softmax of the same temperature gives more weight to the
nearest, so that "soft" is less soft here. While the queue has no row of the anchor's class, the oracle takes the
nearest. Epochs of the last two rows are mapped as in the tables on epochs, where a profile's own length stands for
500; the other rows have that length.""",
    margin=("nnclr_x06",),
    seeds=3,
)
