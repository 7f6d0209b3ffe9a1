"""Which contradictions stand in the margin of a table's page?"""

from dataclasses import replace

from relations import concerned, contradictions, definitions

from sslrepro import papers
from sslrepro.report import publish


def further_notes(table: str) -> str:
    """Notes in the margin for what concerns a table beside its definition's own: the paper's in full, others by id."""
    made = definitions().get(table)
    others = [name for name, ids in concerned().items() if made and table in ids and name not in made.margin]
    known, home = contradictions(), papers.table(table)["paper"]
    own = [name for name in others if known[name]["scope"] == "within" and known[name]["paper"] == home]
    text = publish.margin(replace(made, margin=tuple(own))) if made else ""
    if rest := [name for name in others if name not in own]:
        text += f"```{{margin}} **Between papers**\nThis table also takes part in {', '.join(rest)}.\n```\n\n"
    return text
