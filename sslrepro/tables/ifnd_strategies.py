"""IFND, Table 6: how many pseudo-labels are accepted when, and what is done with the false negatives they name."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="ifnd_strategies",
    title="IFND: when should cluster labels be trusted?",
    question="Should pseudo-labels be accepted at once, later, or gradually, and should they eliminate or attract?",
    method="ifnd",
    rows={
        "a": {"acceptance": "constant", "final_rate": 0.0},
        "b": {"acceptance": "constant"},
        "c": {"acceptance": "step", "step_at": 0.1},
        "d": {"final_rate": 0.25},
        "e": {"final_rate": 0.5},
        "f": {"final_rate": 0.75},
        "g": {},
        "h": {"mode": "attract"},
    },
    variants={
        "g, clusters of features": {"space": "features"},
        "h, half accepted at the end": {"mode": "attract", "final_rate": 0.5},
    },
    columns={
        "mtpr": Column("mtpr_0", digits=2),
        "mtnr": Column("mtnr_0", digits=2),
        "top1": "linear_top1",
    },
    also=("knn_top1", "few_top1"),
    varied="",
    effect=("g", "a", "top1"),
    idea="""\
Clusters suggest which images may show the same thing, and those should not repel each other. But the clusters of a
young embedding are poor, and a wrong one removes true negatives. IFND therefore accepts the most confident
pseudo-labels first and more of them as training goes on. The table compares this linear rise with none at all (a:
plain instance learning), all from the start (b, as in DeepCluster) and all from one moment on (c, as in PCL). Rows d
to g stop the rise at a given share. Row h uses the same labels the other way: images with the same label attract.

Two rates judge the labels. MTPR is the share of an image's true false negatives that are identified, MTNR the share
of its true negatives that are left alone.""",
    equation=r"""
\mathcal{L}^{\mathrm{elim}}_i = -\log \frac{\exp(z_i \cdot z_{i'} / \tau)}
{\exp(z_i \cdot z_{i'} / \tau) + \sum_{s:\ y^*_s \ne y^*_i} \exp(z_i \cdot z_s / \tau)}, \qquad
\rho(t) = \begin{cases} \rho_1 & \text{constant} \\ \rho_1\,[t \ge t_0] & \text{step} \\ \rho_1\,t & \text{linear}
\end{cases}""",
    reading="""\
The finding is g against a. They see the same images in the same order from the same initial weights: a is the method
with nothing accepted, which is SimCLR, term for term, so no second implementation is involved. The claim about the
rising rates requires nine steps to go one way, and the claims about schedules join three columns: where they stay
inconclusive, read the single cells. The first cells of a are no measurement: without labels nothing is identified and
nothing is wrongly removed.

Rates and accuracy may disagree. A rate counts labels, whatever they do; accuracy asks whether removing them helps.
With fewer classes than on CIFAR-100 more of the negatives are false, and a small batch has few to lose. Rows g and h
also appear on the page that compares all methods and were known when this was written; no other row was. Row h is
where the papers disagree: NNCLR, SePP-ID, InvP and ISL gain by attraction. If h stays below a here too, look at its
MTNR first: it attracts whatever its clusters hold.""",
    mapping="""\
The clusterings keep the paper's clusters per class, 1, 3 and 10. The rates are those of the coarsest, which has as
many clusters as classes, at the end of training. With few epochs time is coarse: labels are renewed between epochs,
so the linear rise stops one epoch short of its final rate, and "constant" begins after the first epoch, since
Algorithm 1 clusters after the batches. The step comes where the paper has it, a tenth into training, but no earlier
than after the second epoch: otherwise it would be the constant row. We cluster embeddings, where the paper's text
says features; a variant clusters those. Another variant accepts half as many where they attract.""",
    unrun={
        "ifnd_c17": "an equality of printed digits: no run on other images can judge it",
        "ifnd_c27": "needs NMI at several points in training (the paper's Figure 6); only the end is measured here",
        "ifnd_c32": "equal cells of two tables are one run here: true by construction",
    },
    adapted={
        "ifnd_c25": (
            "c('ifnd_pcl','pcl_clusters','top1') < c('ifnd_pcl','simclr','top1') "
            "and c('ifnd_strategies','h','top1') < c('ifnd_strategies','a','top1')"
        ),
    },
    margin=("ifnd_x03", "ifnd_x12", "seppid_x17"),
    seeds=3,
)
