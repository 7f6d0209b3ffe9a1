"""The page of a table that no paper prints: every method under one protocol."""

import html
from typing import Any

from sslrepro import methods
from sslrepro.claims import Cell
from sslrepro.report import table_page
from sslrepro.report.table_page import (
    AGREEMENT,
    CONTROLS,
    NAMES,
    Figure,
    Shown,
    html_table,
    plural,
    shown,
    style,
    text_table,
)
from sslrepro.study.results import Results
from sslrepro.training.config import RunConfig, from_record
from sslrepro.training.loop import initial_method

ORACLES = {name for name in methods.names() if methods.method_class(name).needs_labels}


def agreement(found: Results, row: str) -> tuple[Cell | None, str]:
    """How often what a method takes to be alike shares the class, in %, at the end of training, and what that is."""
    for score, what in AGREEMENT.items():
        cell = found.cell(row, score)
        if cell is not None:
            return cell, what.partition(" of ")[0].removeprefix("mined ").replace("pseudo-label pairs", "clusters")
    return None, ""


def per_step(found: Results, row: str) -> Cell | None:
    """Processor-milliseconds of a training step, with all refreshing between steps."""
    seconds, steps = found.cell(row, "seconds", 1000.0), found.cell(row, "steps", 1.0)
    if seconds is None or not steps or steps.mean < 2:
        return None
    return Cell(seconds.mean / steps.mean, seconds.sd / steps.mean, seconds.n)


def state_bytes(config: RunConfig, n_images: int) -> int:
    """Bytes of what a method keeps beside the encoder: heads, teacher, memories, graphs, labels."""
    made = initial_method(config, n_images)
    kept = {id(t): t.nbytes for t in made.state_dict().values()}
    return sum(kept.values()) - sum(t.nbytes for t in made.encoder.state_dict().values())


