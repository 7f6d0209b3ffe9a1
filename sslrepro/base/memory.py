"""How much memory this process may still take: by the machine, its container, and its own limits."""

import contextlib
import resource
from pathlib import Path

PAGE = resource.getpagesize()  # bytes


def available_bytes() -> int:
    """Bytes that this process may still allocate: the least that Linux, the container or a limit of its own allows.

    0 where a limit is reached already; 8 GiB on a system that does not tell.

    >>> available_bytes() > 0
    True
    """
    return max(0, min([*_of_machine(), *_of_container(), *_of_limits()], default=8 * 2**30))


def _of_machine() -> list[int]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return [1024 * int(line.split()[1])]
    return []


def _of_container(folder: Path = Path("/sys/fs/cgroup")) -> list[int]:
    with contextlib.suppress(OSError, ValueError):  # "max": no limit
        most, now = (int((folder / f"memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current"))
        kept = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        return [most - now + int(kept.get("inactive_file", 0))]  # cached files are given up first
    return []


def _of_limits() -> list[int]:
    with contextlib.suppress(OSError):
        pages = [int(word) for word in Path("/proc/self/statm").read_text(encoding="utf-8").split()]
        taken = {resource.RLIMIT_AS: pages[0] * PAGE, resource.RLIMIT_DATA: pages[5] * PAGE}
        limits = {name: resource.getrlimit(name)[0] for name in taken}
        return [limit - taken[name] for name, limit in limits.items() if limit != resource.RLIM_INFINITY]
    return []
