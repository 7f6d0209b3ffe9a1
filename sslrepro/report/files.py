"""A table as files for a paper: its figure, its numbers with units, its LaTeX, where they come from, how to cite it."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import sslrepro
from sslrepro.base.store import environment, write_atomic
from sslrepro.report.cite import bibtex
from sslrepro.report.formats import as_latex, format_cell
from sslrepro.report.headings import CONTROLS, column_label, column_unit, heading, printed_value, row_label
from sslrepro.report.presenters import presenter
from sslrepro.report.provenance import runs_by_cell
from sslrepro.study.results import Results
from sslrepro.training.config import from_record

HEAD = ("kind", "row", "column", "measured", "unit", "paper", "ours", "low95", "high95", "n", "values_by_seed")


def numbers_csv(results: Results) -> str:
    """Every cell: label, unit, the paper's number, our mean with its 95% interval, and the value of every seed."""
    definition, out = results.definition, io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(HEAD)
    lines = [("row", row) for row in definition.rows] + [("variant", row) for row in definition.variants]
    for kind, row in [*lines, *(("control", name) for name in definition.controls)]:
        control = kind == "control"
        label = CONTROLS.get(row, row) if control else row_label(definition, row)
        for column in definition.columns:
            cell, seeds = results.at(row, column, control), results.values_by_seed(row, column, control)
            paper = printed_value(definition, row, column) if kind == "row" else None
            if cell is None and paper is None:
                continue
            ends = ["", ""]
            if cell is not None and cell.has_interval:
                ends = [repr(cell.mean - cell.half_width), repr(cell.mean + cell.half_width)]
            ours = [""] if cell is None else [repr(cell.mean)]
            values = " ".join(f"{seed}:{value!r}" for seed, value in seeds.items())
            write([kind, label, column_label(definition, column), heading(results, column),
                   column_unit(definition, column), "" if paper is None else paper, *ours, *ends,
                   0 if cell is None else cell.n, values])  # fmt: skip
    return out.getvalue()


def tex(results: Results) -> str:
    """The table in LaTeX (booktabs), with what it shows as a comment above it."""
    plan = results.plan
    about = f"% {plan.definition.title}, {plan.profile.name} scale; mean +- half the 95% interval over seeds\n"
    return about + as_latex(*presenter(plan.definition).rows_of(results))


def provenance_json(results: Results, command: str, changes: dict[str, Any] | None, digests: dict[str, str]) -> str:
    """What the numbers rest on: the command, the code, every run, the verdicts, the files' SHA-256, the citation."""
    plan, runs = results.plan, []
    for cell, of_cell in runs_by_cell(results):
        for run in of_cell:
            record = results.known[run.name]
            config = record["config"]
            runs.append(
                {
                    "cell": cell,
                    "run": run.name,
                    "seed": run.seed,
                    "identity": from_record(config).identity if "method" in config else None,
                    "images": (config.get("data") or config["pixels"])["fingerprint"],
                    "environment": record["environment"],
                }
            )
    verdicts = [{"claim": v.claim, "text": v.text, "verdict": v.verdict} for v in results.verdicts()]
    cells = {
        f"{row} | {column}": format_cell(results.at(row, column))
        for row in plan.definition.ours
        for column in plan.definition.columns
        if results.at(row, column)
    }
    record = {
        "table": plan.definition.id,
        "title": plan.definition.title,
        "profile": plan.profile.name,
        "seeds": plan.seeds,
        "changed_settings": changes or {},
        "published": not changes,
        "command": command,
        "version": sslrepro.__version__,
        "code": {name: environment("cpu")[name] for name in ("commit", "dirty")},
        "cells": cells,
        "runs": runs,
        "verdicts": verdicts,
        "sha256": digests,
        "citation": bibtex(plan.definition.id, plan.profile.name),
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def write_files(results: Results, folder: Path, command: str, changes: dict[str, Any] | None = None) -> list[Path]:
    """Write <table>-<profile>.svg, .pdf, .png, .csv, .tex, .json and .bib into a folder; returns them.

        command   that made them
        changes   dotted settings that were changed; None: none

    The same results give the same bytes, but for the JSON's commit.
    """
    plot = presenter(results.definition).figure(results)
    contents = {
        "svg": plot.svg,
        "pdf": plot.pdf,
        "png": plot.png,
        "csv": numbers_csv(results).encode("utf-8"),
        "tex": tex(results).encode("utf-8"),
    }
    stem = f"{results.definition.id}-{results.plan.profile.name}" + ("-changed" if changes else "")
    digests = {f"{stem}.{ending}": hashlib.sha256(content).hexdigest() for ending, content in contents.items()}
    contents["json"] = provenance_json(results, command, changes, digests).encode("utf-8")
    contents["bib"] = bibtex(results.definition.id, results.plan.profile.name).encode("utf-8")
    for ending, content in contents.items():
        write_atomic(folder / f"{stem}.{ending}", content)
    return [folder / f"{stem}.{ending}" for ending in contents]
