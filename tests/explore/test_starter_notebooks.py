"""Notebooks with one parameter to change: every table and method has one that can be run, and a reader's is kept."""

import ast
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes

from sslrepro import methods, tables
from sslrepro.cli.main import main
from sslrepro.explore import compare, starter_notebooks
from sslrepro.explore.single import Start
from sslrepro.study.plans import plan_table
from sslrepro.study.profiles import profile

ROOT = Path(__file__).parents[2]
WHOLE = (
    "all_methods",
    "equal_terms",
    "miners",
    "miner_frameworks",
    "nnclr_overhead",
    "seppid_dino",
    "seppid_simsiam",
    "seppid_vicreg",
)  # tables with a notebook of their own
TABLES = [f"table-{name}" for name in tables.names()]
EVERY = [*TABLES, *(f"method-{name}" for name in methods.names())]
FITTING = [name for name in EVERY if name.removeprefix("table-") not in WHOLE]


@pytest.fixture
def ready(request):
    """The notebook of "table-nnclr_queue" or "method-nnclr"; made when its test runs, not when tests are listed."""
    return notebook_of(request.param)


def notebook_of(name):
    kind, _, own = name.partition("-")
    return (starter_notebooks.of_table if kind == "table" else starter_notebooks.of_method)(own)


@pytest.fixture(scope="module")
def boxes():
    """The extension, imported as Sphinx does: from its own folder."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    yield importlib.import_module("boxes")
    sys.path.remove(str(ROOT / "book" / "_ext"))


def parameters(text: str) -> dict:
    """The parameters cell, read as Python."""
    (cell,) = [c for c in json.loads(text)["cells"] if "parameters" in c["metadata"].get("tags", [])]
    tree = ast.parse("".join(cell["source"]))
    return {line.targets[0].id: ast.literal_eval(line.value) for line in tree.body}


def groups_of(method, parameter, values, seeds=1, **start):
    return compare.runs_of(method, parameter, values, seeds, Start(**start))


def tasks(ready):
    chosen = parameters(starter_notebooks.notebook(ready))
    names = ("method", "parameter", "values", "profile", "seeds", "dataset", "root", "changes")
    return groups_of(**{name: chosen[name] for name in names})


# --- every table, every method --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ready", EVERY, indirect=True)
def test_a_notebook_is_small_normalised_and_at_smoke_scale(ready):
    text = starter_notebooks.notebook(ready)
    source = json.loads((ROOT / "notebooks" / f"{ready.source}.ipynb").read_text("utf-8"))
    assert len(text.encode()) < 20_000
    assert text == starter_notebooks.dump(starter_notebooks.normalise(json.loads(text), keep_outputs=False))
    assert parameters(text) == ready.parameters and ready.parameters["profile"] == "smoke"
    assert set(parameters(text)) == set(parameters(json.dumps(source))), "the source's own parameters, no others"
    cells = json.loads(text)["cells"]
    assert cells[0]["source"].startswith(f"# {ready.title}\n") and "find_spec" in cells[1]["source"]


@pytest.mark.parametrize("ready", FITTING, indirect=True)
def test_its_parameters_build_runs_that_differ(ready):
    groups = tasks(ready)
    assert 2 <= len(groups) <= 3 and all(len(group) == 1 for group in groups.values())
    assert len({group[0].name for group in groups.values()}) == len(groups)


@pytest.mark.parametrize("ready", [name for name in FITTING if name in TABLES], indirect=True)
def test_its_runs_are_the_tables_own_at_smoke_scale(ready):
    own = {run.name for run in plan_table(ready.id, "smoke", 1).runs}
    assert {group[0].name for group in tasks(ready).values()} <= own


@pytest.mark.parametrize("ready", [f"table-{name}" for name in WHOLE], indirect=True)
def test_a_table_that_does_not_fit_gets_its_own_notebook(ready):
    chosen = ready.parameters
    assert ready.source != "change" and ready.source == tables.definition(ready.id).notebook
    assert plan_table(chosen["table"], chosen["profile"], chosen["seeds"], chosen["dataset"]).runs


def test_most_tables_fit_and_vary_what_they_are_about():
    every = [starter_notebooks.of_table(name) for name in tables.names()]
    fitting = {ready.id: ready.parameters for ready in every if ready.source == "change"}
    assert set(tables.names()) - set(fitting) == set(WHOLE)
    assert fitting["nnclr_queue"]["parameter"] == "settings.queue_size" and len(fitting["nnclr_queue"]["values"]) == 3
    assert fitting["nnclr_batch"]["parameter"] == ["plan.batch_size", "plan.lr"]
    assert fitting["nnclr_croponly"]["parameter"] == "views.recipe"
    assert fitting["nnclr_nnsiam"]["values"] == ["simsiam", "nnsiam"]
    assert fitting["nnclr_support_set"]["changes"], "what the table's rows share"


def test_a_method_takes_what_a_table_varies_for_it_else_a_setting_of_its_own():
    assert starter_notebooks.of_method("ifnd").parameters == starter_notebooks.of_table("ifnd_strategies").parameters
    assert starter_notebooks.of_method("simclr").parameters["parameter"] == "settings.temperature"
    assert starter_notebooks.of_method("supervised").parameters["parameter"] == "plan.epochs"
    for name in methods.names():
        assert starter_notebooks.of_method(name).parameters["method"] == name


def test_file_names_are_told_apart():
    assert len({notebook_of(name).file for name in EVERY}) == len(EVERY)


# --- running one ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return compare.compare("simclr", "settings.temperature", [0.1, 0.5], runs=tmp_path_factory.mktemp("runs"))


def test_curves_and_scores_show_every_value(results):
    assert list(results.records) == ["temperature 0.1", "temperature 0.5"]
    picture = compare.curves_of(results)
    assert picture.png[:4] == b"\x89PNG" and all(words in picture.alt for words in results.records)
    head, _, *rows = str(compare.scores_of(results)).splitlines()
    assert all(words in head for words in results.records) and len(rows) >= 4
    record = results.records["temperature 0.5"][0]
    (score,) = [line["scores"]["knn_top1"] for line in record["results"].values() if line["evaluation"] == "knn"]
    (row,) = [row for row in rows if row.startswith("20-NN")]
    assert row.split()[-1] == f"{100 * score:.1f}"


def test_smoke_scale_says_that_nothing_is_concluded(results):
    text = str(compare.onward(results))
    assert "nothing is concluded" in text and 'profile = "cpu"' in text and "seeds = 3" in text
    single, three = ([{}], [{}] * 3)
    cpu = profile("cpu")
    assert "one seed tells little" in str(compare.onward(compare.Comparison(cpu, ("a",), {"x": single})))
    text = str(compare.onward(compare.Comparison(cpu, ("a",), {"x": three})))
    assert "paired difference leaves out 0" in text and "overlap does not decide" in text


def synthetic(*values: list[float]) -> compare.Comparison:
    """Runs that were never trained: a list of accuracies, a seed each, for every value of a setting."""

    def record(seed: int, score: float) -> dict:
        scores = {
            "knn": {"evaluation": "knn", "scores": {"knn_top1": score / 100}},
            "training": {"evaluation": "training", "scores": {"seconds": 1.0}},
        }
        return {"config": {"seed": seed}, "results": scores, "log": []}

    records = {f"value {n}": [record(*pair) for pair in enumerate(scores)] for n, scores in enumerate(values)}
    return compare.Comparison(profile("cpu"), ("a",), records)


def test_differences_are_paired_over_seeds():
    """Overlapping intervals, and yet a difference that every seed shows: by hand 1.0 ± 4.303 * 0.1 / sqrt(3)."""
    low, high = [40.0, 50.0, 60.0], [41.0, 50.9, 61.1]
    lines = str(compare.differences(synthetic(low, high))).splitlines()
    assert lines[-1].startswith("value 1 minus value 0") and "+1.0 ± 0.2" in lines[-1] and lines[-1].split()[-1] == "2"
    scores = str(compare.scores_of(synthetic(low, high)))
    assert "50.0 ± 24.8" in scores and "51.0 ± 25.0" in scores and "3 seeds" in scores
    assert len(str(compare.differences(synthetic(low, high, low))).splitlines()) == 2 + 3, "every pair once"
    assert "2 or more to say" in str(compare.differences(synthetic([1.0], [2.0])))
    assert "more than 1,000" in str(compare.differences(synthetic(low, low)))


def test_the_linear_probe_is_compared_whatever_stands_first():
    known = synthetic([40.0, 50.0], [41.0, 52.0])
    for group in known.records.values():
        for record in group:
            record["results"] = {"few": {"evaluation": "few", "scores": {"few_top1": 0.1}}, **record["results"]}
            record["results"]["linear"] = {"evaluation": "linear", "scores": {"linear_top1": 0.5}}
    assert "linear probe" in str(compare.differences(known)).splitlines()[0]


@pytest.mark.parametrize(("mean", "sd", "n"), [(1.0, 0.1, 2), (1.0, 1.0, 7), (-1.0, 1.0, 7), (0.1, 1.0, 387)])
def test_seeds_it_would_take(mean, sd, n):
    """t(.975, 6) = 2.447 and 2.447 / sqrt(7) < 1 <= 2.571 / sqrt(6)."""
    assert compare.seeds_to_tell(mean, sd) == n


def test_a_method_is_tried_on_as_many_seeds_as_are_asked_for(tmp_path):
    short = {"data.n_train": 64, "data.n_test": 32, "data.side": 8, "data.classes": 4, "plan.batch_size": 16}
    results = compare.try_method("simclr", "smoke", 3, changes=short, runs=tmp_path)
    assert [record["config"]["seed"] for record in results.records["simclr"]] == [0, 1, 2]
    assert "±" in str(compare.scores_of(results)) and len(list(tmp_path.iterdir())) == 3
    with pytest.raises(ValueError, match="seeds must be >= 1, got 0"):
        compare.try_method("simclr", seeds=0)


def test_a_ready_notebook_runs_from_another_folder(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(starter_notebooks.notebook(starter_notebooks.of_table("nnclr_queue")), as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "".join(output.data["text/html"] for output in outputs if "data" in output)
    assert 'alt="Training over epochs' in shown and "queue size 64" in shown and "nothing is concluded" in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"parameter": "queue_size"},
            "parameter must be one of method, settings.dim, .*Did you mean 'settings.queue_size'",
        ),
        ({"parameter": "seed"}, "parameter must be one of"),
        ({"parameter": 3}, "parameter must be the name of a setting"),
        ({"values": [8]}, "values must be a list of two to 8"),
        ({"values": 8}, "values must be a list of two to 8"),
        ({"values": [8, 8]}, "values must be all different"),
        ({"values": ["a", 8]}, "settings.queue_size must be of type int, got 'a'"),
        ({"values": [True, 8]}, "settings.queue_size must be of type int, got True"),
        ({"values": [None, 8]}, "settings.queue_size must be of type int, got None"),
        (
            {"parameter": "settings.positive", "values": ["view", "neer"]},
            "nearest, soft, view, detached, oracle, got 'neer'",
        ),
        ({"parameter": "method", "values": ["simclr", "ncnlr"]}, "Did you mean 'nnclr'"),
        ({"parameter": "encoder", "values": ["conv", "convv"]}, "Did you mean 'conv'"),
        ({"parameter": "plan.batch_size", "values": [1, 4]}, "plan.batch_size must be 2..208"),
        ({"parameter": ["plan.lr", "plan.epochs"], "values": [0.1, 0.2]}, "lists of 2, one value for each"),
        ({"changes": {"plan.epoch": 3}}, "change must be one of .*Did you mean 'plan.epochs'"),
        ({"seeds": 0}, "seeds must be >= 1"),
    ],
)
def test_wrong_input_is_one_error_that_lists_what_exists(changes, message):
    with pytest.raises(ValueError, match=message):
        groups_of(**({"method": "nnclr", "parameter": "settings.queue_size", "values": [8, 16]} | changes))


def test_what_may_be_none_or_whole_is_taken():
    groups = groups_of("nnclr", "settings.teacher_momentum", [None, 0.9])
    assert list(groups) == ["teacher momentum none", "teacher momentum 0.9"]
    assert groups_of("nnclr", "plan.lr", [1, 0.5]) and groups_of("ifnd", "settings.clusters", [[8], (4, 8)])


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_it_and_keeps_a_readers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(starter_notebooks, "WRITTEN", tmp_path)
    words = ["notebook", "--table", "nnclr_queue", "--no-open"]
    path = tmp_path / "change-nnclr_queue.ipynb"
    assert main(words) == 0 and path.read_text("utf-8") == starter_notebooks.notebook(
        starter_notebooks.of_table("nnclr_queue")
    )
    assert f"written   {path}" in capsys.readouterr().out
    path.write_text("a reader's")
    assert main(words) == 0 and path.read_text("utf-8") == "a reader's"
    assert f"kept      {path}" in (output := capsys.readouterr().out) and "fresh one" in output
    assert main(["notebook", "--method", "byol", "--no-open"]) == 0 and (tmp_path / "change-byol.ipynb").exists()
    assert main(["notebook", "--table", "nnclr_quue", "--no-open"]) == 2
    assert "Did you mean 'nnclr_queue'" in capsys.readouterr().err


def test_it_opens_in_jupyterlab_with_this_package_at_hand(tmp_path, monkeypatch):
    import os

    monkeypatch.setattr(starter_notebooks, "WRITTEN", tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/other")
    seen = []
    monkeypatch.setattr(os, "execve", lambda *arguments: seen.append(arguments))
    assert main(["notebook", "--method", "nnclr", "--", "--no-browser"]) == 0
    ((program, words, place),) = seen
    assert program == sys.executable and words[1:] == [
        "-m",
        "jupyterlab",
        str(tmp_path / "change-nnclr.ipynb"),
        "--no-browser",
    ]
    assert place["PYTHONPATH"].split(os.pathsep) == [str(starter_notebooks.PROJECT), "/other"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["notebook", "--method", "nnclr"]) == 2 and len(seen) == 1


# --- the box --------------------------------------------------------------------------------------------------------


def page(*titles: str) -> nodes.document:
    from docutils.utils import new_document

    document = new_document("page")
    top = nodes.section("", nodes.title("", "Top"))
    top += [nodes.section("", nodes.title("", title)) for title in titles]
    document.append(top)
    return document


def put(boxes, name: str, *titles: str) -> list[str]:
    """The children of a page's top section after the box was put there: titles, and "box"."""
    document = page(*titles)
    boxes.put(SimpleNamespace(env=SimpleNamespace(docname=name)), document)
    return ["box" if isinstance(node, nodes.raw) else node.next_node(nodes.title).astext() for node in document[0][1:]]


