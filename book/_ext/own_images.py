"""The numbers of the chapter on one's own images, from benchmarks/results/own_images.json."""

import json
from typing import Any

from blocks import plain_table
from docutils import nodes
from docutils.parsers.rst import Directive
from speed_tables import MEASURED
from sphinx.application import Sphinx

from sslrepro.own.labels import SHOWN, Score


def measurements() -> dict[str, Any]:
    """The record of the last measurement."""
    return json.loads((MEASURED / "own_images.json").read_text(encoding="utf-8"))


class OwnPhotos(Directive):
    """Before and after training, and the scores with labels: a line per seed."""

    def run(self) -> list[nodes.Node]:
        head = [
            "seed",
            "recognised by another view, before",
            "after",
            "effective rank, before",
            "after",
            *SHOWN.values(),
            "largest class",
        ]
        body = []
        for entry in measurements()["photos"]:
            first, last = entry["first"], entry["last"]
            scores = [Score(**entry["scores"][name]).words for name in SHOWN]
            body.append(
                [
                    str(entry["seed"]),
                    f"{100 * first['recognised']:.1f}%",
                    f"{100 * last['recognised']:.1f}%",
                    f"{first['rank']:.0f}",
                    f"{last['rank']:.0f}",
                    *scores,
                    f"{100 * entry['largest_class']:.0f}%",
                ]
            )
        return [nodes.raw("", plain_table(head, body), format="html")]


class OwnLarger(Directive):
    """What a fit of more than the process's memory took, from benchmarks/results/own_larger.json."""

    def run(self) -> list[nodes.Node]:
        record = json.loads((MEASURED / "own_larger.json").read_text(encoding="utf-8"))["of the whole limit"]
        run, same = record["limited"], "equal" if record["same_to_the_bit"] else "do not equal"
        text = (
            f"{run['images']:,} images, {run['set_MiB']:,.0f} MiB of pixels, {run['limit_MiB']:,.0f} MiB of memory, "
            f"{run['steps']:,} steps, an epoch, in {run['seconds'] / 60:.0f} minutes (one run). After "
            f"{record['marked_step']} steps the weights {same} those of a run from memory, to the bit."
        )
        return [nodes.paragraph("", text)]


class OwnCopies(Directive):
    """Recall of each kind of planted copy, and precision of pairs: a line per searcher."""

    def run(self) -> list[nodes.Node]:
        copies = measurements()["copies"]
        shown = [name for name in copies["trained"] if name not in ("pairs", "above")]
        body = [
            [
                searcher,
                f"{scores['above']:g}" if "above" in scores else "–",
                *(f"{scores[name]:.2f}" if name in scores else "–" for name in shown),
            ]
            for searcher, scores in copies.items()
        ]
        return [nodes.raw("", plain_table(["searcher", "threshold", *shown], body), format="html")]


def beside_lightly() -> dict[str, Any]:
    """The record of the comparison with lightly."""
    return json.loads((MEASURED / "own_images_lightly.json").read_text(encoding="utf-8"))


class OwnBesideLightly(Directive):
    """Neighbours of the class, planted copies found, what was typed: a line per searcher."""

    def run(self) -> list[nodes.Node]:
        record = beside_lightly()
        body = []
        for name, row in record["rows"].items():
            copies, right = row["copies"], row.get("neighbours_right")
            recall = sum(copies[kind] for kind in record["kinds"]) / len(record["kinds"])
            typed = {"sslrepro": "commands", "lightly": "lines of Python"}
            body.append(
                [
                    name,
                    "–" if right is None else f"{100 * right:.1f}%",
                    f"{100 * recall:.0f}%",
                    f"{100 * copies['precision']:.0f}%",
                    f"{copies['above']:g}" if "above" in copies else "–",
                    str(row.get("epochs", "–")),
                    f"{row['processor_seconds'] / 60:.1f}" if "epochs" in row else "–",
                    f"{row['typed']} {typed[name]}" if "typed" in row else "–",
                ]
            )
        head = [
            "searcher",
            "neighbours of the class",
            "copies found",
            "pairs that are copies",
            "threshold",
            "epochs",
            "minutes of a core",
            "typed",
        ]
        return [nodes.raw("", plain_table(head, body), format="html")]


def setup(app: Sphinx) -> dict:
    """Register them."""
    app.add_directive("own-photos", OwnPhotos)
    app.add_directive("own-copies", OwnCopies)
    app.add_directive("own-larger", OwnLarger)
    app.add_directive("own-beside-lightly", OwnBesideLightly)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
