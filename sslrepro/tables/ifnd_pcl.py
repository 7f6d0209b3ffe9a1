"""IFND, Table 7: IFND and PCL with one part exchanged at a time."""

from sslrepro.tables.definition import Column, Definition

# Per thousand classes, as the methods' defaults are: 25, 50 and 100 clusters per class, PCL's own, against 1, 3 and 10.
MANY = (25_000, 50_000, 100_000)
STEP = {"acceptance": "step", "step_at": 0.1}
PCL = {"mode": "prototype", "confidence": "density"}

TABLE = Definition(
    id="ifnd_pcl",
    title="IFND and PCL, part by part",
    question="Which part of IFND makes the difference to PCL: objective, schedule, numbers of clusters or confidence?",
    method="ifnd",
    rows={
        "simclr": {"acceptance": "constant", "final_rate": 0.0},
        "pcl": PCL | STEP | {"clusters": MANY},
        "ifnd": {},
        "pcl_elim": PCL | STEP | {"clusters": MANY, "mode": "eliminate"},
        "ifnd_protonce": {"mode": "prototype"},
        "pcl_linear": PCL | {"clusters": MANY},
        "ifnd_step": STEP,
        "pcl_clusters": PCL | STEP,
        "ifnd_clusters": {"clusters": MANY},
        "ifnd_conf": {"confidence": "density"},
    },
    variants={
        "PCL, linear, confidence of Eq. 2": {"mode": "prototype", "clusters": MANY},
    },
    columns={
        "top1": "linear_top1",
        "gap": Column(
            of="top1",
            minus_row={
                "pcl_elim": "pcl",
                "ifnd_protonce": "ifnd",
                "pcl_linear": "pcl",
                "ifnd_step": "ifnd",
                "pcl_clusters": "pcl",
                "ifnd_clusters": "ifnd",
                "ifnd_conf": "ifnd",
                "PCL, linear, confidence of Eq. 2": "pcl_linear",
            },
        ),
    },
    also=("knn_top1", "few_top1"),
    varied="",
    effect=("ifnd", "pcl", "top1"),
    idea="""\
PCL and IFND both cluster the embeddings of the whole set, and both average over several numbers of clusters. They
differ in four parts. PCL adds a term that draws an image to its centroid, IFND removes same-cluster images from the
negatives; PCL uses all clusters after a warm-up, IFND accepts them little by little; PCL makes small clusters, IFND
large ones; PCL scores a cluster by its density, IFND an image by its share in a softmax over centroids. The paper
starts from either method and exchanges one part, on SimCLR, so that neither momentum nor a queue plays a role.""",
    equation=r"""
\mathcal{L}^{\mathrm{proto}}_i = -\log \frac{\exp(z_i \cdot z_{i'} / \tau)}{\sum_{s \ne i} \exp(z_i \cdot z_s / \tau)}
- \frac{1}{L} \sum_{l=1}^{L} \bigl[y^{*l}_i \text{ accepted}\bigr] \log
\frac{\exp(z_i \cdot c^l_{y_i} / \phi^l_{y_i})}{\sum_k \exp(z_i \cdot c^l_k / \phi^l_k)}""",
    reading="""\
The gaps are the result, each to the row it starts from, over the same seeds, images and initial weights. A part has
value in general when exchanging it moves both methods the same way; the table tests that for objective and schedule.
Confidence was exchanged in IFND alone; the variant exchanges it in PCL, on the linear schedule, the only one on which
it chooses anything: once every label is accepted, ranking them has no effect.

The claim about the numbers of clusters compares a loss of PCL with a loss of IFND, though one method moves to fewer
clusters and the other to more. Both have been run at both numbers, so read the four cells as a square. A difference
of differences needs many seeds; expect "inconclusive". Row `ifnd` also appears on the page that compares all methods
and was known when this was written; no other row was. `pcl` here is not that page's PCL, which has a queue and a slow
teacher.""",
    mapping="""\
All rows are one implementation, IFND's on SimCLR, with its temperature, even where PCL's paper has another. There are
as many clusters per class as in the paper, 1, 3, 10 or 25, 50, 100, but at most a quarter of the images: the largest
number can reach that limit, as there are fewer images per cluster here. ProtoNCE is added to the instance loss,
divides by the density and averages to the temperature of the instance loss; an image that is not accepted yet has no
prototype term. The paper does not say how ProtoNCE was combined with partial acceptance. All prototypes are in the
denominator. The step comes a tenth into training, but no earlier than after the second epoch. SimCLR is IFND with
nothing accepted: the same run as row [a] of Table 6, as the paper's numbers suggest.""",
    unrun={
        "ifnd_c32": "equal cells of two tables are one run here: true by construction",
    },
    adapted={
        "ifnd_c25": (
            "c('ifnd_pcl','pcl_clusters','top1') < c('ifnd_pcl','simclr','top1') "
            "and c('ifnd_strategies','h','top1') < c('ifnd_strategies','a','top1')"
        ),
    },
    margin=("ifnd_x11", "ifnd_x12", "ifnd_x03"),
    seeds=3,
)
