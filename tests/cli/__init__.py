"""Commands as a reader types them."""

import os
import subprocess
from pathlib import Path

from tests import forked

ROOT = Path(__file__).parents[2]


def command(*words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
    """A command in a process of its own; fails the test where it fails, unless `check` is False."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    done = forked.run_module("sslrepro", *words, env=variables, cwd=ROOT)
    assert not check or done.returncode == 0, done.stderr
    return done
