"""One method, one run, or one setting at several values: any method on any images with any setting changed.

What `notebooks/method.ipynb` and `notebooks/change.ipynb` show.
"""

import html
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import torch
from tqdm import tqdm

from sslrepro import evaluate, methods
from sslrepro.base.errors import known_keys, one_of, require
from sslrepro.base.paths import RUNS
from sslrepro.base.store import Store, read_lines
from sslrepro.data.dataset import SHAPES
from sslrepro.data.datasets import load, resolve
from sslrepro.parts.distributed import barrier, rank
from sslrepro.report.formats import Display, format_cell, html_table, number, text_table
from sslrepro.report.headings import AGREEMENT, SCORE_NAMES, score_name, spell_out
from sslrepro.report.plots import MARKERS, PALETTE, Figure, new_plot, own_style, style
from sslrepro.study.profiles import Profile, images_in, on_dataset, profile
from sslrepro.study.results import cell_of
from sslrepro.study.run import Run, label, ledger_record, perform_run
from sslrepro.training.config import RunConfig, flat, from_record
from sslrepro.training.loop import initial_method, threads

KINDS = {bool: bool, int: int, float: (int, float), str: str, tuple: (list, tuple), NoneType: NoneType}
DRAWN = ("seed", "data.seed", "data.fingerprint")  # what seeds decide: not for a reader to change


def single(
    method: str,
    profile_name: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
) -> Run:
    """One run of a method with every setting filled in, and the evaluations of its profile; trains nothing.

    dataset   an embedded set, or a folder in `root`; default the profile's own images
    changes   dotted settings on top: {"settings.temperature": 0.2, "plan.epochs": 2}
    """
    base = on_dataset(profile(profile_name), dataset)
    if base.data.name not in (*SHAPES, "digits"):
        images = load(base.data, root)[0]
        base = replace(base, n_images=len(images), n_classes=images.n_classes)
    config = base.config(method, seed)
    of_their_kind(config, changes or {})
    config = config.with_changes(**(changes or {}))
    config = replace(config, data=resolve(config.data, root))
    protocols = {name: evaluate.protocol(name, given) for name, given in base.evaluations.items()}
    return Run(config.data, config.seed, protocols, config)


def perform_here(
    task: Run,
    runs: Path = RUNS,
    root: str | Path | None = None,
    device: str = "cpu",
    compiling: str = "no",
    quiet: bool = False,
) -> dict[str, Any]:
    """Train (or resume) and evaluate a task in this process, with a bar; returns its record and its training log.

    {"config", "environment", "results", "log"}. Under several processes only the first one's bar is shown.
    """
    with tqdm(desc=label(task), unit="step", disable=quiet or rank() > 0) as bar:

        def report(step: int, steps: int) -> None:
            bar.total = steps
            bar.update(step - bar.n)

        perform_run(task, runs, str(root) if root else None, device, torch.get_num_threads(), report, compiling)
    barrier()
    store = Store(runs)
    return ledger_record(task, store) | {"log": read_lines(store.folder(task.name) / "log.jsonl")}


