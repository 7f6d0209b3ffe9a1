"""How training went: what its log says of mined images in equal parts of it, how soon and how steadily (InvP, ISL).

Nothing is trained for it: the lines that a run's training wrote are read.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from sslrepro.base.errors import require

OF_LOG = True  # read from the log, not from features

# name of our scores -> what training logs
LOGGED = {
    "alike": "relation_match",  # pairs that the method keeps as alike: of one class
    "mined": "neighbour_match_without_self",  # positives of the steps: of the anchor's class
    "kept": "neighbours_kept",  # neighbours of an image that it had at its last visit too
}
BESIDE = {"alike": "relation_degree", "mined": "mined_share"}  # logged even while nothing was mined


@dataclass(frozen=True)
class Protocol:
    """What is read: means over `parts` equal parts of training, and when `alike` first reaches `target`."""

    parts: int = 8
    target: float = 0.1875  # three times chance among 16 classes, as the premise gate asks (docs/adr/0008)


def means(lines: list[dict[str, Any]], name: str, parts: int) -> list[float | None]:
    """Mean of what is logged in each equal part of training; None for parts in which it is not.

        lines   of a log, each with its step; the last one is training's last step

    >>> log = [{"step": 1, "x": 1.0}, {"step": 2, "x": 3.0}, {"step": 3}, {"step": 4, "x": 5.0}]
    >>> means(log, "x", 2)
    [2.0, 5.0]
    """
    steps = lines[-1]["step"]
    held: list[list[float]] = [[] for _ in range(parts)]
    for line in lines:
        if name in line:
            held[-(-line["step"] * parts // steps) - 1].append(line[name])
    return [sum(values) / len(values) if values else None for values in held]


def share_until(values: list[float], target: float) -> float:
    """Share of training until values, at the ends of its equal parts, first reach a target; 1 where they never do.

    Between two parts it is interpolated linearly; a first part that is above counts as a whole.

    >>> share_until([0.1, 0.3, 0.2, 0.4], 0.2)
    0.375
    """
    for place, value in enumerate(values):
        if value >= target:
            before = values[place - 1] if place else value
            part = (target - before) / (value - before) if value > before else 1.0
            return (place + part) / len(values)
    return 1.0


def falls(values: list[float]) -> float:
    """Sum of all that is lost from one value to the next: 0 for values that never fall.

    >>> round(falls([0.1, 0.4, 0.3, 0.5, 0.2]), 6)
    0.4
    """
    return sum(max(0.0, before - after) for before, after in itertools.pairwise(values))


def scores(lines: list[dict[str, Any]], settings: Protocol) -> dict[str, float]:
    """What a log says; only log_lines where it says nothing of mined images.

        alike_<p>, mined_<p>, kept_<p>   means in part p of training, 1 first, in [0, 1]; 0 where nothing was mined
        right_<p>    what attracts: `mined` where steps log their positives, else `alike` (ISL's sets)
        to_target    share of training until `alike` reaches the target, in (0, 1]; 1 where it never does
        falls        of `alike` from part to part, summed
        kept_early, kept_late   in the first part in which any neighbour was stored before, and in the last

    Raises ValueError for fewer than two parts.
    """
    require(settings.parts >= 2, "evaluate.course", "parts", ">= 2", settings.parts)
    out: dict[str, float] = {"log_lines": float(len(lines))}
    series: dict[str, list[float]] = {}
    for short, name in LOGGED.items():
        if any(name in line or BESIDE.get(short) in line for line in lines):
            values = means(lines, name, settings.parts)
            series[short] = [0.0 if value is None else value for value in values]
            out |= {f"{short}_{part}": value for part, value in enumerate(series[short], 1)}
    positives = series.get("mined", series.get("alike"))
    if positives is not None:
        out |= {f"right_{part}": value for part, value in enumerate(positives, 1)}
    if "alike" in series:
        out |= {"to_target": share_until(series["alike"], settings.target), "falls": falls(series["alike"])}
    if "kept" in series:
        known = [value for value in series["kept"] if value] or series["kept"]
        out |= {"kept_early": known[0], "kept_late": known[-1]}
    return out
