"""Who is whose partner: every rule against plain loops, drawn evenly, and the same in every framework."""

import pytest
import torch

from sslrepro import methods, tables
from sslrepro.data import load
from sslrepro.methods.partners import FRAMEWORKS, RULES, even_draw
from sslrepro.parts.cluster import kmeans
from sslrepro.parts.encoders import Conv
from sslrepro.parts.memory import unit
from sslrepro.study.plans import plan_table
from sslrepro.training.loop import mine_pairs
from tests.conftest import small, tiny
from tests.equations import partners as oracle

N = 40
X = unit(torch.randn(N, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
LABELS = torch.arange(N) % 3
SMALL = {"n_neighbours": 3, "hops": 2, "n_positives": 5, "high": 0.95, "clusters": 7}


def built(rule: str, base: str = "simclr", seed: int = 3, **settings) -> methods.Method:
    torch.manual_seed(seed)
    around = small("partners") | SMALL | {"rule": rule, "base": base, "base_settings": small(base)} | settings
    return methods.build("partners", methods.settings("partners", around), Conv((4, 6), (2, 2)), N)


def named(rule: str, **settings) -> list[set[int]]:
    method = built(rule, **settings)
    rows = torch.arange(N)
    member = torch.cat([method.relation(X, LABELS)(part) for part in rows.split(11)])  # in parts, as `pairs` does
    return [set(row.nonzero()[:, 0].tolist()) for row in member]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_names_whom_its_oracle_names(rule):
    group = kmeans(X, SMALL["clusters"], 3)[0] if rule == "clusters" else LABELS
    expected = oracle.relation(rule, X.tolist(), group.tolist(), SMALL)
    assert named(rule) == expected
    assert rule == "same" or any(expected)
    assert not any(i in others for i, others in enumerate(expected))


@pytest.mark.parametrize("rule", RULES)
def test_every_image_has_a_partner_of_those_that_are_named(rule):
    group = kmeans(X, SMALL["clusters"], 3)[0] if rule == "clusters" else LABELS
    expected = oracle.relation(rule, X.tolist(), group.tolist(), SMALL)
    pairs, cosine = built(rule).pairs(lambda index: X[index], N, LABELS)
    assert pairs[:, 0].tolist() == list(range(N))
    assert all(j in (expected[i] or {i}) for i, j in pairs.tolist())
    assert cosine.allclose((X[pairs[:, 0]] * X[pairs[:, 1]]).sum(1))


def test_the_bounds_of_the_window_and_of_the_hops_matter():
    assert named("window", high=0.5) != named("window") and named("hops", hops=1) != named("hops")
    assert max(map(len, named("hops"))) == 5 and max(map(len, named("hops", n_positives=50))) > 5


def test_members_are_drawn_evenly_and_an_image_without_any_is_its_own():
    member = torch.tensor([[True, False, True, True]] * 3000 + [[False] * 4])
    partner = even_draw(member, torch.full((3001,), 9), torch.Generator().manual_seed(0))
    assert partner[-1] == 9 and torch.bincount(partner[:-1], minlength=4)[1] == 0
    assert torch.bincount(partner[:-1])[[0, 2, 3]].sub(1000).abs().max() < 100


@pytest.mark.parametrize("rule", ["clusters", "hops", "random"])
def test_partners_are_those_of_the_seed_whatever_the_framework(rule):
    drawn = {base: built(rule, base).pairs(lambda index: X[index], N)[0].tolist() for base in FRAMEWORKS}
    assert all(pairs == drawn["simclr"] for pairs in drawn.values())
    assert built(rule, seed=4).pairs(lambda index: X[index], N)[0].tolist() != drawn["simclr"]


def test_labels_are_read_by_the_declared_oracle_alone(tmp_path, monkeypatch):
    given = {}

    def pairs(self, encode, n_images, **seen):
        given[self.config.rule] = set(seen)
        return torch.tensor([[0, 1], [2, 2]]), torch.ones(2)

    monkeypatch.setattr(methods.method_class("partners"), "pairs", pairs)
    for rule in ("labels", "nearest"):
        config = tiny("partners", rule=rule, sampler_epochs=1).with_changes(**{"data.n_train": 32})
        data, _ = load(config.data)
        method = methods.build("partners", methods.settings("partners", config.settings), Conv((4, 6), (2, 2)), 32)
        assert method.needs_labels == (rule == "labels")
        _, about = mine_pairs(config, tmp_path / config.name, data, method, torch.device("cpu"), None)
        assert about["pair_self"] == 0.5
    assert given == {"labels": {"labels"}, "nearest": set()}


def test_a_sampler_may_have_a_learning_rate_of_its_own():
    config = tiny("partners", sampler_rate=0.25)
    assert config.sampler.plan.lr == config.plan.lr / 4 and tiny("seppid").sampler.plan.lr == tiny("seppid").plan.lr


def test_in_the_grid_every_framework_reads_the_sampler_of_equal_terms():
    plan = plan_table("miner_frameworks", "cpu", 1)
    of_grid = [runs[0].config for runs in plan.rows.values() if runs[0].config.method == "partners"]
    assert len(of_grid) == len(RULES) * len(FRAMEWORKS)
    (sampler,) = {config.sampler.name for config in of_grid}
    assert sampler == plan_table("equal_terms", "cpu", 1).of("mocov2")[0].name
    assert {config.plan.epochs for config in of_grid} == {4}
    rates = {config.settings["base"]: config.plan.lr for config in of_grid}
    equal = plan_table("equal_terms", "cpu", 1)
    assert rates == {base: equal.of(base)[0].config.plan.lr for base in FRAMEWORKS}


def test_a_row_differs_from_its_control_in_the_rule_alone():
    plan = plan_table("miner_frameworks", "cpu", 1)
    for row, control in tables.definition("miner_frameworks").column("gain").minus_row.items():
        on, bare = plan.of(row)[0].config, plan.of(control)[0].config
        if on.method == "partners":
            assert on.with_changes(**{"settings.rule": "same"}) == bare, row
