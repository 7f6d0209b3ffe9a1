"""Which runs stand behind a page: identity, seed, commit, images and processor of each."""

import html

from sslrepro.report.formats import Display, html_table
from sslrepro.study.results import Results
from sslrepro.study.run import Run
from sslrepro.training.config import from_record


def runs_by_cell(results: Results) -> list[tuple[str, list[Run]]]:
    """(name of a cell, its runs that were done), each distinct run once under a name."""
    seen, out = set(), []
    for (row, column), runs in results.plan.cells.items():
        name = row.removeprefix("control ") + (f":{column}" if column else "")
        own = [run for run in runs if run.name in results.known and (name, run.name) not in seen]
        seen |= {(name, run.name) for run in own}
        out.append((name, own))
    return out


def provenance(results: Results) -> Display:
    """Every run with its identity, seed, commit and processor."""
    head = ["run", "seed", "commit", "clean tree", "images", "processor"]
    body = []
    for name, runs in runs_by_cell(results):
        for run in runs:
            record = results.known[run.name]
            config, place = record["config"], record["environment"]
            data = config.get("data") or config["pixels"]
            identity = from_record(config).identity if "method" in config else "–"
            clean = "–" if place["dirty"] is None else "no" if place["dirty"] else "yes"
            commit = (place["commit"] or "–")[:9]
            where = [html.escape(place.get("device") or "–")]
            body.append([html.escape(f"{name} {identity}"), str(run.seed), commit, clean, data["fingerprint"], *where])
    summary = f"<details><summary>{len(body)} runs, their identities and commits</summary>"
    return Display(f"{summary}{html_table(head, body)}</details>", f"{len(body)} runs")
