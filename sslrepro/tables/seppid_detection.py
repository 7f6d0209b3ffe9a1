"""SePP-ID, Table 6: a detector tuned from MoCo v2, FNC and SePP-ID, by average precision on PASCAL VOC."""

from sslrepro.tables.definition import Definition

TABLE = Definition(
    id="seppid_detection",
    title="SePP-ID: detection",
    question="Does tuning a detector gain from pairs that were found before training?",
    method="seppid",
    rows={
        "moco_v2": {"method": "mocov2"},
        "fnc": {"method": "fnc"},
        "seppid": {"sampler_epochs": 100},
    },
    columns={"ap50": "faster_ap50"},
    also=("faster_ap", "faster_ap75", "linear_top1"),
    effect=("seppid", "moco_v2", "ap50"),
    evaluations={"faster_rcnn": {}},
    idea="""\
SePP-ID attracts images of a pair as wholes. Where objects are within an image is not part of its loss, nor of
MoCo v2's. If pairs teach what objects are, a detector that starts from them should name objects better; where it only
needs edges and colours, any pre-training will do.""",
    equation=r"""
\mathrm{AP}_{50} = \frac{1}{C} \sum_c \int_0^1 p_c(r)\, dr, \qquad
\text{a detection counts where } \frac{|B \cap \hat B|}{|B \cup \hat B|} \ge 0.5""",
    reading="""\
The claim has two halves: level with FNC within 0.2 points, and above MoCo v2. Only the order can carry over; the level
is shown. The paper's differences are 0.3 points and less, from one run each, smaller than what runs of a detector
usually differ by, so with three seeds neither half can be settled unless ours are much larger or much steadier.
An open verdict is what to expect.

The footer has both ends: a detector from the untrained encoder, and from a supervised one. All rows of a seed share
the scenes, the detector's new layers and the order of images. Probes of these encoders were known when this was
written; no detection was.""",
    mapping="""\
Scenes, detector and schedule are those of ISL's table of detection: drawn scenes stand for VOC 2007 and 2012, Faster
R-CNN has the layout C4 as in the paper, all layers train. SePP-ID is on MoCo v2 and its sampler an eighth of the
length, as in the paper's Table 3.""",
    margin=("seppid_x06", "isl_x05"),
    controls=("random", "supervised"),
    seeds=3,
)
