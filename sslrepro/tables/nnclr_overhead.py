"""NNCLR, Table 9: what the queue costs in memory and speed."""

from sslrepro.tables.definition import Column, Definition

SIZES = ("q8192", "q16384", "q32768", "q65536", "q98304")

TABLE = Definition(
    id="nnclr_overhead",
    title="NNCLR: what does the queue cost?",
    question="How much memory does a longer queue take, and how many steps per second are lost to searching it?",
    method="nnclr",
    rows={row: {"epochs": 0} for row in SIZES},  # nothing is trained: one process takes steps at every length in turn
    columns={
        "memory_mb": Column("row_bytes_{queue_size}", factor=1e-6, best=""),
        "steps_per_sec": Column("steps_per_second_{queue_size}", factor=1.0, digits=2, best=""),
        "of_shortest": Column(
            "of_shortest_{queue_size}", label="Steps per sec, of the shortest queue's", unit="%", best=""
        ),
        "notes_mb": Column("note_bytes_{queue_size}", factor=1e-6, label="Notes beside the rows", unit="MB", best=""),
    },
    varied="queue_size",
    effect=("q98304", "q8192", "steps_per_sec"),
    evaluations={"overhead": {}},
    idea="""\
Every query of a batch is compared with the whole queue, at every step. The queue's memory is m rows of d numbers of
four bytes; the work of searching it grows with m as well. Whether that matters depends on what the rest of a step
costs: with a ResNet-50 on images of 224 px the paper loses 11% of its steps per second between the shortest and the
longest queue.""",
    equation=r"""
\text{memory} = 4\,m\,d \ \text{bytes}, \qquad
\text{work of a search} = 2\,n\,m\,d \ \text{operations for } n \text{ queries}""",
    reading="""\
The first column is arithmetic and must agree with the paper's up to rounding. The second cannot agree in size: our
encoder does about a thousandth of a ResNet-50's work on an image, so the same search is a far larger share of a step.
What carries over is the direction, and the work of the search itself. Beside its rows our queue records the image,
class and age of each, 24 bytes a row (last column); that is how it recognises an anchor's own past.""",
    mapping="""\
Queue lengths and d = 256 are the paper's own, not scaled; batches have 128 images. Steps are whole training steps
(views, two encodings, search, loss, backward pass, optimizer, queue) on one thread; the lengths take turns in one
process. The median over the rounds is reported per seed, so that the interval is that of the measurement.""",
    adapted={
        "nnclr_c35": "abs(c('nnclr_overhead','q98304','memory_mb') - s('nnclr','extra_memory_98k')) <= 2",
        "nnclr_c37": "all(abs(c('nnclr_overhead',r,'memory_mb') - p('nnclr_overhead',r,'queue_size')*256*4/1e6) <= 0.2"
        " for r in rowids('nnclr_overhead'))",
    },
    margin=("nnclr_x09",),
    controls=(),
    seeds=3,
)
