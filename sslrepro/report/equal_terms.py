"""The page of all methods on equal terms: what each use of other images gains over the same method without it."""

import html
from typing import Any

from sslrepro.claims import Cell
from sslrepro.report import all_methods, unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.effects import direction
from sslrepro.report.formats import Display, format_cell, html_table, number, plural, text_table
from sslrepro.report.plots import Figure, csv_of, new_plot, own_style, style
from sslrepro.study.equal_terms import frozen_entries
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results

HEAD = [
    "uses other images",
    "mined items right",
    "with",
    "switched off",
    "gain, points",
    "gain over random pairs",
    "20-NN gain",
    "n",
]
SPAN = 20  # points either way that the figure shows
TRIALS_HEAD = ["method", "setting", "learning rate", "accuracy of each seed, %", "mean", "chosen"]


def uses(results: Results) -> dict[str, str]:
    """Row -> the row in which the same method has it switched off, as the table's column "gain" subtracts them."""
    return results.definition.column("gain").minus_row


def known_gains(results: Results) -> dict[str, Cell]:
    """Row -> its gain, largest first; rows that lack runs are left out."""
    cells = {row: results.at(row, "gain") for row in uses(results)}
    return dict(sorted(((row, cell) for row, cell in cells.items() if cell), key=lambda pair: -pair[1].mean))


def gain_lines(results: Results) -> list[list[str]]:
    """The body of the table of gains, largest gain first, as plain text."""
    out = []
    for row, cell in known_gains(results).items():
        off = uses(results)[row]
        right, _ = all_methods.agreement(results, row)
        over_random = results.at(row, "gain_random")
        knn = results.difference((row, "knn"), (off, "knn"))
        out.append(
            [
                row,
                format_cell(right),
                format_cell(results.at(row, "top1")),
                format_cell(results.at(off, "top1")),
                f"{format_cell(cell, sign=True)} ({direction(cell)})",
                format_cell(over_random, sign=True) if over_random else "",
                format_cell(knn, sign=True),
                str(cell.n),
            ]
        )
    return out


def caption(results: Results) -> str:
    """Unit, protocol, data and n of the table of gains."""
    config, profile = results.plan.config_of("simclr"), results.plan.profile
    return (
        f"Linear probe, top-1 in %, last epoch; {config.data.name}, {config.data.n_train or profile.n_train:,} "
        f"training images of {side_of(config.data)} px, encoder {config.encoder}, views {config.views.recipe}, "
        f"{plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size} (twice the epochs for methods that "
        "encode one view). Gain: with minus switched off, paired over n seeds, ± half the 95% t-interval; switched off "
        "has the same heads, rows, order, setting and learning rate. Mined items right: share of one class at the end "
        f"of training; chance is {number(100 / profile.classes)}%. Random pairs: as many further rows as SePP-ID adds."
    )


def gains(results: Results) -> Display:
    """What each use of other images gains, largest first."""
    lines = gain_lines(results)
    note = f'<p class="caption">{html.escape(caption(results))}</p>'
    rich = [[html.escape(text) for text in line] for line in lines]
    return Display(
        html_table(HEAD, rich, "results") + "\n" + note, text_table([HEAD, *lines]) + "\n" + caption(results)
    )


def finding(results: Results) -> str:
    """How many gain and lose, and how right their mined items are, from the numbers."""
    cells = known_gains(results)
    if len(cells) < 2:
        return "Not run yet."
    words = {word: [row for row, cell in cells.items() if direction(cell) == word] for word in ("gains", "loses")}
    right = {row: cell for row in cells if (cell := all_methods.agreement(results, row)[0])}
    open_ones = len(cells) - len(words["gains"]) - len(words["loses"])
    text = f"Of {len(cells)} uses of other images, {len(words['gains'])} gain over the same method without"
    text += f" ({', '.join(words['gains'])})" if words["gains"] else ""
    text += f", {len(words['loses'])} lose"
    text += f" ({', '.join(words['loses'])})" if words["loses"] else ""
    text += f", and for {open_ones} the 95% interval includes zero."
    if right:
        most, least = (pick(right, key=lambda row: right[row].mean) for pick in (max, min))
        text += (
            f" Mined items are right in {number(right[least].mean, 0)}% ({least}) to {number(right[most].mean, 0)}% "
            f"({most}); chance is {number(100 / results.plan.profile.classes, 0)}%."
        )
    return unfinished.cautious(results, text)


def headline(results: Results) -> Display:
    """The finding, on a card."""
    return unfinished.headline(results, finding(results))


