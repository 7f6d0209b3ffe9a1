"""IFND, Table 3: a detector with masks tuned from each pre-training, by average precision on COCO."""

from sslrepro.tables.definition import Column, Definition

TABLE = Definition(
    id="ifnd_coco",
    title="IFND: detection and masks",
    question="From which pre-training does a tuned Mask R-CNN find and outline objects best?",
    method="ifnd_moco",
    rows={
        "supervised": {"method": "supervised"},
        "moco": {"method": "mocov1"},
        "pcl": {"method": "pcl"},
        "ifnd": {},
    },
    variants={"MoCo v2": {"method": "mocov2"}},
    columns={
        "ap_bb": "mask_bb_ap",
        "ap50_bb": "mask_bb_ap50",
        "ap75_bb": "mask_bb_ap75",
        "ap_mk": "mask_mk_ap",
        "ap50_mk": "mask_mk_ap50",
        "ap75_mk": "mask_mk_ap75",
        "gain": Column(
            of="ap_bb", minus_row={"ifnd": "MoCo v2"}, best="", label="AP^bb, gain over MoCo v2", unit="points"
        ),
    },
    also=("linear_top1",),
    effect=("ifnd", "pcl", "ap_bb"),
    evaluations={"mask_rcnn": {}},
    idea="""\
Images of one class are false negatives of each other, and pushing them apart is said to cost a contrastive encoder
part of what it knows of the class. IFND stops it. Here the question is whether that helps to find objects and to tell
which pixels are theirs, when all layers are tuned. The paper's heading says instance segmentation, which the masks
are, and its text semantic segmentation, which they are not.""",
    equation=r"""
\mathrm{AP} = \frac{1}{10} \sum_{t \in \{0.50, 0.55, \ldots, 0.95\}} \frac{1}{C} \sum_c \int_0^1 p_{c,t}(r)\, dr,
\qquad \text{overlap of boxes (bb) or of masks (mk)} \ge t""",
    reading="""\
The claim is that IFND is first in all six columns. Its six comparisons share every run, and all must be won, so one
steady rival in one column denies it. Only the order is judged; the level is shown and means nothing beside COCO's.

Two comparisons are cleaner than the rest: with MoCo v2, which IFND is but for the labels it removes (the row below the
table and the last column), and with the untrained encoder in the footer, which says what tuning gives by itself. Rows
that are not above it are in no order worth reading. Masks are of 8 by 8 places per region, of objects of about ten
pixels: the strict columns (AP75) hang on single pixels. Probes of these encoders were known when this was written;
no detection was.""",
    mapping="""\
Scenes of up to three of the solid shapes stand for COCO: 512 to tune on and 256 to test on, drawn anew for each seed.
The detector is torchvision's Mask R-CNN in the layout C4, boxes and masks on the encoder's last stage as in
Detectron; all layers train for 300 steps of 8 images, in the place of the schedule called 2x. The paper's MoCo is the
first version; MoCo v2, on which its IFND stands, has no number in its table and is a row of its own.""",
    adapted={
        "ifnd_c06": (
            "all(c('ifnd_coco','ifnd',m) > c('ifnd_coco',r,m) for r in ['supervised','moco','pcl'] "
            "for m in ['ap_bb','ap50_bb','ap75_bb','ap_mk','ap50_mk','ap75_mk'])"
        ),
    },
    margin=("ifnd_x09",),
    controls=("random",),
    seeds=3,
)
