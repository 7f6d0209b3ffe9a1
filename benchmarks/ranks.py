"""One run on one process and on two, step by step: where they part, and why.

    python -m benchmarks.ranks            # about two minutes; writes benchmarks/results/ranks.json

Three runs of a method in batches of four are compared: one process, two processes under torchrun (gloo), and one
process whose first weight was moved by its last bit. Each in float32 and in float64. What two processes round
differently grows as the moved bit does, and a neighbour flips after about as many steps: then the two are not one
computation that is wrong somewhere, but one that is chaotic.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sslrepro.base.store import environment, write_json
from sslrepro.data import load
from sslrepro.parts.distributed import all_gather_detached, all_reduce, process_group, rank, world_size
from sslrepro.parts.encoders import Conv
from sslrepro.study.profiles import profile
from sslrepro.training.loop import batches_of, fit, initial_method

RESULT = Path(__file__).parent / "results" / "ranks.json"
METHODS = ("mocov2", "nnclr")


def steps_of(name: str, double: bool, moved: bool = False) -> list[dict[str, Any]]:
    """Every step's loss, spread and mined images of a run on 768 images in batches of four, over all processes.

    double   networks and memories in float64
    moved    the first trainable weight by its last bit
    """
    smoke = profile("smoke")
    images, plan = replace(smoke.data, n_train=768), replace(smoke.plan, batch_size=4)  # short batches part soonest
    config = replace(smoke, data=images, plan=plan, queue_share=1 / 8).config(name, seed=0)
    data = load(config.data)[0]
    method = initial_method(config, len(data))
    if double:
        method = method.double()
        for module in method.modules():
            if isinstance(module, Conv):
                module.register_forward_pre_hook(lambda _, shown: (shown[0].double(),))
    if moved:
        weight = next(p for p in method.parameters() if p.requires_grad).data
        first = (0,) * weight.ndim
        weight[first] = torch.nextafter(weight[first], weight.new_tensor(float("inf")))
    out = []

    def note(now) -> None:
        mean = {
            name: float(all_reduce(value.detach().double())) / world_size()
            for name, value in ({"loss": now.out.loss} | now.out.metrics).items()
        }
        pair = now.out.mined
        images = [] if pair is None else sorted(zip(*(all_gather_detached(t).tolist() for t in pair), strict=True))
        out.append(mean | {"mined": images})

    fit(method, batches_of(config, data, method), config.plan, note)
    return out


def first_parting(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> dict[str, Any]:
    """How far two runs are apart, before and after the first step that mined other images.

    flipped   that step, from 1; None where there is none
    before    largest relative difference of the loss before it;  after   and from then on
    spread    largest difference of `embedding_std` before it
    """
    flipped = next((place for place, (x, y) in enumerate(zip(a, b, strict=True)) if x["mined"] != y["mined"]), None)
    end = len(a) if flipped is None else flipped
    gaps = [abs(x["loss"] - y["loss"]) / abs(y["loss"]) for x, y in zip(a, b, strict=True)]
    spreads = [abs(x["embedding_std"] - y["embedding_std"]) for x, y in zip(a, b, strict=True)]
    return {
        "flipped": None if flipped is None else flipped + 1,
        "before": max(gaps[:end], default=0.0),
        "after": max(gaps[end:], default=0.0),
        "spread": max(spreads[:end], default=0.0),
        "steps": len(a),
    }


def under_torchrun(folder: Path, n: int = 2) -> dict[str, list[dict[str, Any]]]:
    """The steps of all runs by `n` processes together."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    subprocess.run(
        [*start, "-m", "benchmarks.ranks", str(folder / "steps.json")],
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    return json.loads((folder / "steps.json").read_text(encoding="utf-8"))


def every_run() -> dict[str, list[dict[str, Any]]]:
    """The steps of all runs in this process, or in its part of them."""
    return {
        f"{name} {'float64' if double else 'float32'}": steps_of(name, double)
        for name in METHODS
        for double in (False, True)
    }


def main() -> None:
    """Compare, print, and keep the result; as a worker, write the steps."""
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        with process_group():
            steps = every_run()
            if rank() == 0:
                write_json(Path(sys.argv[1]), steps)
        return
    single = json.loads(json.dumps(every_run()))  # as JSON gives it back
    with tempfile.TemporaryDirectory() as folder:
        double = under_torchrun(Path(folder))
    out: dict[str, Any] = {}
    for words, steps in single.items():
        name, precision = words.split()
        moved = json.loads(json.dumps(steps_of(name, precision == "float64", moved=True)))
        out[words] = {
            "two processes": first_parting(double[words], steps),
            "a last bit moved": first_parting(moved, steps),
        }
        for what, gap in out[words].items():
            print(f"{words:16} {what:18} {gap}")
    write_json(RESULT, {"command": "python -m benchmarks.ranks", "environment": environment("cpu"), "results": out})


if __name__ == "__main__":
    main()
