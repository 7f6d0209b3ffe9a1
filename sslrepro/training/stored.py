"""A stored run, back in memory: its configuration, its method as training left it, its images."""

from pathlib import Path

from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import read_json
from sslrepro.data.dataset import Dataset
from sslrepro.data.datasets import load
from sslrepro.methods.base import Method
from sslrepro.training.checkpoint import restore
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import initial_method


def stored_method(
    run: str | Path, root: str | Path | None = None, device: str = "cpu"
) -> tuple[RunConfig, Method, tuple[Dataset, Dataset]]:
    """(configuration, method at its last checkpoint, train and test split) of a run.

        run    its folder, or its name in runs/
        root   folder of data sets, where its images are not embedded

    Raises ValueError where there is no such run, or its checkpoint is damaged or another run's.
    """
    folder = next((place for place in (Path(run).expanduser(), RUNS / run) if (place / "config.json").exists()), None)
    require(
        folder is not None,
        "stored_method",
        "run",
        f"a run's folder, or a name in {RUNS}",
        str(run),
        "It has a config.json and a checkpoint.",
    )
    config = from_record(read_json(folder / "config.json"), folder / "config.json")
    checkpoint = folder / "checkpoint.safetensors"
    require(checkpoint.exists(), "stored_method", "checkpoint", "there", str(checkpoint), "Train the run first.")
    splits = tuple(split.to(device) for split in load(config.data, root))
    method = initial_method(config, len(splits[0]), device)
    restore(checkpoint, config, method)
    return config, method.eval(), splits
