"""Shared by all tests: one thread, so that numbers repeat."""

import importlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_OPT", "1")  # UMAP is compiled for a few dozen points: less effort is sooner done

import jaxtyping
import pytest
import torch

from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import ViewConfig
from sslrepro.training.config import RunConfig, TrainingConfig
from tests import check_again, forked

torch.set_num_threads(1)

TINY_HEADS = {
    "simclr": {"dim": 8, "hidden": 16},
    "supcon": {"dim": 8, "hidden": 16},
    "nnclr": {"dim": 8, "hidden": 16, "hidden_predictor": 16, "queue_size": 24},
    "seppid": {"sampler_epochs": 1, "share": 1.0, "quantile": 0.002, "high": 1.0},
    "partners": {"sampler_epochs": 1, "clusters": 8, "n_positives": 6},
}


@pytest.fixture(scope="session")
def caches(tmp_path_factory) -> Iterator[Path]:
    """Folders that are not there yet; `mktemp` would look through those of all tests before for each new one."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches, monkeypatch):
    """Decoded images of a test are kept in a folder of its own."""
    monkeypatch.setenv("SSLREPRO_CACHE", str(next(caches)))


@pytest.fixture(autouse=True, scope="session")
def forked_workers():
    """Worker processes that a test starts without a command are forked from the suite's server, where there is one."""
    from sslrepro.study import workers

    if forked.SHARED in os.environ:
        workers.START = "forkserver"


SLOW = {
    line for line in Path(__file__).with_name("slow.txt").read_text("utf-8").splitlines() if not line.startswith("#")
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what `make test-fast` leaves out."""
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker("slow")


@pytest.fixture
def umap_for_one_thread(monkeypatch):
    """UMAP's parallel loops compiled as plain ones, which is sooner done; with a seed it uses one thread anyway."""
    import numba

    compiled = numba.njit
    monkeypatch.setattr(numba, "njit", lambda *types, parallel=False, **options: compiled(*types, **options))
    importlib.import_module("umap")


@pytest.fixture(scope="session")
def smoke_runs(tmp_path_factory) -> Path:
    """A store with every run of every table at smoke scale, trained once for all tests, processes and notebooks.

    `make test` names the folder, a fresh one, so that the notebooks read the same runs.
    """
    from sslrepro import tables
    from sslrepro.base.store import lock_folder
    from sslrepro.study import ledger, plans, workers
    from sslrepro.study.run import merge_runs

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = Path(os.environ.get("SMOKE_RUNS") or shared / "smoke-runs")
    wanted = merge_runs([run for name in tables.names() for run in plans.plan_table(name, "smoke", 1).runs])
    plan = plans.plan_table("nnclr_queue", "smoke", 1)
    wanted = [run for run in wanted if ledger.published_record(run, plan) is None]
    with lock_folder(shared / "smoke-runs-lock"):
        workers.carry_out(wanted, folder, progress=False)
    return folder


@pytest.fixture
def without_shape_checks():
    """Arguments of a wrong type reach the package's own checks; and tests that repeat steps whose shapes others check
    do without a checker that takes a fifth of their time.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def reply(capfd):
    """`reply(*words)` runs a command in this process: (exit status, standard output, standard error)."""
    from sslrepro.cli.main import main

    def run(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            status = main(list(words))
        except SystemExit as end:  # argparse's own: --help
            status = end.code or 0
        return status, *capfd.readouterr()

    return run


@pytest.fixture(autouse=True)
def every_shape_checked():
    """Functions are checked anew in each test, where `make test` checks them."""
    check_again()


@pytest.fixture(autouse=True)
def one_thread():
    """Fails the test that leaves another thread count behind: sums, and so trained weights, depend on it."""
    yield
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert threads == 1, f"the test left {threads} threads set"


def small(method: str) -> dict:
    """Settings under which a method trains in about a second: those its oracle is tested with."""
    if method in TINY_HEADS:
        settings = dict(TINY_HEADS[method])
        if method in ("seppid", "partners"):
            base = "mocov2" if method == "seppid" else "simclr"
            settings |= {"base_settings": small(base), "sampler_settings": small("mocov2")}
        return settings
    settings = dict(importlib.import_module(f"tests.equations.{method}").SETTINGS)
    return settings | ({"n_classes": 4} if "n_classes" in settings else {})


def tiny(method: str = "nnclr", seed: int = 0, epochs: int = 2, **settings) -> RunConfig:
    """A run of a few dozen steps that takes about a second."""
    heads = small(method) | settings
    data = DataConfig("shapes", n_train=160, n_test=48, side=8, classes=4, seed=seed)
    return RunConfig(
        method, heads, "conv-tiny", data, ViewConfig("byol", 0.4), TrainingConfig(epochs, batch_size=16), seed
    )


@pytest.fixture
def tiny_config():
    """`tiny` as a fixture, so that test files need not import conftest."""
    return tiny
