"""Two processes do what one does on the joined batch: loss, gradients, memories, whole runs, the command line."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from sslrepro import methods
from sslrepro.base.store import Store, lock_folder, read_json, read_lines
from sslrepro.base.types import LabelledBatch
from sslrepro.cli.main import main
from sslrepro.data import load
from sslrepro.data.recipes import RECIPES
from sslrepro.data.views import Batches
from sslrepro.methods.base import Method
from sslrepro.parts.cluster import PseudoLabels, own_label
from sslrepro.parts.distributed import all_gather, all_gather_detached, all_reduce, broadcast, process_group, wrap_ddp
from sslrepro.parts.graph import Affinity
from sslrepro.parts.teacher import MomentumTeacher
from sslrepro.training.checkpoint import header
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import initial_method, train
from tests.conftest import small, tiny
from tests.training import two_processes as jobs

PATIENCE = 300.0  # seconds: a loaded machine must not fail a test

N, N_IMAGES = 8, jobs.N_IMAGES
PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    pair = jobs.Pair(tmp_path_factory.mktemp("group"))
    yield pair
    pair.close()


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def far(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest entry or, where all are small, to 0.001."""
    if got.shape != expected.shape:
        return float("inf")
    gap = (got.double() - expected.double()).abs().max().item() if got.numel() else 0.0
    return gap / max(expected.double().abs().max().item(), 1e-3) if gap else 0.0


def unlike(got: dict, expected: dict, tolerance: float = 0.0) -> dict[str, float]:
    """Entries of `got` farther than the tolerance from those of `expected`."""
    assert got.keys() == expected.keys()
    gaps = {name: far(got[name], expected[name]) for name in got}
    return {name: gap for name, gap in gaps.items() if not gap <= tolerance}


# --- what crosses processes -------------------------------------------------------------------------------------


def test_alone_nothing_crosses():
    x, method = drawn(4, 3), initial_method(tiny("simclr"))
    assert all_gather(x) is x and all_reduce(x) is x and broadcast(x) is x
    assert torch.equal(all_gather_detached(x), x) and wrap_ddp(method) == method.loss
    with process_group("cpu") as device:
        assert device == "cpu"


def test_primitives(pair):
    x = drawn(6, 4)
    for number, result in enumerate(pair(jobs.primitives, x)):
        assert (result["size"], result["rank"]) == (2, number)
        assert torch.equal(result["gathered"], x) and torch.equal(result["detached"], x), "rows come in rank order"
        assert torch.equal(result["transposed"], x), "whatever the strides"
        assert result["free"], "memories hold no graph"
        assert result["row"].tolist() == [3 * number, 3 * number + 1, 3 * number + 2]
        assert torch.equal(result["sum"], x[:3] + x[3:])
        assert result["agreed"].tolist() == [0, 0, 0] and result["in place"], "the first process decides"


def test_sum_of_a_transposed_tensor(pair):
    x = drawn(6, 4)
    for result in pair(jobs.transposed_sum, x):
        assert torch.equal(result, (x[:3] + x[3:]).T)


def test_gradients_of_gathered_and_summed(pair):
    """Of the sum of both processes' losses; and what stands beside a gathered tensor keeps its own gradient."""
    x, factor = drawn(6, 4), drawn(6, 4, seed=1)
    rows = x.clone().requires_grad_()
    sum(((rows * scale * factor).sin().sum()) for scale in (1, 3)).backward()
    parts = x.clone().requires_grad_()
    total = parts[:3] + parts[3:]
    ((total * factor[:3]).sin().sum() + (total * factor[3:] * 3).sin().sum()).backward()
    for number, (of_gathered, beside, of_summed) in enumerate(pair(jobs.gradients, x, factor)):
        own = slice(3 * number, 3 * number + 3)
        assert torch.allclose(of_gathered, rows.grad[own], atol=1e-12)
        assert torch.allclose(of_summed, parts.grad[own], atol=1e-12)
        scale = (1 + 2 * number) * factor
        assert torch.allclose(beside, 2 * scale * (x * scale).cos(), atol=1e-12)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind, shape", [("BatchNorm1d", (6, 5)), ("BatchNorm2d", (6, 5, 3, 4))])
