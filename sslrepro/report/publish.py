"""From a notebook and a table to a page of the book: render, execute, normalise, stamp, rename."""

import copy
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from sslrepro import papers
from sslrepro.base.closure import PACKAGE, import_closure
from sslrepro.base.paths import NOTEBOOKS, PAGES, PROJECT
from sslrepro.base.store import write_atomic
from sslrepro.report.figures import figure
from sslrepro.study.equal_terms import FROZEN
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.results import read_results, related_plans
from sslrepro.tables.definition import Definition

FAILED = PROJECT / "runs" / "failed"
BY_HAND = {"start", "by-hand"}  # cells of a source notebook that no page has: finding the package, a table's own words
IMAGES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "stl10": "STL-10", "tinyimagenet": "Tiny-ImageNet"}


def page_name(plan: TablePlan) -> str:
    """File name of a table's page, without ending: nnclr_queue-cpu."""
    return f"{plan.definition.id}-{plan.profile.name}"


def digest(plan: TablePlan, own: Path | None = None) -> str:
    """SHA-256 over everything a page is made from: notebook, definition, transcription, ledger, and the code it runs.

    The code is what the notebook and the table's definition import, and what that imports, docstrings left out.

    own   folder of runs that stand before the ledger's, of a reader's own page
    """
    digested = hashlib.sha256()
    definition = plan.definition
    notebook = NOTEBOOKS / f"{definition.notebook}.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code += f"\nimport sslrepro.report.publish\nimport sslrepro.tables.{definition.id}"
    code += "".join(f"\nimport sslrepro.{room}.{name}" for room, name in by_name(plan))
    digested.update(json.dumps(import_closure(code)).encode())
    paths = [notebook]
    of_paper = papers.table(definition.id)["paper"] if definition.notebook == "table" else "*"  # ours may read any
    paths += sorted((PACKAGE / "papers").glob(f"{of_paper}.yaml"))
    paths += sorted((PACKAGE / "papers" / "judgements").glob(f"{of_paper}.yaml"))
    if definition.fair:
        paths.append(FROZEN / f"{plan.profile.name}.json")
    for each in (plan, *related_plans(plan)):  # its claims may read cells of other tables
        paths += sorted(each.ledger / f"{run.name}.json" for run in each.runs)
        if own is not None:
            paths += sorted(own / run.name / "results.jsonl" for run in each.runs)
    for path in paths:
        digested.update(path.name.encode())
        digested.update(path.read_bytes() if path.exists() else b"absent")
    return digested.hexdigest()


def by_name(plan: TablePlan) -> list[tuple[str, str]]:
    """(room, module) of what a table's runs use by name, which no import statement tells."""
    used = {("methods", run.config.method) for run in plan.runs if run.config is not None}
    return sorted(used | {("evaluate", name) for run in plan.runs for name in run.evaluations})


def prose(plan: TablePlan) -> dict[str, str]:
    """Markdown for the cells that papermill cannot parameterise, by their tag."""
    definition = plan.definition
    own = plan.profile.dataset or ""
    own = IMAGES.get(own, own)
    if definition.notebook != "table":
        title = f"# {definition.title}{f' ({own})' if own else ''}\n\n*A table of ours.* {definition.question}"
        reading = (
            f"## How to read it\n\n{definition.reading}\n\n*How the papers' settings map to ours.* {definition.mapping}"
        )
        idea = f"## What is compared\n\n{definition.idea}"
        if definition.equation:
            idea += f"\n\n$$\n{definition.equation.strip()}\n$$"
        return {"page-title": title, "page-idea": idea, "page-reading": reading}
    table = papers.table(definition.id)
    paper = papers.paper(table["paper"])["paper"]
    title = f"# {definition.title}{f' ({own})' if own else ''}\n\n"
    title += f"*{table['number']} of* {{cite:t}}`{table['paper']}`. {definition.question}"
    idea = f"{margin(definition)}## What is varied\n\n{definition.idea}"
    if definition.equation:
        idea += f"\n\n$$\n{definition.equation.strip()}\n$$"
    reading = (
        f"## How to read it\n\n{definition.reading}\n\n*How the paper's settings map to ours.* {definition.mapping}\n\n"
        f"The method and its code: [{paper['short']}](../methods/{definition.method}.md). "
        "How verdicts are reached: [the rule](../rule.md)."
    )
    return {"page-title": title, "page-idea": idea, "page-reading": reading}


