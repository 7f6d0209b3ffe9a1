"""Class trees of image sets: levels of coarser classes, read from a file beside the images.

`tree.csv` has the header `class,<level>,...`, from coarse to fine, and one line for each class with its ancestors by
name. Where there is none, `fine_to_coarse.csv` has the columns `fine`, `coarse_id` and, if there, `coarse`; its one
level is called "coarse".
"""

import csv
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sslrepro.base.errors import require

TREE, FINE_TO_COARSE = "tree.csv", "fine_to_coarse.csv"


@dataclass(frozen=True)
class Level:
    """A level of a class tree: the ancestors' names, and which of them each class has, 0..n-1."""

    names: tuple[str, ...]
    of_class: dict[str, int]


def csv_lines(file: Path) -> list[list[str]]:
    """The cells of every line that is not blank; raises ValueError for a file that is not CSV text."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:  # a quoted cell may hold the end of a line
            lines = list(csv.reader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"data.tree: {file} cannot be read ({error}). It must be CSV text in UTF-8.") from None
    return [[cell.strip() for cell in line] for line in lines if line]


def tree_file(folder: Path) -> Path:
    """The file that holds, or would hold, a set's class tree."""
    return folder / TREE if (folder / TREE).exists() else folder / FINE_TO_COARSE


def read_tree(folder: Path) -> dict[str, Level]:
    """The levels of a set's class tree, coarse to fine; {} where it has none.

    Raises ValueError for a class that is listed twice, a level of one class, and branches that meet again.
    """
    file = tree_file(folder)
    if not file.exists():
        return {}
    lines = csv_lines(file)
    head, lines = (lines[0], lines[1:]) if lines else ([], [])
    for number, line in enumerate(lines, 2):
        whole = len(line) == len(head) and all(line)
        require(whole, "data.tree", f"line {number} of {file}", f"{len(head)} names", ",".join(line))
    if file.name == FINE_TO_COARSE:
        known = {"fine", "coarse_id"} <= set(head)
        require(known, "data.tree", f"header of {file}", "with fine and coarse_id", ",".join(head))
        records = [dict(zip(head, line, strict=True)) for line in lines]
        numbered = all(record["coarse_id"].isdecimal() for record in records)
        require(
            numbered,
            "data.tree",
            f"coarse_id in {file}",
            "whole numbers",
            [record["coarse_id"] for record in records][:5],
        )
        ranks = {record["coarse_id"]: int(record["coarse_id"]) for record in records}
        pairs = sorted({(record["coarse_id"], record.get("coarse", record["coarse_id"])) for record in records})
        names = dict(pairs)
        require(
            len(pairs) == len(names) == len(set(names.values())),
            "data.tree",
            f"coarse in {file}",
            "one name for each coarse_id",
            pairs[:5],
        )
        lines, head = [[record["fine"], record["coarse_id"]] for record in records], ["class", "coarse"]
    else:
        proper = len(head) >= 2 and head[0] == "class" and len(set(head)) == len(head)
        require(
            proper, "data.tree", f"header of {file}", "class and the levels, coarse to fine, each once", ",".join(head)
        )
        for level in head[1:]:
            good = level != "leaf" and re.fullmatch(r"\w[\w.-]*", level)
            require(bool(good), "data.tree", f"level in {file}", "letters, digits, - . and _, and not 'leaf'", level)
        ranks, names = None, None
    classes = [line[0] for line in lines]
    twice = sorted({name for name in classes if classes.count(name) > 1})
    require(not twice, "data.tree", f"classes in {file}", "listed once each", twice[:5])
    for (upper, coarser), (lower, finer) in pairwise(enumerate(head[1:], 1)):
        above: dict[str, str] = {}
        for line in lines:
            under = above.setdefault(line[lower], line[upper])
            require(
                under == line[upper],
                "data.tree",
                f"{finer} {line[lower]!r} in {file}",
                f"in one {coarser}",
                [under, line[upper]],
            )
    out = {}
    for place, level in enumerate(head[1:], 1):
        present = sorted({line[place] for line in lines}, key=ranks.__getitem__ if ranks else None)
        require(len(present) >= 2, "data.tree", f"{level} in {file}", "at least two classes", present, "Leave it out.")
        of_class = {line[0]: present.index(line[place]) for line in lines}
        out[level] = Level(tuple(names[name] for name in present) if names else tuple(present), of_class)
    return out
