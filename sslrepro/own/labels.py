"""Labels, where there are some: how well frozen features tell them apart, with intervals. Training sees none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.model_selection import StratifiedKFold

from sslrepro import evaluate
from sslrepro.base.errors import require
from sslrepro.base.store import write_json
from sslrepro.base.types import Features, Float
from sslrepro.data.trees import csv_lines
from sslrepro.own.images import Survey
from sslrepro.own.run import OwnRun

FOLDS = 5  # every image is judged once, by the labels of the other four fifths
LEAST = FOLDS  # images of a class: one in every fold
SHOWN = {"knn": "20 nearest", "linear": "linear probe"}


@dataclass(frozen=True)
class Score:
    """Images named rightly, of n; `low` and `high` bound the share at 95 % (Wilson)."""

    right: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.right / self.n

    @property
    def words(self) -> str:
        """As in "62.0 % [59.8, 64.1] of 2,000"."""
        return f"{100 * self.share:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}] of {self.n:,}"


def read_labels(labels: str | Path, seen: Survey, owner: str = "fit") -> dict[str, str]:
    """Label by file name, of the images that have one.

        labels   "folders": the folder that holds an image (images at the top have none); else a csv file with the
                 header `file,label`, files as paths relative to the images' folder

    Raises ValueError for another header, a file that is not among the images, one listed twice, fewer than two classes.
    """
    if str(labels) == "folders":
        label_of = {file.name: str(Path(file.name).parent) for file in seen.files if "/" in file.name}
    else:
        file = Path(labels).expanduser()
        require(file.is_file(), owner, "labels", "folders, or a csv file `file,label`", str(labels))
        head, *lines = csv_lines(file) or [[]]
        require(head == ["file", "label"], owner, f"header of {file}", "file,label", ",".join(head))
        names = {image.name for image in seen.files} | {name for name, _ in seen.bad}
        label_of = {}
        for number, line in enumerate(lines, 2):
            whole = len(line) == 2 and all(line)
            require(whole, owner, f"line {number} of {file}", "a file and its label", ",".join(line))
            require(line[0] in names, owner, f"line {number} of {file}", f"a file under {seen.folder}", line[0])
            require(line[0] not in label_of, owner, f"line {number} of {file}", "a file that is listed once", line[0])
            label_of[line[0]] = line[1]
    require(
        len(set(label_of.values())) >= 2, owner, "labels", "of at least two classes", sorted(set(label_of.values()))
    )
    return label_of


def scores(x: Float[torch.Tensor, "n f"], labels: list[str], seed: int = 0) -> tuple[dict[str, Score], list[str]]:
    """(score of each evaluation, notes): kNN and linear probe, each image judged once over five folds.

    Classes of fewer than five images are left out and named in the notes; fewer than two others give no score.

    >>> x = torch.eye(2).repeat_interleave(20, 0)
    >>> by_name, notes = scores(torch.cat([x, x[:1]]), 20 * ["sea"] + 20 * ["wood"] + ["cat"])
    >>> by_name["knn"].share, notes
    (1.0, ['left out, fewer than 5 images: cat (1)'])
    """
    counts = Counter(labels)
    small = sorted(name for name, n in counts.items() if n < LEAST)
    notes = [f"left out, fewer than {LEAST} images: {', '.join(f'{name} ({counts[name]})' for name in small)}"]
    notes = notes if small else []
    classes = sorted(counts.keys() - set(small))
    if len(classes) < 2:
        return {}, [*notes, f"fewer than two classes have {LEAST} images: no scores"]
    rows = torch.tensor([row for row, label in enumerate(labels) if label not in small])
    y = torch.tensor([classes.index(labels[row]) for row in rows.tolist()])
    right = dict.fromkeys(SHOWN, 0)
    for fold in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, y):
        train, test = (Features(x[rows[where]], y[where]) for where in map(torch.from_numpy, fold))
        for name in SHOWN:
            share = evaluate.run(name, train, test, seed=seed)[f"{name}_top1"]
            right[name] += round(share * len(test.y))
    return {name: _score(n, len(rows)) for name, n in right.items()}, notes


def _score(right: int, n: int) -> Score:
    from scipy.stats import binomtest

    interval = binomtest(right, n).proportion_ci(0.95, "wilson")
    return Score(right, n, float(interval.low), float(interval.high))


def write_scores(run: OwnRun, labels: dict[str, str], say: Callable[..., None] | None = print) -> dict[str, Score]:
    """Say how well a run's features tell labels apart, and keep it in `labels.json`."""
    places = [row for row, name in enumerate(run.files) if name in labels]
    known = [labels[run.files[row]] for row in places]
    by_name, notes = scores(run.features[places], known)
    if len(places) < len(run.files):
        notes = [f"{len(run.files) - len(places):,} images have no label", *notes]
    largest = max(Counter(known).values()) / len(known)
    record = {name: {"right": s.right, "n": s.n, "low": s.low, "high": s.high} for name, s in by_name.items()}
    write_json(
        run.folder / "labels.json",
        {
            "classes": sorted(set(known)),
            "scores": record,
            "notes": notes,
            "largest_class": largest,
            "folds": FOLDS,
            "identity": run.about["identity"],
        },
    )
    if say:
        for name, score in by_name.items():
            say(f"{SHOWN[name]}: {score.words} images named rightly; the largest class is {100 * largest:.1f} %")
        for note in notes:
            say(note)
    return by_name
