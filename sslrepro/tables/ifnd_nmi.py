"""IFND, Table 4: do clusters of the frozen features agree with the classes?"""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="ifnd_nmi",
    title="IFND: do the clusters become classes?",
    question="Which encoder's features form clusters that agree best with the classes?",
    method="ifnd_moco",
    rows={
        "deepcluster": {"method": "deepcluster"},
        "moco_v2": {"method": "mocov2"},
        "swav": {"method": "swav"},
        "pcl": {"method": "pcl"},
        "ifnd": {"method": "ifnd_moco"},
    },
    variants={
        "IFND on SimCLR": {"method": "ifnd"},
        "IFND on SimCLR, attraction": {"method": "ifnd", "mode": "attract"},
        "IFND on SwAV": {"method": "ifnd_swav"},
    },
    columns={
        "nmi": "nmi",
        "nmi_std": Column("nmi_std", best=""),
    },
    evaluations={"nmi": {}},
    also=("linear_top1", "knn_top1"),
    varied="",
    effect=("ifnd", "moco_v2", "nmi"),
    idea="""\
A linear classifier asks whether a plane can separate the classes. Clustering asks more: whether images of a class lie
together without anyone drawing the plane. IFND, PCL and DeepCluster rely on clusters while they train, so they should
do well here. The measure is the information that cluster and class share, divided by the geometric mean of both
entropies: 1 when each determines the other, 0 when they are unrelated.""",
    equation=r"""
\mathrm{NMI}(y, a) = \frac{I(y; a)}{\sqrt{H(y)\,H(a)}}, \qquad
a_i = \operatorname*{arg\,min}_{k} \lVert f_i - c_k \rVert_2, \quad f_i = \frac{f(x_i)}{\lVert f(x_i) \rVert}""",
    reading="""\
The claim is that IFND is above each of four others. The spread beside the paper's numbers comes from five runs of
k-means on one trained network each; it says nothing about another training. Ours reports both: the second column is
the spread over runs of k-means, as in the paper, and the interval is over trainings and images. Only the interval
decides. The paper's networks were downloaded, each with its own epochs, batches and encoder; ours differ in the
method alone.

The measure may favour methods that gather images into groups, whether or not the groups are classes: compare it with
the probe and with the neighbours beside it. It is computed on the training images, which the methods have clustered,
but whose labels they never saw. Its value depends on the number of classes: neither it nor a difference can be
compared with the paper's. The probe's results were known when this was written; no NMI was.""",
    mapping="""\
As many clusters as classes, on unit features of the training images without augmentation, five runs of k-means from
random rows. The paper states neither images nor layer; its Figure 6 uses all training images, and so do we, with the
encoder's output. DeepCluster is its second version here, with the same encoder as all others; the paper's numbers are
from the first. PCL is the second version. SwAV has two views.""",
    margin=("ifnd_x07",),
    seeds=3,
)
