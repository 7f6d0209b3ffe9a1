"""Speed beside peers and growth with size, from benchmarks/results."""

import base64
import html
import io
import json
from pathlib import Path

from blocks import plain_table
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results"


def share_of_peak(row: dict, peaks: dict[str, float]) -> str:
    """A row's multiplications a second as a share of the peak of its own precision; "" where they are not counted."""
    if "flops_per_second" not in row:
        return ""
    return f"{100 * row['flops_per_second'] / peaks[row.get('peak', 'flops_per_second')]:.0f}%"


def in_words(peaks: dict[str, float]) -> str:
    """The peaks of the precisions that were measured."""
    names = {"fp32": "flops_per_second", "bf16": "bf16_flops_per_second"}
    return ", ".join(f"{peaks[key] / 1e9:.0f} GFLOP/s in {name}" for name, key in names.items() if key in peaks)


def of_processors() -> dict[str, dict]:
    """What `make bench` measured on each kind of processor, under the name of its kind; the best bf16 first."""
    kinds = {
        "multiplies bf16 in tiles (AMX)": "cpu-amx_bf16.json",
        "multiplies bf16 in vectors (AVX-512)": "cpu-avx512_bf16.json",
        "does not multiply bf16": "cpu.json",
    }
    paths = {words: MEASURED / name for words, name in kinds.items()}
    return {words: json.loads(path.read_text("utf-8")) for words, path in paths.items() if path.exists()}


def rows_of(record: dict) -> list[list[str]]:
    """The lines of the speed table of one record."""
    body = []
    for row in record["rows"]:
        ratio = f"{row['ratio']:.1f} [{row['least']:.1f}, {row['greatest']:.1f}]" if "ratio" in row else ""
        share = f"views {100 * row['views_share']:.0f}% of the step" if "views_share" in row else ""
        if "training_share" in row:
            share = f"{100 * row['training_share']:.1f}% of a training that renews them every epoch"
        other = f"{row['peer_rate']:,.1f}" if "peer_rate" in row else ""
        reached = share_of_peak(row, record["peaks"])
        body.append([row["what"], f"{row['ours']:,.1f}", other, row["unit"], ratio, reached, share, row["peer"]])
    return body


class Bench(Directive):
    """The speed tables as they were measured last, one for each kind of processor; those after the first folded."""

    def run(self) -> list[nodes.Node]:
        head = ["what", "ours", "peer's", "unit", "ratio [least, greatest]", "of the measured peak", "share", "peer"]
        parts = []
        for words, record in of_processors().items():
            where, peak = record["environment"], in_words(record["peaks"])
            note = f"{where['device']}, which {words}; one thread, torch {where['torch']}; peak {peak}."
            table = plain_table(head, rows_of(record)) + f'<p class="caption">Measured on {html.escape(note)}</p>'
            summary = f"<summary>The same on a processor that {html.escape(words)}</summary>"
            parts.append(f"<details>{summary}{table}</details>" if parts else table)
        return [nodes.raw("", "".join(parts), format="html")]


NIGHT = "step of simclr, ResNet-8, 32 px, bf16"
TARGETS = (  # row, its peer, times the peer that was asked
    ("two views, 32 px", "lightly", 30),
    ("step of simclr", "lightly", 5),
    ("step of nnclr", "lightly", 5),
    ("step of mocov2", "lightly", 5),
    ("step of simclr, 16 px, bf16", "lightly, fp32", 5),
    (NIGHT, "lightly, fp32", 3),
)


def targets(record: dict) -> list[list[str]]:
    """What was asked beside what is reached, and what a step at the machine's own peak would reach."""
    body = []
    for what, peer, asked in TARGETS:
        row = next((row for row in record["rows"] if (row["what"], row["peer"]) == (what, peer)), None)
        if row is None:  # newer than the record, or of a precision that its processor does not multiply
            body.append([f"{what}, times {peer}", str(asked), "not measured", "–"])
            continue
        share = row.get("flops_per_second", 0) / record["peaks"][row.get("peak", "flops_per_second")]
        best = f"{row['ratio'] / share:.1f}" if what.startswith("step") else "–"  # views are not products alone
        body.append([f"{what}, times {peer}", str(asked), f"{row['ratio']:.1f}", best])
    night = next((row for row in record["rows"] if row["what"] == NIGHT), None)
    if night is None:
        return body
    body.append(["views in a step of night", "under 10%", f"{100 * night['views_share']:.0f}%", "–"])
    alone = f"{100 * night['alone_share']:.0f}%"
    return [*body, ["what remains of a step of night with views made before", "at least 90%", alone, "–"]]


