"""Runs on disk: one folder per run, written so that a kill at any moment loses nothing that was finished.

runs/<method>-<data>-s<seed>-<identity>/
    config.json               the resolved configuration
    environment.json          versions, device, threads, commit, dirty flag
    log.jsonl                 one line per log step
    checkpoint.safetensors    weights, method state, optimizer state, step
    results.jsonl             one line per evaluation; never edited, readers take the last
"""

import contextlib
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


def is_file_there(path: Path) -> bool:
    """Whether there is a file; raises ValueError where something else has its name, such as a dangling link."""
    try:
        kind = "a link to nothing" if path.is_symlink() and not path.exists() else "a folder" if path.is_dir() else ""
        require(not kind, "store", f"{path}", "a file", kind, "Remove it, or put back what it stood for.")
        return path.exists()
    except OSError as error:
        raise ValueError(f"store: {path} cannot be reached ({error.strerror}).") from None


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing, also no folder: to a temporary name in the same folder, flushed, then renamed."""
    new = [folder for folder in path.parents if not folder.exists()]
    temporary = None
    with _naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode("utf-8") if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                if temporary is not None:
                    os.unlink(temporary)
                for folder in new:
                    folder.rmdir()  # not where anything else is in it
            raise


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What the disk refuses inside (no space, a limit of file sizes) names the file: the system's own error may not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, f"{error.strerror}, writing", str(path)) from None


def write_json(path: Path, record: Any) -> None:
    """One JSON value, sorted keys, written atomically."""
    write_atomic(path, json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file; a damaged one raises ValueError that names it."""
    is_file_there(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"store: {path} is not valid JSON ({error}). Delete it to make it anew.") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a JSON-lines file; a torn last line (a kill while writing) is left out.

    Raises ValueError, naming the line, for one that is no JSON object.
    """
    if not is_file_there(path):
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"store: line {number} of {path} is not valid JSON ({error}).") from None
        require(isinstance(record, dict), "store", f"line {number} of {path}", "a JSON object", record)
        records.append(record)
    return records


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line; a torn one, left by a kill or by a full disk, is cut off."""
    text = path.read_bytes() if is_file_there(path) else b""
    if text and not text.endswith(b"\n"):
        text = text[: text.rfind(b"\n") + 1]
        write_atomic(path, text)
    with _naming(path), path.open("ab", buffering=0) as file:
        try:
            rest = json.dumps(record, sort_keys=True).encode() + b"\n"
            while rest:  # a disk that fills up takes a part, and refuses the next
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(len(text))
            raise


SYSTEMS = "Linux and macOS are supported; on Windows, WSL 2 runs it."


@contextlib.contextmanager
def lock_folder(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder for this process; another one waits. The lock goes with the process, however it ends.

    A folder that was made for the lock is removed again where what is done inside fails before it writes anything.

    wait   False: raises BlockingIOError at once where another process holds the folder

    Raises RuntimeError on a system without such locks (Windows).
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        raise RuntimeError(f"store: {folder} cannot be locked on {platform.system()}. {SYSTEMS}") from None
    new, path = not folder.exists(), folder / ".lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                    continue  # the process that held it removed the folder; another may have made it again
            except FileNotFoundError:
                continue
            try:
                yield
            except BaseException:
                if new and os.listdir(folder) == [".lock"]:
                    path.unlink()
                    folder.rmdir()
                raise
            return


def environment(device: str) -> dict[str, Any]:
    """Where a number was made: recorded beside a run, not part of its identity."""

    status = _git("status", "--porcelain", "--untracked-files=no", "--", "*.py")
    cuda = torch.device(device).type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if cuda else processor(),
        "device_type": torch.device(device).type,
        "threads": torch.get_num_threads(),
        "commit": commit_of_code(),
        "dirty": None if status is None else bool(status),
    }


def commit_of_code() -> str | None:
    """The commit of the checkout that this code lies in; None outside of one."""
    return _git("rev-parse", "HEAD")


def _git(*words: str) -> str | None:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True)
    except FileNotFoundError:  # no git on this machine
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def processor() -> str:
    """The CPU's model name where Linux tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


RESULT = "a result {key, evaluation, protocol, scores}"


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
            require(
                is_result(line), "store", f"line {number} of {path}", RESULT, line, "Delete the line to evaluate anew."
            )
        return {line["key"]: line for line in lines}

    def append_result(self, name: str, line: dict[str, Any]) -> None:
        """Append a result line {key, evaluation, protocol, scores, ...}."""
        require(
            "key" in line and "scores" in line,
            "Store.append_result",
            "line",
            "a dict with key and scores",
            sorted(line),
        )
        append_line(self.folder(name) / "results.jsonl", line)

    def names(self) -> list[str]:
        """All runs that have a configuration, sorted."""
        if not self.root.exists():
            return []
        return sorted(path.parent.name for path in self.root.glob("*/config.json"))


def is_result(line: Any) -> bool:
    """Whether a value read from JSON is one line of results: key, evaluation, and numbers by name."""
    if not isinstance(line, dict) or not all(isinstance(line.get(name), str) for name in ("key", "evaluation")):
        return False
    scores = line.get("scores")
    return isinstance(scores, dict) and all(isinstance(value, int | float) for value in scores.values())


def result_key(evaluation: str, protocol: dict[str, Any]) -> str:
    """Identity of an evaluation: its name and full protocol."""
    return f"{evaluation} {json.dumps(protocol, sort_keys=True)}"
