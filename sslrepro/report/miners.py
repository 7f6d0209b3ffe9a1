"""The page of what miners find: precision, recall, own images and age of every miner, from what its runs logged."""

import html
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sslrepro.claims import Cell
from sslrepro.report import unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.effects import direction
from sslrepro.report.formats import Display, format_cell, html_table, number, plural, text_table
from sslrepro.report.plots import MARKERS, PALETTE, Figure, csv_of, new_plot, own_style, style
from sslrepro.study.results import Results
from sslrepro.tables.miners import OFF

HEAD = [
    "miner",
    "what is mined",
    "items per anchor",
    "precision",
    "recall",
    "own images",
    "age, steps",
    "gain, points",
    "n",
]
WHAT = {
    "nnclr": "row of the queue",
    "nnsiam": "row of the queue",
    "seppid": "pairs, mined before training",
    "ifnd": "cluster, accepted labels",
    "ifnd_moco": "cluster, accepted labels",
    "isl": "set, grown between rounds",
    "isl_moco": "set, grown between rounds",
    "invp": "least similar within hops, all images",
    "invp_moco": "least similar within hops, of the queue",
    "la": "cluster",
    "pcl": "cluster",
    "fnc": "keys above a cosine",
    "msf": "rows of the queue",
}
ITEMS: dict[str, Callable[[dict[str, Any], dict[str, Any]], float]] = {  # of a lookup, per anchor: (logged, settings)
    "nnclr": lambda logged, settings: 1.0,
    "nnsiam": lambda logged, settings: 1.0,
    "fnc": lambda logged, settings: logged["false_negatives"],
    "invp": lambda logged, settings: logged["hard_positives"],
    "invp_moco": lambda logged, settings: logged["hard_positives"],
    "msf": lambda logged, settings: settings["top_k"] - 1.0,
}
RECALLS = (0.01, 0.1, 1, 10, 100)  # ticks, %
TICKS = (5, 10, 20, 30, 50, 100)  # of the precision, %
SCORES = ("items", "precision", "recall", "own")


@dataclass(frozen=True)
class Mined:
    """What a miner finds at the end of training, over seeds; precision, recall and own images in %.

    items      other images or rows that it takes for the anchor's kind, per anchor
    precision  share of them that have the anchor's class;  recall  share of the class's other images among them
    own        share of what it returns that is the anchor's own image
    age        in steps: a mean where it is logged, else the oldest there can be
    """

    row: str
    level: str
    what: str
    items: Cell
    precision: Cell
    recall: Cell
    own: Cell
    age: str

    @property
    def name(self) -> str:
        """Row, and level where there are several."""
        return f"{self.row}, {self.level}" if self.level else self.row


def own_images(match: float, match_other: float) -> float:
    """Share of own images among what is mined, from the shares right with them and without; own ones are right.

    >>> round(own_images(0.55, 0.4), 2)
    0.25
    """
    return (match - match_other) / (1 - match_other) if match_other < 1 else 0.0


def of_lookup(logged: dict[str, Any], config: dict[str, Any], peers: float) -> dict[str, float]:
    """Of a search whose results the loop sees: neighbours, hops, keys."""
    right = logged["neighbour_match_without_self"]
    own = own_images(logged["neighbour_match"], right)
    items = ITEMS[config["method"]](logged, config["settings"]) * (1 - own)
    return {"items": items, "precision": right, "recall": items * right / peers, "own": own}


def of_relation(items: float, right: float, peers: float) -> dict[str, float]:
    """Of pairs and sets, which leave the image itself out."""
    return {"items": items, "precision": right, "recall": items * right / peers, "own": 0.0}


def of_clusters(logged: dict[str, Any], levels: list[int], peers: float) -> dict[str, float]:
    """Of pseudo-labels, the mean over clusterings of one size; an image shares none with itself."""
    right = sum(logged[f"precision_{level}"] for level in levels) / len(levels)
    recall = sum(logged[f"mtpr_{level}"] for level in levels) / len(levels)
    wrong = sum(logged[f"strangers_{level}"] for level in levels) / len(levels)
    return {"items": recall * peers + wrong, "precision": right, "recall": recall, "own": 0.0}


def levels_of(record: dict[str, Any]) -> dict[str, list[int]]:
    """Name of a granularity -> the clusterings of it that were logged; {} for what is no cluster."""
    clusters = record["config"]["settings"].get("clusters")
    if clusters is None:
        return {}
    if isinstance(clusters, int):  # several clusterings of one size
        return {"": list(range(record["config"]["settings"]["n_clusterings"]))}
    return {f"{k} clusters": [level] for level, k in enumerate(clusters)}


