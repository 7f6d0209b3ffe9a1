"""Kills and bad inputs in numbers: `make faults`."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from sslrepro.base.tensors import DIGEST
from sslrepro.data import load
from sslrepro.training.checkpoint import header
from sslrepro.training.loop import train
from tests.conftest import tiny
from tests.faults.campaign import COUNTS, PROPERTIES

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


def main(n: int) -> None:
    """Print the counts; an input that is not answered ends the campaign with the smallest one that shows it."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    many = settings(max_examples=n, deadline=None, database=None, phases=(Phase.generate, Phase.shrink),
                    suppress_health_check=list(HealthCheck))  # fmt: skip
    for reader, inputs in PROPERTIES.items():
        many(given(inputs)(reader))()
    for name, count in sorted(COUNTS.items()):
        print(f"{name:24} {count:6,}")
    print(f"inputs answered          {sum(COUNTS.values()):6,}")
    counts = chains(max(2, n // 60))
    print(f"kills                    {counts['kills']:6,}")
    print(f"chains identical         {counts['identical']:6,} of {counts['chains']}")
    if counts["identical"] < counts["chains"]:
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