def test_batch_norm_is_that_of_the_joined_batch(pair, kind, shape, affine):
    x, target = 3 + 2 * drawn(*shape), drawn(*shape, seed=1)
    whole = jobs.normed(kind, x, target, affine)
    first, second = pair(jobs.normed, kind, x, target, affine)
    for name in ("out", "x", "eval"):
        assert far(torch.cat([first.pop(name), second.pop(name)]), whole.pop(name)) < 1e-12, name
    assert not unlike(first, whole, 1e-12) and not unlike(second, first)


# --- every method -----------------------------------------------------------------------------------------------


def variants(name: str) -> dict[str, dict]:
    """What the method's oracle is tested with; for the four whose oracles stand apart, what they can be set to."""
    if name == "nnclr":
        cases = [{}, {"positive": "soft"}, {"positive": "view"}, {"positive": "detached"}, {"positive": "oracle"},
                 {"teacher_momentum": 0.9}, {"support": "encoder"}, {"eviction": "random"}, {"push_both_views": True}, {"exclude_self": True},
                 {"symmetry": "text"}, {"symmetry": "both"}, {"top_k": 4}, {"accepted": 0.5}]  # fmt: skip
    elif name == "seppid":
        cases = [{"base": base, "base_settings": small(base)} for base in ("dino", "simclr", "simsiam", "vicreg")]
        cases.append({})
    elif name == "partners":
        cases = [{"base": base, "base_settings": small(base)} for base in ("mocov2", "vicreg")]
    else:
        module = importlib.import_module(f"tests.equations.{name}")
        cases = getattr(module, "VARIANTS", {"default": {}}).values()
        if name == "pcl":
            cases = [*cases, {"negatives": 5}]
    return {json.dumps(each): each for each in cases}


def draws(name: str, settings: dict) -> str:
    """Why a loss is not that of the joined batch: METHODS has every process draw for itself. "" where none is drawn."""
    if name == "nnclr" and settings.get("top_k", 1) > 1:
        return "each process draws one of the k nearest"
    random = "random" in (settings.get("right"), settings.get("wrong"))
    part, anchors = settings.get("right_share", 0), settings.get("anchors", "drawn")
    which = anchors == "drawn" if part is None else 0 < part < 1 and anchors != "fixed"
    if name.endswith("_controlled") and (which or random):
        return "each process draws which of its lookups are right, or how many"
    if name == "instdisc" and settings["noise"]:
        return "each process draws its noise, and the first one's estimate of Z is kept"
    if name == "pcl" and 0 < settings["negatives"] < max(settings["clusters"]):
        return "each process draws the other prototypes"
    return ""


CASES = [(name, variant) for name in methods.names() for variant in variants(name)]


def a_batch(n_views: int, method: Method, seed: int = 0, pairs: bool = False) -> LabelledBatch:
    index = torch.tensor([4, 11, 2, 7, 9, 30, 3, 18])
    fields: dict = dict(seed=5, label=torch.tensor([0, 1, 0, 2, 1, 0, 2, 1]))
    if method.n_support:
        fields["support"], fields["support_index"] = (
            drawn(method.n_support, 3, 8, 8, seed=seed + 50),
            torch.arange(method.n_support),
        )
    if pairs:  # rows 1, 4 and 6 show two images each, of which some stand elsewhere in the batch
        partner = index.clone()
        partner[[1, 4, 6]] = torch.tensor([2, 31, 11])
        fields |= dict(partner=partner, weight=torch.where(partner == index, 1.1, 0.3).double())
    views = tuple(drawn(N, 3, 8, 8, seed=seed + view) for view in range(n_views))
    return LabelledBatch(views=views, index=index, **fields)


