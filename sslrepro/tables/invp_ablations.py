"""InvP, ablations in the text of its authors' response: the instance loss, and the number of positives."""

from sslrepro.tables.definition import Column, Definition

CODE = {"head": "linear", "temperature": 0.07}  # the released code's arguments, as the frozen trials chose
ALONE = {"instance_weight": 0.0, "gate": 0.0}
BOTH, POSITIVES = "both losses, 50 positives", "{} positives".format

TABLE = Definition(
    id="invp_ablations",
    title="InvP: is the instance loss needed, and how many positives?",
    question="Does InvP's loss alone learn slowly and unsteadily, and does the number of positives matter?",
    method="invp",
    rows={
        "invp_only": ALONE,
        "positives_30_70": {"n_positives": 50},
    },
    variants={
        BOTH: CODE | {"n_positives": 50},
        "invariance loss alone": CODE | ALONE,
        "instance loss alone": CODE | {"weight": 0.0},
        "both losses from the start": CODE | {"gate": 0.0},
        POSITIVES(10): CODE | {"n_positives": 10},
        POSITIVES(30): CODE | {"n_positives": 30},
        POSITIVES(70): CODE | {"n_positives": 70},
        POSITIVES(100): CODE | {"n_positives": 100},
        "the code's form": CODE | {"form": "code"},
        "own row a positive": CODE | {"anchor": "positive"},
        "own row left out": CODE | {"anchor": "left_out"},
    },
    columns={
        "top1": Column("linear_top1", label="linear top-1", unit="%"),
        "knn": Column("knn_top1", label="kNN top-1", unit="%"),
        "to_target": Column("to_target", digits=0, best="low", label="training until the graph is right", unit="%"),
        "falls": Column("falls", best="low", label="lost from part to part", unit="points"),
        "kept_early": Column("kept_early", best="", label="neighbours kept, early", unit="%"),
        "kept_late": Column("kept_late", best="", label="neighbours kept, late", unit="%"),
        "graph": Column("alike_8", label="graph's edges within a class, at the end", unit="%"),
        "similarity": Column("discovered_similarity", factor=1.0, digits=2, best="", label="similarity of discovered"),
        "of_others": Column("stranger_similarity", factor=1.0, digits=2, best="", label="similarity of all others"),
    },
    values={
        "epochs_to_target_invp_only": ("invariance loss alone", "to_target"),
        "epochs_to_target_with_instance": (BOTH, "to_target"),
        "oscillation_invp_only": ("invariance loss alone", "falls"),
        "oscillation_with_instance": (BOTH, "falls"),
        "neighbour_overlap_early": ("invariance loss alone", "kept_early"),
        "neighbour_overlap_late": ("invariance loss alone", "kept_late"),
        "mean_similarity_positives": (BOTH, "similarity"),
        "mean_similarity_negatives": (BOTH, "of_others"),
    },
    effect=(BOTH, "invariance loss alone", "top1"),
    evaluations={"course": {}},
    idea="""\
InvP adds two losses. The instance loss tells every image from all others; the invariance loss draws an image to those
that a walk over a graph of nearest neighbours reaches. The second needs a graph that means something, and at the start
there is none: the neighbours of a random network share colours at best. The authors say that the invariance loss alone
learns slowly and unsteadily, and that the number of positives matters little from 30 to 70. Both statements stand in
the text of their response to reviewers; the table they belong to was announced, and no number of it is in our source.
The rows of the paper below are therefore sentences, without a printed value.

Two more things are compared because the sources disagree or are silent: the loss as printed and as in the released
code, and what happens to the anchor's own row of the memory bank in the invariance loss.""",
    equation=r"""
\mathcal{L}_i = w\,\mathcal{L}^{\mathrm{ins}}_i + \lambda\,[t \ge t_0]\,\mathcal{L}^{\mathrm{inv}}_i, \qquad
\mathcal{L}^{\mathrm{ins}}_i =
-\log \frac{e^{z_i \cdot v_i/\tau}}{\sum_{j \in \mathcal{N}_M \cup \{i\}} e^{z_i \cdot v_j/\tau}},
\qquad
\mathcal{L}^{\mathrm{inv}}_i = -\log \frac{\sum_{j \in \mathcal{N}^h} e^{z_i \cdot v_j/\tau}}
{\sum_{j \in (\mathcal{N}_M \setminus \mathcal{N}) \cup \mathcal{N}^h} e^{z_i \cdot v_j/\tau}}""",
    reading="""\
Speed is the share of training until the graph's edges first join images of one class three times as often as chance;
a run that never gets there counts as the whole training, which understates how slow it is. Unsteadiness is what the
same share loses from one eighth of training to the next, summed: it asks for falls, so a curve that rises by leaps is
not called unsteady. Both measures are ours; the text has none. A row that learns nothing cannot fall either: read
falls only beside the level. The cause that the authors name is judged by how many neighbours an image keeps from one
visit to the next: fewer early than late, and fewer without the instance loss than with it. That would show that
neighbours are unstable, not that this is what slows learning. *Both losses from the start* is the row that comes
closest to asking for the cause: it has the unstable graph and the instance loss.

Whether 30, 50 and 70 positives differ by at most a point cannot be shown with three seeds; expect "inconclusive" and
read the intervals. A walk of three hops over four neighbours reaches at most 84 images, so 100 positives are all that
was reached, and the least similar are no longer chosen. That discovered images are more similar to the anchor than the
rest is nearly true by construction, as they were found by similarity: the claim could fail only if the graph were
stale or the walk left the neighbourhood. How often they are right is the question, and it is answered by the share
beside it. None of these rows had been run when this was written, except the second of the paper's, and runs of twice
the length at the setting of the variants.""",
    mapping="""\
The paper's rows have the printed setting: a head without batch norm and temperature 0.2. At this scale it hardly
learns, whatever the losses: in the frozen trials (book/trials/cpu.json) it reached a fifth to a quarter of held-out
training images, and seven in ten with a linear head and temperature 0.07, the arguments of the released code. Nothing
about the losses could be judged on networks that do not learn, so all rows are shown at that second setting too, below
the paper's, and the claims are judged there. The learning rate is the scale's; the trials chose half of it, with a
difference within their noise.

Numbers of positives are not scaled, since they are counted among the at most 84 images that a walk reaches, whatever
the size of the set; M, the nearest rows in the denominators, is an eighth of the images at most. The invariance loss
begins after the first epoch, 30 of 800 in the paper, except in the rows without gate, where it has no positives, and
so no gradient, until an image was visited once.""",
    unrun={},
    margin=("invp_x01", "invp_x03", "invp_x05", "invp_x06"),
    controls=("random", "pixels"),
    seeds=3,
)
