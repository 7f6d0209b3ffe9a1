"""The transcribed tables, figures and claims of the five papers: data, and the one way to read it."""

import functools
from importlib import resources
from typing import Any

import yaml

from sslrepro.base.errors import known_keys, one_of, require

PAPERS = ("nnclr", "seppid", "ifnd", "isl", "invp")
BASES = ("asserted", "hedged", "read off")
PREMISES = (
    "mined",
    "mined in the best row",
)  # whose images must share the class: every row's that mines, or the best's
JUDGEMENT_KEYS = ("name", "says", "section", "basis", "hedge", "old_check", "printed", "statistic", "here", "tolerance",
                  "premise", "paper_match", "corrected")  # fmt: skip


@functools.cache
def paper(key: str) -> dict[str, Any]:
    """A whole transcription: keys paper, tables, figures, text_values, claims, contradictions."""
    one_of(key, PAPERS, "papers.paper", "key")
    text = resources.files(__name__).joinpath(f"{key}.yaml").read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@functools.cache
def tables() -> dict[str, dict[str, Any]]:
    """Every transcribed table by id, in the papers' order; and each figure whose series are rows and columns too.

    metric   keys of the columns of scores, always a list;  unit   None where the columns state their own
    """
    return {
        table["id"]: table | {"paper": key, "unit": table.get("unit"), "metric": _scores(table)}
        for key in PAPERS
        for table in (*paper(key)["tables"], *(figure for figure in paper(key)["figures"] if "rows" in figure))
    }


def _scores(table: dict[str, Any]) -> list[str]:
    """Keys of a table's columns of scores: as transcribed, one or a list of them; of a figure all its numbers."""
    keys = [column["key"] for column in table["columns"]]
    stated = [table["metric"]] if isinstance(table["metric"], str) else table["metric"]
    if set(stated) <= set(keys):
        return stated
    return [column["key"] for column in table["columns"] if column["type"] == "number"]


def table(name: str) -> dict[str, Any]:
    """One transcribed table; raises ValueError with the nearest id."""
    return tables()[one_of(name, tables(), "papers.table", "table")]


@functools.cache
def claims() -> dict[str, dict[str, Any]]:
    """Every claim by id."""
    return {claim["id"]: claim | {"paper": key} for key in PAPERS for claim in paper(key)["claims"]}


@functools.cache
def judgements() -> dict[str, dict[str, Any]]:
    """What each claim is about, by id: name, section, basis, statistic, tolerance, premise (claims/ judges by it).

    Raises ValueError where a claim has no entry, an entry no claim, or a key or basis is unknown.
    """
    entries: dict[str, dict[str, Any]] = {}
    for key in PAPERS:
        text = resources.files(__name__).joinpath("judgements", f"{key}.yaml").read_text("utf-8")
        entries |= yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for claim in claims():
        require(claim in entries, "papers.judgements", "claim", "given an entry", claim)
    for claim, entry in entries.items():
        one_of(claim, claims(), "papers.judgements", "claim")
        known_keys(entry, JUDGEMENT_KEYS, f"judgements.{claim}", "key")
        for key in ("name", "section", "basis", "statistic"):
            require(bool(entry.get(key)), f"judgements.{claim}", key, "given", entry.get(key))
        one_of(entry["basis"], BASES, f"judgements.{claim}", "basis")
        one_of(entry.get("premise", "mined"), PREMISES, f"judgements.{claim}", "premise")
        statements = [entry["statistic"], entry.get("here") or {}]
        parts = [part for statement in statements for part in (statement, *statement.get("of", ()))]
        if any(part.get("kind") == "equivalence" for part in parts):
            require("tolerance" in entry, f"judgements.{claim}", "tolerance", "given with its source", None)
    return entries


def claims_on(table_id: str) -> list[dict[str, Any]]:
    """The claims that rest on a table or name it in their expression."""
    return [
        claim
        for claim in claims().values()
        if table_id in claim.get("rests_on", []) or f"'{table_id}'" in (expression(claim) or "")
    ]


@functools.cache
def contradictions() -> dict[str, dict[str, Any]]:
    """Every contradiction within and between the papers, by id."""
    return {entry["id"]: entry | {"paper": key} for key in PAPERS for entry in paper(key).get("contradictions") or []}


def expression(claim: dict[str, Any]) -> str | None:
    """What to evaluate for a claim: over printed cells, or over values only an overlay can give."""
    check = claim.get("check") or {}
    return check.get("expr") or check.get("overlay_expr")


def text_value(key: str, name: str) -> Any:
    """A number that a paper states in its text; None where it states none."""
    values = {value["id"]: value["value"] for value in paper(key).get("text_values") or []}
    return values.get(name)


def settings(table_id: str) -> dict[str, Any]:
    """The paper's settings of a table."""
    return dict(table(table_id).get("settings") or {})