def stirred(name: str, settings: dict, n_views: int) -> Method:
    """A method after some steps: teachers unlike students, memories full, pseudo-labels and sets at work."""
    method = jobs.built(name, settings).double().train()
    images = drawn(N_IMAGES, 3, 8, 8, seed=11)
    with torch.no_grad():
        for module in method.modules():
            if isinstance(module, MomentumTeacher):
                for parameter in module.parameters():
                    parameter.mul_(1.1).add_(0.01)
    for number, progress in enumerate((0.3, 0.35, 0.4)):
        method.refresh(lambda net: net(images).detach().float(), progress)
        batch = a_batch(n_views, method, seed=20 * number + 20)
        index = torch.randperm(N_IMAGES, generator=torch.Generator().manual_seed(number))[:N]
        batch = replace(batch, index=batch.index if number == 1 else index)
        method.after_step(method.loss(batch, progress), progress)
    own = own_label(N_IMAGES)
    for module in method.modules():
        if isinstance(module, PseudoLabels):
            for level, label in enumerate(module.label):
                label.copy_(torch.where(own % 4 == 0, own, torch.arange(N_IMAGES) % (2 + level)))
        if isinstance(module, Affinity):
            module.admit(torch.arange(20), torch.arange(20) + 7)
    return method


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_step_is_that_of_the_joined_batch(pair, name, variant):
    """Loss, every gradient and all state after the step, in float64 and at 1e-8; on both processes the same bits."""
    settings = small(name) | variants(name)[variant]
    n_views = jobs.built(name, settings).n_views or (4 if name in ("dino", "swav") else 2)
    method = stirred(name, settings, n_views)
    batch = a_batch(n_views, method, pairs=name in ("seppid", "partners", "simclr", "mocov2"))
    arguments = name, settings, method.state_dict(), batch, 0.5
    first, second = pair(jobs.stepped, *arguments)
    assert torch.equal(first["loss"], second["loss"])
    assert not unlike(first["grads"], second["grads"]) and not unlike(first["state"], second["state"])
    if draws(name, settings):
        return
    whole = jobs.stepped(*arguments)
    assert far(first["loss"], whole["loss"]) < 1e-8
    assert not unlike(first["grads"], whole["grads"], 1e-8)
    counted_twice = settings.get("support") == "encoder"  # both embed the same support: n / (n - 1) of running_var
    assert not unlike(first["state"], whole["state"], 0.1 if counted_twice else 1e-8)


REFRESHED = [name for name in methods.names() if methods.method_class(name).refresh is not Method.refresh]


@pytest.mark.parametrize("name", REFRESHED)
def test_processes_agree_on_what_each_mined_for_itself(pair, name):
    """Machines and GPUs round in their own ways, so a clustering may differ; the loss reads the first process's."""
    settings = small(name)
    state = stirred(name, settings, jobs.built(name, settings).n_views or 2).state_dict()
    first, second = pair(jobs.mined, name, settings, state, drawn(N_IMAGES, 3, 8, 8))
    only_mined_from = ("bank", "frontier")
    assert not [key for key in unlike(first, second) if not key.startswith(only_mined_from)]
    assert [key for key in unlike(first, state) if not key.startswith(only_mined_from)], "nothing was mined"


# --- views ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_see_the_halves_of_every_batch(recipe):
    """Bit for bit, with labels, support, pairs and weights; only the seed of a method's own draws differs."""
    data = load(tiny().data)[0]
    pairs = torch.tensor([[0, 5], [3, 9], [7, 8]])
    options = dict(labelled=True, n_support=4, pairs=pairs, pair_weight=0.3)
    whole = Batches(data, RECIPES[recipe], 12, 3, **options)
    halves = [Batches(data, RECIPES[recipe], 12, 3, rank=rank, world=2, **options) for rank in (0, 1)]
    assert {half.per_epoch for half in halves} == {whole.per_epoch}
    for step in (0, 1, whole.per_epoch):
        batch, parts = whole.at(step), [half.at(step) for half in halves]
        for name in ("index", "label", "partner", "weight"):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name)), name
        for part in parts:
            assert torch.equal(part.support, batch.support) and torch.equal(part.support_index, batch.support_index)
        for view, (first, second) in zip(batch.views, zip(*(part.views for part in parts), strict=True), strict=True):
            assert torch.equal(torch.cat([first, second]), view)
        assert parts[0].seed == batch.seed != parts[1].seed


# --- whole runs -------------------------------------------------------------------------------------------------


def run(name: str, **changes) -> RunConfig:
    """Two epochs of four steps; plain SGD, since Adam makes a full step of a gradient that is all rounding."""
    plan = {"plan.batch_size": 8, "plan.optimizer": "sgd", "plan.lr": 0.02, "data.n_train": 32}
    return tiny(name).with_changes(**plan | changes)


