"""Which contradictions stand in the margin of a table's page?"""

from dataclasses import replace

from relations import concerns, contradictions, definitions

from sslrepro import papers
from sslrepro.report import publish


def further_notes(table: str) -> str:
    """Notes in the margin for what concerns a table beside its definition's own: the paper's in full, others by id."""
    definition = definitions().get(table)
    if definition is None:
        return ""
    others = [name for name, ids in concerns().items() if table in ids and name not in definition.margin]
    entries, home = contradictions(), papers.table(table)["paper"]
    own = [name for name in others if entries[name]["scope"] == "within" and entries[name]["paper"] == home]
    text = publish.margin(replace(definition, margin=tuple(own)))
    if rest := [name for name in others if name not in own]:
        text += f"```{{margin}} **Between papers**\nThis table also takes part in {', '.join(rest)}.\n```\n\n"
    return text
