"""A table as files: numbers that agree with the table's, units, where they come from, how to cite them."""

import csv
import json

import pytest

from sslrepro.report.cite import bibtex
from sslrepro.report.files import write_files
from sslrepro.study.plans import plan_table
from sslrepro.study.results import read_results


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    results = read_results(plan_table("nnclr_queue"))
    files = write_files(results, tmp_path_factory.mktemp("a paper"), "the command", None)
    return results, {file.suffix: file for file in files}


def test_every_format_is_what_its_ending_says(written):
    starts = {
        ".svg": b"<?xml",
        ".pdf": b"%PDF",
        ".png": b"\x89PNG",
        ".tex": b"% ",
        ".csv": b"kind,",
        ".json": b"{",
        ".bib": b"@software{",
    }
    assert written[1].keys() == starts.keys()
    for ending, file in written[1].items():
        assert file.read_bytes().startswith(starts[ending]), ending


def test_numbers_are_the_tables_with_units(written):
    results, files = written
    lines = list(csv.DictReader(files[".csv"].read_text(encoding="utf-8").splitlines()))
    rows = [line for line in lines if line["kind"] == "row" and line["column"] == lines[0]["column"]]
    for row, line in zip(results.definition.rows, rows, strict=True):
        cell = results.at(row, next(iter(results.definition.columns)))
        assert float(line["ours"]) == cell.mean and int(line["n"]) == cell.n and line["unit"] == "%" and line["paper"]
        assert float(line["low95"]) == cell.mean - cell.half_width
        assert len(line["values_by_seed"].split()) == cell.n
    assert any(line["kind"] == "control" for line in lines)


def test_origin_names_every_run_and_the_citation(written):
    results, files = written
    about = json.loads(files[".json"].read_text(encoding="utf-8"))
    assert {run["run"] for run in about["runs"]} == set(results.known) and about["published"] is True
    assert about["command"] == "the command" and "sslrepro-nnclr_queue" in about["citation"]


def test_a_citation_has_version_commit_anchor_and_the_paper():
    text = bibtex("nnclr_queue")
    for word in ("version = {", "commit ", r"executed/nnclr\_queue-cpu.html", "@inproceedings{nnclr,"):
        assert word in text
    assert "@inproceedings" not in bibtex("equal_terms")
    with pytest.raises(ValueError, match="Did you mean 'nnclr_queue'"):
        bibtex("nnclr_quue")
