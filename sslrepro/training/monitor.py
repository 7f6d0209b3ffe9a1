"""What is measured while a method trains: means of an interval, agreement with the classes, memory."""

import torch

from sslrepro.data.dataset import Dataset
from sslrepro.methods.base import Method
from sslrepro.parts.distributed import all_reduce, world_size
from sslrepro.parts.metrics import group_rates, relation_match

COLLAPSED = 0.05  # embedding_std below this share of a healthy spread: all embeddings are nearly equal


def class_agreement(method: Method, data: Dataset) -> dict[str, float]:
    """How well what a method takes to be alike agrees with the classes; labels meet it here, never in the method."""
    out = dict(method.reports)
    if method.pseudo_labels is not None:
        for level, group in enumerate(method.pseudo_labels):
            rates = group_rates(data.labels, group)
            out |= {f"{name}_{level}": value for name, value in rates.items() if value == value}
    if method.relations is not None:
        found = relation_match(data.labels, method.relations)
        out |= {f"relation_{name}": value for name, value in found.items() if value == value}
    return out


class Interval:
    """Sums since the last log line, on the device; labels meet mined positives here and nowhere else."""

    def __init__(self, data: Dataset):
        self.data = data
        self.clear()

    def clear(self) -> None:
        self.n = 0
        self.sums: dict[str, torch.Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, out) -> None:
        """Add the scalars of one step, and how often its mined positives share the anchor's class."""
        found = {"loss": out.loss.detach()} | out.metrics
        if out.mined is not None:
            anchor, positive = out.mined
            labels = self.data.labels
            known = positive >= 0
            match = known & (labels[anchor] == labels[positive.clamp_min(0)])
            other = known & (anchor != positive)
            found |= {"_known": known.sum(), "_match": match.sum(), "_other": other.sum()}
            found["_match_other"] = (match & other).sum()
            found["_all"] = known.new_full((), len(known), dtype=torch.int64)
        for name, value in found.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.double()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.n += 1

    def means(self) -> dict[str, float]:
        """Means over the interval, which starts anew."""
        sums = {name: all_reduce(value).item() for name, value in self.sums.items()}
        n = world_size()
        out = {name: value / self.counts[name] / n for name, value in sums.items() if not name.startswith("_")}
        if "_known" in sums:
            out["mined_share"] = sums["_known"] / max(sums["_all"], 1)
            if sums["_known"]:
                out["neighbour_match"] = sums["_match"] / sums["_known"]
            if sums["_other"]:
                out["neighbour_match_without_self"] = sums["_match_other"] / sums["_other"]
        self.n_last = self.n
        self.clear()
        return out


def all_have_gradients(method: Method) -> None:
    """Raise RuntimeError naming the trainable parameters the first step left without a gradient."""
    idle = [name for name, p in method.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise RuntimeError(f"{type(method).__name__}: no gradient reaches {', '.join(idle)}.")


def peak_bytes(device: torch.device) -> int:
    """Peak memory: allocated on the GPU, or resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
