"""Every method on equal terms, and every way of using other images beside the same method without it: ours."""

from sslrepro import methods
from sslrepro.tables.definition import Column, Definition

# what uses other images -> the same method with that switched off: same heads, rows, order, setting and learning rate
NOTHING_ACCEPTED = {"acceptance": "constant", "final_rate": 0.0}
SWITCHED_OFF = {
    "nnclr": {"method": "nnclr", "positive": "detached"},
    "nnsiam": {"method": "simsiam", "trial": "nnsiam"},
    "ifnd": {"method": "ifnd"} | NOTHING_ACCEPTED,
    "ifnd_moco": {"method": "ifnd_moco"} | NOTHING_ACCEPTED,
    "ifnd_swav": {"method": "ifnd_swav"} | NOTHING_ACCEPTED,
    "invp": {"method": "invp", "weight": 0.0},
    "invp_moco": {"method": "invp_moco", "weight": 0.0},
    "isl": {"method": "isl", "rounds": 1},
    "isl_moco": {"method": "isl_moco", "rounds": 1},
    "la": {"method": "la", "warm": 1.0},
    "pcl": {"method": "pcl", "warm": 1.0},
    "fnc": {"method": "fnc", "threshold": 1.0},
    "msf": {"method": "msf", "top_k": 1},
}
BASES = {
    "seppid": {"method": "seppid"},
    "seppid on simclr": {"method": "seppid", "base": "simclr", "trial": "simclr"},
    "seppid on simsiam": {"method": "seppid", "base": "simsiam", "trial": "simsiam"},
    "seppid on vicreg": {"method": "seppid", "base": "vicreg", "trial": "vicreg"},
    "seppid on dino": {"method": "seppid", "base": "dino", "trial": "dino"},
}
COMPARED = {name: methods.method_class(name) for name in methods.names() if name != "seppid"}
PLAIN = [name for name, method in COMPARED.items() if method.has_trials and not method.diagnostic]
OFF = "{}, switched off".format
SAME_PAIRS = "{}, images with themselves".format
RANDOM_PAIRS = "{}, random pairs".format

TABLE = Definition(
    id="equal_terms",
    title="Do other images help? Every method on equal terms",
    question="What does each use of other images gain over the same method with that use switched off?",
    method="simclr",
    rows=(
        {name: {"method": name} for name in PLAIN}
        | BASES
        | {OFF(name): sets for name, sets in SWITCHED_OFF.items()}
        | {SAME_PAIRS(name): sets | {"control": "same"} for name, sets in BASES.items()}
        | {RANDOM_PAIRS(name): sets | {"control": "random"} for name, sets in BASES.items()}
    ),
    columns={
        "top1": "linear_top1",
        "knn": "knn_top1",
        "gain": Column(
            of="top1",
            label="gain over switched off",
            unit="points",
            minus_row={name: OFF(name) for name in SWITCHED_OFF} | {name: SAME_PAIRS(name) for name in BASES},
        ),
        "gain_random": Column(
            of="top1",
            label="gain over random pairs",
            unit="points",
            minus_row={name: RANDOM_PAIRS(name) for name in BASES},
        ),
    },
    also=("few_top1",),
    idea="""\
The five papers compare a method that uses other images with baselines that others tuned, ran and printed. Here each
use of other images is compared with the *same* method without it: the same heads, the same rows in the same order, the
same setting and learning rate, over the same seeds. NNCLR's control takes the view itself, without gradient, where
the method takes the neighbour. IFND's accepts no pseudo-label, InvP's gives its invariance loss no weight, ISL's grows
no set, LA's and PCL's never leave their warm-up, FNC's finds no false negative, and MSF's averages over one neighbour,
which is the target itself. SePP-ID has two controls with as many further rows: images paired with themselves, and
random pairs.

Terms are equal in three ways. Every method had four trials: two learning rates with two settings that its sources
print, or four learning rates where they print one. They were judged on held-out *training* images of two seeds that
no table uses and frozen before the first run of this table. Methods that encode one view of an image train for twice
the epochs, so that no method encodes fewer than two views per image and epoch (FNC's two support views are part of
its idea and come on top). SePP-ID's sampler trains as long as a run.""",
    reading="""\
Read the gain first: it is paired over seeds, and its interval says whether this use of other images can be told from
none at this scale. Then read how often what was mined was right. A gain with wrong images would be an effect of
something else, such as more rows or noise in the targets; SePP-ID's random pairs test that directly. A loss says that
what was mined did harm *here*, at the share right that is shown, not that the method fails at its paper's scale.

There are 18 gains and each interval is at 95%, so about one of 18 leaves out zero by chance alone. A row's level
depends on its heads and loss as well: levels of different methods are not comparisons of mining. Row SimSiam, switched
off for NNSiam, has NNSiam's learning rate; the row simsiam has its own.""",
    mapping="""\
As on the page of all methods, from which this one differs in its terms alone. Settings that no source prints another
value for were left as printed and scaled by the same rules for all.""",
    controls=("random", "pixels"),
    fair=True,
    notebook="equal",
    seeds=3,
)
