"""Tables whose cells are runs of their own: definitions, plans, the ledger's merging, claims, reports of every shape."""

import csv
import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from sslrepro import claims, papers, tables
from sslrepro.base import paths, store
from sslrepro.base.store import read_json, result_key, write_json
from sslrepro.claims import Cell, judge
from sslrepro.cli.main import main
from sslrepro.data import load
from sslrepro.data.dataset import DataConfig
from sslrepro.data.shapes import LEVELS
from sslrepro.report import figures, formats, publish, table_page
from sslrepro.report.headings import printed_value, row_label, rows_in_order
from sslrepro.study import budget, ledger, plans, workers
from sslrepro.study import results as results_module
from sslrepro.study.profiles import LEAST_BATCH, PAPER_BATCH, on_dataset, profile
from sslrepro.study.results import Results, claims_of, related_plans
from sslrepro.study.run import Run, is_complete, merge_runs
from sslrepro.tables.definition import Column, Definition
from sslrepro.tables.validate import validate

ROOT = Path(__file__).parents[2]
PAPERS_TABLES = [name for name in tables.names() if tables.definition(name).notebook == "table"]

BATCH = Definition(
    id="nnclr_batch",
    title="t",
    question="q",
    method="nnclr",
    varied="batch_size",
    seeds=3,
    controls=("simclr",),
    rows={"b256": {"batch_size": 256}, "b4096": {"batch_size": 4096}, "b8192": {"batch_size": 8192}},
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    effect=("b4096", "b256", "top1"),
)
HEAD = Definition(
    id="nnclr_predhead",
    title="t",
    question="q",
    method="nnclr",
    varied="prediction_mlp",
    seeds=3,
    rows={"without": {"predictor": False}, "with": {"predictor": True}},
    columns={"top1": "linear_top1"},
    effect=("with", "without", "top1"),
    also=("knn_top1",),
)
POSITIVES = Definition(
    id="nnclr_positives",
    title="t",
    question="q",
    method="nnclr",
    seeds=3,
    controls=(),
    rows={"view1_nomom": {"positive": "view"}, "nn_nomom": {}, "nn_mom": {"teacher_momentum": 0.99}},
    columns={"top1": "linear_top1", "top5": "linear_top5"},
    effect=("nn_nomom", "view1_nomom", "top1"),
    variants={"view 1, no head & 100% of_it": {"positive": "view", "predictor": False}},
)
FRAMEWORKS = Definition(
    id="ifnd_frameworks",
    title="t",
    question="q",
    method="mocov2",
    seeds=3,
    controls=(),
    evaluations={"linear_sgd": {}},
    rows={"moco_v2": {"epochs": 200}, "ifnd_moco_v2": {"method": "ifnd_moco", "epochs": 200}},
    columns={"top1": "linear_top1", "gain": Column(of="top1", minus_row={"ifnd_moco_v2": "moco_v2"})},
)
OVERHEAD = Definition(
    id="nnclr_overhead",
    title="t",
    question="q",
    method="nnclr",
    varied="queue_size",
    seeds=3,
    controls=(),
    rows={"q8192": {"queue_size": 8_192}, "q98304": {"queue_size": 98_304}},
    columns={"memory_mb": Column("peak_bytes", factor=1e-6, digits=2, best="low")},
)
SYNTHETIC = {definition.id: definition for definition in (BATCH, HEAD, POSITIVES, FRAMEWORKS, OVERHEAD)}


@pytest.fixture
def defined(monkeypatch):
    """The synthetic definitions beside the real ones."""
    real = tables.definition
    monkeypatch.setattr(
        tables, "definition", lambda name: validate(SYNTHETIC[name]) if name in SYNTHETIC else real(name)
    )


def score(run: Run) -> float:
    """A made-up accuracy that depends on method, epochs, views, batch and seed, so that every cell can be told."""
    if run.config is None:
        return 0.125
    config = run.config
    value = 0.4 + 0.01 * (len(config.method) % 7) + 0.01 * config.plan.epochs + 0.002 * config.plan.batch_size
    value -= 0.1 * (config.views.recipe == "crop") + 0.01 * bool(config.settings.get("teacher_momentum"))
    value -= 0.02 * (config.settings.get("predictor") is False) + 0.03 * (config.settings.get("positive") == "view")
    return value + 0.003 * run.seed**2


def record(run: Run, shift: float = 0.0) -> dict:
    """A ledger file of a run that was never made."""
    results = {
        "training": {
            "key": "training",
            "evaluation": "training",
            "scores": {"seconds": 10.0, "steps": run.steps if run.config else 0, "peak_bytes": 10**8 + run.seed},
        }
    }
    for name, protocol in run.evaluations.items():
        scores = {f"{name}_top1": score(run) + shift, f"{name}_top5": score(run) + shift + 0.2}
        results[result_key(name, protocol)] = {
            "key": result_key(name, protocol),
            "evaluation": name,
            "seconds": 1.0,
            "protocol": protocol,
            "scores": scores,
        }
    config = asdict(run.config) if run.config else {"pixels": asdict(run.data)}
    where = {"device": "a machine", "threads": 1, "torch": "2", "commit": "a" * 40, "dirty": False}
    return {"config": config, "environment": where, "results": results}


def done(table: str, profile_name: str = "cpu", seeds: int | None = None, without: tuple[str, ...] = ()) -> Results:
    """Made-up results of a table, without the runs of some rows."""
    plan = plans.plan_table(table, profile_name, seeds)
    gone = {run.name for (row, _), group in plan.cells.items() for run in group if row in without}
    return Results(plan, {run.name: record(run) for run in plan.runs if run.name not in gone})


