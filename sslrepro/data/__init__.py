"""Data sets as resident uint8 tensors, and batched augmentation on the device they live on."""

from sslrepro.data.dataset import DataConfig, Dataset
from sslrepro.data.datasets import load, resolve

__all__ = ["DataConfig", "Dataset", "load", "resolve"]
