"""One method, or one setting at several values: any method on any images with any setting changed.

What `notebooks/method.ipynb`, `notebooks/change.ipynb` and `sslrepro.compare` show.
"""

import html
import itertools
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from sslrepro import methods
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.base.paths import RUNS, data_root
from sslrepro.explore.single import Start, perform_here
from sslrepro.report.formats import Display, format_cell, html_table, text_table
from sslrepro.report.headings import AGREEMENT, SCORE_NAMES, score_name, spell_out
from sslrepro.report.plots import MARKERS, PALETTE, Figure, new_plot, own_style, style
from sslrepro.study.profiles import Profile, images_in
from sslrepro.study.results import cell_of, paired_differences
from sslrepro.study.run import Run
from sslrepro.study.settings_changes import SEEDED
from sslrepro.training.config import flat, from_record
from sslrepro.training.loop import initial_method, threads

MOST_SEEDS = 1000  # that are worth naming


@dataclass(frozen=True)
class Comparison:
    """Runs that differ in one thing.

    profile   at which they were run
    names     the settings that differ, dotted, or "method"
    records   the value in words -> the record of each seed, with its training log (`perform_here`)
    """

    profile: Profile
    names: tuple[str, ...]
    records: dict[str, list[dict[str, Any]]]

    @property
    def seeds(self) -> int:
        """Seeds of each value."""
        return len(next(iter(self.records.values())))


def perform_all(
    runs_by_words: dict[str, list[Run]], runs: str | Path, root: str | Path | None, device: str
) -> dict[str, list[dict[str, Any]]]:
    """The record of every run, one after the other in this process."""
    with threads(1):
        return {
            words: [perform_here(run, Path(runs), data_root(root), device) for run in group]
            for words, group in runs_by_words.items()
        }


