"""At which scale was it tried? The paper's data, encoder, epochs and batch against ours, beside the verdicts."""

import html
from typing import Any

from blocks import Block, raw
from docutils import nodes
from published import published
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.report.formats import plural
from sslrepro.study.profiles import PROFILES
from sslrepro.study.results import Results

UNSTATED = "not stated"


def of_paper(table: dict[str, Any]) -> list[str]:
    """Data, encoder, epochs and batch of a paper's table, as it states them."""
    settings = table.get("settings") or {}

    def stated(name: str) -> str:
        value = settings.get(name, UNSTATED)
        if isinstance(value, int):
            return f"{value:,}"
        return str(value).partition(" (")[0].partition(" for the")[0]

    return [table["dataset"], stated("encoder"), stated("epochs"), stated("batch_size")]


def of_ours(found: Results) -> list[str]:
    """The same of our runs: the values that the rows of the paper were run with."""
    tasks = [task for (name, _), cell in found.plan.cells.items() for task in cell
             if name in found.definition.rows]  # fmt: skip
    configs = [task.config for task in tasks if task.name in found.known and hasattr(task.config, "plan")]
    profile = PROFILES[found.plan.profile.base]
    data = sorted({one.data.name for one in configs}) or [found.plan.profile.data.name]
    images = sorted({one.data.n_train for one in configs}) or [found.plan.profile.n_train]
    sides = sorted({one.data.side for one in configs if one.data.side}) or ["native"]
    made = "synthetic " if all(name.startswith("shapes") for name in data) else ""
    return [f"{', '.join(data)}: {' or '.join(f'{n:,}' for n in images)} {made}images of {sides[0]} px",
            ", ".join(sorted({one.encoder for one in configs})) or profile.encoder,
            spread([one.plan.epochs for one in configs]), spread([one.plan.batch_size for one in configs])]  # fmt: skip


def spread(values: list[int]) -> str:
    """8, or 2–16 where rows differ."""
    low, high = (min(values), max(values)) if values else (0, 0)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def strip(theirs: list[str], ours: list[str], scale: str) -> str:
    """Both lines as a small table in HTML."""

    def line(who: str, kind: str, values: list[str]) -> str:
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        return f'<tr><th scope="row"><span class="who {kind}">{html.escape(who)}</span></th>{cells}</tr>'

    head = "".join(f'<th scope="col">{word}</th>' for word in ("", "data", "encoder", "epochs", "batch"))
    return (f'<div class="scale-strip"><table><thead><tr>{head}</tr></thead><tbody>{line("paper", "paper", theirs)}'
            f"{line(f'ours ({scale})', 'ours', ours)}</tbody></table></div>")  # fmt: skip


class ScaleStrip(Block):
    """The strip of a published page. Argument: the page, nnclr_queue-cpu."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        found = published()[self.arguments[0]]
        theirs = of_paper(papers.table(found.definition.id))
        return [raw(strip(theirs, of_ours(found), found.plan.profile.name))]


def in_words(profile: str) -> str:
    """What a scale is, for a sentence: "16-px synthetic images, 8 epochs"."""
    made = PROFILES[profile.partition("-")[0]]
    kind = "synthetic images" if made.data.name == "shapes" else f"images of {made.data.name}"
    return f"{made.data.side}-px {kind}, {plural(made.plan.epochs, 'epoch')}"


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("scale-strip", ScaleStrip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
