"""Imitations of other processors: `make test-processors` runs the tests of exact numbers under each (~1 minute).

Processors choose among kernels that round in their own ways. Environment variables of the libraries choose for them, as
far as the processor at hand allows, and `OtherOrder` stands in for kernels that it does not have. No test may rely on
numbers that hold on one processor alone.

    python -m tests.processors [words for pytest]     other tests than the chosen ones, such as `tests/parts/test_norm.py -x`
"""

import contextlib
import ctypes
import functools
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests import forked

PROJECT = Path(__file__).parent.parent
aten = torch.ops.aten

# What torch and its two libraries look at when they choose kernels: vector instructions of torch's own, of MKL (matrix
# products, exponentials; on processors that are not Intel's, MKL knows COMPATIBLE alone) and of oneDNN (convolutions).
SETTINGS: dict[str, dict[str, str]] = {
    "any x86": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "other order": {"SSLREPRO_OTHER_ORDER": "1"},
}

# Two processes instead of three in the suite: the order of sums has nothing to do with which instructions do them.
SHORT = {"any x86, other order": SETTINGS["any x86"] | SETTINGS["other order"], "AVX2": SETTINGS["AVX2"]}

# Equality to the bit, and tolerances near rounding, across calls that show a kernel other numbers of rows.
CHOSEN = [
    "tests/data/test_views.py::test_blocks_leave_no_trace",
    "tests/data/test_views.py::test_no_order_of_summation_shows_in_a_view",
    "tests/data/test_augment.py::test_products_are_exact",
    "tests/data/test_augment.py::test_levels_of_8_bits_are_not_rounded",
    "tests/data/test_augment.py::test_horizontal_flip",
    "tests/training/test_two_processes.py::test_two_processes_see_the_halves_of_every_batch",
    "tests/training/test_two_processes.py::test_a_run_is_that_of_one_process[nnsiam]",
    "tests/parts/test_norm.py",
    "tests/methods/test_moco_norms.py",
    "tests/parts/test_losses.py",
    "tests/parts/test_prototypes.py",
]

# In the suite views of one size (13 px) stand for those of four.
BRIEFLY = [*CHOSEN, "-k", "not test_no_order_of_summation_shows_in_a_view or 13"]


@functools.lru_cache(maxsize=4096)
def order(terms: int, rows: int) -> torch.Tensor:
    """The order in which a call that yields so many numbers adds up its terms."""
    return torch.randperm(terms, generator=torch.Generator().manual_seed(rows))


def shuffled(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of a matrix product, the axis it sums over in another order."""
    rows = a.numel() // max(a.shape[-1], 1) * (b.shape[-1] if b.ndim > 1 else 1)
    places = order(a.shape[-1], rows)
    return a[..., places], b[places] if b.ndim < 3 else b[:, places]


class OtherOrder(TorchDispatchMode):
    """A processor whose products and convolutions add up in an order that depends on how many rows a call has.

    That of Intel's with AVX-512 does, in the last bit; here every processor shows it. Sums that are exact do not change.
    """

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        operator, args = call.overloadpacket, list(args)
        here = isinstance(args[0], torch.Tensor) and args[0].device.type == "cpu" and args[0].is_floating_point()
        if here and operator in (aten.mm, aten.bmm, aten.mv, aten.dot):
            args[:2] = shuffled(*args[:2])
        elif here and operator in (aten.addmm, aten.baddbmm, aten.addmv):
            args[1:3] = shuffled(*args[1:3])
        elif here and operator is aten.convolution and args[8] == 1 and not args[6]:
            x, weight = args[:2]
            places = order(x.shape[1], x.shape[0])
            form = torch._prims_common.suggest_memory_format(x)
            args[:2] = x[:, places].contiguous(memory_format=form), weight[:, places]
        return call(*args, **kwargs)


def isa_of_onednn() -> str:
    """The instruction set that oneDNN says it chose, on the first line it is asked to print."""
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        stdout = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                torch.conv2d(torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3))
        finally:
            os.dup2(stdout, 1)
            os.close(stdout)
        file.seek(0)
        line = re.search(r"cpu,isa:(.*)", file.read().decode())
    return line[1] if line else ""


def in_force(variable: str) -> str:
    """What a library chose its kernels by, read back from it."""
    if variable == "ATEN_CPU_CAPABILITY":
        return torch.backends.cpu.get_cpu_capability()
    if variable == "ONEDNN_MAX_CPU_ISA":
        return isa_of_onednn()
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
    branches = {1: "OFF", 2: "AUTO", 3: "COMPATIBLE", 10: "AVX2"}  # mkl_types.h, MKL_CBWR_*
    number = library.mkl_serv_cbwr_get(1)
    return branches.get(number, str(number))


EFFECT = {
    ("ATEN_CPU_CAPABILITY", "default"): ("DEFAULT",),
    ("ATEN_CPU_CAPABILITY", "avx2"): ("AVX2",),
    ("ONEDNN_MAX_CPU_ISA", "AVX2"): ("Intel AVX2",),
    ("MKL_CBWR", "COMPATIBLE"): ("COMPATIBLE",),
    ("MKL_CBWR", "AVX2"): ("AVX2", "AUTO"),  # AUTO on processors that are not Intel's
}


def pytest_configure(config: pytest.Config) -> None:
    """Refuses to run when a setting did not reach its library: the tests would pass without having been put to it."""
    for (variable, value), allowed in EFFECT.items():
        if os.environ.get(variable) == value and (actual := in_force(variable)) not in allowed:
            raise pytest.UsageError(f"processors: {variable}={value} must give {' or '.join(allowed)}, got {actual}.")
    # All that these tests fork is pairs of processes that train, whose first optimiser imports torch's compiler.
    forked.server.set_forkserver_preload(["torch._dynamo"])


@pytest.fixture(autouse=True)
def other_order():
    with OtherOrder() if "SSLREPRO_OTHER_ORDER" in os.environ else contextlib.nullcontext():
        yield


def run_under(name: str, words: list[str], settings: dict[str, dict[str, str]] = SETTINGS) -> tuple[bool, str]:
    """The tests under a setting, in a process of their own: (whether one failed, what it printed)."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)} | settings[name]
    begun = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "tests.processors", *(words or CHOSEN)]
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True)
    pairs = " ".join(f"{variable}={value}" for variable, value in settings[name].items())
    failed = done.returncode != 0
    line = f"{'FAILED' if failed else 'passed'}  {name} ({pairs}), {time.perf_counter() - begun:.0f} s"
    return failed, f"{done.stdout}{done.stderr}{line}"


def main(words: list[str]) -> int:
    """Runs the tests under each setting, as many at once as there are cores; how many settings had a failure."""
    failures = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for failed, text in pool.map(lambda name: run_under(name, words), SETTINGS):
            failures += failed
            print(text, flush=True)
    return failures


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
