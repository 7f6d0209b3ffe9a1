"""At which scale was it tried? The paper's data, encoder, epochs and batch against ours, beside the verdicts."""

import html
from dataclasses import astuple

from blocks import Block, raw
from docutils import nodes
from published import published_results
from sphinx.application import Sphinx

from sslrepro.report.scale import our_scale, paper_scale, profile_in_words
from sslrepro.study.profiles import split_scale


def strip(theirs: tuple[str, ...], ours: tuple[str, ...], scale: str) -> str:
    """Both lines as a small table in HTML."""

    def line(who: str, kind: str, values: tuple[str, ...]) -> str:
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        return f'<tr><th scope="row"><span class="who {kind}">{html.escape(who)}</span></th>{cells}</tr>'

    head = "".join(f'<th scope="col">{word}</th>' for word in ("", "data", "encoder", "epochs", "batch"))
    return (
        f'<div class="scale-strip"><table><thead><tr>{head}</tr></thead><tbody>{line("paper", "paper", theirs)}'
        f"{line(f'ours ({scale})', 'ours', ours)}</tbody></table></div>"
    )


class ScaleStrip(Block):
    """The strip of a published page. Argument: the page, nnclr_queue-cpu."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        results = published_results()[self.arguments[0]]
        theirs, ours = paper_scale(results.definition.id), our_scale(results)
        return [raw(strip(astuple(theirs), astuple(ours), results.plan.profile.name))]


def in_words(profile: str) -> str:
    """What a scale is, for a sentence: "16-px synthetic images, 8 epochs"."""
    return profile_in_words(split_scale(profile)[0])


def setup(app: Sphinx) -> dict:
    """Register the directive."""
    app.add_directive("scale-strip", ScaleStrip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
