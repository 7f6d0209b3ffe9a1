"""Inputs that are led by the code they reach (atheris), for the readers of text that comes from outside.

    python -m benchmarks.guided claim 3000 counts.json     # one reader; `make faults` starts all

libFuzzer never returns, so each reader has a process of its own, and its counts are a file. An input that is not
answered ends it with a traceback and status 77.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

READERS = ("claim", "record", "results", "class_tree", "bundle_header")
SECONDS_PER_INPUT, START_SECONDS = 0.05, 120.0  # at most, so that no reader can keep the campaign waiting


def seeds(reader: str) -> list[bytes]:
    """Good inputs of a reader, to start from."""
    from tests.conftest import tiny
    from tests.faults.campaign import RECORD, packed
    from tests.faults.test_injection import record_of

    config = tiny()
    good = json.dumps(record_of(config)).encode()
    return {
        "claim": [b"c('a', 'b') > c('a', 'd')", b"all(v(x) > 0 for x in ['a'])", b"2 * abs(c('a')) <= 1e-3"],
        "record": [good],
        "results": [json.dumps(RECORD["results"]["training"]).encode()],
        "class_tree": [b"class,coarse\na,warm\nb,cold\n", b'"class","coarse"\r\n"a,b",warm\r\n'],
        "bundle_header": [gzip.decompress(packed({f"cpu/{config.name}.json": good}))],
    }[reader]


def reader_of(name: str) -> Callable[[bytes], None]:
    """What hands bytes to a reader, as a function."""
    from tests.faults import campaign

    def as_text(content: bytes) -> None:
        campaign.claim(content.decode("utf-8", "replace"))

    def as_record(content: bytes) -> None:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            campaign.record(value)
        else:
            campaign.json_file(content)

    def as_bundle(content: bytes) -> None:
        campaign.bundle_header(gzip.compress(content, 1))  # bytes that change are a header's, not a checksum's

    def as_results(content: bytes) -> None:
        campaign.results(content + b"\n")  # a last line without its end is one that was cut off, and is left out

    named = {"claim": as_text, "record": as_record, "results": as_results, "bundle_header": as_bundle}
    return named.get(name) or getattr(campaign, name)


def fuzz(reader: str, n: int, counts: Path) -> None:
    """Give a reader `n` inputs; never returns."""
    import atheris

    with atheris.instrument_imports(include=["sslrepro"]):
        from tests.faults.campaign import COUNTS

        read, done = reader_of(reader), 0

    def once(content: bytes) -> None:
        nonlocal done
        read(content)
        done += 1
        if done % 100 == 0 or done >= n:
            counts.write_text(json.dumps(COUNTS), encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(seeds(reader)):
            (Path(folder) / str(number)).write_bytes(content)
        atheris.Setup([sys.argv[0], f"-runs={n}", "-seed=1", "-verbosity=0", "-print_final_stats=0", "-max_len=4096",
                       f"-artifact_prefix={folder}/", folder], once)  # fmt: skip
        atheris.Fuzz()


def campaign(n: int) -> Counter[str] | None:
    """What became of `n` inputs of each reader, by outcome; None where atheris is not installed.

    Raises RuntimeError with the traceback of an input that is not answered, or where a reader takes too long.
    """
    if find_spec("atheris") is None:
        return None
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for reader in READERS:
            path = Path(folder) / f"{reader}.json"
            words = [sys.executable, "-m", "benchmarks.guided", reader, str(n), str(path)]
            child = subprocess.Popen(
                words,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            try:
                output, _ = child.communicate(timeout=START_SECONDS + n * SECONDS_PER_INPUT)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
                raise RuntimeError(f"faults: {reader} took too long for {n} inputs") from None
            if child.returncode:
                raise RuntimeError(f"faults: {reader} did not answer an input\n{output[-3000:]}")
            total.update(json.loads(path.read_text(encoding="utf-8")))
    return total


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