def test_the_box_stands_on_pages_of_tables_and_methods_alone(boxes):
    assert put(boxes, "executed/nnclr_queue-cpu", "Data", "How to read it", "Cost") == [
        "Data",
        "box",
        "How to read it",
        "Cost",
    ]
    assert put(boxes, "executed/nnclr_queue-cpu-cifar10", "How to read it") == ["box", "How to read it"]
    assert put(boxes, "methods/nnclr", "Loss", "Settings", "Unclear") == ["Loss", "Settings", "box", "Unclear"]
    assert put(boxes, "methods/simclr", "Loss") == ["Loss", "box"]
    for other in ("rule", "papers/nnclr", "figures/nnclr_fig3", "methods/nothing"):
        assert "box" not in put(boxes, other, "Settings", "How to read it")


@pytest.mark.parametrize("ready", EVERY, indirect=True)
def test_the_box_says_what_to_change_and_leads_to_the_notebook(boxes, ready):
    text = boxes.box(ready, "../")
    assert f"<pre>make notebook {ready.kind.upper()}={ready.id}</pre>" in text
    assert f'href="../{boxes.FOLDER}/{ready.file}"' in text and " from " in text and "`" not in text
    for name in [ready.parameters.get("parameter", "profile")]:
        for setting in [name] if isinstance(name, str) else name:
            assert f"<code>{setting}</code>" in text


def test_every_page_of_a_table_or_method_has_a_notebook_beside_it(boxes, tmp_path):
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))
    boxes.write(app, None)
    pages = [f"executed/{p.stem}" for p in (ROOT / "book" / "executed").glob("*.ipynb")]
    pages += [f"methods/{p.stem}" for p in (ROOT / "book" / "methods").glob("*.md")]
    assert len(pages) > 30
    for name in pages:
        ready = boxes.ready_for(name)
        assert (tmp_path / boxes.FOLDER / ready.file).read_text("utf-8") == starter_notebooks.notebook(ready)


def test_a_build_that_failed_or_is_no_web_page_writes_nothing(boxes, tmp_path):
    boxes.write(SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path)), RuntimeError())
    boxes.write(SimpleNamespace(builder=SimpleNamespace(format="latex"), outdir=str(tmp_path)), None)
    assert list(tmp_path.iterdir()) == []
