"""No number is logged that the glossary does not explain, and none is explained that nothing logs."""

import ast
import importlib
import json
from pathlib import Path

import pytest

from sslrepro import methods
from sslrepro.data import load
from sslrepro.report.glossary import RUN, SCORES, TRAINING, WORDS, base_name, unexplained_names
from sslrepro.training.loop import train

LEDGER = Path(__file__).parents[2] / "book" / "ledger"


def logged_by(source: str) -> set[str]:
    """Names a method's file gives its metrics: keys of `metrics = {...}`, `metrics["..."] =` and `Step(loss, {...})`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            for target, value in _pairs(node):
                if isinstance(target, ast.Name) and target.id == "metrics" and isinstance(value, ast.Dict):
                    names |= {key.value for key in value.keys}
                if isinstance(target, ast.Subscript) and getattr(target.value, "id", "") == "metrics":
                    names.add(target.slice.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Step":
            names |= {key.value for argument in node.args if isinstance(argument, ast.Dict) for key in argument.keys}
    return names


def _pairs(node: ast.Assign):
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value


@pytest.fixture(scope="module")
def by_methods():
    sources = [Path(importlib.import_module(f"{methods.__name__}.{name}").__file__) for name in methods.names()]
    return set().union(*(logged_by(path.read_text("utf-8")) for path in sources))


@pytest.fixture(scope="module")
def by_ledger():
    """(keys of training, keys of evaluations) over all committed runs."""
    training, scores = set(), set()
    for path in LEDGER.glob("*/*.json"):
        for name, line in json.loads(path.read_text("utf-8")).get("results", {}).items():
            (training if name == "training" else scores).update(line["scores"])
    return training, scores


def test_metrics_are_seen_in_every_way_a_method_writes_them():
    source = 'metrics, mined = {"a": 1, "b": 2}, None\nmetrics["c"] = 3\nStep(loss, {"d": 4}, other)\nnames = {"e": 5}'
    assert logged_by(source) == {"a", "b", "c", "d"}


def test_every_metric_of_a_method_is_explained(by_methods):
    assert {"embedding_std", "neighbour_cosine", "empty", "hard_positives", "invariance"} <= by_methods
    assert unexplained_names(by_methods, TRAINING) == set()


def test_every_key_of_the_ledger_is_explained(by_ledger):
    training, scores = by_ledger
    assert len(training) > 30 and unexplained_names(training, TRAINING | RUN) == set()
    assert unexplained_names(scores, SCORES) == set()


@pytest.mark.parametrize("method", methods.names())
def test_every_key_of_a_log_is_explained(method, tiny_config, tmp_path):
    config = tiny_config(method)
    data, _ = load(config.data)
    train(config, tmp_path, data)
    keys = set(json.loads((tmp_path / "log.jsonl").read_text("utf-8").splitlines()[-1]))
    assert unexplained_names(keys, TRAINING) == set() and {"step", "lr", "loss"} <= keys


def test_nothing_is_explained_that_is_never_logged(by_methods, by_ledger):
    loop = {
        "step",
        "epoch",
        "lr",
        "sampler_seconds",
        "gan_epochs",
        "mining_passes",
        "pairs_admitted",
        "pairs_refused",
        "pair_self",
    }
    training, scores = by_ledger
    assert set(TRAINING) <= {base_name(key) for key in training | by_methods} | training | loop
    assert set(SCORES) <= {base_name(key) for key in scores} | scores | {"few_top5"}


def test_a_numbered_key_is_explained_once():
    assert base_name("mtpr_2") == "mtpr" and base_name("linear_top1") == "linear_top1"
    assert unexplained_names({"mtpr_9", "new_thing"}, TRAINING) == {"new_thing"}


def test_every_explanation_is_a_sentence_and_on_the_page():
    for words in (TRAINING | RUN | SCORES | WORDS).values():
        assert words[0].isupper() and words.endswith(".") and len(words) > 15 and words.count("`") % 2 == 0
    page = (LEDGER.parent / "glossary.md").read_text("utf-8")
    assert all(f"```{{metrics-glossary}} {name}\n" in page for name in ("training", "run", "scores", "words"))