def same_lines(*logs: list[dict]) -> None:
    """Every number of every line agrees but the speed: none is one process's own."""
    for lines in zip(*logs, strict=True):
        a, b = ({name: value for name, value in line.items() if name != "images_per_second"} for line in lines)
        assert a == pytest.approx(b, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", methods.names())
def test_a_run_is_that_of_one_process(pair, name, tmp_path):
    """Both processes end bit-identical in every parameter, queue, bank, graph and teacher; and as one process does.

    To 1e-9 of a tensor's largest entry after 8 steps. Sums over two halves are rounded in another order, and small
    batches let that grow ten-thousandfold on the way: in float64 to 1e-12 (measured: nnclr 1.1e-12, nnsiam 3e-13, others
    below 1e-13). Views are equal to the bit; were a tenth of their float32 pixels off by the last bit, runs would part
    by 1e-6 to 6e-5.
    """
    config = run(name)
    first, second = pair(jobs.trained, asdict(config), tmp_path / "two", True)
    assert not unlike(first, second)
    assert read_json(tmp_path / "two" / "environment.json")["processes"] == 2
    if draws(name, config.settings):
        return
    whole = jobs.trained(asdict(config), tmp_path / "one", True)
    assert not unlike(first, whole, 1e-9)
    same_lines(*(read_lines(tmp_path / where / "log.jsonl") for where in ("two", "one")))


@pytest.mark.parametrize("alone_first", [True, False])
def test_a_run_goes_on_with_another_number_of_processes(pair, alone_first, tmp_path):
    """As one process does it from end to end, log lines whose steps both numbers share among them; in float64."""
    config, folder = run("nnclr"), tmp_path / "mixed"
    words = asdict(config), folder, True, 0.0
    jobs.trained(*words, 6) if alone_first else pair(jobs.trained, *words, 6)
    step = int(header(folder / "checkpoint.safetensors")["step"])
    assert step == (5 if alone_first else 3), "in the middle of a line; at the end of one"
    mixed = pair(jobs.trained, *words)[0] if alone_first else jobs.trained(*words)
    whole = jobs.trained(asdict(config), tmp_path / "one", True)
    assert not unlike(mixed, whole, 1e-9)
    same_lines(read_lines(folder / "log.jsonl"), read_lines(tmp_path / "one" / "log.jsonl"))


@pytest.mark.parametrize("name", ["barlow", "dino", "nnclr"])
def test_processes_agree_in_half_precision(pair, name, tmp_path):
    config = run(name, **{"plan.precision": "bf16", "plan.optimizer": "adamw"})
    first, second = pair(jobs.trained, asdict(config), tmp_path / "two")
    assert not unlike(first, second) and all(tensor.isfinite().all() for tensor in first.values())


@pytest.mark.parametrize("norm", ["split", "shuffled"])
def test_split_norms_are_not_replaced_in_silence(pair, norm):
    """Groups within a process, groups over all, or an error: but not the norm of another setting."""
    settings = {**run("mocov2").settings, "norm": norm, "norm_groups": 2}
    for result in pair(jobs.norms, asdict(replace(run("mocov2"), settings=settings))):
        assert "SplitBatchNorm" in result or any("norm must be" in line for line in result)


def test_batches_that_do_not_divide_are_refused(pair):
    for result in pair(jobs.refused, asdict(run("simclr", **{"plan.batch_size": 9}))):
        assert result == "train: batch_size must be a multiple of the 2 processes, got 9."


def test_a_late_process_finds_the_pairs_its_sampler_mined(pair, tmp_path):
    """The sampler is done already, so nothing holds the first process back while the second is on its way."""
    config = run("seppid")
    pair(jobs.trained, asdict(config.sampler), tmp_path / config.sampler.name)
    first, second = pair(jobs.trained, asdict(config), tmp_path / "run", False, 1.5)
    assert not unlike(first, second)


def test_processes_wait_together_for_a_sampler_that_another_run_trains(pair, tmp_path):
    config = run("seppid")
    beside = tmp_path / config.sampler.name
    with ThreadPoolExecutor(1) as pool:
        with lock_folder(beside):
            future = pool.submit(pair, jobs.trained, asdict(config), tmp_path / "run")
            time.sleep(1.5)
            train(config.sampler, beside, load(config.data)[0])
        first, second = future.result()
    assert not unlike(first, second)


def test_a_ledger_worker_may_be_two_processes(pair, tmp_path):
    """The first one's clock and locks decide for both; a run that another call is at is left to it; one publishes."""
    runs = [replace_seed(seed) for seed in range(3)]
    with lock_folder(tmp_path / "runs" / runs[1].name):
        first, second = pair(jobs.ledger_worked, [asdict(config) for config in runs], tmp_path, 600.0)
    assert first == second == ([runs[0].name, runs[2].name], [runs[1].name], 1, {})
    published = sorted(path.stem for path in (tmp_path / "ledger" / "smoke").glob("simclr-*.json"))
    assert published == sorted((runs[0].name, runs[2].name))
    assert read_json(tmp_path / "runs" / runs[0].name / "environment.json")["processes"] == 2
    first, second = pair(jobs.ledger_worked, [asdict(runs[1])], tmp_path, 1e-9)
    assert first == second == ([], [], 1, {}), "the budget is over for both"


def test_evaluations_that_train_on_ask_no_other_process(pair, tmp_path):
    """Norms over all processes are plain again: the others have gone on to the next run."""
    config = run("simclr", **{"plan.epochs": 1})
    detector = {"n_train": 8, "n_test": 6, "steps": 2, "batch_size": 4, "classes": 3}
    tuned = {"shares": (0.5,), "rates": (0.1,), "batch_size": 8, "length": 0.05, "crop_min": 0.8}
    evaluations = {"finetune_byol": tuned, "mask_rcnn": detector}
    assert pair(jobs.performed, asdict(config), tmp_path / "two", evaluations) == [2.0, 2.0]
    shutil.copytree(tmp_path / "two", tmp_path / "one", ignore=shutil.ignore_patterns("results.jsonl"))
    jobs.performed(asdict(config), tmp_path / "one", evaluations)
    two, one = (Store(tmp_path / name).results(config.name) for name in ("two", "one"))
    assert len(two) == 3 and all(line["scores"] == one[key]["scores"] for key, line in two.items() if key != "training")


def replace_seed(seed: int) -> RunConfig:
    config = run("simclr", **{"plan.epochs": 1})
    return replace(config, seed=seed)


# --- the command line -------------------------------------------------------------------------------------------


WORDS = ["train", "--method", "mocov2", "--profile", "smoke", "--set", "plan.epochs=1", "--set", "data.n_train=256",
         "--set", "data.classes=4", "--set", "data.n_test=64"]  # fmt: skip


def torchrun(*words: str) -> subprocess.Popen:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    start += ["--monitor-interval", "2"]  # seconds: the process that is left says so before torchrun ends it
    start += words
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(
        start,
        env=environment,
        text=True,
        start_new_session=True,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_torchrun_trains_one_run_and_resumes_it_after_a_kill(pair, tmp_path):
    words = [*WORDS, "--runs", str(tmp_path / "runs")]
    child = torchrun(jobs.__file__, *words)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode != 0 and f"Signal {signal.SIGKILL}" in err
    assert re.search(
        r"error: training: process 1 of 2 \(\S+, pid \d+\) ended, .* goes on from the last checkpoint", err
    )
    (folder,) = (tmp_path / "runs").iterdir()
    assert header(folder / "checkpoint.safetensors")["step"] == "18" and not (folder / "results.jsonl").exists()

    child = torchrun("-m", "sslrepro", *words)
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err
    assert out.count("run       ") == 1, "one process speaks"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [folder.name]
    lines = read_lines(folder / "results.jsonl")
    assert sorted(line["evaluation"] for line in lines) == ["few", "knn", "linear", "training"]
    assert [line["step"] for line in read_lines(folder / "log.jsonl")][-1] == 32

    assert main(words) == 0, "one process finds it complete"
    assert read_lines(folder / "results.jsonl") == lines
    config = from_record(read_json(folder / "config.json"))
    resumed = train(config, folder, load(config.data)[0]).state_dict()
    unbroken = pair(jobs.trained, asdict(config), tmp_path / "unbroken")[0]
    assert not unlike(resumed, unbroken)


def test_torchrun_with_batches_that_do_not_divide_says_so(tmp_path):
    child = torchrun("-m", "sslrepro", *WORDS, "--set", "plan.batch_size=5", "--runs", str(tmp_path / "runs"))
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode != 0 and not list(tmp_path.glob("runs/*/config.json"))
    assert err.count("error: train: batch_size must be a multiple of the 2 processes, got 5.") == 1
    assert "Traceback" not in err.split("error: ")[0]
