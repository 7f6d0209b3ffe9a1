"""NNCLR, Table 2: all layers fine-tuned on 1% and 10% of the labels."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="nnclr_semisup",
    title="NNCLR: few labels, all layers tuned",
    question="After fine-tuning on 1% or 10% of the labels, is NNCLR ahead, and is training without images enough?",
    method="nnclr",
    rows={
        "supervised": {"method": "simclr", "epochs": 0},
        "instdisc": {"method": "instdisc"},
        "pcl": {"method": "pcl"},
        "simclr": {"method": "simclr"},
        "byol": {"method": "byol"},
        "nnclr": {"queue_size": 98_304},
        "swav_mc": {"method": "swav", "recipe": "swav"},
    },
    columns={
        "top1_1pct": "byol_1pct_top1",
        "top5_1pct": "byol_1pct_top5",
        "top1_10pct": "byol_10pct_top1",
        "top5_10pct": "byol_10pct_top5",
        "top1_13each": Column("byol_13each_top1", label="13 labels per class, Top-1", unit="%"),
    },
    evaluations={"finetune_byol": {"each": (13,)}},
    also=("linear_top1", "few_top1"),
    effect=("nnclr", "simclr", "top1_1pct"),
    idea="""\
Images are cheap and labels are not. Here the encoder sees all images without labels, then a few labels train all of
its layers and a classifier. The comparison that matters in practice is the first row: the same network trained on
those labels alone, from its first weights. The paper's numbers come from as many codes as there are rows, its
fine-tuning settings are not stated, and three of its rows have top-5 alone.""",
    equation=r"""
\min_{\theta, W} \; \frac{1}{|S|} \sum_{i \in S} -\log \operatorname{softmax}(W f_\theta(x_i))_{y_i}, \qquad
\theta_0 = \theta_{\text{trained without labels}}, \quad W_0 = 0, \quad |S| = 1\% \text{ or } 10\% \text{ of } n""",
    reading="""\
First compare each row with *Supervised*: what it gains is what unlabelled images are worth when labels are this few.
The gain should shrink from 1% to 10%. Then compare methods: at 1% the paper has NNCLR above all, at 10% above SimCLR
and BYOL and below SwAV with multi-crop; both are judged as orders, on top-1.

One percent is three images of a class here and thirteen on ImageNet. With three, which images they are matters as
much as the method: the list is the same for every method, but each seed draws its own images, so the interval holds
the list's luck too. The last column has as many labels per class as ImageNet's 1% and is the one to read where 1% is
noise; no claim is judged on it. Top-5 of sixteen classes is 31% by chance. The epochs are few for all rows, and the
row that was never trained gets no more of them: papers often give it a longer schedule. Probes of the same methods
were known when this was written; no fine-tuning of them was. An untrained encoder had been tuned on one seed, to
time it; its list chose the highest rate, so the grid was moved up once, and on some lists the highest is still
chosen. Even so, ten percent of the labels alone reach far already, so the first thing to look at is whether training
without labels adds anything at all.""",
    mapping="""\
The protocol is BYOL's, which the paper calls standard: SGD with Nesterov momentum, no weight decay, a half cosine,
30 or 50 epochs and the rate chosen on a fifth of the list, then all of it trained anew. At this scale batches are of
32 images, rates 0.05, 0.2 and 0.8, and epochs half as many. The list is drawn by class with a fixed number that no
seed of training changes; on ImageNet it must be SimCLR's own (1percent.txt and 10percent.txt). PIRL is not run;
multi-crop has the recipe of SwAV's paper.""",
    adapted={
        "nnclr_c08": "beats('nnclr_semisup','nnclr','top1_1pct', ['supervised','simclr','byol','swav_mc'])",
        "nnclr_c47": "c('nnclr_semisup','nnclr','top1_1pct') > c('nnclr_semisup','swav_mc','top1_1pct')",
    },
    margin=("nnclr_x01", "nnclr_x17"),
    controls=(),
    seeds=3,
)
