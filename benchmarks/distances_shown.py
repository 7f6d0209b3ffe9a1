"""How far the rows of `neighbour_distance` lie from their anchors: python -m benchmarks.distances_shown

Rows of the table are trained once more, with a note of every anchor that was given a row of the queue. Is a wrong row
as near as the right one where it should be? How far is a right row from anywhere? Described: no verdict rests on it.

Written to benchmarks/results/distances_shown.json, per row a list with a value per seed, means over all anchors that
took a row of the queue while it held one of their class:

    taken     cosine of the anchor and the row it took
    right     cosine of the anchor and its nearest right row
    wrong     cosine of the anchor and its nearest wrong row
    gap       absolute difference of `taken` and `right`
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from sslrepro.base.store import environment, write_json
from sslrepro.data.datasets import load
from sslrepro.methods import nnclr_controlled
from sslrepro.parts.memory import cosines
from sslrepro.parts.stand_in import best, stand_in_positives
from sslrepro.study.plans import plan_table
from sslrepro.study.run import Run
from sslrepro.tables.neighbour_confidence import SOME
from sslrepro.tables.neighbour_distance import ANYWHERE, AS_NEAR, KINDS
from sslrepro.tables.neighbour_or_view import WRONG
from sslrepro.training.loop import threads, train

RESULTS = Path(__file__).parent / "results" / "distances_shown.json"
SHARE = 0.2
ROWS = (*(rows[SHARE, kind] for kind in KINDS for rows in (SOME, ANYWHERE)), AS_NEAR[SHARE], WRONG[SHARE])
MEASURES = ("taken", "right", "wrong")

Noted = Tensor  # anchors x `MEASURES`, of one call


@contextmanager
def noting(noted: list[Noted]) -> Iterator[None]:
    """Put down every call of `stand_in_positives` that a method makes in a step: two, one for each view."""

    def positives(query, rows, same, other, allowed, *settings):
        slot = stand_in_positives(query, rows, same, other, allowed, *settings)
        similarity = cosines(query, rows)
        taken = similarity.gather(1, slot.clamp(min=0)[:, None])[:, 0]
        of_row = torch.stack([taken, best(similarity, same & allowed), best(similarity, other & allowed)], 1)
        noted.append(of_row[(slot >= 0) & (same & allowed).any(1)])
        return slot

    with mock.patch.object(nnclr_controlled, "stand_in_positives", positives):
        yield


def described(noted: list[Noted]) -> dict[str, float]:
    """The means of a run, as the module says."""
    cosine = torch.cat(noted).double()
    means = dict(zip(MEASURES, cosine.mean(0).tolist(), strict=True))
    return means | {"gap": float((cosine[:, 0] - cosine[:, 1]).abs().mean())}


def distances_of(run: Run) -> dict[str, float]:
    """The run trained once more, and how far the rows lay that its anchors took."""
    noted: list[Noted] = []
    data = load(run.data)[0]
    with tempfile.TemporaryDirectory() as folder, noting(noted), threads(1):
        train(run.config, Path(folder), data)
    return described(noted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="cpu", help="scale (default: cpu)")
    parser.add_argument("--seeds", type=int, default=2, help="of each row")
    words = parser.parse_args()
    plan = plan_table("neighbour_distance", words.profile, words.seeds)
    rows = {}
    for row in ROWS:
        values = [distances_of(run) for run in plan.of(row)]
        rows[row] = {name: [of[name] for of in values] for name in values[0]}
        print(row, rows[row], flush=True)
    write_json(RESULTS, {"profile": words.profile, "environment": environment("cpu"), "rows": rows})


if __name__ == "__main__":
    main()
