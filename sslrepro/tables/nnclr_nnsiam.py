"""NNCLR, Table 10 (Appendix B): SimSiam whose target is the nearest neighbour."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_nnsiam",
    title="NNSiam: do neighbours help without negatives?",
    question="Does SimSiam gain when its stop-gradient branch is replaced by the nearest neighbour?",
    method="nnsiam",
    rows={"simsiam": {"method": "simsiam"}, "nnsiam": {"method": "nnsiam"}},
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    also=("knn_top1", "few_top1"),
    effect=("nnsiam", "simsiam", "top1"),
    idea="""\
SimSiam has no negatives: a prediction from one view is compared with the embedding of the other, through which no
gradient flows. NNSiam replaces that target by its nearest neighbour in a queue. If that helps, the gain from
neighbours does not come from what they do to the negatives. It could also do harm: nothing pushes embeddings apart,
and a queue of equal rows offers equal targets. The paper's baseline is a quoted number, from another optimizer, batch
size and number of epochs.""",
    equation=r"""
\mathcal{L} = -\tfrac12 \Bigl[ \cos\bigl(p^1, \mathrm{NN}(z^2, Q)\bigr) + \cos\bigl(p^2, \mathrm{NN}(z^1, Q)\bigr)
\Bigr], \qquad \text{SimSiam: } \mathrm{NN}(z, Q) \to \operatorname{stopgrad}(z)""",
    reading="""\
The claim is an order of two rows, trained here with one recipe, which the paper did not do: our effect is the cleaner
comparison, at a far smaller scale. Look at the spread of the embedding first. SimSiam is known to need long
schedules; if either row has collapsed (a spread near 0), the order says which of the two survives our schedule, not
whether neighbours help. Both runs also appear on the page that compares all methods, and were known when this was
written: nothing here was chosen by them, but this page is a second look, not a second test.""",
    mapping="""\
Both rows have the same heads, learning rate, views and steps. Widths are at most the profile's: the paper's embedding
of 2,048 is 128 at `cpu` scale. Queue length, epochs and predictor of NNSiam are not stated: the queue is NNCLR's
best, at most an eighth of the images, and skips rows of the anchor's own image; the predictor is SimSiam's. The
prediction from one view is compared with the neighbour of the *other* view, which is how we read "the branch is
replaced".""",
    margin=("nnclr_x11",),
    seeds=3,
)
