"""Which images are the easy and the hard anchors: python -m benchmarks.anchors_shown

Rows of `neighbour_anchors` are trained once more, with a note of every anchor that was given a row of its class. Are
easy or hard anchors a few classes, or the same images throughout? Described: no verdict rests on it.

Written to benchmarks/results/anchors_shown.json, per row a list with a value per seed:

    classes     effective number of classes among the right anchors: exp of the entropy of their shares
    largest     share of the right anchors that are of the most frequent class, in [0, 1]
    again       of the images that are right in one epoch, the share right in the next too; None for a single epoch
    right       share of all anchors that are right
    by_itself   share of the right anchors whose nearest row was of their class anyway
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from sslrepro.base.store import environment, write_json
from sslrepro.data.datasets import load
from sslrepro.methods.nnclr_controlled import NNCLRControlled
from sslrepro.parts import stand_in
from sslrepro.study.plans import plan_table
from sslrepro.study.run import Run
from sslrepro.tables.neighbour_anchors import ITSELF, SET, SHARES
from sslrepro.training.loop import threads, train

RESULTS = Path(__file__).parent / "results" / "anchors_shown.json"
ROWS = (ITSELF, *(SET[share, kind] for share in SHARES for kind in ("easy", "drawn", "hard")))

Noted = dict[str, Tensor]  # "label", "index", "right" and "by_itself", of all anchors in their order, the views in turn


@contextmanager
def noting(noted: list[Noted]) -> Iterator[None]:
    """Put down every call of `right_anchors` that a method makes in a step: two, one for each view."""
    batches, right_anchors, loss = [], stand_in.right_anchors, NNCLRControlled.loss

    def loss_of(method, batch, progress):
        batches.append(batch)
        return loss(method, batch, progress)

    def right_anchors_of(similarity, same, other, *settings):
        right = right_anchors(similarity, same, other, *settings)
        by_itself = stand_in.best(similarity, same) > stand_in.best(similarity, other)
        batch = batches[-1]
        noted.append({"label": batch.label, "index": batch.index, "right": right, "by_itself": by_itself})
        return right

    with (
        mock.patch.object(NNCLRControlled, "loss", loss_of),
        mock.patch.object(stand_in, "right_anchors", right_anchors_of),
    ):
        yield


def described(noted: list[Noted], steps_per_epoch: int) -> dict[str, float | None]:
    """What a run's anchors were, as the module says; `noted` in the order of training."""
    of = {name: torch.stack([step[name] for step in noted]) for name in noted[0]}  # calls x batch
    right = of["right"]
    share = torch.bincount(of["label"][right]).double() / right.sum()
    entropy = -torch.xlogy(share, share).sum()
    n_images = int(of["index"].max()) + 1
    again = []
    for view in (0, 1):
        index, chosen = of["index"][view::2], right[view::2]
        epochs = []
        for first in range(0, len(index) - steps_per_epoch + 1, steps_per_epoch):
            mine = slice(first, first + steps_per_epoch)
            seen = torch.zeros(n_images, dtype=torch.bool)
            seen[index[mine][chosen[mine]]] = True
            epochs.append(seen)
        again += [float((now & later).sum() / now.sum()) for now, later in pairwise(epochs) if now.any()]
    return {
        "classes": float(entropy.exp()),
        "largest": float(share.max()),
        "again": sum(again) / len(again) if again else None,
        "right": float(right.double().mean()),
        "by_itself": float((of["by_itself"] & right).sum() / right.sum()),
    }


def anchors_of(run: Run) -> dict[str, float | None]:
    """The run trained once more, and what its anchors were."""
    noted: list[Noted] = []
    data = load(run.data)[0]
    with tempfile.TemporaryDirectory() as folder, noting(noted), threads(1):
        train(run.config, Path(folder), data)
    return described(noted, run.steps // run.config.plan.epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="cpu", help="scale (default: cpu)")
    parser.add_argument("--seeds", type=int, default=3, help="of each row")
    words = parser.parse_args()
    plan = plan_table("neighbour_anchors", words.profile, words.seeds)
    rows = {}
    for row in ROWS:
        values = [anchors_of(run) for run in plan.of(row)]
        rows[row] = {name: [of[name] for of in values] for name in values[0]}
        print(row, rows[row], flush=True)
    stored = {
        "profile": words.profile,
        "classes": plan.profile.classes,
        "environment": environment("cpu"),
        "rows": rows,
    }
    write_json(RESULTS, stored)


if __name__ == "__main__":
    main()