def margin(definition: Definition) -> str:
    """A note in the margin for each contradiction that concerns the table: both statements, and what is used."""
    linked = (PROJECT / "book" / "contradictions.md").exists()
    notes = []
    for name in definition.margin:
        contradiction = papers.contradictions()[name]
        link = f' <a href="../contradictions.html#{name}">All contradictions.</a>' if linked else ""
        this, other, use = (_plain(contradiction[key]) for key in ("statement_a", "statement_b", "use"))
        where = "within the paper" if contradiction["scope"] == "within" else f"{contradiction['scope']} papers"
        notes.append(f"```{{margin}} **{name}**: {where}\n{this} *But:* {other} *Used here:* {use}{link}\n```\n\n")
    return "".join(notes)


def _plain(text: str) -> str:
    """Text that Markdown prints as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>$|~])", r"\\\1", " ".join(text.split()))


def render(source: dict[str, Any], plan: TablePlan) -> dict[str, Any]:
    """The source notebook with the page's own prose in its tagged cells, without those for who opens it by hand."""
    notebook = copy.deepcopy(source)
    notebook["cells"] = [cell for cell in notebook["cells"] if not BY_HAND & set(cell["metadata"].get("tags", []))]
    texts = prose(plan)
    for cell in notebook["cells"]:
        for tag in cell["metadata"].get("tags", []):
            if tag in texts:
                cell["source"] = texts[tag]
    return notebook


def normalise(notebook: dict[str, Any], keep_outputs: bool = True) -> dict[str, Any]:
    """The notebook without what changes from run to run: timing, ids, widget state, stderr, machine."""
    notebook = copy.deepcopy(notebook)
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        **({"sslrepro": notebook["metadata"]["sslrepro"]} if "sslrepro" in notebook["metadata"] else {}),
    }
    counter = 0
    for place, cell in enumerate(notebook["cells"]):
        text = "".join(cell["source"]).rstrip("\n")
        cell["source"] = text
        cell["id"] = hashlib.sha256(f"{place}{text}".encode()).hexdigest()[:8]
        tags = cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] != "code":
            continue
        counter += 1
        if not keep_outputs:
            cell["outputs"], cell["execution_count"] = [], None
            continue
        cell["execution_count"] = counter
        cell["outputs"] = [o for o in cell["outputs"] if o.get("name") != "stderr"]
        for output in cell["outputs"]:
            if "execution_count" in output:
                output["execution_count"] = counter
            for kind, value in output.get("data", {}).items():
                text = "".join(value) if isinstance(value, list) else value
                output["data"][kind] = re.sub(r" at 0x[0-9a-f]+", "", text) if isinstance(text, str) else text
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    return notebook


