"""Runs on disk: one folder per run, written so that a kill at any moment loses nothing that was finished.

runs/<method>-<data>-s<seed>-<identity>/
    config.json               the resolved configuration
    environment.json          versions, device, threads, commit, dirty flag
    log.jsonl                 one line per log step
    checkpoint.safetensors    weights, method state, optimizer state, step
    results.jsonl             one line per evaluation; never edited, readers take the last
"""

import contextlib
import fcntl
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sslrepro.base.errors import require


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: to a temporary name in the same folder, flushed, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_json(path: Path, record: Any) -> None:
    """One JSON value, sorted keys, written atomically."""
    write_atomic(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file; a damaged one raises ValueError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"store: {path} is not valid JSON ({error}). Delete it to make it anew.") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file; a torn last line (a kill while writing) is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"store: line {number} of {path} is not valid JSON ({error}).") from None
    return records


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line; a torn line left by a kill is cut off first."""
    text = path.read_bytes() if path.exists() else b""
    if text and not text.endswith(b"\n"):
        write_atomic(path, text[: text.rfind(b"\n") + 1])
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def lock_folder(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder for this process; another one waits. The lock goes with the process, however it ends.

    wait   False: raises BlockingIOError at once where another process holds the folder
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def environment(device: str) -> dict[str, Any]:
    """Where a number was made: recorded beside a run, not part of its identity."""

    def git(*words: str) -> str | None:
        here = Path(__file__).parent
        try:
            done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True)
        except FileNotFoundError:  # no git on this machine
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    status = git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
    cuda = torch.device(device).type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if cuda else processor(),
        "device_type": torch.device(device).type,
        "threads": torch.get_num_threads(),
        "commit": git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
    }


def processor() -> str:
    """The CPU's model name where Linux tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Store:
    """The folder of runs, by configuration."""

    def __init__(self, root: str | Path):
        self.root = Path(root)

    def folder(self, name: str) -> Path:
        """The folder of a run name; it need not exist."""
        return self.root / name

    def results(self, name: str) -> dict[str, dict[str, Any]]:
        """The last result line of each (evaluation, protocol) of a run, keyed by `result_key`."""
        path = self.folder(name) / "results.jsonl"
        lines = read_lines(path)
        for number, line in enumerate(lines, 1):
            whole = isinstance(line, dict) and "key" in line and isinstance(line.get("scores"), dict)
            require(whole, "store", f"line {number} of {path}", "a result {key, evaluation, protocol, scores}", line,
                    "Delete the line to evaluate anew.")  # fmt: skip
        return {line["key"]: line for line in lines}

    def append_result(self, name: str, line: dict[str, Any]) -> None:
        """Append a result line {key, evaluation, protocol, scores, ...}."""
        require("key" in line and "scores" in line, "Store.append_result", "line", "a dict with key and scores",
                sorted(line))  # fmt: skip
        append_line(self.folder(name) / "results.jsonl", line)

    def names(self) -> list[str]:
        """All runs that have a configuration, sorted."""
        if not self.root.exists():
            return []
        return sorted(path.parent.name for path in self.root.glob("*/config.json"))


def result_key(evaluation: str, protocol: dict[str, Any]) -> str:
    """Identity of an evaluation: its name and full protocol."""
    return f"{evaluation} {json.dumps(protocol, sort_keys=True)}"
