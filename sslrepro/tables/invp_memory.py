"""InvP, the rebuttal's answer on MoCo: a bank of all images, or a queue filled by a teacher."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="invp_memory",
    title="InvP: bank or momentum queue?",
    question="Does InvP gain from a momentum queue in place of its memory bank, and what does the queue cost?",
    method="invp",
    rows={"memory_bank": {}, "momentum_queue": {"method": "invp_moco"}},
    variants={
        "bank, no other images": {"weight": 0.0},
        "queue, no other images": {"method": "invp_moco", "weight": 0.0},
    },
    columns={
        "forward_passes": Column("forward_passes", factor=1.0, digits=0, best="low"),
        "top1": Column("linear_top1", label="linear probe", unit="%"),
        "knn": Column("knn_top1", label="20-NN", unit="%"),
        "right": Column("neighbour_match_without_self", label="positives of the class", unit="%"),
    },
    values={
        "momentum_queue_passes": ("momentum_queue", "forward_passes"),
        "top1_momentum_queue": ("momentum_queue", "top1"),
        "top1_memory_bank": ("memory_bank", "top1"),
    },
    evaluations={"passes": {}},
    effect=("momentum_queue", "memory_bank", "top1"),
    fair=True,
    idea="""\
A bank holds one row per image and is as old as the image's last visit; a queue filled by a slow teacher is fresher and
costs a second forward pass. Asked about MoCo, InvP's authors answer that the two questions, where positives come from
and where features are kept, are orthogonal, and that a queue would improve their method too. They did not try. Here
both are run, each beside the same method without other images, so that the gain of the graph can be told from the gain
of the queue.""",
    equation=r"""
\text{orthogonal:}\quad \mathrm{acc}(\text{queue, graph}) - \mathrm{acc}(\text{queue})
= \mathrm{acc}(\text{bank, graph}) - \mathrm{acc}(\text{bank})""",
    reading="""\
Every accuracy of this page stands on the page on equal terms and was known when this was written; the forward passes
were not counted yet. Passes are a fact of the algorithm: images that student and teacher encode in one training step,
per image of the batch. Queue above bank is judged as the sentence has it, although the two rows differ in more than
the store: the queue's row sees two views and has MoCo's instance loss. Look at the gains of the two pairs before
believing that the questions are orthogonal.""",
    mapping="""\
Settings and learning rates are those of each method's trials. With equal numbers of encoded views the bank's row
trains twice the epochs of the queue's: the cost of the second pass is thereby paid.""",
    margin=("invp_x06",),
    controls=("mocov2", "instdisc", "random", "pixels"),
    seeds=3,
)