def try_method(
    method: str,
    profile: str = "cpu",
    seeds: int = 1,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> Comparison:
    """Train any method on any images with any setting changed, seeds 0..seeds-1, or read the stored runs.

    What `notebooks/method.ipynb` calls. Raises ValueError for a name that does not exist and a value that cannot be.
    """
    require(isinstance(seeds, int) and seeds >= 1, "compare", "seeds", ">= 1", seeds)
    start = Start(profile, dataset, root, changes)
    records = perform_all({method: [start.run(method, seed) for seed in range(seeds)]}, runs, root, device)
    return Comparison(start.scale, ("method",), records)


# --- one setting at several values ----------------------------------------------------------------------------------


def runs_of(method: str, parameter: Any, values: Any, seeds: int, start: Start) -> dict[str, list[Run]]:
    """The runs that `compare` needs, by the value in words; trains nothing. Arguments are those of `compare`.

    Raises ValueError for a name that does not exist, listing those that do, and for a value that cannot be.
    """
    named = isinstance(parameter, str | list | tuple) and bool(parameter)
    require(named, "compare", "parameter", 'the name of a setting, such as "plan.lr", or a list of names', parameter)
    names = [parameter] if isinstance(parameter, str) else list(parameter)
    require(isinstance(seeds, int) and seeds >= 1, "compare", "seeds", ">= 1", seeds)
    several = isinstance(values, list | tuple) and 2 <= len(values) <= len(PALETTE)
    require(several, "compare", "values", f"a list of two to {len(PALETTE)}", values)
    out: dict[str, list[Run]] = {}
    for value in values:
        parts = [value] if isinstance(parameter, str) else value
        paired = isinstance(parts, list | tuple) and len(parts) == len(names)
        require(paired, "compare", "values", f"lists of {len(names)}, one value for each of {names}", value)
        settings = dict(zip(names, parts, strict=True))
        trained = one_of(settings.pop("method", method), methods.names(), "compare", "method")
        settable = [name for name in flat(start.scale.config(trained, 0)) if name not in (*SEEDED, "method")]
        known_keys(settings, ["method", *settable], "compare", "parameter")
        known_keys(start.changes or {}, settable, "compare", "change")
        group = [start.run(trained, seed, settings) for seed in range(seeds)]
        config = group[0].config
        images = images_in(config.data) or 4096
        require(
            2 <= config.plan.batch_size <= images,
            "compare",
            "plan.batch_size",
            f"2..{images}, the images",
            config.plan.batch_size,
        )
        initial_method(config, images)  # a method refuses here what it cannot do
        words = ", ".join(map(in_words, names, parts))
        require(
            group[0].name not in [runs[0].name for runs in out.values()], "compare", "values", "all different", values
        )
        out[words if words not in out else str(value)] = group
    return out


def in_words(name: str, value: Any) -> str:
    """A setting and its value on a legend: "queue size 8", "2 epochs", or a method's name."""
    last = name.rpartition(".")[2]
    if name == "method":
        return str(value)
    return f"{last.replace('_', ' ')} none" if value is None else spell_out(last, value)


def compare(
    method: str,
    parameter: Any,
    values: Any,
    profile: str = "smoke",
    seeds: int = 1,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> Comparison:
    """Train a method at each value of a setting, seeds 0..seeds-1, or read the stored runs; `notebooks/change.ipynb`.

        method      a method's name
        parameter   a dotted setting ("settings.temperature", "plan.lr", "views.recipe", "encoder", ...), or "method";
                    a list of settings where they only make sense together
        values      two to eight, all different; each a list where `parameter` is one
        profile     scale to start from: "smoke" (seconds a run), "cpu" (minutes), "gpu"
        dataset     other images than the profile's: an embedded set, or a set in `root`
        changes     dotted settings that all of the runs share
        runs        folder of stored runs; a killed run resumes

    `scores_of` shows the evaluations, `differences` the paired differences with their intervals, `curves_of` training.
    Raises ValueError for a name that does not exist, listing those that do, and for a value that cannot be.

    >>> import tempfile
    >>> short = {"data.n_train": 64, "data.n_test": 32, "data.side": 8, "data.classes": 4, "plan.batch_size": 16}
    >>> with tempfile.TemporaryDirectory() as runs:
    ...     results = compare("nnclr", "settings.queue_size", [8, 16], changes=short, runs=runs)
    >>> list(results.records), results.seeds
    (['queue size 8', 'queue size 16'], 1)
    """
    start = Start(profile, dataset, root, changes)
    groups = runs_of(method, parameter, values, seeds, start)
    names = (parameter,) if isinstance(parameter, str) else tuple(parameter)
    return Comparison(start.scale, names, perform_all(groups, runs, root, device))


# --- what is shown ----------------------------------------------------------------------------------------------


def panels(logs: list[list[dict[str, Any]]]) -> dict[str, str]:
    """What logs can show -> its title: loss, spread of the embedding, and how often what is mined shares the class."""
    titles = {"loss": "loss", "embedding_std": "spread of the embedding (0: collapsed, 1: healthy)"}
    return titles | {
        name: title for name, title in AGREEMENT.items() if any(name in line for log in logs for line in log)
    }


@own_style()
def plot_logs(logs: dict[str, list[list[dict[str, Any]]]]) -> tuple[Any, str]:
    """A picture of logs over epochs, a colour and a mark a group, a line a log; and what it says at the end."""
    from matplotlib.lines import Line2D

    titles = panels([log for group in logs.values() for log in group])
    size = (3.7 * len(titles), 2.8 if len(logs) == 1 else 3.2)
    plot, axes = new_plot(1, len(titles), size=size, squeeze=False)
    axes = list(axes[0])
    handles, parts = [], []
    for place, (words, group) in enumerate(logs.items()):
        look = dict(color=PALETTE[place], marker=MARKERS[place] if len(logs) > 1 else None, markersize=4, markevery=0.2)
        for axis, name in zip(axes, titles, strict=True):
            for log in group:
                points = [(line["epoch"], line[name]) for line in log if name in line]
                if points:
                    axis.plot(*zip(*points, strict=True), alpha=1 if len(group) == 1 else 0.6, linewidth=1.3, **look)
        handles.append(Line2D([], [], label=words, **(look | {"markevery": None})))
        ends = {title: [log[-1][name] for log in group if name in log[-1]] for name, title in titles.items()}
        parts.append(
            f"{words}{': ' if words else ''}"
            + ", ".join(f"{title} {', '.join(f'{v:.3f}' for v in end)}" for title, end in ends.items() if end)
        )
    for axis, title in zip(axes, titles.values(), strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("epoch", fontsize=9)
    style(plot, axes)
    if len(logs) > 1:
        plot.legend(handles=handles, loc="outside upper center", ncols=min(4, len(logs)), fontsize=9, frameon=False)
    return plot, "; ".join(parts)


def curves_of(results: Comparison) -> Figure:
    """The logs of all values in one picture, a colour and a mark each, a line a seed."""
    plot, ends = plot_logs({words: [record["log"] for record in group] for words, group in results.records.items()})
    if len(results.records) == 1:
        return Figure(plot, f"Training over epochs, a line a seed; at the end: {ends}.")
    return Figure(
        plot, f"Training over epochs, a line for each value of {' and '.join(results.names)}; at the end: {ends}."
    )


COST = "processor-seconds of training"


def scores_by_seed(results: Comparison) -> dict[str, dict[str, dict[int, float]]]:
    """Value in words -> evaluation in words -> seed -> score in %, and the processor-seconds of training."""
    out: dict[str, dict[str, dict[int, float]]] = {}
    for words, group in results.records.items():
        scores = out.setdefault(words, {})
        for record in group:
            seed = record["config"]["seed"]
            for line in sorted(record["results"].values(), key=lambda line: line["evaluation"] != "linear"):
                for name, value in line["scores"].items():
                    if name in SCORE_NAMES and name != "neighbour_match" and line["evaluation"] != "training":
                        scores.setdefault(score_name(name, line.get("protocol")), {})[seed] = 100 * value
            scores.setdefault(COST, {})[seed] = record["results"]["training"]["scores"]["seconds"]
    return out


def evaluations_in(scores: dict[str, dict[str, dict[int, float]]]) -> list[str]:
    """Evaluations of `scores_by_seed` in words, the linear probe first, the cost last."""
    names = dict.fromkeys(name for column in scores.values() for name in column if name != COST)
    return [*names, COST]


def scores_of(results: Comparison) -> Display:
    """The evaluations of all values beside each other, accuracies in %; with several seeds mean and 95% interval."""
    scores = scores_by_seed(results)
    body = [
        [name, *(format_cell(cell_of(column[name])) if name in column else "–" for column in scores.values())]
        for name in evaluations_in(scores)
    ]
    what = "%" if results.seeds == 1 else f"%, mean ± 95% t-interval of {results.seeds} seeds"
    head = [f"evaluation of the frozen encoder, {what}", *scores]
    return Display(html_table([html.escape(words) for words in head], body), text_table([head, *body]))


def seeds_to_tell(mean: float, sd: float) -> int | None:
    """Seeds at which a paired difference of this mean and spread would have a 95% t-interval that leaves out 0.

    The smallest n with t(0.975, n - 1) * sd / sqrt(n) < |mean|; None above 1,000. Taken from the seeds at hand, so a
    rough guess while they are few.
    """
    return next(
        (n for n in range(2, MOST_SEEDS + 1) if float(stdtrit(n - 1, 0.975)) * sd / math.sqrt(n) < abs(mean)), None
    )


def differences(results: Comparison) -> Display:
    """Every pair of values: the difference of the first evaluation, paired over seeds, with its 95% t-interval.

    That is the linear probe, where it was made.

    And the number of seeds at which a difference of that mean and spread would stand out of the noise.
    """
    scores = scores_by_seed(results)
    measure = next(name for name in evaluations_in(scores) if all(name in column for column in scores.values()))
    head = ["second minus first", f"{measure}, points", "seeds it would take"]
    body = []
    for first, second in itertools.combinations(scores, 2):
        gap = paired_differences(scores[second][measure], scores[first][measure])
        sd = statistics.stdev(gap.values()) if len(gap) > 1 else math.nan
        n = seeds_to_tell(statistics.fmean(gap.values()), sd) if len(gap) > 1 else None
        needed = "2 or more to say" if len(gap) < 2 else f"more than {MOST_SEEDS:,}" if n is None else str(n)
        body.append([f"{second} minus {first}", format_cell(cell_of(gap), sign=True), needed])
    return Display(
        html_table([html.escape(words) for words in head], [[html.escape(cell) for cell in line] for line in body]),
        text_table([head, *body]),
    )


def onward(results: Comparison) -> Display:
    """What these runs can tell, and what to change to learn more."""
    seeds, name = results.seeds, results.profile.base
    if not results.profile.judged:
        text = (
            f"This is {name} scale: it shows that everything runs, and nothing is concluded from it, whatever the "
            'numbers say. To go on, set profile = "cpu" and seeds = 3 above and run all cells: minutes, not '
            "seconds."
        )
    elif seeds < 3:
        few = "one seed tells" if seeds == 1 else f"{seeds} seeds tell"
        text = f"Real training at {name} scale, but {few} little: set seeds = 3 or more above and run all cells."
    else:
        text = (
            f"{seeds} seeds at {name} scale. Two values differ where the interval of their paired difference "
            "leaves out 0; whether their own intervals overlap does not decide it, for a seed gives both the same "
            "images. Each interval misses by chance once in twenty: with many pairs, expect one or two that do. "
            "What holds here is about these images and this length of training."
        )
    return Display(f"<p>{html.escape(text, quote=False)}</p>", text)


def settings(results: Comparison) -> Display:
    """Every setting of the first run by its dotted name: what `changes` and `parameter` can change."""
    record = next(iter(results.records.values()))[0]
    body = [[name, str(value)] for name, value in flat(from_record(record["config"])).items()]
    head = ["setting", "value"]
    return Display(
        f"<details><summary>{len(body)} settings</summary>{html_table(head, body)}</details>", text_table([head, *body])
    )
