"""IFND, Table 8: the same pseudo-labels on MoCo v2 and on SwAV."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="ifnd_frameworks",
    title="IFND on other frameworks",
    question="Does knowing likely false negatives help MoCo v2, and SwAV, which has no negatives at all?",
    method="ifnd_moco",
    rows={
        "moco_v2": {"method": "mocov2"},
        "ifnd_moco_v2": {"method": "ifnd_moco"},
        "swav": {"method": "swav"},
        "ifnd_swav": {"method": "ifnd_swav"},
    },
    variants={
        "SimCLR with the head and temperature of IFND": {
            "method": "ifnd",
            "acceptance": "constant",
            "final_rate": 0.0,
        },
        "IFND (SimCLR)": {"method": "ifnd"},
        "IFND (MoCo v2), nothing accepted": {"acceptance": "constant", "final_rate": 0.0},
    },
    columns={
        "top1": "linear_top1",
        "gain": Column(
            of="top1",
            minus_row={
                "ifnd_moco_v2": "moco_v2",
                "ifnd_swav": "swav",
                "IFND (SimCLR)": "SimCLR with the head and temperature of IFND",
                "IFND (MoCo v2), nothing accepted": "moco_v2",
            },
        ),
    },
    also=("knn_top1", "few_top1"),
    varied="",
    effect=("ifnd_moco_v2", "moco_v2", "top1"),
    idea="""\
On MoCo v2 a false negative sits in the queue: rows of the anchor's pseudo-label are left out of the denominator. SwAV
repels nothing, it assigns embeddings to prototypes, so the same labels must be used otherwise: for the assignment an
embedding is replaced by the mean of its group, and a group shares one code. If both gain, it is the labels that help,
not one way of using them.""",
    equation=r"""
\mathcal{L}^{\mathrm{MoCo}}_i = -\log \frac{\exp(z_i \cdot k_i / \tau)}
{\exp(z_i \cdot k_i / \tau) + \sum_{r \in Q,\ y^*_r \ne y^*_i} \exp(z_i \cdot r / \tau)}, \qquad
q_i = \mathrm{Sinkhorn}\Bigl(C^\top \overline{z}_{\{j :\ y^*_j = y^*_i\}}\Bigr)""",
    reading="""\
Each gain is a difference of two runs of the same code, which is what the paper's own table offers and its Table 1 does
not: other papers print a better MoCo v2, by as much as the gain. IFND on MoCo v2 has MoCo's head here, where the paper
has a deeper one. One thing besides the labels still differs: it leaves out an anchor's own past rows. A variant does so
and accepts no label, so the gain minus the variant's is what the labels add. On SwAV nothing but the labels differs.
The claim asks for both gains; it counts as a sign, not as a size.

All four rows stand on the page that compares all methods and were known when this was written, so the verdict is no
prediction. The variants, but for IFND on SimCLR, were not known.""",
    mapping="""\
Rows have the profile's epochs and batch: the paper trains all four alike, too. SwAV and IFND on SwAV take two large
views, not the paper's two and four small ones, which at this size would show little. Queue, prototypes and clusters
follow the profile's rule: at most an eighth of the images, and as many per class as on ImageNet. Labels are renewed
before every epoch but the first; the accepted share stops an epoch short of its end. The code form on SwAV is our
reading of one sentence of the paper's appendix.""",
    margin=("ifnd_x05", "ifnd_x06", "ifnd_x08"),
    seeds=3,
)