@own_style()
def figure(results: Results) -> Figure:
    """Every gain with its interval, the largest on top, and the share of mined items that were right beside it."""
    cells = list(known_gains(results).items())[::-1]
    plot, axes = new_plot(size=(8, 0.3 * len(cells) + 1))
    axes.axvline(0, color="#555555", linewidth=0.8)
    axes.set_xlim(-SPAN, SPAN)
    rights = [all_methods.agreement(results, row)[0] for row, _ in cells]
    for place, ((_, cell), right) in enumerate(zip(cells, rights, strict=True)):
        colour = {"gains": "#009e73", "loses": "#d55e00", "undecided": "#8a8f98"}[direction(cell)]
        error = cell.half_width if cell.has_interval else None
        axes.errorbar(cell.mean, place, xerr=error, fmt="o", color=colour, elinewidth=1.2, markersize=4)
        axes.annotate(
            f"{number(right.mean, 0)}%" if right else "–",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
    axes.annotate(
        "right", (1.02, len(cells) - 0.2), xycoords=("axes fraction", "data"), fontsize=8, annotation_clip=False
    )
    axes.set_yticks(range(len(cells)), [row for row, _ in cells], fontsize=8)
    axes.set_xlabel(f"gain over switched off, points (cut at {SPAN}); right: mined items that share the class")
    style(plot, [axes])
    values = "; ".join(
        f"{row} {format_cell(cell, sign=True)}" + (f", {number(right.mean, 0)}% right" if right else "")
        for (row, cell), right in zip(cells[::-1], rights[::-1], strict=True)
    )
    alt = f"Gain over the same method switched off: {values}."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", csv_of(plot))


def setting_in_words(settings: dict[str, Any]) -> str:
    """Names and values; those of a base say so.

    >>> setting_in_words({"base_settings": {"temperature": 0.1}})
    'temperature 0.1 of the base'
    """
    parts = []
    for name, value in settings.items():
        inner = value.items() if isinstance(value, dict) else [(name.replace("_", " "), value)]
        parts += [f"{key} {each}{' of the base' if isinstance(value, dict) else ''}" for key, each in inner]
    return ", ".join(parts)


def trial_lines(scale: str) -> list[list[str]]:
    """A line per trial of every method, with its scores, the chosen one marked; [] where none were frozen."""
    out = []
    for method, entry in sorted(frozen_entries(scale).items()):
        for trial in entry["trials"]:
            chosen = {name: trial[name] for name in ("settings", "rate")} == entry["chosen"]
            setting = setting_in_words(trial["settings"]) or "default"
            scores = ", ".join(number(100 * score) for score in trial["accuracy"])
            out.append(
                [method, setting, f"{trial['lr']:g}", scores, number(100 * trial["mean"]), "✓" if chosen else ""]
            )
    return out


def trials(results: Results) -> Display:
    """What every method tried on held-out training images, and what was chosen."""
    lines = trial_lines(results.plan.profile.name)
    if not lines:
        text = f"No trials were frozen at {results.plan.profile.name} scale: every method keeps its defaults."
        return Display(f"<p>{text}</p>", text)
    rich = [[html.escape(text) for text in line] for line in lines]
    inner = html_table(TRIALS_HEAD, rich, "results", kinds=["chosen" if line[-1] else "" for line in lines])
    return Display(
        f"<details><summary>All {len(lines)} trials of {len({line[0] for line in lines})} methods</summary>"
        f"{inner}</details>",
        text_table([TRIALS_HEAD, *lines]),
    )


def at_edge(entry: dict[str, Any]) -> bool:
    """Whether the chosen learning rate is the largest or smallest of a method's four; of two every one is."""
    rates = {trial["rate"] for trial in entry["trials"]}
    return len(rates) > 2 and entry["chosen"]["rate"] in (min(rates), max(rates))


def choices(results: Results) -> Display:
    """The methods whose trials chose something else than the default at the scale's learning rate."""
    entries = frozen_entries(results.plan.profile.name)
    other = {
        method: entry["chosen"]
        for method, entry in sorted(entries.items())
        if entry["chosen"] != {"settings": {}, "rate": 1.0}
    }
    words = []
    for method, choice in other.items():
        parts = [setting_in_words(choice["settings"])] if choice["settings"] else []
        parts += [f"{choice['rate']:g} times the learning rate"] if choice["rate"] != 1 else []
        words.append(f"{method}: {', '.join(parts)}")
    edge = [method for method in entries if at_edge(entries[method])]
    text = ""
    if entries:
        text = (
            f"{len(other)} of {len(entries)} methods do better on held-out training images with something else than "
            f"their defaults: {'; '.join(words)}. Of the methods with four learning rates the best of {len(edge)} is "
            f"the largest or smallest tried, so that a better one may lie beyond: {', '.join(sorted(edge))}."
        )
    return Display(f"<p>{html.escape(text)}</p>", text)


def table(results: Results) -> Display:
    """All rows, sorted by the linear probe, as on the page of defaults."""
    return all_methods.table(results)


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and no footer of the table of gains, as plain text."""
    return HEAD, gain_lines(results), []


def copies(results: Results) -> Display:
    """The table of gains for download."""
    return copies_of(results, rows_of(results))