# --- definitions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tables.names())
def test_definitions_name_only_what_exists(name):
    definition = tables.definition(name)
    assert definition.id == name and definition.title and definition.question and definition.reading

    def cell(table, row, column):
        printed = {key for line in papers.table(table)["rows"] for key in line} if table in PAPERS_TABLES else set()
        own = row in definition.variants or (row in definition.rows and column not in printed)
        ours = table == name and own and column in definition.columns
        return 1.0 if ours else claims.printed_cell(table, row, column)

    def value(paper, stated):
        return 1.0 if stated in definition.values else claims.stated_value(paper, stated)

    for expression in definition.adapted.values():  # over the paper's cells and the table's own: without a gap
        claims.Reader(cell, value).read(expression)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rows": {"b255": {}}}, "row must be one of b256, b512"),
        ({"rows": {"b256": {"batchsize": 256}}}, "Did you mean 'batch_size'?"),
        ({"rows": {"b256": {"method": "nnclrr"}}}, "Did you mean 'nnclr'?"),
        ({"rows": {"b256": {"recipe": "byl"}}}, "Did you mean 'byol'?"),
        ({"rows": {"b256": {"epochs": -1}}}, "epochs must be >= 0, got -1"),
        ({"rows": {"b256": {"classes": 5}}}, "classes must be one of 4, 16, 48, got 5"),
        (
            {"columns": {"top2": "linear_top1"}},
            "column without label must be one of batch_size, top1, top5, got 'top2'",
        ),
        ({"columns": {"top1": Column()}}, "score must be the name of a result"),
        ({"columns": {"top1": Column("linear_top1", minus="top5")}}, "minus must be given together with `of`"),
        ({"columns": {"top1": Column("linear_top1", sets={"quue_size": 1})}}, "Did you mean 'queue_size'?"),
        ({"columns": {"top1": "linear_top1", "top5": Column(of="top1")}}, "minus must be given, or minus_row"),
        ({"columns": {"top1": "linear_top1", "top5": Column(of="top", minus="top1")}}, "Did you mean 'top1'?"),
        (
            {"columns": {"top1": "linear_top1", "top5": Column(of="top1", minus_row={"b257": "b256"})}},
            "row of minus_row",
        ),
        ({"columns": {"top1": "linear_top1", "top5": Column("x", of="top1", minus="top1")}}, "without score and sets"),
        ({"varied": "batch"}, "varied must be one of"),
        ({"effect": ("b4096", "b1", "top1")}, "row must be one of"),
        ({"effect": (("b4096", "top1"), ("b256", "top9"))}, "column must be one of"),
        ({"effect": ("b4096",)}, "effect must be (row, row, column)"),
        ({"evaluations": {"nearest": {}}}, "name must be one of"),
        ({"evaluations": {"knn": {"kk": 3}}}, "Did you mean 'k'?"),
        ({"values": {"crop_1000": ("b256", "top1")}}, "Did you mean 'crop_1000ep'?"),
        ({"values": {"crop_1000ep": ("b2", "top1")}}, "row must be one of"),
        ({"adapted": {"nnclr_c999": "1 < 2"}}, "claim of adapted must be one of"),
        ({"adapted": {"nnclr_c29": "1 <"}}, "is not an expression"),
        ({"unrun": {"nnclr_c2x": "no"}}, "claim of unrun must be one of"),
        ({"margin": ("nnclr_x99",)}, "contradiction must be one of"),
        ({"controls": ("randon",)}, "Did you mean 'random'?"),
        ({"variants": {"b256": {}}}, "variants must be other names than the rows'"),
        ({"only": ("b1",)}, "row of `only` must be one of"),
        ({"notebook": "sheet"}, "notebook must be one of"),
    ],
)
def test_a_name_that_does_not_exist_is_one_clear_error(change, message):
    validate(BATCH)
    with pytest.raises(ValueError, match=re.escape(message)):
        validate(replace(BATCH, **({"effect": ()} | change)))


# --- mapping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, printed, ours",
    [
        ("cpu", (100, 200, 300, 400, 800, 1000), (2, 3, 5, 6, 13, 16)),
        ("gpu", (100, 200, 400, 800, 1000), (40, 80, 160, 320, 400)),
        ("smoke", (100, 800), (1, 2)),
        ("paper", (100, 800), (100, 800)),
    ],
)
def test_epochs_are_mapped_in_proportion(name, printed, ours):
    base = profile(name)
    assert tuple(base.at({"epochs": epochs}).plan.epochs for epochs in printed) == ours
    assert base.at({"epochs": 0}).plan.epochs == 0, "an encoder as initialised"


def test_a_batch_is_mapped_in_proportion_and_its_learning_rate_with_it():
    cpu = profile("cpu")
    sizes = {printed: cpu.at({"batch_size": printed}).plan for printed in (256, 1024, 4096, 8192)}
    assert {printed: plan.batch_size for printed, plan in sizes.items()} == {
        256: LEAST_BATCH,
        1024: 6,
        4096: 24,
        8192: 48,
    }
    assert all(plan.lr / plan.batch_size == pytest.approx(cpu.plan.lr / cpu.plan.batch_size) for plan in sizes.values())
    assert sizes[4096] == cpu.plan, "the same run as without: it is shared"
    paper = profile("paper").at({"batch_size": 256}).plan
    assert paper.batch_size == 256 and paper.lr == pytest.approx(0.15)
    queues = {cpu.config("nnclr", 0, {"batch_size": size}).settings["queue_size"] for size in (256, 8192)}
    assert queues == {192}, "the queue stays where only the batch is varied"


def test_a_recipe_keeps_the_least_crop_and_the_profile_its_name():
    cpu = profile("cpu")
    config = cpu.config("nnclr", 0, {"recipe": "crop"})
    assert config.views == replace(cpu.views, recipe="crop") and config.plan == cpu.plan
    assert cpu.config("nnclr", 0, {}).views == cpu.views


def test_what_a_profile_derives_follows_the_runs_own_length():
    cpu = profile("cpu")
    short, long = (cpu.config("la", 0, {"epochs": epochs}).settings["warm"] for epochs in (100, 1000))
    assert short == 0.5 and long < short, "at least an epoch"
    assert cpu.config("ifnd", 0, {"clusters": (2500, 10_000)}).settings["clusters"] == (40, 160), (
        "per class, as defaults"
    )
    assert profile("paper").config("ifnd", 0, {"clusters": (2500,)}).settings["clusters"] == (2500,)


