"""NNCLR, Table 6: six methods at four lengths of training."""

from sslrepro.tables.definition import Column, Definition

METHODS = {
    "simclr": "simclr",
    "moco_v2": "mocov2",
    "byol": "byol",
    "swav": "swav",
    "simsiam": "simsiam",
    "nnclr": "nnclr",
}

TABLE = Definition(
    id="nnclr_epochs",
    title="NNCLR: which method leads at which length of training?",
    question="Is NNCLR better than its rivals at every number of epochs, and does every method gain from more?",
    method="nnclr",
    rows={row: {"method": method} for row, method in METHODS.items()},
    columns={f"e{epochs}": Column("linear_top1", sets={"epochs": epochs}) for epochs in (100, 200, 400, 800)},
    effect=("nnclr", "simclr", "e800"),
    idea="""\
The nearest neighbours of a random embedding are random images, so NNCLR starts with poor positives and pays for it
early; later the neighbours share the class more and more often. A method without mined positives has no such start-up
cost. The order of methods may therefore depend on how long they are trained. The paper compares NNCLR at 100, 200,
400 and 800 epochs with numbers that others published for SimCLR, MoCo v2, BYOL, SwAV and SimSiam, and NNCLR leads in
every column. Here all six are trained, each length as a run of its own with its own schedule, none cut from a longer
one.""",
    equation=r"""
\mathrm{lr}(t) = \mathrm{lr}_{\max} \cdot \tfrac{1}{2} \left(1 + \cos \frac{\pi t}{T}\right)
\quad \text{with } T \text{ the run's own length, after its warm-up}""",
    reading="""\
Each claim joins many comparisons: twenty for the lead, eighteen for the gain from more epochs. One reversed pair
within the noise makes such a conjunction improbable, so read the lines and their intervals before the verdict.
Methods without negatives or with a slowly moving teacher are known to need long schedules, and the shortest here is a
few passes over a small set: a method that trails there may lead later, and that is what the table is about. All rows
have one optimizer, learning rate and batch; none was chosen for a row. The scale itself was chosen once, by how well
SimCLR learns and whether NNCLR's neighbours rise above chance (docs/adr/0003), which favours those two, if any.""",
    mapping="""\
The profile's own length stands for 500 epochs of the paper; the others are in proportion, rounded, at least one.
NNCLR's queue is the ablations' default, 32,768, counted in batches. The learning rate is the profile's at every
length, where the paper uses a higher one at 100 epochs. SwAV sees two views, as in the paper's rows without
multi-crop.""",
    margin=("nnclr_x08", "nnclr_x10"),
    controls=("random", "pixels", "supcon"),
    seeds=3,
)
