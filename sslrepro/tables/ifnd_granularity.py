"""IFND, Table 5: how much false negatives cost when classes are few and when they are many."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="ifnd_granularity",
    title="IFND: do false negatives hurt more when classes are finer?",
    question="How far behind a contrastive learner with labels is one without, and does the gap grow with the "
    "number of classes?",
    method="ifnd",
    rows={
        "imagenet_d3": {"classes": 4},
        "imagenet_d9": {"classes": 16},
        "imagenet_d18": {"classes": 48},
    },
    columns={
        "simclr": Column("linear_top1", sets={"method": "simclr"}),
        "ifnd": Column("linear_top1"),
        "supcon": Column("linear_top1", sets={"method": "supcon"}),
        "delta_simclr": Column(of="simclr", minus="supcon"),
        "delta_ifnd": Column(of="ifnd", minus="supcon"),
        "random": Column("linear_top1", sets={"method": "simclr", "epochs": 0}, label="untrained encoder"),
    },
    varied="dataset",
    effect=(("imagenet_d3", "delta_simclr"), ("imagenet_d18", "delta_simclr")),
    idea="""\
In a batch of a contrastive learner, images of the anchor's class are among the negatives and are pushed away: false
negatives. SupCon knows the labels and has none, so its lead is what they cost, at most. IFND identifies them by
clustering and leaves them out, more of them as the embedding becomes reliable, so it should recover part of that
lead. The paper measures both gaps on ImageNet at five depths of WordNet, from 9 classes to 1,000, and says that the
gap grows with the number of classes. SupCon and the evaluation see the labels of the row's level; SimCLR and IFND see
none.""",
    equation=r"""
\mathcal{L}_i = -\log \frac{\exp(z_i \cdot z_{i'} / \tau)}
{\exp(z_i \cdot z_{i'} / \tau) + \sum_{s:\, y_s \neq y_i} \exp(z_i \cdot z_s / \tau)}, \qquad
\Delta = \mathrm{top1} - \mathrm{top1}(\text{SupCon})""",
    reading="""\
A gap near zero is a small cost; a more negative one is a higher cost. The claim is an order over the rows, and gaps
are paired over seeds. Three things are confounded, in the paper as here: with finer labels the evaluation is harder,
the supervision of SupCon is finer, and false negatives are *fewer*, since a class holds a smaller share of the batch.
A gap that grows with the number of classes is therefore no proof that false negatives hurt more; where accuracy is
far from its ceiling there is simply more room. The untrained encoder is shown beside, because coarse levels are easy:
what counts is what a method adds to it. SimCLR and IFND never see labels, so their runs are one encoder at every
level, evaluated by the labels of each.""",
    adapted={
        "ifnd_c08": "dec([c('ifnd_granularity',r,'delta_simclr') for r in "
        "['imagenet_d3','imagenet_d9','imagenet_d18']])",
        "ifnd_c10": "all(c('ifnd_granularity',r,'supcon') > c('ifnd_granularity',r,'ifnd') > "
        "c('ifnd_granularity',r,'simclr') for r in ['imagenet_d3','imagenet_d9','imagenet_d18'])",
        "ifnd_c12": "dec([c('ifnd_granularity',r,'delta_ifnd') for r in ['imagenet_d3','imagenet_d9','imagenet_d18']])",
    },
    unrun={
        "ifnd_c09": "it compares two sets of images; this page keeps the images and changes the labels",
        "ifnd_c11": "the size of an effect, which is not judged below the paper's scale; ours is shown",
        "ifnd_c32": "its cells are of Tables 6 and 7, and on CIFAR-100",
    },
    mapping="""\
Three levels of a class tree stand for depths 3, 9 and 18 of WordNet. The built-in set has 4 families, 16 shapes and
48 leaves. A set from a data root gives the coarsest level of its own tree, then the level whose number of classes is
nearest, on a log scale, to the geometric mean of the coarsest's and the leaves', and the leaves; with one coarse
level the row between is not run. Every row has the same images, of all leaves and chosen by them. IFND's clusters are
as many per leaf as the paper's are per class of ImageNet, at every level, and at most a quarter of the images. The
rows of CIFAR and of the depths between are quoted. How ImageNet's categories come about, and how large the largest
are, is on the page of Figure 5: nine tenths of the classes are one category at depth 3.""",
    margin=("ifnd_x01", "ifnd_x10"),
    controls=(),
    seeds=3,
)
