"""ISL, Table 1: a detector tuned from each pre-training, by average precision on PASCAL VOC."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="isl_detection",
    title="ISL: detection from each pre-training",
    question="From which pre-training does a tuned Faster R-CNN find objects best?",
    method="isl",
    rows={
        "supervised": {"method": "supervised"},
        "instance": {"method": "instdisc"},
        "la": {"method": "la"},
        "isl": {},
        "moco_v1": {"method": "mocov1"},
        "moco_v2": {"method": "mocov2"},
        "moco_v2_isl": {"method": "isl_moco"},
    },
    columns={"resnet50_faster": "faster_ap50"},
    also=("faster_ap", "faster_ap75", "linear_top1"),
    effect=("moco_v2_isl", "moco_v2", "resnet50_faster"),
    evaluations={"faster_rcnn": {}},
    idea="""\
A probe asks for the class of a whole image. A detector must also say where each of several objects is, and all its
layers are tuned: pre-training is only where they start. A method that gathers images by their looks may lose what
tells objects apart in one image, and one that keeps every image apart may keep it.""",
    equation=r"""
\mathrm{AP}_{50} = \frac{1}{C} \sum_c \int_0^1 p_c(r)\, dr, \qquad
\text{a detection counts where } \frac{|B \cap \hat B|}{|B \cup \hat B|} \ge 0.5""",
    reading="""\
Only the order of the rows is judged, and the level is only shown: images, encoder and the length of tuning are far
from the paper's. All rows of a seed share the scenes, the detector's new layers and the order of images, so a
difference is that of the encoder. Read the footer first. A detector from the untrained encoder is what tuning alone
gives: where a row is not above it, its pre-training has helped nothing here, and the order of such rows says nothing.
The supervised row is the other end.

ISL must be above LA and above instance discrimination, MoCo v2 with ISL above MoCo v2 and above the supervised
encoder, and the rows MoCo v2, MoCo v1 and ISL in this order. Short tuning favours encoders whose features can be used
as they are, long tuning makes all rows alike, so a tie is a likely result. The pre-training saw one object per image,
in the same colours and textures as the scenes. Probes of these encoders were known when this was written; no detection
was, nor was the schedule chosen by comparing encoders.""",
    mapping="""\
Scenes of up to three of the solid shapes stand for VOC 2007: each seed draws its own, 512 to tune on and 256 to test
on. The detector is torchvision's Faster R-CNN in the layout called C4: the encoder without its last stage sees the
image, its last stage sees each region. All layers train, batch norms too, for 300 steps of 8 images by SGD with the
rate of MoCo's configuration, its two falls at the same shares of the length. COCO's count at an overlap of 0.5 stands
for the mean average precision, whose protocol the paper does not state. The columns with AlexNet are quoted: one of
them is Fast R-CNN, which needs proposals of another program, and our AlexNet has no stages to split. DeepCluster,
which has no number in this column, is quoted too.""",
    adapted={
        "isl_c01": "c('isl_detection','isl','resnet50_faster') > c('isl_detection','la','resnet50_faster')",
        "isl_c06": (
            "all(c('isl_detection','isl','resnet50_faster') > c('isl_detection',r,'resnet50_faster') "
            "for r in ['instance','la'])"
        ),
    },
    unrun={
        "isl_c02": "Both columns are AlexNet's, which is not run.",
    },
    margin=("isl_x01", "isl_x03", "isl_x04", "isl_x05"),
    controls=("random",),
    seeds=3,
)