def numbers_of(record: dict[str, Any], levels: list[int], n_images: int, classes: int) -> dict[str, float] | None:
    """The numbers of a run; None where it mined nothing."""
    logged, config = record["results"]["training"]["scores"], record["config"]
    peers = n_images / classes - 1
    if levels:
        known = all(f"precision_{level}" in logged for level in levels)
        return of_clusters(logged, levels, peers) if known else None
    if "neighbour_match_without_self" in logged:
        return of_lookup(logged, config, peers)
    if "pair_match" in logged:
        return of_relation(2 * logged["pairs"] / n_images, logged["pair_match"], peers)
    if "relation_match" in logged:
        return of_relation(logged["relation_degree"], logged["relation_match"], peers)
    return None


def oldest(config: dict[str, Any], steps: float) -> float:
    """Steps since the oldest item a miner can return was written, mined or clustered."""
    settings, method, plan = config["settings"], config["method"], config["plan"]
    epoch = steps / max(plan["epochs"], 1)
    if method == "seppid":
        return steps
    if method.startswith("isl"):
        return steps / settings["rounds"]
    if "clusters" in settings:
        return max(epoch, math.ceil(settings.get("every", 0.0) * plan["epochs"]) * epoch)
    if method == "invp":  # a row is as old as an image's last visit: once in each of two shuffled epochs
        return 2 * epoch - 1
    pushed = plan["batch_size"] * (2 + settings["n_support_views"] if method == "fnc" else 1)
    return math.ceil(settings["queue_size"] / pushed)


def age(records: list[dict[str, Any]]) -> str:
    """The mean age of what is mined where it is logged, else the oldest possible."""
    logged = [record["results"]["training"]["scores"] for record in records]
    if all("neighbour_age_steps" in scores for scores in logged):
        return f"{number(sum(scores['neighbour_age_steps'] for scores in logged) / len(logged))} (mean)"
    return f"≤ {oldest(records[0]['config'], logged[0]['steps']):,.0f}"


def mined_lines(results: Results) -> list[Mined]:
    """Every miner that was run, a line for each of its granularities, the most precise first."""
    out, profile = [], results.plan.profile
    for row in OFF:
        records = results.of(row)
        for level, levels in (levels_of(records[0]) or {"": []}).items() if records else ():
            numbers = {
                record["config"]["seed"]: numbers_of(record, levels, profile.n_train, profile.classes)
                for record in records
            }
            if any(line is None for line in numbers.values()):
                continue
            cells = {
                score: Cell.of(
                    {seed: (1.0 if score == "items" else 100.0) * line[score] for seed, line in numbers.items()}
                )
                for score in SCORES
            }
            what = WHAT[records[0]["config"]["method"]]
            out.append(Mined(row, level, what, age=age(records), **cells))
    return sorted(out, key=lambda mined: -mined.precision.mean)


def apart(first: Cell, second: Cell) -> bool:
    """Whether two 95% intervals do not overlap; never with one seed."""
    return min(first.n, second.n) > 1 and abs(first.mean - second.mean) > first.half_width + second.half_width


def beats(first: Mined, second: Mined) -> bool:
    """At least as precise and at least as much found in the mean, and apart in one of the two."""
    pairs = (first.precision, second.precision), (first.recall, second.recall)
    return all(a.mean >= b.mean for a, b in pairs) and any(apart(a, b) for a, b in pairs)


def pareto_front(lines: list[Mined]) -> list[Mined]:
    """The miners that no other beats."""
    return [mined for mined in lines if not any(beats(other, mined) for other in lines)]


def finest(lines: list[Mined]) -> dict[str, Mined]:
    """Row -> its line, of several the one with the fewest items."""
    out: dict[str, Mined] = {}
    for mined in sorted(lines, key=lambda mined: mined.items.mean):
        out.setdefault(mined.row, mined)
    return out


def rank_correlation(first: list[float], second: list[float]) -> float | None:
    """Spearman's; None for fewer than three pairs or where one of the two does not vary."""
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import spearmanr  # takes half a second to import, and every page asks this module

    return float(spearmanr(first, second).statistic)


def body(results: Results) -> list[list[str]]:
    """The lines of the table as plain text."""
    out = []
    for mined in mined_lines(results):
        gain = results.at(mined.row, "gain")
        out.append(
            [
                mined.name,
                mined.what,
                format_cell(mined.items, 2 if mined.items.mean < 1 else 1),
                format_cell(mined.precision),
                format_cell(mined.recall, 3 if mined.recall.mean < 0.01 else 2),
                format_cell(mined.own),
                mined.age,
                f"{format_cell(gain, sign=True)} ({direction(gain)})" if gain else "–",
                str(mined.precision.n),
            ]
        )
    return out


