"""Mined positives: layers of a graph against distances, sets and clusters without the anchor, pictures from a record."""

from types import SimpleNamespace

import pytest
import torch

from sslrepro.base.types import Step
from sslrepro.embeddings import layers, mined, positives
from sslrepro.methods.base import Method
from sslrepro.parts.graph import Affinity, NeighbourGraph
from sslrepro.parts.memory import unit
from sslrepro.study.profiles import profile
from sslrepro.training.loop import initial_method


class Stand(Method):
    """A method with some parts and no loss."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)

    def loss(self, batch, progress):
        return Step(torch.zeros(()))


def test_layers_of_a_graph_are_distances():
    graph = NeighbourGraph(6, 1)
    graph.write(torch.arange(6), torch.tensor([[1], [2], [3], [0], [5], [4]]))
    method = Stand(graph=graph, config=SimpleNamespace(hops=3))
    masks = layers.layers(method, torch.zeros(1, 2), torch.tensor([0]))
    assert [mask[0].nonzero()[:, 0].tolist() for mask in masks] == [[1], [2], [3]]


def test_sets_are_one_layer_and_others_are_refused():
    affinity = Affinity(4, 2)
    affinity.admit(torch.tensor([0]), torch.tensor([3]))
    (layer,) = layers.layers(Stand(affinity=affinity), torch.zeros(1, 2), torch.tensor([0]))
    assert layer[0].tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="one with a graph, sets or clusters"):
        layers.layers(Stand(), torch.zeros(1, 2), torch.tensor([0]))


def test_positives_of_la_lie_in_its_clusters_and_are_not_the_anchor():
    config = positives.config_of("la", profile("smoke")).with_changes(**{"settings.clusters": 4})
    method = initial_method(config, 24)
    z, index = unit(torch.randn(2, method.config.dim)), torch.tensor([3, 9])
    assert not layers.layers(method, z, index)[0].any()  # no clustering yet
    method.labels[:] = torch.arange(24) % 4
    assert set(layers.layers(method, z, index)[0][0].nonzero()[:, 0].tolist()) <= {7, 11, 15, 19, 23}


def test_rounds_begin_with_an_epoch():
    config = profile("cpu").config("isl", 0)
    assert list(positives.moments(config, 192)) == [384, 768, 1152, 1536]


@pytest.fixture(scope="module")
def records():
    config = positives.config_of("invp", profile("smoke")).with_changes(
        **{"data.n_train": 96, "plan.batch_size": 48, "settings.n_positives": 3}
    )
    return {"invp": positives.follow(config)}


def test_what_is_kept_of_a_run(records):
    stages = records["invp"]["stages"]
    assert [stage["epoch"] for stage in stages] == [1, 2, 3, 4]
    for stage in stages:
        assert stage["degree"][0] == 4 and all(0 <= share <= 1 for share in stage["match"])
        for anchor in stage["anchors"]:
            places = [place for place, _, _ in anchor["positives"]]
            assert anchor["index"] not in places and len(set(places)) == len(places)
            assert sum(hard for _, _, hard in anchor["positives"]) == 3
    counts = {name: sum(values) for name, values in records["invp"]["similarity"].items()}
    assert counts["right"] + counts["wrong"] == round(96 * sum(stages[-1]["degree"])) and counts["hard"] == 3 * 96


@pytest.mark.parametrize("name", ["invp_fig2a", "invp_fig2b"])
def test_every_part_of_a_page_is_made(name, records):
    definition = mined.DEFINITIONS[name]
    sheet = mined.MinedFigure(definition, profile("smoke"), 0, records, False)
    assert mined.picture(sheet).png.startswith(b"\x89PNG") and "Figure 2" in mined.picture(sheet).alt
    for part in (mined.caption, mined.measures, mined.rerun):
        assert part(sheet).text and "nan" not in part(sheet).text
    assert definition.question in mined.question(definition)
