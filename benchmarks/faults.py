"""Kills and bad inputs in numbers: `make faults`."""

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, Phase, given, settings

from benchmarks import guided
from sslrepro.base.tensors import DIGEST
from sslrepro.data import load
from sslrepro.data.dataset import set_name
from sslrepro.study import away, bundles, plans
from sslrepro.training.checkpoint import header
from sslrepro.training.loop import train
from tests.conftest import tiny
from tests.faults.campaign import COUNTS, PROPERTIES
from tests.faults.test_injection import EVIL, OTHER_FILES, PATHS, bundle, edited, record_of
from tests.study.test_workers import runs_of

CHILD = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from sslrepro.data import load
from sslrepro.training.config import from_record
from sslrepro.training.loop import train
config = from_record(json.loads(sys.argv[1]))
train(config, Path(sys.argv[2]), load(config.data)[0], report=lambda *now: time.sleep(0.02), checkpoint_seconds=0)
"""


def chains(n: int, kills: int = 2, seed: int = 0) -> Counter[str]:
    """Runs killed at random moments and gone on with; how many end with the weights of an unbroken one."""
    draw, counts = random.Random(seed), Counter(kills=0, chains=n, identical=0)
    with tempfile.TemporaryDirectory() as folder:
        for chain in range(n):
            config = tiny(("simclr", "nnclr", "mocov2")[chain % 3], seed=chain, epochs=4)
            whole, cut = Path(folder) / f"whole-{chain}", Path(folder) / f"cut-{chain}"
            data = load(config.data)[0]
            train(config, whole, data)
            for _ in range(kills):
                child = subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(asdict(config)), str(cut)])
                while child.poll() is None and not (cut / "checkpoint.safetensors").exists():
                    time.sleep(0.01)
                time.sleep(draw.uniform(0.0, 0.6))
                if child.poll() is None:
                    child.send_signal(signal.SIGKILL)
                counts["kills"] += child.wait() == -signal.SIGKILL
            train(config, cut, data)
            ends = [header(place / "checkpoint.safetensors")[DIGEST] for place in (whole, cut)]
            counts["identical"] += ends[0] == ends[1]
    return counts


def injections() -> Counter[str]:
    """Bundles, names and files of a worker that would write or speak where they should not; how many are refused."""
    counts: Counter[str] = Counter(tried=0, refused=0)
    config, (run,) = tiny(), runs_of(1)

    def count(attempt: Callable[[Path], object]) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(plans, "LEDGER", Path(folder) / "ledger"):
            counts["tried"] += 1
            with contextlib.suppress(ValueError):
                attempt(Path(folder))
                return  # it was taken
            there = sorted(path.name for path in Path(folder).iterdir() if path.name != "bundle.tar.gz")
            counts["refused"] += not there

    for evil in EVIL:
        for path in PATHS:
            files = {f"cpu/{config.name}.json": edited(record_of(config), path, evil)}
            count(lambda folder, files=files: bundles.import_bundle(bundle(folder, files)))
        count(lambda folder, evil=evil: set_name(evil))
    for name, value in OTHER_FILES:
        files = {f"cpu/{config.name}.json": record_of(config), name: value}
        count(lambda folder, files=files: bundles.import_bundle(bundle(folder, files)))
    for name in (f"{run.name}/log.jsonl", "../x", "/x", f"{run.name}/../../x"):
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.FIFOTYPE,
            tarfile.DIRTYPE,
            tarfile.CHRTYPE,
            tarfile.REGTYPE,
        ):
            if name.endswith(".jsonl") and kind == tarfile.REGTYPE:
                continue  # that is what a worker sends
            content = archive_of(name, kind)
            count(lambda folder, content=content: away.unpack(run, content, folder))
            count(lambda folder, content=content: import_bytes(content, folder))
    return counts


def import_bytes(content: bytes, folder: Path) -> None:
    """Import a bundle of these bytes."""
    (folder / "bundle.tar.gz").write_bytes(content)
    bundles.import_bundle(folder / "bundle.tar.gz")


def archive_of(name: str, kind: bytes) -> bytes:
    """A tar archive with one member of a kind, which points at a file that exists."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    return buffer.getvalue()


def main(n: int) -> None:
    """Print the counts; an input that is not answered ends the campaign with the smallest one that shows it."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    many = settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    for reader, inputs in PROPERTIES.items():
        many(given(inputs)(reader))()
    for name, count in sorted(COUNTS.items()):
        print(f"{name:24} {count:6,}")
    print(f"inputs answered          {sum(COUNTS.values()):6,}")
    led = guided.campaign(10 * n)
    if led is None:
        print("led by coverage          none: pip install 'sslrepro[faults]' brings atheris")
    else:
        for name, count in sorted(led.items()):
            print(f"led: {name:19} {count:6,}")
        print(f"led by coverage          {sum(led.values()):6,}")
    tries = injections()
    print(f"injections refused       {tries['refused']:6,} of {tries['tried']}")
    counts = chains(max(2, n // 60))
    print(f"kills                    {counts['kills']:6,}")
    print(f"chains identical         {counts['identical']:6,} of {counts['chains']}")
    if counts["identical"] < counts["chains"] or tries["refused"] < tries["tried"]:
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