def caption(results: Results) -> str:
    """Unit, protocol, data and n."""
    config, profile = results.plan.config_of("nnclr"), results.plan.profile
    peers = profile.n_train / profile.classes - 1
    return (
        f"Precision, recall and own images in %, at the end of training, mean ± half the 95% t-interval over n seeds; "
        f"{config.data.name}, {profile.n_train:,} training images of {profile.classes} classes, so {peers:,.0f} others "
        f"of a class; {plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size} (twice the epochs for "
        f"methods that encode one view). Precision is over other images; chance is {number(100 / profile.classes)}%. "
        "Gain: linear probe minus that of the same method switched off. ≤: the oldest possible, where the age is not "
        "logged."
    )


def table(results: Results) -> Display:
    """Every miner, the most precise first."""
    lines = body(results)
    if not lines:
        return Display("<p>Not run yet.</p>", "Not run yet.")
    rich = [[html.escape(text) for text in line] for line in lines]
    note = f'<p class="caption">{html.escape(caption(results))}</p>'
    return Display(
        html_table(HEAD, rich, "results") + "\n" + note, text_table([HEAD, *lines]) + "\n" + caption(results)
    )


def finding(results: Results) -> str:
    """Which miners are precise, which find much, which are beaten by none, and whether precision goes with gain."""
    lines = mined_lines(results)
    if len(lines) < 2:
        return "Not run yet."
    profile = results.plan.profile
    chance = 100 / profile.classes
    most, least = lines[0], lines[-1]
    widest = max(lines, key=lambda mined: mined.recall.mean)
    text = (
        f"The most precise miner is {most.name}: {number(most.precision.mean, 0)}% of what it mines has the anchor's "
        f"class, where chance is {number(chance, 0)}%; the least precise is {least.name} with "
        f"{number(least.precision.mean, 0)}%. The most of a class is found by {widest.name}: "
        f"{number(widest.recall.mean, 0)}%, at a precision of {number(widest.precision.mean, 0)}%. "
    )
    half = sum(mined.precision.mean > 50 for mined in lines)
    text += f"{half or 'None'} of {len(lines)} {'is' if half < 2 else 'are'} right more often than wrong. "
    best = pareto_front(lines)
    text += f"Beaten by no other in both precision and recall: {'; '.join(mined.name for mined in best)}. "
    known = {row: (mined, gain) for row, mined in finest(lines).items() if (gain := results.at(row, "gain"))}
    rank = rank_correlation([m.precision.mean for m, _ in known.values()], [g.mean for _, g in known.values()])
    if rank is not None:
        text += f"Over {len(known)} miners the rank correlation of precision and gain is {number(rank, 2, sign=True)}."
    return unfinished.cautious(results, text)


def headline(results: Results) -> Display:
    """The finding, on a card."""
    return unfinished.headline(results, finding(results))


@own_style()
def figure(results: Results) -> Figure:
    """Precision over recall, both logarithmic, a mark for each miner and its granularities; filled where it gains."""
    lines = mined_lines(results)
    plot, axes = new_plot(size=(8, 5))
    rows = list(dict.fromkeys(mined.row for mined in lines))
    for place, row in enumerate(rows):
        own = sorted((mined for mined in lines if mined.row == row), key=lambda mined: mined.recall.mean)
        colour, mark = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
        if place >= len(PALETTE):
            mark = MARKERS[(place + 3) % len(MARKERS)]
        gain = results.at(row, "gain")
        gains = gain is not None and direction(gain) == "gains"
        axes.plot(
            [m.recall.mean for m in own],
            [m.precision.mean for m in own],
            color=colour,
            marker=mark,
            linewidth=1,
            linestyle=":",
            markerfacecolor=colour if gains else "none",
            label=row,
        )
    axes.set_xscale("log"), axes.set_yscale("log")
    axes.axhline(100 / results.plan.profile.classes, color="#555555", linestyle="--", linewidth=0.8)
    axes.annotate(
        "chance",
        (0.01, 100 / results.plan.profile.classes),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=8,
    )
    axes.set_yticks(TICKS, [str(tick) for tick in TICKS])
    axes.set_xticks(RECALLS, [f"{tick:g}" for tick in RECALLS])
    axes.minorticks_off()
    axes.set_xlabel("recall: share of the class's other images that is mined for an anchor, % (log axis)", fontsize=9)
    axes.set_ylabel("precision, % (log axis)", fontsize=9)
    if rows:
        axes.legend(
            fontsize=7,
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            title="filled: gains",
            title_fontsize=8,
            frameon=False,
        )
    style(plot, [axes])
    values = "; ".join(
        f"{mined.name} {number(mined.precision.mean, 0)}% and {number(mined.recall.mean, 2)}%" for mined in lines
    )
    alt = f"Precision and recall of every miner: {values}."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", csv_of(plot))


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer as plain text."""
    return HEAD, body(results), []


def copies(results: Results) -> Display:
    """The table for download."""
    return copies_of(results, rows_of(results))