def test_classes_are_levels_of_one_set_of_images():
    config = profile("smoke").config("ifnd", 3, {"classes": 4})
    assert config.data.name == "shapes-family" and config.data.classes == 48 and config.data.seed == 3
    assert config.settings["clusters"] == profile("smoke").config("ifnd", 3, {"classes": 48}).settings["clusters"]
    sets = {n: load(DataConfig(name, n_train=96, n_test=48, side=8, classes=48)) for n, name in LEVELS.items()}
    for part in range(2):
        leaf = sets[48][part]
        for n, level in ((4, "family"), (16, "shape")):
            coarse = sets[n][part]
            assert torch.equal(coarse.images, leaf.images) and torch.equal(coarse.labels, leaf.labels_at(level))
            assert coarse.n_classes == n and len(set(coarse.labels.tolist())) == n
    with pytest.raises(ValueError, match="the images of gpu are cifar10"):
        profile("gpu").config("ifnd", 0, {"classes": 4})
    assert profile("paper").config("ifnd", 0, {"classes": 4}).data == profile("paper").data


def test_a_method_sees_its_own_settings_only():
    with pytest.raises(ValueError, match=r"profiles\.config: paper setting"):
        profile("cpu").config("simclr", 0, {"queue_size": 3})


# --- plans ------------------------------------------------------------------------------------------------------


PUBLISHED = [page for page in sorted((ROOT / "book" / "executed").glob("*.ipynb")) if not page.stem.endswith("-smoke")]


AWAITED: set[str] = set()  # tables whose runs are not all in the ledger yet


def test_every_table_is_published_at_cpu_scale_or_awaits_its_runs():
    published = {page.stem for page in PUBLISHED}
    assert published >= {f"{name}-cpu" for name in [*PAPERS_TABLES, "all_methods"] if name not in AWAITED}
    assert not {name for name in AWAITED if f"{name}-cpu" in published}


@pytest.mark.parametrize(
    ("name", "scale"), [("budget_sweep", "night"), ("neighbour_map", "cpu"), ("neighbour_map_crops", "cpu")]
)
def test_a_table_of_the_chapter_is_published_once_it_is_whole(name, scale):
    """Until then the chapter shows what there is, and says what is missing."""
    plan = plans.plan_table(name, scale)
    left = [run.name for run in plan.runs if ledger.published_record(run, plan) is None]
    assert bool(left) != (f"{name}-{scale}" in {page.stem for page in PUBLISHED})


@pytest.mark.parametrize("page", PUBLISHED, ids=lambda p: p.stem)
def test_the_committed_ledger_is_found_whole(page):
    """A changed default, field or mapping renames runs: their ledger files would no longer be found."""
    parameters = json.loads(page.read_text("utf-8"))["metadata"]["sslrepro"]["parameters"]
    plan = plans.plan_table(parameters["table"], parameters["profile"], parameters["seeds"], parameters.get("dataset"))
    assert [run.name for run in plan.runs if ledger.published_record(run, plan) is None] == []


def test_columns_that_set_nothing_share_the_rows_run_and_others_have_their_own():
    plan = plans.plan_table("nnclr_croponly", "cpu", 2)
    full, crop = (plan.of("nnclr", column)[1].config for column in ("full_aug", "only_crop"))
    assert plan.of("nnclr") == plan.of("nnclr", "full_aug") and plan.of("nnclr", "drop") == plan.of(
        "nnclr", "only_crop"
    )
    assert full.with_changes(**{"views.recipe": "crop"}) == crop and full.plan.epochs == 5 and full.seed == 1
    assert plan.of("NNCLR, 1,000 epochs")[0].config.plan.epochs == 16
    epochs = plans.plan_table("nnclr_epochs", "cpu", 1)
    assert {key for key in epochs.cells if key[0] == "byol"} == {("byol", f"e{n}") for n in (100, 200, 400, 800)}
    assert epochs.of("byol") == epochs.of("byol", "e100"), "a row without a run of its own shows its first"


def test_controls_have_the_rows_budget_and_each_columns_own():
    plan = plans.plan_table("nnclr_croponly", "cpu", 1)
    control = plans.control_key
    full, crop = (plan.of(control("supcon"), column)[0].config for column in ("full_aug", "only_crop"))
    assert full.plan.epochs == crop.plan.epochs == 5, "all rows agree on 300 epochs; variants are not asked"
    assert crop.views.recipe == "crop" and full.views.recipe == profile("cpu").views.recipe
    assert plan.of(control("random"), "full_aug")[0].config.plan.epochs == 0
    assert plan.of(control("pixels"), "full_aug") == plan.of(control("pixels"), "only_crop")
    assert plan.of(control("pixels"), "full_aug")[0].config is None
    epochs = plans.plan_table("nnclr_epochs", "cpu", 1)
    assert [epochs.of(control("supcon"), f"e{n}")[0].config.plan.epochs for n in (100, 800)] == [2, 13]
    levels = plans.plan_table("ifnd_granularity", "cpu", 1)
    assert levels.of("imagenet_d3", "supcon")[0].config.method == "supcon"
    assert levels.of("imagenet_d3", "supcon")[0].data.name == "shapes-family"
    assert levels.of("imagenet_d3", "random")[0].config.plan.epochs == 0


def test_a_control_has_no_cell_where_a_column_is_a_method(monkeypatch):
    definition = replace(tables.definition("ifnd_granularity"), controls=("pixels",))
    monkeypatch.setattr(tables, "definition", lambda name: definition)
    plan = plans.plan_table("ifnd_granularity", "smoke")
    assert plan.of(plans.control_key("pixels"), "ifnd") and not plan.of(plans.control_key("pixels"), "supcon")


