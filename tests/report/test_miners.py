"""What miners find: precision, recall and own images against counts over all pairs, and who beats whom."""

from dataclasses import asdict

import pytest
import torch

from sslrepro import tables
from sslrepro.claims import Cell
from sslrepro.parts.metrics import group_rates, relation_match
from sslrepro.report import miners
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, read_results

N, CLASSES = 12, 3
LABELS = torch.arange(N) % CLASSES
PEERS = N / CLASSES - 1


def counts(members: list[list[int]]) -> dict[str, float]:
    """Items per image, precision and recall by counting."""
    items = sum(map(len, members))
    right = sum(LABELS[i] == LABELS[j] for i, row in enumerate(members) for j in row)
    return {"items": items / N, "precision": float(right) / items, "recall": float(right) / (N * PEERS), "own": 0.0}


def test_clusters_are_counted_over_all_pairs():
    group = torch.tensor([0, 0, 1, 0, 1, 2, 1, 2, 2, -1, -2, 0])
    members = [[j for j in range(N) if j != i and group[i] >= 0 and group[j] == group[i]] for i in range(N)]
    logged = {f"{name}_0": value for name, value in group_rates(LABELS, group).items()}
    assert miners.of_clusters(logged, [0], PEERS) == pytest.approx(counts(members))


def test_sets_are_counted_over_all_pairs():
    members = [[1, 3], [0], [], [0, 6, 9], [7], [], [3], [4], [], [3], [], []]
    padded = torch.tensor([row + [-1] * (3 - len(row)) for row in members])
    rates = relation_match(LABELS, padded)
    assert miners.of_relation(rates["degree"], rates["match"], PEERS) == pytest.approx(counts(members))


def test_own_images_are_those_that_make_the_two_shares_differ():
    items = [(0, 0), (1, 4), (2, 3), (3, 3), (4, 5), (5, 8), (6, 6), (7, 8)]  # (anchor, item): three are its own
    other = [(a, b) for a, b in items if a != b]
    right = [sum(bool(LABELS[a] == LABELS[b]) for a, b in pairs) / len(pairs) for pairs in (items, other)]
    assert miners.own_images(*right) == pytest.approx(3 / 8)
    assert miners.own_images(1.0, 1.0) == 0
    logged = {"neighbour_match": right[0], "neighbour_match_without_self": right[1]}
    numbers = miners.of_lookup(logged, {"method": "nnclr", "settings": {}}, PEERS)
    assert numbers["items"] == pytest.approx(5 / 8) and numbers["recall"] == pytest.approx(5 / 8 * right[1] / PEERS)


def line(precision: float, recall: float, half: float = 1.0, row: str = "a") -> miners.Mined:
    def cell(mean: float) -> Cell:
        return Cell.of({0: mean - half / 4, 1: mean, 2: mean + half / 4})

    return miners.Mined(row, "", "", cell(1), cell(precision), cell(recall), cell(0), "")


def test_a_miner_beats_another_in_both_and_clearly_in_one():
    good = line(40, 10)
    assert miners.beats(good, line(20, 10)) and miners.beats(good, line(40, 1))
    assert not miners.beats(good, line(39.9, 9.9)), "within the noise"
    assert not miners.beats(good, line(20, 30)) and not miners.beats(line(20, 30), good)
    assert miners.pareto_front([good, line(20, 30), line(20, 10)]) == [good, line(20, 30)]


@pytest.mark.parametrize(("row", "steps"), [
    ("seppid", 1552), ("ifnd", 192), ("isl", 768), ("isl_moco", 384), ("invp", 383), ("invp_moco", 24), ("la", 192),
    ("pcl", 192), ("fnc", 6), ("msf", 24), ("nnsiam", 24),
])  # fmt: skip
def test_nothing_older_can_be_mined(row, steps):
    config = plan_table("miners", "cpu", 1).of(row)[0]
    in_all = 1552 if row == "seppid" else config.config.plan.epochs * 192
    assert miners.oldest(asdict(config.config), in_all) == steps


def test_every_run_of_the_table_is_one_of_other_tables():
    known = {run.name for name in ("equal_terms", "nnclr_topk", "nnclr_softnn") for run in plan_table(name, "cpu").runs}
    assert {run.name for run in plan_table("miners", "cpu").runs} <= known


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(plan_table("miners", "cpu"))


def test_the_page_says_what_its_runs_logged(results):
    lines = {mined.name: mined for mined in miners.mined_lines(results)}
    assert {mined.row for mined in lines.values()} == set(miners.OFF) and "ifnd, 160 clusters" in lines
    logged = [record["results"]["training"]["scores"] for record in results.of("ifnd")]
    assert lines["ifnd, 48 clusters"].recall.mean == pytest.approx(100 * sum(s["mtpr_1"] for s in logged) / 3)
    assert lines["fnc"].recall.mean == pytest.approx(10 * lines["fnc"].precision.mean / 287, rel=0.01)
    assert lines["nnclr"].age.endswith("(mean)") and lines["msf"].age == "≤ 24"
    text = miners.finding(results)
    assert all(mined.name in text for mined in miners.pareto_front(list(lines.values())))
    assert str(miners.table(results)).count("\n") > len(lines) and "nan" not in str(miners.table(results)).split()
    assert miners.figure(results).png and "miners-cpu.csv" in miners.copies(results).html


def test_without_runs_nothing_is_said():
    empty = Results(plan_table("miners", "cpu", 1), {})
    assert miners.finding(empty) == str(miners.table(empty)) == "Not run yet." and miners.figure(empty).png
    assert tables.definition("miners").notebook == "miners"