def dump(notebook: dict[str, Any]) -> str:
    """Canonical text of a notebook."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def publish(
    plan: TablePlan,
    notebook: str | None = None,
    log: bool = False,
    own: Path | None = None,
    root: Path | None = None,
) -> Path:
    """Execute a notebook for a table and put the page in the book; returns its path.

        own    a reader's folder of runs: they stand before the published ones, and the page goes to <own>/pages
        root   folder of data sets, where a reader's page needs one

    Nothing is executed when the page is up to date. A failing cell raises RuntimeError with its last line, keeps
    the half-executed notebook under runs/failed/, and leaves the published page as it was.
    """
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    page = (PAGES if own is None else own / "pages") / f"{page_name(plan)}.ipynb"
    notebook = notebook or plan.definition.notebook
    stamp = digest(plan, own)
    if page.exists() and json.loads(page.read_text("utf-8"))["metadata"].get("sslrepro", {}).get("digest") == stamp:
        return page
    source = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))
    parameters: dict[str, Any] = {"table": plan.definition.id, "profile": plan.profile.base, "seeds": plan.seeds}
    if plan.profile.dataset:
        parameters["dataset"] = plan.profile.dataset
    if own is not None:
        parameters |= {"own": str(own.resolve()), "root": str(root.resolve()) if root else None}
    with tempfile.TemporaryDirectory() as folder:
        quiet = Path(folder) / "profile_default" / "ipython_kernel_config.py"
        quiet.parent.mkdir()
        quiet.write_text("c.IPKernelApp.log_level = 40\n", "utf-8")  # else every kernel warns that it speaks TCP
        os.environ["IPYTHONDIR"] = folder
        before, after = Path(folder) / "in.ipynb", Path(folder) / f"{page.stem}.ipynb"
        before.write_text(dump(render(source, plan)), "utf-8")
        try:
            papermill.execute_notebook(
                str(before),
                str(after),
                parameters,
                cwd=str(PROJECT),
                progress_bar=False,
                log_output=log,
                kernel_name="python3",
            )
        except PapermillExecutionError as error:
            write_atomic(FAILED / page.name, after.read_text("utf-8"))
            raise RuntimeError(
                f"publish: cell {error.exec_count} of {notebook}.ipynb failed for {page.stem}: {error.ename}: "
                f"{error.evalue} (kept: {FAILED / page.name}; the published page is unchanged)"
            ) from None
        done = json.loads(after.read_text("utf-8"))
    done["metadata"]["sslrepro"] = {"digest": stamp, "parameters": parameters}
    for cell in done["cells"]:
        tags = cell["metadata"].get("tags", [])
        if {"parameters", "injected-parameters"} & set(tags):  # the box with the command says the same
            cell["metadata"]["tags"] = [*tags, "remove-cell"]
        elif cell["cell_type"] == "code" and "hide-input" not in tags:
            cell["metadata"]["tags"] = [*tags, "hide-input"]
    done = normalise(done)
    nbformat.validate(nbformat.from_dict(done))
    write_atomic(page, dump(done))
    return page


def renew_picture() -> list[Path]:
    """Write the README's picture, the figure of NNCLR's queue table from the published ledger, where there is one."""
    page, picture = PAGES / "nnclr_queue-cpu.ipynb", PROJECT / "docs" / "nnclr_queue.png"
    if not page.exists():
        return []
    write_atomic(picture, figure(read_results(plan_of(parameters_of(page)))).png)
    return [picture]


def stale() -> list[str]:
    """Published pages whose inputs changed since they were executed, each with the command that renews it."""
    out = []
    for page in sorted(PAGES.glob("*.ipynb")):
        about = json.loads(page.read_text("utf-8"))["metadata"].get("sslrepro", {})
        if not about.get("parameters"):
            out.append(f"{page.stem}: not written by publish")
        elif digest(plan_of(about["parameters"])) != about["digest"]:
            out.append(f"{page.stem}: its inputs changed; renew it with `make pages`")
    return out


def renew() -> list[Path]:
    """Execute every published page again whose inputs changed, from the ledger; trains nothing that it holds."""
    return [publish(plan_of(parameters_of(page))) for page in sorted(PAGES.glob("*.ipynb"))]


def parameters_of(page: Path) -> dict[str, Any]:
    """The parameters that a published page was executed with."""
    return json.loads(page.read_text("utf-8"))["metadata"]["sslrepro"]["parameters"]


def plan_of(parameters: dict[str, Any]) -> TablePlan:
    """The plan of a page from its parameters."""
    return plan_table(*(parameters[name] for name in ("table", "profile", "seeds")), parameters.get("dataset"))
