"""The page of a table that no paper prints: every method under one protocol."""

import html
from typing import Any

from sslrepro import methods
from sslrepro.claims import Cell
from sslrepro.report import unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.figure_parts import half
from sslrepro.report.formats import Display, format_cell, html_table, plural, text_table
from sslrepro.report.headings import AGREEMENT, CONTROLS, protocol_of, score_name, short_names
from sslrepro.report.plots import Figure, csv_of, new_plot, own_style, style
from sslrepro.study.equal_terms import frozen_entries
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import initial_method

SCORES = ("linear_top1", "knn_top1", "few_top1")
ORACLES = {name for name in methods.names() if methods.method_class(name).needs_labels}


def agreement(results: Results, row: str) -> tuple[Cell | None, str]:
    """How often what a method takes to be alike shares the class, in %, at the end of training, and what that is."""
    for score, what in AGREEMENT.items():
        cell = results.cell(row, score)
        if cell is not None:
            return cell, what.partition(" of ")[0].removeprefix("mined ").replace("pseudo-label pairs", "clusters")
    return None, ""


def per_step(results: Results, row: str) -> Cell | None:
    """Processor-milliseconds of a training step, with all refreshing between steps."""
    seconds, steps = results.cell(row, "seconds", 1000.0), results.cell(row, "steps", 1.0)
    if seconds is None or not steps or steps.mean < 2:
        return None
    return Cell(seconds.mean / steps.mean, seconds.sd / steps.mean, seconds.n)