def test_what_a_column_sets_goes_before_what_its_row_does(monkeypatch):
    rows, columns = {"nnclr": {"epochs": 200}}, {"e800": Column("linear_top1", sets={"epochs": 800})}
    monkeypatch.setattr(
        tables, "definition", lambda name: replace(BATCH, id=name, rows=rows, columns=columns, effect=())
    )
    plan = plans.plan_table("nnclr_epochs", "cpu", 1)
    assert plan.of("nnclr", "e800")[0].config.plan.epochs == 13
    assert plan.of(plans.control_key("simclr"), "e800")[0].config.plan.epochs == 13


def test_controls_have_the_rows_images(monkeypatch):
    rows = {"imagenet_d3": {"classes": 4}}
    definition = replace(tables.definition("ifnd_granularity"), rows=rows, effect=(), controls=("pixels", "random"))
    monkeypatch.setattr(tables, "definition", lambda name: definition)
    plan = plans.plan_table("ifnd_granularity", "smoke")
    for name in definition.controls:
        assert plan.of(plans.control_key(name), "ifnd")[0].data.name == "shapes-family", name


def test_small_scales_leave_out_what_only_does(monkeypatch):
    monkeypatch.setattr(tables, "definition", lambda name: replace(BATCH, only=("b256",), variants={"v": {}}))
    assert list(plans.plan_table("nnclr_batch", "cpu", 1).rows) == ["b256"]
    assert plans.plan_table("nnclr_batch", "cpu", 1).of("v")
    assert list(plans.plan_table("nnclr_batch", "paper", 1).rows) == ["b256", "b4096", "b8192"]


def test_tasks_of_a_run_are_united_with_all_evaluations(defined):
    plain = plans.plan_table("nnclr_epochs", "cpu", 1).of("moco_v2", "e200")[0]
    more = plans.plan_table("ifnd_frameworks", "cpu", 1).of("moco_v2")[0]
    assert plain.name == more.name and set(more.evaluations) - set(plain.evaluations) == {"linear_sgd"}
    (both,) = merge_runs([plain, more])
    assert both == more and merge_runs([plain, plain]) == [plain]
    with pytest.raises(ValueError, match="protocol of knn must be one for all tables"):
        merge_runs([plain, replace(more, evaluations={"knn": {"k": 3}})])


def test_an_evaluation_of_the_profile_cannot_be_another_one_in_a_table(monkeypatch):
    monkeypatch.setattr(tables, "definition", lambda name: replace(BATCH, evaluations={"knn": {"k": 3}}))
    with pytest.raises(ValueError, match="evaluations must be others than those of cpu, got 'knn'"):
        plans.plan_table("nnclr_batch", "cpu")


def test_the_agenda_has_each_run_once_with_the_evaluations_of_all_tables(defined, monkeypatch):
    monkeypatch.setattr(tables, "names", lambda: ["ifnd_frameworks", "nnclr_epochs"])
    monkeypatch.setattr(budget, "PRIORITY", (("nnclr_epochs", None),))
    agenda = list(budget.agenda("cpu", seeds=1))
    assert len({run.name for _, run in agenda}) == len(agenda)
    shared = plans.plan_table("ifnd_frameworks", "cpu", 1).of("moco_v2")[0]
    (owner, run) = next(pair for pair in agenda if pair[1].name == shared.name)
    assert owner.definition.id == "nnclr_epochs" and run == shared, "most wanted first, but whole for both"


def test_tables_that_a_scale_cannot_have_are_left_out_with_the_reason():
    assert "images of gpu are cifar10" in plans.reason_missing("ifnd_granularity", "gpu")
    assert "images of cpu-cifar10 are cifar10" in plans.reason_missing("ifnd_granularity", "cpu", "cifar10")
    assert plans.reason_missing("ifnd_granularity", "cpu") == plans.reason_missing("nnclr_epochs", "gpu") == ""


# --- the ledger -------------------------------------------------------------------------------------------------


def test_a_ledger_file_is_whole_for_one_table_and_not_for_another(defined, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "LEDGER", tmp_path)
    few, more = plans.plan_table("nnclr_epochs", "cpu", 1), plans.plan_table("ifnd_frameworks", "cpu", 1)
    run, wider = few.of("moco_v2", "e200")[0], more.of("moco_v2")[0]
    write_json(few.ledger / f"{run.name}.json", record(run))
    assert ledger.published_record(run, few) is not None and ledger.published_record(wider, more) is None


def test_merging_keeps_adds_and_compares():
    run = plans.plan_table("nnclr_epochs", "cpu", 1).of("moco_v2", "e200")[0]
    before, again = record(run), record(run)
    again["environment"] = {"device": "another"}
    again["results"]["training"]["scores"]["seconds"] = 99.0
    again["results"]["nmi {}"] = {"key": "nmi {}", "evaluation": "nmi", "scores": {"nmi": 0.5}}
    gone = next(key for key in again["results"] if key.startswith("few"))
    del again["results"][gone]
    after, gaps = ledger.merge_records(before, again)
    assert max(gaps) == 0 and after["environment"] == before["environment"], "the first measurement stays"
    assert after["results"] == before["results"] | {"nmi {}": again["results"]["nmi {}"]}
    linear = next(key for key in again["results"] if key.startswith("linear"))
    again["results"][linear]["scores"]["linear_top1"] += 0.25
    after, gaps = ledger.merge_records(before, again)
    assert max(gaps) == pytest.approx(0.25) and after["environment"] == again["environment"]
    assert after["results"][linear] == again["results"][linear] and after["results"][gone] == before["results"][gone]


def stored(run: Run, runs: Path, shift: float = 0.0) -> None:
    """A finished run in a store, without training."""
    contents = record(run, shift)
    write_json(runs / run.name / "config.json", contents["config"])
    write_json(runs / run.name / "environment.json", contents["environment"])
    lines = "".join(json.dumps({"key": key} | line) + "\n" for key, line in contents["results"].items())
    (runs / run.name / "results.jsonl").write_text(lines)


