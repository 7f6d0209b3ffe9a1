"""`bench`: speed beside torchvision and faiss."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("bench", help="speed, side by side with torchvision and faiss in one run")
    sub.add_argument("--device", default="cpu")
    sub.set_defaults(perform=measure)


def measure(settings: argparse.Namespace) -> None:
    """Run the benchmarks."""
    from benchmarks.suite import main
    from sslrepro.study.reproduce import usable_device

    main(usable_device(settings.device, "bench"))