def targets_of_kinds(records: dict[str, dict]) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the targets, with two columns for each kind of processor."""
    each = {words: targets(record) for words, record in records.items()}
    of_one = ("a processor that {}", "there, a step at the peak itself")
    head = ["target", "asked", *(words.format(kind) for kind in records for words in of_one)]
    most = max(each.values(), key=len)
    body = []
    for i, (target, asked, *_) in enumerate(most):
        cells = [lines[i][2:] if i < len(lines) else ["not measured", "–"] for lines in each.values()]
        body.append([target, asked, *(cell for pair in cells for cell in pair)])
    return head, body


class BenchTargets(Directive):
    """The targets of speed and how far they are on each kind of processor, from benchmarks/results."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", plain_table(*targets_of_kinds(of_processors())), format="html")]


class Growth(Directive):
    """Time over size for everything whose growth was measured, with the exponent its definition allows."""

    def run(self) -> list[nodes.Node]:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        record = json.loads((MEASURED / "growth-cpu.json").read_text("utf-8"))
        lines = record["lines"]
        plot, axes = plt.subplots(1, len(lines), figsize=(2.3 * len(lines), 2.6), layout="constrained")
        for axis, line in zip(axes, lines, strict=True):
            axis.loglog(line["sizes"], [1000 * value for value in line["seconds"]], "o-", color="#0072b2", markersize=4)
            axis.set_title(line["what"], fontsize=9)
            axis.set_xlabel(line["over"], fontsize=8)
            axis.tick_params(labelsize=7)
            axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axes[0].set_ylabel("ms", fontsize=8)
        buffer = io.BytesIO()
        plot.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
        plt.close(plot)
        data = base64.b64encode(buffer.getvalue()).decode()
        alt = "; ".join(f"{line['what']} over {line['over']}: exponent {line['exponent']:.2f}" for line in lines)
        body = [[line["what"], line["over"], f"{line['exponent']:.2f}", f"{line['expected']:g}"] for line in lines]
        table = plain_table(["what", "over", "measured exponent", "allowed by its definition"], body)
        image = f'<img class="plot wide" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
        return [nodes.raw("", f'<div class="scroll">{image}</div>{table}', format="html")]


class Ranks(Directive):
    """Where one run on two processes parts from the same run on one, from benchmarks/results."""

    def run(self) -> list[nodes.Node]:
        record = json.loads((MEASURED / "ranks.json").read_text(encoding="utf-8"))
        head = [
            "method and precision",
            "compared with one process",
            "first step that mined another image",
            "largest relative difference of the loss before it",
        ]
        body = [
            [words, what, f"{gap['flipped']} of {gap['steps']}" if gap["flipped"] else "none", f"{gap['before']:.1g}"]
            for words, gaps in record["results"].items()
            for what, gap in gaps.items()
        ]
        return [nodes.raw("", plain_table(head, body), format="html")]


class ClusterCost(Directive):
    """What a cluster costs, from benchmarks/results; a sentence where it has not been measured."""

    def run(self) -> list[nodes.Node]:
        path = MEASURED / "cluster.json"
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        parts = []
        if "scaling" in record:
            head = ["workers", "runs", "efficiency", "overhead of a run, s"]
            body = [
                [
                    str(row["workers"]),
                    str(row["runs"]),
                    f"{100 * row['efficiency']:.0f}%",
                    f"{row['overhead_seconds']:.2f}",
                ]
                for row in record["scaling"]
            ]
            parts.append(plain_table(head, body))
        for row in record.get("scaling_on_a_busy_machine", []):
            parts.append(
                f"<p>Another measurement of {row['workers']} workers, while other work had both cores, reached "
                f"{100 * row['efficiency']:.0f}%: nothing of a run is lost then, but time is.</p>"
            )
        if "plan" in record:
            plan = record["plan"]
            parts.append(
                f"<p>A plan of {plan['runs']:,} runs on {plan['workers']} simulated workers is made in "
                f"{plan['plan_processor_seconds']:.0f} processor-seconds and seen through in "
                f"{plan['processor_seconds']:.0f} more; the workers are busy {100 * plan['efficiency']:.0f}% of the "
                f"time.</p>"
            )
        if "kill" in record:
            kill = record["kill"]
            parts.append(
                f"<p><code>{kill['table']}</code> at smoke scale on two workers, one of which was killed on the way: "
                f"{kill['identical']} of {kill['runs']} runs have the weights and scores of one process.</p>"
            )
        if record.get("slurm"):
            kill = record["slurm"]
            parts.append(
                f"<p>The same on a Slurm of one machine, without accounting, a job of which was killed: "
                f"{kill['identical']} of {kill['runs']} runs have the weights and scores of one process.</p>"
            )
        text = "".join(parts) or "<p>Not measured yet: <code>python -m benchmarks.cluster</code> does it.</p>"
        return [nodes.raw("", text, format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("bench", Bench)
    app.add_directive("bench-targets", BenchTargets)
    app.add_directive("growth", Growth)
    app.add_directive("ranks", Ranks)
    app.add_directive("cluster", ClusterCost)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
