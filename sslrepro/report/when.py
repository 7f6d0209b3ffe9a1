"""When do other images help? What the budget sweep and the neighbour map say together, from their results."""

import numpy as np

from sslrepro.claims import Cell
from sslrepro.report import map_curve, sweep_effects
from sslrepro.report.formats import Display, format_cell, html_table, number, text_table
from sslrepro.report.neighbour_map import percent
from sslrepro.study.results import Results, cell_of, paired_differences


def rows_of(sweep: Results, map_: Results) -> tuple[list[str], list[list[str]]]:
    """Per length: how right neighbours are, what the map says of that share, and what the neighbour did."""
    head = ["epochs", "right at the end, %", "the map's line says, points", "the neighbour did, points", "n"]
    line = map_curve.rise(map_)
    body = []
    for name, n in sweep_effects.lengths(sweep).items():
        share = sweep_effects.right(sweep, name)
        effect = cell_of(sweep_effects.difference(sweep, sweep_effects.PRIMARY, name))
        says = number(line.at(share.mean / 100), sign=True) if share and line.n else "–"
        body.append([str(n), format_cell(share), says, format_cell(effect, sign=True), str(effect.n if effect else 0)])
    return head, body


def sentence(sweep: Results, map_: Results) -> str:
    """The break-even beside how right NNCLR's own neighbours get."""
    line = map_curve.rise(map_)
    if line.verdict != "rises":
        return "No break-even is stated: the gain does not clearly rise with the share of right neighbours yet."
    ends = line.zero_set
    text = f"On the map near right neighbours break even at {percent(line.zero)}"
    text += f" (95% set {percent(ends[0])} to {percent(ends[1])}). " if ends else ". "
    here = sweep_effects.lengths(sweep)
    measured = [(n, name, share) for name, n in here.items() if (share := sweep_effects.right(sweep, name))]
    reached = [n for n, _, share in measured if share.mean >= 100 * line.zero]
    if not measured:
        return text.strip()
    if reached:
        text += f"NNCLR's own neighbours are as right as that at the end of runs of {reached[0]} epochs or more. "
    else:
        text += "NNCLR's own neighbours do not get there. "
    n, name, share = measured[-1]
    effect = cell_of(sweep_effects.difference(sweep, sweep_effects.PRIMARY, name))
    says = line.at(share.mean / 100)
    text += f"After {n} epochs they are right in {format_cell(share)}% of lookups; the map's line says "
    text += f"{number(says, sign=True)} points there"
    if effect is None:
        return text + "."
    return text + f" and the neighbour did {format_cell(effect, sign=True)} ({interval_words(says, effect)})."


def interval_words(says: float, effect: Cell) -> str:
    """Whether what the map says lies in an effect's interval."""
    if effect.n < 2:
        return "one seed"
    inside = abs(says - effect.mean) <= effect.half_width
    return f"{'inside' if inside else 'outside'} its 95% interval, n = {effect.n}"


def together(sweep: Results, map_: Results) -> Display:
    """The sentence and the table under it."""
    head, body = rows_of(sweep, map_)
    text = sentence(sweep, map_)
    note = "The map is of the shortest length; that its line holds for longer runs is an assumption, tested here."
    return Display(
        f"<p>{text}</p>{html_table(head, body, 'results')}<p class='caption'>{note}</p>",
        f"{text}\n{text_table([head, *body])}\n{note}",
    )


def worth(crops: Results, full: Results, at_least: float = 0.0, score: str = "linear_top1") -> Cell | None:
    """Gain over no lookup with crops alone minus that with all augmentations, in points, paired over seeds.

    The mean over the shares of right lookups that both maps have, from `at_least` on, near right and near wrong
    neighbours; of seeds that have all of them. None where there is none.
    """
    first, second = (map_curve.curve(results, score=score) for results in (crops, full))
    by_share = [paired_differences(first[q], second[q]) for q in first if q in second and q >= at_least]
    seeds = set.intersection(*map(set, by_share)) if by_share else set()
    return cell_of({seed: float(np.mean([by[seed] for by in by_share])) for seed in sorted(seeds)})


def strengths(crops: Results, full: Results) -> Display:
    """Whether neighbours are worth more where views differ by their crop alone, by the rule of that table's reading."""
    cell, higher = worth(crops, full), worth(crops, full, 0.4)
    if cell is None or higher is None:
        text = "The map with crops alone is not run yet."
        return Display(f"<p>{text}</p>", text)
    verdict = "open" if cell.n < 2 or abs(cell.mean) <= cell.half_width else "more" if cell.mean > 0 else "less"
    words = {
        "more": "Neighbours whose share of right ones is set by labels are worth more",
        "less": "Neighbours whose share of right ones is set by labels are worth less",
        "open": "It stays open whether neighbours whose share of right ones is set by labels are worth more or less",
    }[verdict]
    text = (
        f"{words} with crops alone: the gain over no lookup, mean over the shares of right lookups, differs by "
        f"{format_cell(cell, sign=True)} points from that with all augmentations (n = {cell.n}); from 40% right on by "
        f"{format_cell(higher, sign=True)}."
    )
    base, other = (format_cell(results.cell(map_curve.BASE, "linear_top1")) for results in (crops, full))
    text += f" Without lookup the linear probe reaches {base}% with crops alone and {other}% with all augmentations."
    return Display(f"<p>{text}{on_the_floor(crops)}</p>", text + on_the_floor(crops))


def on_the_floor(crops: Results) -> str:
    """In how many seeds the comparison's own baseline, no lookup with crops alone, learned nothing; "" for none."""
    untrained = crops.by_seed("random", "linear_top1", control=True)
    alone = {seed: value for seed, value in crops.by_seed(map_curve.BASE, "linear_top1").items() if seed in untrained}
    low = sum(value <= untrained[seed] for seed, value in alone.items())
    return (
        f" In {low} of {len(alone)} seeds crops alone end without lookup no better than an untrained encoder, so part "
        "of the gain is over a baseline on the floor."
        if low
        else ""
    )


def public() -> Display:
    """NNCLR minus SimCLR as others published it."""
    head = ["source", "epochs", "difference, points", "same views for both"]
    body = [
        [
            row["source"],
            f"{row['epochs']:,}",
            number(row["difference"], sign=True),
            "yes" if row["same_views"] else "no",
        ]
        for row in sweep_effects.public_numbers()
    ]
    return Display(html_table(head, body), text_table([head, *body]))