def try_method(
    method: str,
    profile: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train any method on any images with any setting changed, or read the stored run. What the notebook calls."""
    root = root or os.environ.get("SSLREPRO_DATA")
    with threads(1):
        return perform_here(single(method, profile, seed, dataset, root, changes), Path(runs), root, device)


def of_their_kind(config: RunConfig, changes: dict[str, Any]) -> None:
    """Raise ValueError for a change that is text where a number stands, and the like."""
    now = flat(config)
    types = {f"settings.{one.name}": one.type for one in fields(methods.settings(config.method))}
    for name, value in changes.items():
        written = types.get(name, type(now.get(name)))
        kinds = [get_origin(one) or one for one in (get_args(written) if type(written) is UnionType else [written])]
        if name in now and set(kinds) <= set(KINDS):
            fits = any(isinstance(value, KINDS[kind]) and isinstance(value, bool) <= (kind is bool) for kind in kinds)
            allowed = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
            require(fits, "trial", name, f"of type {allowed}", value, f"Its usual value is {now[name]!r}.")


# --- one setting at several values ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """Runs that differ in one thing.

    profile   at which they were run
    names     the settings that differ, dotted, or "method"
    records   the value in words -> the record of each seed, with its training log (`perform_here`)
    """

    profile: Profile
    names: tuple[str, ...]
    records: dict[str, list[dict[str, Any]]]


def tasks_of(
    method: str,
    parameter: Any,
    values: Any,
    profile_name: str = "smoke",
    seeds: int = 1,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
) -> dict[str, list[Run]]:
    """The runs that `compare` needs, by the value in words; trains nothing.

    parameter   a dotted setting ("settings.temperature", "plan.lr", "encoder", ...), or "method"; a list of settings
                where they only make sense together
    values      two or more, all different; each a list where `parameter` is one
    changes     dotted settings that all of the runs share

    Raises ValueError for a name that does not exist, listing those that do, and for a value that cannot be.
    """
    named = isinstance(parameter, str | list | tuple) and bool(parameter)
    require(named, "trial", "parameter", 'the name of a setting, such as "plan.lr", or a list of names', parameter)
    names = [parameter] if isinstance(parameter, str) else list(parameter)
    require(seeds >= 1, "trial", "seeds", ">= 1", seeds)
    several = isinstance(values, list | tuple) and 2 <= len(values) <= len(PALETTE)
    require(several, "trial", "values", f"a list of two to {len(PALETTE)}", values)
    out: dict[str, list[Run]] = {}
    for value in values:
        parts = [value] if isinstance(parameter, str) else value
        paired = isinstance(parts, list | tuple) and len(parts) == len(names)
        require(paired, "trial", "values", f"lists of {len(names)}, one value for each of {names}", value)
        given = dict(zip(names, parts, strict=True))
        trained = given.pop("method", method)
        start = on_dataset(profile(profile_name), dataset).config(
            one_of(trained, methods.names(), "trial", "method"), 0
        )
        settable = [name for name in flat(start) if name not in (*DRAWN, "method")]
        known_keys(given, ["method", *settable], "trial", "parameter")
        known_keys(changes or {}, settable, "trial", "change")
        made = [single(trained, profile_name, seed, dataset, root, (changes or {}) | given) for seed in range(seeds)]
        config = made[0].config
        images = images_in(config.data) or 4096
        require(2 <= config.plan.batch_size <= images, "trial", "plan.batch_size", f"2..{images}, the images",
                config.plan.batch_size)  # fmt: skip
        initial_method(config, images)  # a method refuses here what it cannot do
        words = ", ".join(map(in_words, names, parts))
        require(made[0].name not in [one[0].name for one in out.values()], "trial", "values", "all different", values)
        out[words if words not in out else str(value)] = made
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
    profile_name: str = "smoke",
    seeds: int = 1,
    dataset: str | None = None,
    root: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> Compared:
    """Train a method at each value of a setting, or read the stored runs. What the notebook calls; see `tasks_of`."""
    root = root or os.environ.get("SSLREPRO_DATA")
    tasks = tasks_of(method, parameter, values, profile_name, seeds, dataset, root, changes)
    with threads(1):
        records = {words: [perform_here(task, Path(runs), root, device) for task in group]
                   for words, group in tasks.items()}  # fmt: skip
    names = (parameter,) if isinstance(parameter, str) else tuple(parameter)
    return Compared(on_dataset(profile(profile_name), dataset), names, records)


# --- what is shown ----------------------------------------------------------------------------------------------


def panels(logs: list[list[dict[str, Any]]]) -> dict[str, str]:
    """What logs can show -> its title: loss, spread of the embedding, and how often what is mined shares the class."""
    found = {"loss": "loss", "embedding_std": "spread of the embedding (0: collapsed, 1: healthy)"}
    return found | {name: title for name, title in AGREEMENT.items() if any(name in one for log in logs for one in log)}


@own_style()
def drawn(logs: dict[str, list[list[dict[str, Any]]]]) -> tuple[Any, str]:
    """A picture of logs over epochs, a colour and a mark a group, a line a log; and what it says at the end."""
    from matplotlib.lines import Line2D

    shown_here = panels([log for group in logs.values() for log in group])
    size = (3.7 * len(shown_here), 2.8 if len(logs) == 1 else 3.2)
    plot, axes = new_plot(1, len(shown_here), size=size, squeeze=False)
    handles, said = [], []
    for place, (words, group) in enumerate(logs.items()):
        look = dict(color=PALETTE[place], marker=MARKERS[place] if len(logs) > 1 else None, markersize=4, markevery=0.2)
        for axis, name in zip(axes[0], shown_here, strict=True):
            for log in group:
                points = [(line["epoch"], line[name]) for line in log if name in line]
                if points:
                    axis.plot(*zip(*points, strict=True), alpha=1 if len(group) == 1 else 0.6, linewidth=1.3, **look)
        handles.append(Line2D([], [], label=words, **(look | {"markevery": None})))
        ends = {title: [log[-1][name] for log in group if name in log[-1]] for name, title in shown_here.items()}
        said.append(
            f"{words}{': ' if words else ''}"
            + ", ".join(f"{title} {', '.join(f'{v:.3f}' for v in end)}" for title, end in ends.items() if end)
        )
    for axis, title in zip(axes[0], shown_here.values(), strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("epoch", fontsize=9)
    style(plot, list(axes[0]))
    if len(logs) > 1:
        plot.legend(handles=handles, loc="outside upper center", ncols=min(4, len(logs)), fontsize=9, frameon=False)
    return plot, "; ".join(said)


def curves(record: dict[str, Any]) -> Figure:
    """A run's log over epochs: loss, spread of the embedding, and how often what it mines shares the class."""
    plot, said = drawn({"": [record["log"]]})
    points = len(record["log"])
    return Figure(plot, f"Training of {record['config']['method']}, {points} points over epochs; at the end: {said}.")


def curves_of(found: Compared) -> Figure:
    """The logs of all values in one picture, a colour and a mark each, a line a seed."""
    plot, said = drawn({words: [record["log"] for record in group] for words, group in found.records.items()})
    return Figure(plot, f"Training over epochs, a line for each value of {' and '.join(found.names)}; "
                        f"at the end: {said}.")  # fmt: skip


def scores_of(found: Compared) -> Display:
    """The evaluations of all values beside each other, accuracies in %; with several seeds mean and 95% interval."""

    def cells(words: str) -> dict[str, str]:
        seen: dict[str, dict[int, float]] = {}
        for record in found.records[words]:
            for line in record["results"].values():
                for name, value in line["scores"].items():
                    if name in SCORE_NAMES and name != "neighbour_match" and line["evaluation"] != "training":
                        words_of = score_name(name, line.get("protocol"))
                        seen.setdefault(words_of, {})[record["config"]["seed"]] = 100 * value
            cost = record["results"]["training"]["scores"]["seconds"]
            seen.setdefault("processor-seconds of training", {})[record["config"]["seed"]] = cost
        return {name: format_cell(cell_of(values)) for name, values in seen.items()}

    columns = {words: cells(words) for words in found.records}
    cost = "processor-seconds of training"
    rows = [*dict.fromkeys(name for column in columns.values() for name in column if name != cost), cost]
    body = [[name, *(column.get(name, "–") for column in columns.values())] for name in rows if any(
            name in column for column in columns.values())]  # fmt: skip
    head = ["evaluation of the frozen encoder, %", *columns]
    return Display(html_table([html.escape(words) for words in head], body), text_table([head, *body]))


def onward(found: Compared) -> Display:
    """What these runs can tell, and what to change to learn more."""
    seeds = len(next(iter(found.records.values())))
    name = found.profile.name.partition("-")[0]
    if not found.profile.judged:
        text = (f"This is {name} scale: it shows that everything runs, and nothing is concluded from it, whatever the "
                'numbers say. To go on, set profile = "cpu" and seeds = 3 above and run all cells: minutes, not '
                "seconds.")  # fmt: skip
    elif seeds < 3:
        few = "one seed tells" if seeds == 1 else f"{seeds} seeds tell"
        text = f"Real training at {name} scale, but {few} little: set seeds = 3 or more above and run all cells."
    else:
        text = (f"{seeds} seeds at {name} scale: values whose intervals overlap are not told apart, and what holds "
                "here is about these images and this length of training.")  # fmt: skip
    return Display(f"<p>{html.escape(text, quote=False)}</p>", text)


def scores(record: dict[str, Any]) -> Display:
    """A run's evaluations, accuracies in %."""
    lines = [line for line in record["results"].values() if line["evaluation"] != "training"]
    body = [[score_name(name, line.get("protocol")), number(100 * value)] for line in lines
            for name, value in line["scores"].items() if name in SCORE_NAMES and name != "neighbour_match"]  # fmt: skip
    body.append(["processor-seconds of training", number(record["results"]["training"]["scores"]["seconds"])])
    head = ["evaluation of the frozen encoder", "%, last epoch"]
    return Display(html_table(head, body), text_table([head, *body]))


def settings(record: dict[str, Any]) -> Display:
    """Every setting of a run by its dotted name: what `changes` can change."""
    body = [[name, str(value)] for name, value in flat(from_record(record["config"])).items()]
    table = html_table(["setting", "value"], body)
    return Display(f"<details><summary>{len(body)} settings</summary>{table}</details>",
                   text_table([["setting", "value"], *body]))  # fmt: skip
