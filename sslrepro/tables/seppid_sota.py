"""SePP-ID, Table 3: linear evaluation beside other methods, and end to end in small batches."""

from sslrepro.tables.definition import Definition
from sslrepro.tables.seppid_epochs import RANDOM, SAME

RIVALS = ("moco_v2", "byol", "simclr", "simsiam", "vicreg", "swav", "dino", "barlow", "ifnd", "nnclr", "fnc")
ON_SIMCLR = {"base": "simclr", "sampler_epochs": 100}
SMALL = ("simclr_b256", "nnclr_b256", "seppid_simclr_b256")

TABLE = Definition(
    id="seppid_sota",
    title="SePP-ID beside other methods",
    question="Does SePP-ID beat the methods of its time, and those that find positives while they train?",
    method="seppid",
    rows={
        "moco_v2": {"method": "mocov2"},
        "byol": {"method": "byol"},
        "simclr": {"method": "simclr"},
        "simsiam": {"method": "simsiam"},
        "vicreg": {"method": "vicreg"},
        "swav": {"method": "swav"},
        "dino": {"method": "dino"},
        "barlow": {"method": "barlow"},
        "ifnd": {"method": "ifnd_moco"},
        "nnclr": {"method": "nnclr", "queue_size": 98_304},
        "fnc": {"method": "fnc"},
        "seppid_moco": {"sampler_epochs": 100},
        "simclr_b256": {"method": "simclr", "batch_size": 256},
        "nnclr_b256": {"method": "nnclr", "batch_size": 256},
        "seppid_simclr_b256": {"base": "simclr", "batch_size": 256, "sampler_epochs": 100, "sampler_batch": 256},
    },
    variants={
        "SePP-ID (with SimCLR), usual batch": ON_SIMCLR,
        f"SimCLR, {SAME}": ON_SIMCLR | {"control": "same"},
        f"SimCLR, {RANDOM}": ON_SIMCLR | {"control": "random"},
    },
    columns={"accuracy": "linear_top1"},
    also=("knn_top1", "few_top1"),
    effect=("seppid_moco", "moco_v2", "accuracy"),
    idea="""\
The paper sets SePP-ID on MoCo v2, after 800 epochs in batches of 256, above eighteen methods whose numbers other
papers printed, at lengths from 100 to 1,000 epochs and batches from 256 to 4,096. Four of them also use images that
look alike: NNCLR and FNC search for them while they train, IFND and CLFN cluster. Three more rows compare methods
without a teacher in batches of 256: SimCLR, NNCLR, and SePP-ID with SimCLR.""",
    equation=r"""
\text{SePP-ID: } (i, j) \in \mathcal{P} \text{ fixed before training}, \qquad
\text{NNCLR: } j(t) = \operatorname*{arg\,max}_{r \in Q_t} z_i \cdot r \text{ at every step}""",
    reading="""\
All rows of the upper part share images, encoder, views, optimizer, learning rate and steps; none was tuned here, and
the page of equal terms gives each method its trials. Best of twelve can hardly be confirmed with three seeds; look at
the effect, which is SePP-ID against the method it is built on. A rival above it says nothing about semantic pairs,
since the two differ in more than pairs: MoCo v2 itself may be far from that rival. The rows of the upper part other
than SePP-ID's were known when this was written, from the page of all methods.

Below them SimCLR, the only base without a table of its own, gets its pairs and their two controls at the usual batch:
images of the searched share with themselves, and images paired at random. Only pairs above both controls
have meaning. These runs are shared with the page of equal terms, and were known.

In the lower part batches are of four images, where methods that take negatives from the batch have six. The paper's
NNCLR there is a quoted ablation point (seppid_x13). SimCLR at batch 4,096 and SePP-ID at 256 print the same 69.3; that
they are equal is our reading of the table and no sentence of the paper.""",
    mapping="""\
Rows of the upper part have the profile's own length and batch, whatever was printed; SwAV and DINO see two views,
where their printed numbers are with multi-crop. IFND is the form on MoCo v2, NNCLR has its longest queue. A batch of
256 becomes four images, with the learning rate in proportion and the same number of epochs, so six times as many
steps; the sampler keeps its own batch and length. OBoW, CLSA, HCSC, SNCLR, SCFS, UniVIP and CLFN are not among our
methods and stay quoted.""",
    adapted={
        "seppid_c06": f"beats('seppid_sota','seppid_moco','accuracy',{[*RIVALS, *SMALL]})",
        "seppid_c26": "beats('seppid_sota','seppid_moco','accuracy',['nnclr','fnc','ifnd'])",
    },
    margin=("seppid_x01", "seppid_x02", "seppid_x13", "seppid_x14", "seppid_x16"),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