def test_publishing_merges_into_the_ledger(defined, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    monkeypatch.setitem(SYNTHETIC, "nnclr_batch", replace(BATCH, seeds=1))
    plan = plans.plan_table("nnclr_batch", "cpu")
    for run in plan.runs:
        stored(run, tmp_path / "runs")
    assert ledger.publish_plan(plan, tmp_path / "runs") == ledger.Changes(new=4)
    path = plan.ledger / f"{plan.of('b256')[0].name}.json"
    file, bytes_before = read_json(path), path.read_bytes()
    key = next(key for key in file["results"] if key.startswith("few"))
    elsewhere = {"key": "nmi {}", "evaluation": "nmi", "scores": {"nmi": 0.5}}
    write_json(path, file | {"results": {k: v for k, v in file["results"].items() if k != key} | {"nmi {}": elsewhere}})
    assert ledger.publish_plan(plan, tmp_path / "runs") == ledger.Changes(agree=4, added=1)
    assert read_json(path)["results"] == file["results"] | {"nmi {}": elsewhere}
    write_json(path, file)
    assert path.read_bytes() == bytes_before
    stored(plan.of("b256")[0], tmp_path / "runs", 0.5)
    changes = ledger.publish_plan(plan, tmp_path / "runs")
    assert changes.differ == 1 and changes.largest == pytest.approx(0.5)
    (tmp_path / "runs" / plan.of("b8192")[0].name / "results.jsonl").unlink()
    assert ledger.publish_plan(plan, tmp_path / "runs").agree == 3, "what the store lacks, the ledger keeps"


# --- results and claims -----------------------------------------------------------------------------------------


def test_a_derived_cell_is_the_mean_of_paired_differences():
    results = done("nnclr_croponly")
    cell = results.at("nnclr", "drop")
    full, crop = (results.values_by_seed("nnclr", column) for column in ("full_aug", "only_crop"))
    by_hand = [crop[seed] - full[seed] for seed in range(3)]
    assert cell.mean == pytest.approx(sum(by_hand) / 3) == pytest.approx(-10) and cell.n == 3
    assert cell.sd == pytest.approx(0, abs=1e-9), "what the seeds share cancels"
    assert results.at("nnclr", "full_aug").sd > 0.5
    assert results.at("pixels", "drop", control=True).mean == 0
    assert ("nnclr_croponly", "nnclr", "drop") in results.cells()


def test_a_difference_of_rows_is_paired_and_other_rows_have_none(defined):
    results = done("ifnd_frameworks")
    assert results.at("moco_v2", "gain") is None
    gain = results.at("ifnd_moco_v2", "gain")
    ours = [
        results.values_by_seed("ifnd_moco_v2", "top1")[s] - results.values_by_seed("moco_v2", "top1")[s]
        for s in range(3)
    ]
    assert gain.mean == pytest.approx(sum(ours) / 3) and gain.n == 3
    part = Results(results.plan, {k: v for k, v in results.known.items() if k != results.plan.of("moco_v2")[1].name})
    assert part.at("ifnd_moco_v2", "gain").n == 2 and part.at("ifnd_moco_v2", "top1").n == 3


def test_a_column_has_its_factor(defined):
    assert done("nnclr_overhead").at("q8192", "memory_mb").mean == pytest.approx(100.000001)


def test_values_of_the_text_are_measured_and_bring_their_claims():
    results = done("nnclr_croponly")
    values = results.measured_values()
    assert values["nnclr", "crop_1000ep"].mean == pytest.approx(results.at("NNCLR, 1,000 epochs", "only_crop").mean)
    ids = [claim["id"] for claim in claims_of(results.definition)]
    assert ids == ["nnclr_c16", "nnclr_c17", "nnclr_c18", "nnclr_c19"], "c19 rests on the text alone"
    verdicts = {verdict.claim: verdict for verdict in results.verdicts()}
    drops = results.at("nnclr", "drop").mean, results.at("NNCLR, 1,000 epochs", "drop").mean
    assert verdicts["nnclr_c18"].verdict != "not judged"
    assert verdicts["nnclr_c18"].gap[0] == pytest.approx(drops[1] - drops[0]), "by how much the drop shrinks"
    assert verdicts["nnclr_c19"].verdict == "not judged"


def test_an_adapted_claim_is_judged_in_its_place_and_says_so():
    results = done("ifnd_granularity")
    verdicts = {verdict.claim: verdict for verdict in results.verdicts()}
    words = "without ifnd_granularity/cifar10/ifnd"
    assert verdicts["ifnd_c10"].judged_as.startswith(words) and verdicts["ifnd_c10"].verdict != "not judged"
    assert verdicts["ifnd_c09"].judged_as == "" and verdicts["ifnd_c09"].verdict == "not judged"
    assert f"judged as: {words}" in str(table_page.verdicts(results))
    assert f"judged as: <code>{words}" in table_page.verdicts(results).html


def test_cells_of_one_measurement_are_one():
    a, b = ("t", "a", "x"), ("u", "b", "x")
    judgement = {"name": "x", "statistic": {"kind": "equivalence", "cells": ["t/a/x", "u/b/x"], "within": 0.1}}
    claim = {"id": "x", "text": "x"}
    same = {a: Cell(70, 1, 5, "run 1"), b: Cell(70, 1, 5, "run 1")}
    assert judge(claim, same, judgement=judgement).probability == 1
    assert judge(claim, same | {b: Cell(70, 1, 5, "run 2")}, judgement=judgement).probability < 0.6
    unknown = judge(claim, {a: Cell(70, 1, 5), b: Cell(70, 1, 5)}, judgement=judgement)
    assert unknown.probability < 0.6, "unknown sources are different ones"


def test_claims_find_published_cells_of_other_tables(defined, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "LEDGER", tmp_path)
    text = "c('nnclr_epochs','moco_v2','e200') == c('ifnd_frameworks','moco_v2','top1')"
    claim = {"id": "ifnd_c26", "text": "x", "rests_on": ["ifnd_frameworks"], "check": {"expr": text}, "paper": "ifnd"}
    cells = ["nnclr_epochs/moco_v2/e200", "ifnd_frameworks/moco_v2/top1"]
    judgement = {"name": "x", "statistic": {"kind": "equivalence", "cells": cells, "within": 0.1}}
    monkeypatch.setattr(papers, "claims", lambda: {"ifnd_c26": claim})
    monkeypatch.setattr(papers, "judgements", lambda: {"ifnd_c26": judgement})
    other = plans.plan_table("nnclr_epochs", "cpu", 3)
    assert done("ifnd_frameworks").verdicts()[0].reason == "not run: nnclr_epochs.moco_v2.e200"
    for run in other.of("moco_v2", "e200"):
        write_json(other.ledger / f"{run.name}.json", record(run))
    results = done("ifnd_frameworks")
    assert [plan.definition.id for plan in related_plans(results.plan)] == ["nnclr_epochs"]
    assert results.verdicts()[0].verdict == "holds", "the same runs: one measurement"
    (byol,) = (run for run in other.of("byol", "e200") if run.seed == 0)  # no run of the table's own
    before = publish.digest(results.plan)
    write_json(other.ledger / f"{byol.name}.json", record(byol))
    assert publish.digest(results.plan) != before, "the page depends on the other table's cells"


# --- reports ----------------------------------------------------------------------------------------------------

SHAPES = [*PAPERS_TABLES, *SYNTHETIC]
SPECIAL = re.compile(r"(?<!\\)[%#_]")  # what LaTeX would take for a comment, an argument, an index


@pytest.mark.parametrize("table", SHAPES)
def test_every_shape_of_table_is_shown_in_every_form(table, defined):
    results = done(table)
    head, body, foot = table_page.rows_of(results)
    assert {len(line) for line in [head, *body, *foot]} == {len(head)}
    rows = rows_in_order(results.definition)
    assert len(body) == len(rows) + len(results.definition.variants) and len(foot) == len(results.definition.controls)
    text, page = str(table_page.table(results)), table_page.table(results).html
    for row, line in zip(rows, body, strict=False):
        assert line[0] == row_label(results.definition, row) != ""
        ours = [
            cell for title, cell in zip(head, line, strict=True) if title.startswith("ours") and title != "ours runs"
        ]
        if row in results.definition.rows:
            assert any("±" in cell for cell in ours)
        else:
            assert "quoted, not run" in line and not any(ours)
    assert page.count('<tr class="quoted">') == len(rows) - len(results.definition.rows)
    assert page.count('<tr class="variant">') == len(results.definition.variants)
    assert "±" in text and table_page.caption(results) in text
    in_latex = table_page.latex(results)
    assert not SPECIAL.search(in_latex) and in_latex.count(r" \\") == len([head, *body, *foot])
    columns = {line.count(" & ") for line in in_latex.splitlines() if line.endswith(r"\\")}
    assert columns == {len(head) - 1} and not re.search(r"\\\\\n\[", in_latex)
    assert {line.count(" | ") for line in table_page.markdown(results).splitlines()} == {len(head) - 1}
    lines = list(csv.reader(io.StringIO(table_page.csv(results))))
    assert {len(line) for line in lines} == {5} and len(lines) > 3 * len(results.definition.rows)
    for part in (
        table_page.changes,
        table_page.cost,
        table_page.rerun,
        table_page.provenance,
        table_page.copies,
        table_page.headline,
        table_page.verdicts,
    ):
        assert str(part(results)) and part(results).html


def test_a_page_says_which_processor_each_result_is_from():
    results = done("nnclr_queue")
    one = str(table_page.cost(results))
    assert one.endswith("Run on a machine, 1 thread per run, torch 2.") and "differently" not in one
    name = results.plan.of("q8192")[0].name
    results.known[name]["environment"]["device"] = "another <machine>"
    n = len(results.records())
    several = str(table_page.cost(results))
    assert f"{n - 1} of {n} results on a machine" in several and f"1 of {n} results on another <machine>" in several
    page = table_page.provenance(results).html
    assert page.count("another &lt;machine&gt;") == 1 and "<machine>" not in page + table_page.cost(results).html


@pytest.mark.parametrize("table", SHAPES)
def test_tables_without_any_run_are_shown_as_well(table, defined):
    empty = Results(plans.plan_table(table, "cpu"), {})
    assert "–" in str(table_page.table(empty)) and figures.figure(empty).png
    assert "ot run yet" in table_page.finding(empty)
    for verdict in empty.verdicts():  # a claim that rests on this table may be judged by cells of another one
        check = empty.definition.adapted.get(verdict.claim) or papers.expression(papers.claims()[verdict.claim])
        assert verdict.verdict == "not judged" or f"'{table}'" not in check


@pytest.mark.parametrize(
    "table, form",
    [
        ("nnclr_queue", "line"),
        ("nnclr_batch", "line"),
        ("nnclr_overhead", "line"),
        ("nnclr_epochs", "series"),
        ("nnclr_croponly", "dots"),
        ("ifnd_granularity", "dots"),
        ("nnclr_predhead", "dots"),
        ("nnclr_positives", "dots"),
        ("ifnd_frameworks", "dots"),
    ],
)
def test_the_figure_has_the_form_of_the_table_and_says_its_numbers(table, form, defined):
    results = done(table)
    assert figures.form(results) == form
    picture = figures.figure(results)
    assert picture.png.startswith(b"\x89PNG") and picture.png == figures.figure(results).png, "the same bytes twice"
    column = figures.plot_columns(results)[0]
    for row in results.definition.rows:
        cell = results.at(row, column)
        assert (
            f"{cell.mean:.1f}" in picture.alt
            and str(results_module.papers.table(table)["rows"][0][column]).rstrip("0.") in picture.alt
        )


@pytest.mark.parametrize("table", ["nnclr_batch", "nnclr_epochs", "nnclr_croponly"])
def test_the_panels_hold_the_papers_numbers_and_ours(table, defined, monkeypatch, without_shape_checks):
    results = done(table)
    plots = []
    monkeypatch.setattr(figures, "Figure", lambda plot, *rest: plots.append(plot))
    figures.figure(results)
    (plot,) = plots
    across = figures.form(results) == "dots"

    def drawn(axis):
        return {round(float(v), 6) for line in axis.lines for v in (line.get_xdata() if across else line.get_ydata())}

    theirs, ours = (drawn(axis) for axis in plot.axes[:2])
    first = next(iter(results.definition.rows))
    for row in results.definition.rows:
        for column in figures.plot_columns(results):
            value = float(printed_value(results.definition, row, column))
            if figures.form(results) == "line":  # the first panel has the changes from the first row, both on one axis
                value -= float(printed_value(results.definition, first, column))
                assert round(results.difference((row, column), (first, column)).mean, 6) in theirs
            assert round(value, 6) in theirs
            assert round(results.at(row, column).mean, 6) in ours


def test_the_figure_shows_what_the_effect_is_about(defined):
    assert figures.plot_columns(done("nnclr_croponly")) == ["full_aug", "only_crop"], "the columns behind the drop"
    assert figures.plot_columns(done("nnclr_positives")) == ["top1"]
    assert figures.plot_columns(done("nnclr_epochs")) == ["e100", "e200", "e400", "e800"]


def test_the_best_value_is_marked_where_there_is_something_to_compare(defined, monkeypatch):
    def marked(table):
        page = table_page.table(done(table)).html
        return re.findall(r"<strong>(.*?)</strong>", page)

    assert "100.00 ± 0.00" in marked("nnclr_overhead") and "8.40" in marked("nnclr_overhead"), "low is best: both tie"
    assert "100.80" not in marked("nnclr_overhead")
    assert "−4.7" in marked("nnclr_croponly")
    assert marked("nnclr_predhead"), "a control is never marked"
    better = replace(POSITIVES, variants={"longer": {"epochs": 1000}})
    monkeypatch.setitem(SYNTHETIC, "nnclr_positives", better)
    results = done("nnclr_positives")
    assert results.at("longer", "top1").mean > max(results.at(row, "top1").mean for row in POSITIVES.rows)
    (row,) = re.findall(r'<tr class="variant">(.*?)</tr>', table_page.table(results).html)
    assert "<strong>" not in row and marked("nnclr_positives")


def test_rows_are_named_in_the_papers_words(defined):
    def labels(table):
        return [line[0] for line in table_page.rows_of(done(table))[1]]

    assert labels("nnclr_epochs")[:2] == ["SimCLR", "MoCov2"], "citations by number are left out"
    assert labels("nnclr_predhead") == ["no", "yes"]
    assert labels("nnclr_positives")[0] == "Mom. Enc. no, View 1"
    assert labels("nnclr_batch")[0] == "256" and labels("ifnd_granularity")[2] == "ImageNet Depth 3"


def test_runs_close_to_collapse_are_said_and_counted(defined):
    results = done("nnclr_batch")
    assert table_page.runs_near_collapse(results) == [] and "collapse" not in table_page.caption(results)
    first, second = (results.plan.of(row, "top1")[1].name for row in ("b256", "b8192"))
    results.known[first]["results"]["training"]["scores"]["embedding_std"] = 0.0301
    results.known[second]["results"]["training"]["scores"]["embedding_std"] = 0.1
    assert table_page.runs_near_collapse(results) == ["256, seed 1 (0.03)"]  # once, though two columns read it
    assert table_page.caption(results).endswith("kept like every other run: 256, seed 1 (0.03).")
    assert len(results.values_by_seed("b256", "top1")) == 3


def test_what_settings_became_is_said(defined):
    def mapped(table):
        return [line[1] for line in table_page.rows_of(done(table))[1]]

    assert mapped("nnclr_batch") == ["4", "quoted, not run", "quoted, not run", "quoted, not run", "24", "48"]
    assert mapped("nnclr_croponly") == ["simclr, 5 epochs", "byol, 5 epochs", "5 epochs", "16 epochs"]
    assert mapped("nnclr_predhead") == ["predictor no", "predictor yes"]
    assert "200 epochs: 3 epochs" in table_page.caption(done("nnclr_epochs"))
    changed = str(table_page.changes(done("nnclr_epochs")))
    assert re.search(r"plan.epochs\s+100\s+2\b", changed) and "columns set epochs" in changed
    assert "rows differ in method alone" in changed and "rows set method, epochs" in str(
        table_page.changes(done("nnclr_croponly"))
    )


def test_the_finding_states_the_effect_with_its_paired_interval(defined):
    text = table_page.finding(done("nnclr_croponly"))
    assert text.startswith("NNCLR minus SimCLR, printed change, Only crop minus Full aug.: +0.0 [")
    assert text.endswith("points at cpu scale; the paper prints +22.9.")
    text = table_page.finding(done("ifnd_granularity"))
    assert text.startswith("ImageNet Depth 3 minus ImageNet Depth 18 (original labels), Delta(SupCon, SimCLR): ")
    assert text.endswith("the paper prints +4.2.")
    assert table_page.finding(done("nnclr_batch")).startswith(
        "Going from batch size 256 to 4,096 (ours 4 to 24) changes linear probe top-1 by +4.0 ["
    )
    assert "NN of View 1 minus Mom. Enc. no, View 1, Top-1: +3.0 [" in table_page.finding(done("nnclr_positives"))


def test_steps_are_counted_along_what_is_varied():
    assert "3 of 3 steps of BYOL rise" in str(table_page.verdicts(done("nnclr_epochs")))


def test_a_note_in_the_margin_for_each_contradiction():
    definition = tables.definition("nnclr_epochs")
    text = publish.prose(plans.plan_table("nnclr_epochs", "cpu"))["page-idea"]
    assert text.count("```{margin}") == len(definition.margin) and "## What is varied" in text
    assert all(name in text.replace("\\", "") for name in definition.margin)
    assert publish.margin(replace(definition, margin=())) == ""


def test_special_signs_reach_latex_and_markdown_escaped(defined):
    results = done("nnclr_positives")
    assert r"no head \& 100\% of\_it" in table_page.latex(results)
    assert formats.as_latex(["[a]"], [["x|y^2 ~ {1} #2 $3 \\"]], []).count(r"{[}a]") == 1
    assert r"x\|y" in formats.as_markdown(["h"], [["x|y"]], [])


# --- all tables at once -----------------------------------------------------------------------------------------


def test_the_estimate_is_by_method_where_it_was_measured_and_by_step_elsewhere(tmp_path):
    plan = plans.plan_table("nnclr_epochs", "cpu", 1)
    byol, swav = plan.of("byol", "e100")[0], plan.of("swav", "e100")[0]
    assert budget.estimate([byol], tmp_path) is None
    write_json(tmp_path / f"{byol.name}.json", record(byol))  # 10 s, and a second for each of three evaluations
    assert budget.estimate([byol], tmp_path) == pytest.approx(13)
    long = plan.of("byol", "e800")[0]
    assert budget.estimate([long], tmp_path) == pytest.approx(3 + 10 * long.steps / byol.steps)
    assert budget.estimate([swav], tmp_path) == pytest.approx(13), "not measured: as a step is on average"
    untrained = plan.of(plans.control_key("random"), "e100")[0]
    assert budget.estimate([untrained], tmp_path) == pytest.approx(3)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A project of two tables whose runs are made up, not trained."""
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(tables, "names", lambda: ["ifnd_granularity", "nnclr_croponly", "nnclr_epochs"])
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_toc.yml").write_text("")
    calls = []

    def carry_out(wanted, runs, *rest, **more):
        calls.append([run for run in wanted if not is_complete(run, store.Store(runs))])
        for run in calls[-1]:
            stored(run, Path(runs))

    def page(plan, own=None, root=None):
        path = (own or tmp_path) / f"{publish.page_name(plan)}.ipynb"
        path.write_text("")
        return path

    monkeypatch.setattr(workers, "carry_out", carry_out)
    monkeypatch.setattr(publish, "publish", page)
    return tmp_path, calls


def test_reproduce_all_does_shared_runs_once_and_publishes_only_when_told(two, capsys):
    folder, calls = two
    words = ["reproduce", "all", "--profile", "smoke", "--seeds", "2", "--runs", str(folder / "runs"), "--no-book"]
    assert main([*words, "--dry-run"]) == 0
    output = capsys.readouterr().out
    alone = {name: len(plans.plan_table(name, "smoke", 2).runs) for name in tables.names()}
    together = {run.name for name in tables.names() for run in plans.plan_table(name, "smoke", 2).runs}
    assert "3 tables at smoke scale" in output and f"{len(together)} runs, 0 stored, {len(together)} to do" in output
    assert f"{sum(alone.values()) - len(together)} runs saved" in output and sum(alone.values()) > len(together)
    assert "unknown: nothing was measured" in output and calls == []
    assert main(words) == 0
    (first,) = calls
    assert {run.name for run in first} == together and len(first) == len(together)
    assert [run.seed for run in first] == sorted(run.seed for run in first), "whole seeds first"
    assert not (folder / "ledger").exists(), "the ledger is published to, never written by the way"
    output = capsys.readouterr().out
    assert all(f"{name}: " in output for name in tables.names()) and "nothing is published of" in output
    assert main([*words, "--publish"]) == 0 and len(calls) == 1, "a second call answers from the store"
    output = capsys.readouterr().out
    assert f"{len(together)} stored, 0 to do" in output
    for name in tables.names():
        plan = plans.plan_table(name, "smoke", 2)
        assert all(ledger.published_record(run, plan) for run in plan.runs) and f"{name}: " in output


def test_reproduce_missing_leaves_out_what_the_ledger_holds(two, capsys):
    folder, calls = two
    plan = plans.plan_table("nnclr_epochs", "smoke", 1)
    for run in plan.runs:
        write_json(plan.ledger / f"{run.name}.json", record(run))
    words = ["reproduce", "all", "--profile", "smoke", "--seeds", "1", "--runs", str(folder / "runs"), "--no-book"]
    assert main([*words, "--missing", "--publish"]) == 0
    assert calls[0] and not {run.name for run in plan.runs} & {run.name for run in calls[0]}
    capsys.readouterr()
    assert main([*words, "--missing", "--dry-run"]) == 0
    assert "0 runs, 0 stored, 0 to do" in capsys.readouterr().out


def test_other_images_are_for_profiles_that_read_theirs(monkeypatch):
    monkeypatch.setattr(budget, "PRIORITY", (("nnclr_epochs", "cifar100"),))
    monkeypatch.setattr(tables, "names", lambda: ["nnclr_epochs"])
    planned, left_out = budget.every_plan("cpu", seeds=1)
    assert [plan.profile.name for plan in planned] == ["cpu"] and left_out == {}
    assert on_dataset(profile("gpu"), "cifar100").name == "gpu-cifar100"


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_a_night_on_photographs_has_an_encoder_of_its_own(dataset):
    night, cpu = on_dataset(profile("night"), dataset), on_dataset(profile("cpu"), dataset)
    assert (night.name, night.base, night.dataset) == (f"night-{dataset}", "night", dataset)
    config = night.config("nnclr", seed=2, paper={"queue_size": 24 * PAPER_BATCH, "epochs": 125})
    assert config.encoder == "resnet8-wide" and config.data == DataConfig(
        dataset
    )  # all images, side and seed the set's own
    assert config.plan.precision == "bf16" and config.plan.epochs == night.plan.epochs // 4
    assert config.settings["queue_size"] == 24 * config.plan.batch_size <= night.n_train / 8
    assert cpu.encoder == "conv" and cpu.data.n_train == 9_216 and cpu.plan.precision == "fp32"
    assert on_dataset(profile("night"), "digits").encoder == "conv"
