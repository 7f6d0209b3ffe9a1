"""Which tables, figures, claims, contradictions and methods concern each other?

Read from the transcriptions, the definitions and the notes in book/contradictions.md.
"""

import functools
import re
from pathlib import Path
from typing import Any

from sslrepro import papers, tables
from sslrepro.base.errors import require
from sslrepro.tables.definition import Definition

BOOK = Path(__file__).parents[1]


NOTE = re.compile(r"^(\w+_x\d\d):(.*)$")  # a note in book/contradictions.md: id: ids it concerns


IDS = re.compile(rf"\b(?:{'|'.join(papers.PAPERS)})_[cx]\d\d\b")


@functools.cache
def definitions() -> dict[str, Definition]:
    """Definitions of the papers' tables, by id."""
    every = {name: tables.definition(name) for name in tables.names()}
    return {name: definition for name, definition in every.items() if definition.id in papers.tables()}


def trained_methods(definition: Definition) -> list[str]:
    """The methods a table trains in its rows, columns and variants; its own first."""
    settings = [*definition.rows.values(), *getattr(definition, "variants", {}).values()]
    settings += [getattr(column, "sets", None) or {} for column in definition.columns.values()]
    named = [sets["method"] for sets in settings if "method" in sets]
    own = any("method" not in sets for sets in definition.rows.values())
    return list(dict.fromkeys(([definition.method] if own else []) + named))


@functools.cache
def tables_of() -> dict[str, list[str]]:
    """Claim -> the tables it rests on or names."""
    by_claim: dict[str, list[str]] = {claim: [] for claim in papers.claims()}
    for table in papers.tables():
        for claim in papers.claims_on(table):
            by_claim[claim["id"]].append(table)
    return by_claim


@functools.cache
def contradictions() -> dict[str, dict[str, Any]]:
    """Every contradiction by id, with the paper that lists it."""
    return {
        entry["id"]: entry | {"paper": key} for key in papers.PAPERS for entry in papers.paper(key)["contradictions"]
    }


@functools.cache
def figures() -> dict[str, dict[str, Any]]:
    """Every transcribed figure by id, with its paper."""
    return {
        entry["id"]: entry | {"paper": key} for key in papers.PAPERS for entry in papers.paper(key)["figures"] or []
    }


@functools.cache
def concerns() -> dict[str, list[str]]:
    """Contradiction -> ids of tables, figures and claims it concerns: from the page's notes and the claims' own."""
    by_contradiction: dict[str, list[str]] = {name: [] for name in contradictions()}
    for line in (BOOK / "contradictions.md").read_text("utf-8").splitlines():
        if match := NOTE.match(line):
            name = match[1]
            require(name in by_contradiction, "contradictions.md", "note", "on a transcribed contradiction", name)
            by_contradiction[name] += re.findall(r"\w+", match[2])
    for claim in papers.claims().values():
        for name in IDS.findall(claim.get("note") or ""):
            by_contradiction[name] += [claim["id"]]
    targets = papers.tables() | papers.claims() | figures()
    for name, ids in by_contradiction.items():
        for target in ids:
            require(target in targets, f"contradictions.md: {name}", "id", "a table, figure or claim", target)
    return {name: list(dict.fromkeys(ids)) for name, ids in by_contradiction.items()}


def short(paper: str) -> str:
    """A paper's short name."""
    return papers.paper(paper)["paper"]["short"]


def readable(text: str) -> str:
    """A transcription's note without the line numbers of its source, which a reader does not have."""
    text = re.sub(r"(?<!Algorithm 1)(?<!Algorithm 1 )\s?\(lines? [\d-]+\)", "", text)
    text = text.replace(" (see ocr_repairs)", "")
    text = re.sub(r"\bSePP-ID line \d+", "SePP-ID's text", text)
    text = re.sub(r"\bat line \d+", "in the text", text)
    return re.sub(r"(?<!\()\b([Ll])ine \d+", lambda match: "The text" if match[1] == "L" else "the text", text)


def number_of(name: str) -> str:
    """ "NNCLR Table 7a" for the id of a table or figure."""
    about = (papers.tables() | figures())[name]
    where = about["number"] or ("text" if name in papers.tables() else "a figure")
    return f"{short(about['paper'])}, {where}"
