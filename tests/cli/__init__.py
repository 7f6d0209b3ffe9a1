"""Commands as a reader types them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(*words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
    """A command in a process of its own; fails the test where it fails, unless `check` is False."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-m", "sslrepro", *words], capture_output=True, text=True, env=variables, cwd=ROOT
    )
    assert not check or done.returncode == 0, done.stderr
    return done
