"""NNCLR, Table 7c: the batch size."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="nnclr_batch",
    title="NNCLR: how large must the batch be?",
    question="Does NNCLR need large batches, whose images are its negatives?",
    method="nnclr",
    rows={
        "b256": {"batch_size": 256},
        "b512": {"batch_size": 512},
        "b1024": {"batch_size": 1024},
        "b2048": {"batch_size": 2048},
        "b4096": {"batch_size": 4096},
        "b8192": {"batch_size": 8192},
    },
    only=("b512", "b1024", "b2048", "b4096", "b8192"),
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    also=("knn_top1", "few_top1"),
    varied="batch_size",
    effect=("b4096", "b512", "top1"),
    idea="""\
NNCLR takes its negatives from the batch, as SimCLR does; the queue supplies positives only. A batch of n images
therefore gives each anchor n - 1 negatives. The paper varies n from 256 to 8,192 and finds a gain up to 4,096 and a
small loss beyond. The batch also sets other things: how many steps an epoch has, how many images batch norm averages
over, and, where the learning rate follows the batch, how far each step goes.""",
    equation=r"""
\mathcal{L}_i = -\log \frac{\exp(\mathrm{NN}(z_i, Q) \cdot p_i^+ / \tau)}
{\sum_{k=1}^{n} \exp(\mathrm{NN}(z_i, Q) \cdot p_k^+ / \tau)}, \qquad
\text{learning rate} \propto n, \qquad \text{steps} \propto 1 / n""",
    reading="""\
The claim is a chain: every step up to 4,096 rises and the last one falls. The fall is small in the paper, smaller
than our intervals, so the chain will hardly be confirmed: look at the effect between the smallest batch and the
paper's. Two causes cannot be told apart. Few images mean few negatives, and they also make batch norm noisy; ours go
down to four images a batch, far below anything in the paper. And at equal epochs a small batch takes many more steps,
which helps most when training is short, as ours is: a *negative* effect would be that. The paper does not say whether
learning rates were chosen anew for each batch, and its smallest batch lies below a run ten times shorter, so that row
is suspect in the paper as well. The row 4,096 is the run of Table 7a's third row, which was known when this was
written.""",
    mapping="""\
A batch keeps its ratio to 4,096, which stands for the profile's own batch, and is never below four. At `cpu` scale
that is 4, 6, 12, 24 and 48 images; 512 would be three, and 256 would be the same four, so 256 is not run there. The
learning rate is the profile's times the same ratio, as the paper's LARS has it; our optimizer at `cpu` scale is
AdamW, for which that rule was not made. The number of epochs stays, so there are fewer steps as the batch grows. When
the batch changes, the queue keeps its number of rows, not of batches: 32,768 in the paper, eight of the profile's
batches here.""",
    adapted={
        "nnclr_c29": (
            "inc([c('nnclr_batch',r,'top1') for r in ['b512','b1024','b2048','b4096']]) "
            "and c('nnclr_batch','b4096','top1') > c('nnclr_batch','b8192','top1')"
        ),
    },
    margin=("nnclr_x13",),
    seeds=3,
)