def state_bytes(config: RunConfig, n_images: int) -> int:
    """Bytes of what a method keeps beside the encoder: heads, teacher, memories, graphs, labels."""
    method = initial_method(config, n_images)
    sizes = {id(tensor): tensor.nbytes for tensor in method.state_dict().values()}  # shared tensors once
    return sum(sizes.values()) - sum(tensor.nbytes for tensor in method.encoder.state_dict().values())


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body (best linear probe first) and footer as plain text."""
    head = [
        "method",
        *short_names(results, SCORES).values(),
        "mined items of the same class",
        "ms per step",
        "relative to SimCLR",
        "state, MB",
        "n",
    ]
    base = per_step(results, "simclr") if results.rows.get("simclr") else None

    def line(row: str, records: list[dict[str, Any]]) -> list[str]:
        alike, what = agreement(results, row)
        step = per_step(results, row)
        state = None
        if records and row in results.rows:
            state = state_bytes(from_record(records[0]["config"]), results.plan.profile.n_train) / 1e6
        return [
            *(format_cell(results.cell(row, score)) for score in SCORES),
            f"{format_cell(alike)} ({what})" if alike else "",
            format_cell(step) if step else "",
            f"{step.mean / base.mean:.2f}" if step and base else "",
            f"{state:.1f}" if state is not None else "",
            str(len(records)),
        ]

    def order(row: str) -> float:
        cell = results.cell(row, "linear_top1")
        return -cell.mean if cell else 1.0

    body = [[row, *line(row, results.rows[row])] for row in sorted(results.rows, key=order)]
    foot = [[CONTROLS[name], *line(name, results.controls[name])] for name in results.controls]
    return head, body, foot


def caption(results: Results) -> str:
    """Unit, protocol, data and n, made from the configurations."""
    config, profile = results.plan.config_of("simclr"), results.plan.profile
    on_terms = results.definition.fair and frozen_entries(profile.name)
    rate = "the learning rate that each method's trials chose" if on_terms else config.plan.lr
    here = sorted({sets["method"] for sets in results.definition.rows.values()} & ORACLES)
    return (
        f"Every method at {profile.name} scale: {config.data.name}, {config.data.n_train or profile.n_train:,} "
        f"training images of {side_of(config.data)} px, encoder {config.encoder}, views {config.views.recipe}, "
        f"{plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size}, {config.plan.optimizer} at "
        f"{rate}. Accuracy in %, mean ± half the 95% t-interval over n seeds"
        f"{' (each draws its own images)' if profile.data_follows_seed else ''}; "
        "top-1, last epoch, test read once. Mined items of the same class: of the positives, pairs, clusters or sets "
        "that a method mines at the end of training, the share whose images are of one class (chance is one in "
        f"{profile.classes}). Labels are used in training by {', '.join(here)} (upper bounds) and by no "
        "other method. ms per step: processor time, including clustering and mining between epochs; state: memory held "
        "beside the encoder. SePP-ID's steps leave out the training of its sampler."
    )


def table(results: Results) -> Display:
    """All methods, sorted by the linear probe; oracles are marked."""
    head, body, foot = rows_of(results)
    rich = []
    for line in body:
        row = line[0]
        name = results.definition.rows[row]["method"]
        mark = " (labels)" if name in ORACLES else ""
        link = f'<a href="../methods/{name}.html">{html.escape(row)}</a>{mark}'
        rich.append([link, *map(html.escape, line[1:])])
    note = f'<p class="caption">{html.escape(caption(results))}</p>'
    plain_foot = [[html.escape(cell) for cell in line] for line in foot]
    return Display(
        html_table(head, rich, "results", plain_foot) + "\n" + note,
        text_table([head, *body, *foot]) + "\n" + caption(results),
    )


def finding(results: Results) -> str:
    """The comparison in a few sentences, from the numbers."""
    rows = {row: results.cell(row, "linear_top1") for row in results.rows if results.rows[row]}
    unlabelled = {row: cell for row, cell in rows.items() if results.definition.rows[row]["method"] not in ORACLES}
    if len(unlabelled) < 2 or "simclr" not in rows:
        return "Not run yet."
    best = max(unlabelled, key=lambda row: unlabelled[row].mean)
    simclr = rows["simclr"]
    above = [row for row, cell in unlabelled.items() if cell.mean - simclr.mean > 0 and row != "simclr"]
    random = results.cell("random", "linear_top1")
    text = f"Best without labels: {best} at {format_cell(unlabelled[best])}; SimCLR {format_cell(simclr)}. "
    text += f"{len(above)} of {len(unlabelled) - 1} rows without labels are above SimCLR in the mean"
    text += f" ({'; '.join(sorted(above))})." if above else "."
    if random:
        below = sorted(row for row, cell in unlabelled.items() if cell.mean <= random.mean)
        text += f" The untrained encoder reaches {format_cell(random)}"
        text += f"; not above it: {'; '.join(below)}." if below else "; every row is above it."
    return unfinished.cautious(results, text)


def headline(results: Results) -> Display:
    """The finding, on a card."""
    return unfinished.headline(results, finding(results))


@own_style()
def figure(results: Results) -> Figure:
    """Linear probe of every row with its interval, and what a step costs beside it."""
    measured = [row for row in results.rows if results.cell(row, "linear_top1") is not None]
    rows = sorted(measured, key=lambda row: results.cell(row, "linear_top1").mean)
    plot, axes = new_plot(1, 2, size=(11, 0.27 * len(rows) + 1.2), sharey=True, width_ratios=[2, 1])
    places = range(len(rows))
    cells = [results.cell(row, "linear_top1") for row in rows]
    colours = ["#8a8f98" if results.definition.rows[row]["method"] in ORACLES else "#0072b2" for row in rows]
    error = [half(cell) for cell in cells]
    axes[0].barh(
        list(places),
        [cell.mean for cell in cells],
        xerr=error,
        color=colours,
        ecolor="#333333",
        error_kw={"capsize": 2, "linewidth": 0.8},
    )
    axes[0].set_yticks(list(places), rows, fontsize=8)
    name = score_name("linear_top1", protocol_of(results, "linear_top1")[1])
    axes[0].set_title(f"{name} (%); gray: uses labels in training", fontsize=10)
    random = results.cell("random", "linear_top1")
    if random:
        axes[0].axvline(random.mean, color="#d55e00", linestyle="--", linewidth=1)
        axes[0].annotate(
            "untrained", (random.mean, 0), xytext=(3, -2), textcoords="offset points", fontsize=8, color="#ffffff"
        )
    steps = [per_step(results, row) for row in rows]
    axes[1].barh(list(places), [step.mean if step else 0 for step in steps], color="#56b4e9")
    axes[1].set_title("processor-ms per step", fontsize=10)
    style(plot, list(axes))
    values = ", ".join(f"{row} {format_cell(cell)}" for row, cell in zip(rows, cells, strict=True))
    alt = f"Linear probe by method, lowest first: {values}."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", csv_of(plot))


def copies(results: Results) -> Display:
    """The table for download, as on every page."""
    return copies_of(results, rows_of(results))
