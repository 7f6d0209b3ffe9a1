"""Shared by all tests: one thread, so that numbers repeat."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from sslrepro.config import Plan, RunConfig
from sslrepro.data import DataConfig
from sslrepro.data.views import ViewConfig

torch.set_num_threads(1)

TINY_HEADS = {
    "simclr": {"dim": 8, "hidden": 16},
    "supcon": {"dim": 8, "hidden": 16},
    "nnclr": {"dim": 8, "hidden": 16, "hidden_predictor": 16, "queue_size": 24},
}


def tiny(method: str = "nnclr", seed: int = 0, epochs: int = 2, **settings) -> RunConfig:
    """A run of a few dozen steps that takes about a second."""
    heads = TINY_HEADS.get(method, {}) | settings
    data = DataConfig("shapes", n_train=160, n_test=48, side=8, classes=4, seed=seed)
    return RunConfig(method, heads, "conv-tiny", data, ViewConfig("byol", 0.4), Plan(epochs, batch_size=16), seed)


@pytest.fixture
def tiny_config():
    """`tiny` as a fixture, so that test files need not import conftest."""
    return tiny
