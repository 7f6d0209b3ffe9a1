"""Processes forked from one that has imported torch: what `subprocess.run([sys.executable, "-m", ...])` does, sooner.

A new interpreter spends 2 to 5 CPU-seconds on torch and the libraries beside it before a command does anything, and a
suite that starts hundreds spends minutes. The server of the tests imports no module of this package: each child does so
by itself, with its own environment; that of the pages' kernels does (tests/pages_imported.py). Tests of how processes
start, die and are told to stop use `subprocess`.
"""

import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import EntryPoint
from multiprocessing import forkserver, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

IMPORTED = ["torch._dynamo", "scipy.stats", "sklearn.linear_model", "matplotlib.pyplot", "matplotlib_inline.backend_inline",
            "papermill", "ipykernel.kernelapp", "ipykernel.debugger", "yaml", "jaxtyping", "beartype", "pytest"]  # fmt: skip

SHARED = "SSLREPRO_TEST_SERVER"  # environment variable with where the server of all workers of pytest-xdist is

server = get_context("forkserver")
server.set_forkserver_preload(IMPORTED)


def become(environment: dict[str, str], folder: str | Path | None) -> None:
    """Give this process the environment and the working folder that a new interpreter would start with."""
    import matplotlib

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder or ".")
    for place in reversed(environment.get("PYTHONPATH", "").split(os.pathsep)):
        if place and place not in sys.path:
            sys.path.insert(0, place)
    if "MPLBACKEND" in environment:  # matplotlib reads it where it is imported
        matplotlib.rcParams["backend"] = environment["MPLBACKEND"]


def start(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A forked process that does the work."""
    forkserver._forkserver.ensure_running()
    process = server.Process(target=in_child, args=(running(), work, *arguments))
    process.start()
    return process


def running() -> tuple[str, int]:
    """Address and process of the server."""
    return forkserver._forkserver._forkserver_address, forkserver._forkserver._forkserver_pid


def in_child(where: tuple[str, int], work: Callable[..., None], *arguments: Any) -> None:
    """Does the work, and forks further processes from the server that it comes from: Python 3.11 would start another."""
    share(*where)
    work(*arguments)


def share(address: str, pid: int) -> None:
    """Fork from a server that another process has started."""
    known = forkserver._forkserver
    known._forkserver_address, known._forkserver_pid = address, pid
    if known._forkserver_alive_fd is None:  # whose end ends the server; the process that started it holds it
        known._forkserver_alive_fd = os.open(os.devnull, os.O_RDONLY)
    known.ensure_running = lambda: None


def used() -> float:
    """CPU-seconds of the server and of the forked processes that have ended; 0 where none was started."""
    server_pid = forkserver._forkserver._forkserver_pid
    if server_pid is None:
        return 0.0
    fields = Path(f"/proc/{server_pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


# --- modules --------------------------------------------------------------------------------------------------------


def main_of(module: str, words: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> None:
    """In the child: `python -m module words`, its output written to two files."""
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY), number)
    become(environment, folder)
    fork_kernels()
    fork_workers()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "sslrepro")]:
        del sys.modules[name]  # the parent's, which brought this function here: PYTHONPATH says whose come now
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def run_module(module: str, *words: str, env: dict[str, str], cwd: str | Path) -> subprocess.CompletedProcess:
    """What `python -m module words` prints and returns, in a forked process."""
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        process = start(main_of, module, list(words), dict(env), str(cwd), out.name, err.name)
        process.join()
        texts = [file.read().decode() for file in (out, err)]
    return subprocess.CompletedProcess([module, *words], process.exitcode, *texts)


def run_code(code: str, cwd: str | Path) -> subprocess.CompletedProcess:
    """What `python -c code` prints and returns, in a forked process that has no module of this package."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "one_case.py").write_text(code, "utf-8")
        places = os.pathsep.join([folder, str(cwd)])
        return run_module("one_case", env=os.environ | {"PYTHONPATH": places}, cwd=cwd)


# --- kernels of notebooks -------------------------------------------------------------------------------------------


class Child:
    """What jupyter_client asks of a subprocess, asked of a forked one."""

    stdin = stdout = stderr = None

    def __init__(self, process: BaseProcess):
        self.process, self.pid = process, process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self) -> int | None:
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.process.pid, number)

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


def run_kernel(connection_file: str, environment: dict[str, str], folder: str | None) -> None:
    """In the child: `python -m ipykernel_launcher -f connection_file`."""
    from ipykernel.kernelapp import IPKernelApp

    become({"MPLBACKEND": "module://matplotlib_inline.backend_inline"} | environment, folder)
    IPKernelApp.launch_instance(["-f", connection_file, f"--IPKernelApp.parent_handle={os.getppid()}"])


class ForkedKernel(LocalProvisioner):
    """Starts a kernel by a fork; ports, connection files and signals are those of a local one."""

    async def launch_kernel(self, cmd: list[str], cwd: str | None = None, env: dict | None = None, **_) -> dict:
        file = cmd[cmd.index("-f") + 1]
        process = start(run_kernel, file, dict(env or os.environ), cwd)
        self.process, self.pid, self.cwd = Child(process), process.pid, cwd or Path.cwd()
        return self.connection_info


def fork_kernels() -> None:
    """Kernels that this process starts are forked from now on."""
    factory = KernelProvisionerFactory.instance()
    place = f"{__name__}:{ForkedKernel.__name__}"
    factory.provisioners["forked"] = EntryPoint("forked", place, KernelProvisionerFactory.GROUP_NAME)
    factory.default_provisioner_name = "forked"


def fork_workers() -> None:
    """Workers that this process would spawn are forked from now on."""
    multiprocessing.get_context = lambda method=None: server if method == "spawn" else get_context(method)


def pytest_configure(config: pytest.Config) -> None:
    """As a plugin of pytest: one server for all of its workers; where notebooks are run, it forks their kernels.

    `python -m pytest -p tests.forked -n 2 --nbval book/executed`
    """
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        server.set_forkserver_preload([*IMPORTED, "tests.pages_imported"])
        fork_kernels()
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        share(*json.loads(os.environ[SHARED]))
    else:
        start_server()
        os.environ[SHARED] = json.dumps(running())


def start_server() -> None:
    """Start the server with its output thrown away: what a forked process prints is not the suite's.

    Its torch reads the number of threads, which is that of the tests (conftest.py).
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    streams, nowhere = (os.dup(1), os.dup(2)), os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    forkserver.ensure_running()
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.close(nowhere)
