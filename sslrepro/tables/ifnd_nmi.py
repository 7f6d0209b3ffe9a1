"""IFND, Table 4: do clusters of the frozen features agree with the classes?"""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="ifnd_nmi",
    title="IFND: do the clusters become classes?",
    question="Which encoder's features fall into clusters that agree best with the classes?",
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
A linear classifier asks whether classes can be told apart by a plane. Clustering asks more: whether images of a class
lie together without anybody drawing the plane. IFND, PCL and DeepCluster build on clusters while they train, so they
should show here. The measure is the information that cluster and class share, divided by the geometric mean of both
entropies: 1 when one tells the other, 0 when they have nothing to do with each other.""",
    equation=r"""
\mathrm{NMI}(y, a) = \frac{I(y; a)}{\sqrt{H(y)\,H(a)}}, \qquad
a_i = \operatorname*{arg\,min}_{k} \lVert f_i - c_k \rVert_2, \quad f_i = \frac{f(x_i)}{\lVert f(x_i) \rVert}""",
    reading="""\
The claim is that IFND is above each of four others. The spread beside the paper's numbers comes from five runs of
k-means on one trained network each; it says nothing about another training. Ours has both: the second column is
the spread over runs of k-means, as in the paper, and the interval is over trainings and images. Only the interval
decides. The paper's networks were downloaded, with epochs, batches and encoders of their own; ours differ in the
method alone.

The measure may favour methods that gather images into groups, whether or not the groups are classes: compare it with
the probe and with the neighbours beside it. It is taken of the training images, which the methods have clustered,
never of their labels. Its value depends on the number of classes: neither it nor a difference can be set against the
paper's. The probe's results were known when this was written, no NMI was.""",
    mapping="""\
As many clusters as classes, on unit features of the training images without augmentation, five runs of k-means
from random rows. The paper names neither images nor layer; its Figure 6 takes all training images, and so do we, with
the encoder's output. DeepCluster is its second version here, with the encoder of all others, where the paper's numbers
are from the first. PCL is the second version. SwAV has two views.""",
    margin=("ifnd_x07",),
    seeds=3,
)
