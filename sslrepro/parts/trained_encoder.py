"""What an evaluation gets that goes on from an encoder: fine-tuning, detection, transfer."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from sslrepro.data.dataset import Dataset


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder after its training, and what goes on from it.

    encoder    stays as it is: what is trained further is a copy
    normalise  mean and deviation of each colour that it was trained with, of images in [0, 1]
    seed       of the evaluation's own draws
    device     of what is trained or encoded
    root       folder of data sets, where a protocol names one
    splits     train and test split of the encoder's own images; None where only other images are read
    """

    encoder: nn.Module
    normalise: tuple[tuple[float, ...], tuple[float, ...]]
    seed: int = 0
    device: str = "cpu"
    root: str | Path | None = None
    splits: tuple[Dataset, Dataset] | None = None
