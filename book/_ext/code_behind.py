"""Which lines does a result rest on? A fold on every page of a table and of a method, read from what is imported."""

import html
import importlib
import inspect
from pathlib import Path
from types import ModuleType

from blocks import Block, para, raw
from docutils import nodes
from relations import trained_methods
from sphinx.application import Sphinx

from sslrepro import evaluate, methods, tables
from sslrepro.base.paths import PROJECT
from sslrepro.tables.definition import Definition

SUMMARY = "Show the code this result rests on"
STEP = ("loss", "after_step", "refresh")  # what a method may define, in the order a step calls them


def public_name(thing: object) -> str:
    """sslrepro.methods.nnclr.NNCLR.loss"""
    return f"{thing.__module__}.{thing.__qualname__}"


def of_method(name: str) -> list[tuple[str, str]]:
    """(public name, source) of what a method defines of a step; what it inherits does nothing and is left out."""
    own = vars(methods.method_class(name))
    return [(public_name(own[part]), inspect.getsource(own[part])) for part in STEP if part in own]


def of_scores(definition: Definition) -> list[tuple[str, str]]:
    """(public name, source) of the evaluations behind a table's columns."""
    scores = [column.score for column in definition.score_columns.values()]
    behind = [name for score in scores for name in evaluate.names() if score.startswith(f"{name}_") or score == name]
    names = list(dict.fromkeys([*behind, *definition.evaluations]))
    modules = [importlib.import_module(f"{evaluate.__name__}.{name}") for name in names]
    return [(public_name(module.scores), inspect.getsource(module.scores)) for module in modules]


def whole(module: ModuleType) -> tuple[str, str]:
    """(path from the root of the repository, source) of a module's file."""
    path = Path(inspect.getsourcefile(module))
    return str(path.relative_to(PROJECT)), path.read_text("utf-8")


def listing(name: str, source: str) -> list[nodes.Node]:
    """A name and its source, with colours."""
    block = nodes.literal_block(source, inspect.cleandoc(source) if source.startswith(" ") else source.rstrip())
    block["language"] = "python"
    return [para(nodes.literal("", name), kind="code-name"), block]


def fold(summary: str, parts: list[tuple[str, str]]) -> list[nodes.Node]:
    """A closed block with listings."""
    inside = [node for part in parts for node in listing(*part)]
    return [raw(f'<details class="code-behind"><summary>{html.escape(summary)}</summary>'), *inside, raw("</details>")]


class CodeBehind(Block):
    """The lines behind a table or a method. Argument: the table or method."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name in methods.names():
            parts = [whole(importlib.import_module(f"{methods.__name__}.{name}"))]
            oracle = PROJECT / "tests" / "equations" / f"{name}.py"
            parts += [(str(oracle.relative_to(PROJECT)), oracle.read_text("utf-8"))] if oracle.exists() else []
            return fold("Show the whole file, and the plain loops it is tested against", parts)
        definition = tables.definition(name)
        definition_file = whole(importlib.import_module(f"{tables.__name__}.{name}"))
        others = [method for method in trained_methods(definition) if method != definition.method]
        block = fold(SUMMARY, [definition_file, *of_method(definition.method), *of_scores(definition)])
        if others:
            links = [
                node for method in others for node in (nodes.Text(", "), self.link(method, f"methods/{method}.html"))
            ]
            block.insert(-1, para("The table also trains ", *links[1:], "; their pages show their code."))
        return block


def put(app: Sphinx, name: str, source: list[str]) -> None:
    """Give every method's page its fold."""
    folder, _, method = name.rpartition("/")
    if folder == "methods" and method in methods.names():
        source[0] += f"\n\n## Code\n\n```{{code-behind}} {method}\n```\n"


def setup(app: Sphinx) -> dict:
    """Register the directive and the folds of methods."""
    app.add_directive("code-behind", CodeBehind)
    app.connect("source-read", put, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