def rows_of(found: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body (best linear probe first) and footer as plain text."""
    head = ["method", "linear probe", "20-NN", "10 labels per class", "found alike: of one class", "ms per step",
            "against SimCLR", "state, MB", "n"]  # fmt: skip
    base = per_step(found, "simclr") if found.rows.get("simclr") else None
    scores = ("linear_top1", "knn_top1", "few_top1")

    def line(row: str, records: list[dict[str, Any]]) -> list[str]:
        alike, what = agreement(found, row)
        step = per_step(found, row)
        kept = None
        if records and row in found.rows:
            kept = state_bytes(from_record(records[0]["config"]), found.plan.profile.n_train) / 1e6
        return [
            *(shown(found.cell(row, score)) for score in scores),
            f"{shown(alike)} ({what})" if alike else "",
            shown(step) if step else "",
            f"{step.mean / base.mean:.2f}" if step and base else "",
            f"{kept:.1f}" if kept is not None else "",
            str(len(records)),
        ]

    def order(row: str) -> float:
        cell = found.cell(row, "linear_top1")
        return -cell.mean if cell else 1.0

    body = [[row, *line(row, found.rows[row])] for row in sorted(found.rows, key=order)]
    foot = [[CONTROLS[name], *line(name, found.controls[name])] for name in found.controls]
    return head, body, foot


def caption(found: Results) -> str:
    """Unit, protocol, data and n, made from the configurations."""
    config, made = found.plan.rows["simclr"][0].config, found.plan.profile
    return (
        f"Every method at {made.name} scale: {config.data.name}, {config.data.n_train or made.n_train:,} training "
        f"images of {config.data.side or 'native'} px, encoder {config.encoder}, views {config.views.recipe}, "
        f"{plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size}, {config.plan.optimizer} at "
        f"{config.plan.lr}. Accuracy in %, mean ± half the 95% t-interval over n seeds"
        f"{' (each draws its own images)' if made.data_follows_seed else ''}; "
        "top-1, last epoch, test read once. Found alike: of the positives, pairs, clusters or sets that a method finds "
        f"at the end of training, the share that is of one class (chance is one in {made.classes}). Labels are used by "
        f"{', '.join(sorted(ORACLES))} (upper bounds) and by nobody else in training. ms per step: processor time with "
        "clustering and mining between epochs; state: what is kept beside the encoder. SePP-ID's steps leave out its "
        "sampler's training."
    )


def table(found: Results) -> Shown:
    """All methods, sorted by the linear probe; oracles are marked."""
    head, body, foot = rows_of(found)
    rich = []
    for line in body:
        row = line[0]
        name = found.definition.rows[row]["method"]
        mark = " (labels)" if name in ORACLES else ""
        link = f'<a href="../methods/{name}.html">{html.escape(row)}</a>{mark}'
        rich.append([link, *map(html.escape, line[1:])])
    note = f'<p class="caption">{html.escape(caption(found))}</p>'
    plain_foot = [[html.escape(cell) for cell in line] for line in foot]
    return Shown(html_table(head, rich, "results", plain_foot) + "\n" + note,
                 text_table([head, *body, *foot]) + "\n" + caption(found))  # fmt: skip


def finding(found: Results) -> str:
    """The comparison in a few sentences, from the numbers."""
    rows = {row: found.cell(row, "linear_top1") for row in found.rows if found.rows[row]}
    unlabelled = {row: cell for row, cell in rows.items() if found.definition.rows[row]["method"] not in ORACLES}
    if len(unlabelled) < 2 or "simclr" not in rows:
        return "Not run yet."
    best = max(unlabelled, key=lambda row: unlabelled[row].mean)
    simclr = rows["simclr"]
    above = [row for row, cell in unlabelled.items() if cell.mean - simclr.mean > 0 and row != "simclr"]
    random = found.cell("random", "linear_top1")
    text = f"Best without labels: {best} at {shown(unlabelled[best])}; SimCLR {shown(simclr)}. "
    text += f"{len(above)} of {len(unlabelled) - 1} rows without labels stand above SimCLR in the mean"
    text += f" ({'; '.join(sorted(above))})." if above else "."
    if random:
        below = sorted(row for row, cell in unlabelled.items() if cell.mean <= random.mean)
        text += f" The encoder as initialised stands at {shown(random)}"
        text += f"; not above it: {'; '.join(below)}." if below else "; every row is above it."
    tail = "" if found.plan.profile.judged else " Nothing is concluded at this scale."
    return text + tail


def headline(found: Results) -> Shown:
    """The finding, on a card."""
    text = finding(found)
    return Shown(f'<div class="headline"><p>{html.escape(text)}</p></div>', text)


def figure(found: Results) -> Figure:
    """Linear probe of every row with its interval, and what a step costs beside it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    known = [row for row in found.rows if found.cell(row, "linear_top1") is not None]
    rows = sorted(known, key=lambda row: found.cell(row, "linear_top1").mean)
    plot, axes = plt.subplots(1, 2, figsize=(11, 0.27 * len(rows) + 1.2), layout="constrained", sharey=True,
                              width_ratios=[2, 1])  # fmt: skip
    places = range(len(rows))
    cells = [found.cell(row, "linear_top1") for row in rows]
    colours = ["#8a8f98" if found.definition.rows[row]["method"] in ORACLES else "#0072b2" for row in rows]
    error = [0.0 if cell.n < 2 else cell.half_width for cell in cells]
    axes[0].barh(list(places), [cell.mean for cell in cells], xerr=error, color=colours, ecolor="#333333",
                 error_kw={"capsize": 2, "linewidth": 0.8})  # fmt: skip
    axes[0].set_yticks(list(places), rows, fontsize=8)
    axes[0].set_title(f"{NAMES['linear_top1']} (%); gray: labels used in training", fontsize=10)
    random = found.cell("random", "linear_top1")
    if random:
        axes[0].axvline(random.mean, color="#d55e00", linestyle="--", linewidth=1)
        axes[0].annotate("as initialised", (random.mean, 0), xytext=(3, -2), textcoords="offset points", fontsize=8,
                         color="#ffffff")  # fmt: skip
    steps = [per_step(found, row) for row in rows]
    axes[1].barh(list(places), [step.mean if step else 0 for step in steps], color="#56b4e9")
    axes[1].set_title("processor-ms per step", fontsize=10)
    style(plot, list(axes))
    values = ", ".join(f"{row} {shown(cell)}" for row, cell in zip(rows, cells, strict=True))
    return Figure(plot, f"Linear probe by method, lowest first: {values}.")


def markdown(found: Results) -> str:
    """The table in Markdown."""
    head, body, foot = rows_of(found)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body, *foot]) + "\n"


def copies(found: Results) -> Shown:
    """The table for download, as on every page."""
    return table_page.copies(found, (markdown(found), table_page.as_latex(*rows_of(found))))
