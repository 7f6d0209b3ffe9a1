"""The page of every miner in every framework: gains over the bare framework, and whether they depend on it."""

import html

from sslrepro.claims import Cell
from sslrepro.report import all_methods, unfinished
from sslrepro.report.copies import copies as copies_of
from sslrepro.report.effects import direction
from sslrepro.report.formats import Display, format_cell, html_table, number, plural, text_table
from sslrepro.report.grid_answers import (
    RULES,
    answers,
    gain,
    gains,
    partners,
)
from sslrepro.report.miners import rank_correlation
from sslrepro.report.plots import MARKERS, PALETTE, Figure, csv_of, new_plot, own_style, style
from sslrepro.study.results import Results
from sslrepro.tables.miner_frameworks import MINERS, ON, PUBLISHED, REMOVED, SHORT

HEAD = ["partner", "rule of", "has another", "of one class", *SHORT.values()]
HEAD_PUBLISHED = ["rule", "framework", "method", "images are", "right", "gain, points", "n"]
HEAD_QUESTIONS = ["question", "of", "verdict", "numbers"]


def gain_words(cell: Cell | None) -> str:
    """A gain with its interval, and whether it leaves out zero."""
    return f"{format_cell(cell, sign=True)} ({direction(cell)})" if cell else "–"


def body(results: Results) -> list[list[str]]:
    """The grid as plain text; the last line is the bare framework's accuracy."""
    lines = []
    for rule in RULES:
        share, right = partners(results, rule)
        lines.append(
            [
                rule,
                MINERS.get(rule, ""),
                format_cell(share),
                format_cell(right),
                *(gain_words(gain(results, rule, name)) for name in SHORT.values()),
            ]
        )
    bare = [format_cell(results.at(ON("same", name), "top1")) for name in SHORT.values()]
    return [*lines, ["same: accuracy", "", "", "", *bare]]


def caption(results: Results) -> str:
    """Unit, protocol, data and n of the grid."""
    config, profile = results.plan.config_of(ON("same", "SimCLR")), results.plan.profile
    return (
        "Gain in points of the linear probe over the bare framework, which sees every image twice, ± half the 95% "
        f"t-interval, paired over {plural(results.plan.seeds, 'seed')}; {config.data.name}, {profile.n_train:,} "
        f"images and as many rows of two, {plural(config.plan.epochs, 'epoch')} of batch {config.plan.batch_size}. "
        "Has another: share of images whose partner is another; of one class: share of those partners of its class, "
        f"chance is {number(100 / profile.classes)}%. The partners are the same in all frameworks."
    )


def table(results: Results) -> Display:
    """The grid: rules by frameworks."""
    lines = body(results)
    rich = [[html.escape(text) for text in line] for line in lines]
    note = f'<p class="caption">{html.escape(caption(results))}</p>'
    return Display(
        html_table(HEAD, rich[:-1], "results", rich[-1:]) + "\n" + note,
        text_table([HEAD, *lines]) + "\n" + caption(results),
    )


def lines_of_papers(results: Results) -> list[list[str]]:
    """The rules as their papers use them, where a framework has such a method."""
    out = []
    for (rule, base), row in PUBLISHED.items():
        cell = results.at(row, "gain")
        if cell is None:
            continue
        right, _ = all_methods.agreement(results, row)
        out.append(
            [
                rule,
                SHORT[base],
                row,
                "not repelled" if rule in REMOVED else "attracted",
                format_cell(right),
                gain_words(cell),
                str(cell.n),
            ]
        )
    return out


def papers_own(results: Results) -> Display:
    """The same rules the way their papers use them; runs of the page of equal terms."""
    lines = lines_of_papers(results)
    if not lines:
        return Display("<p>Not run yet.</p>", "Not run yet.")
    rich = [[html.escape(text) for text in line] for line in lines]
    return Display(html_table(HEAD_PUBLISHED, rich, "results"), text_table([HEAD_PUBLISHED, *lines]))


def questions(results: Results) -> Display:
    """Every question with its verdict and the numbers behind it."""
    lines = [answer.line for answer in answers(results)]
    rich = [[html.escape(text) for text in line] for line in lines]
    return Display(html_table(HEAD_QUESTIONS, rich, "results"), text_table([HEAD_QUESTIONS, *lines]))


def order_by_precision(results: Results) -> dict[str, float]:
    """Framework -> rank correlation of gain and precision over the rules."""
    right = {rule: cell for rule in RULES if (cell := partners(results, rule)[1])}
    out = {}
    for name in SHORT.values():
        pairs = [(right[rule].mean, cell.mean) for rule in right if (cell := gain(results, rule, name))]
        rank = rank_correlation([share for share, _ in pairs], [points for _, points in pairs])
        if rank is not None:
            out[name] = rank
    return out


def finding(results: Results) -> str:
    """How many cells gain and lose, what right and random partners do, and the verdicts, from the numbers."""
    cells = {(rule, name): cell for rule in MINERS for name, cell in gains(results, rule).items()}
    if len(cells) < 2:
        return "Not run yet."
    words = {
        word: [ON(*where) for where, cell in cells.items() if direction(cell) == word] for word in ("gains", "loses")
    }
    text = f"Of {len(cells)} cells of four miners and four frameworks {len(words['gains'])} gain"
    text += f" ({', '.join(words['gains'])})" if words["gains"] else ""
    text += f" and {len(words['loses'])} lose"
    text += f" ({', '.join(words['loses'])})" if words["loses"] else ""
    text += " against the bare framework. "
    for rule, name in (("labels", "Partners of the class"), ("random", "Random partners")):
        own = gains(results, rule)
        if own:
            low, high = (pick(own, key=lambda framework: own[framework].mean) for pick in (min, max))
            text += (
                f"{name} bring {format_cell(own[low], sign=True)} ({low}) to {format_cell(own[high], sign=True)} "
                f"points ({high}). "
            )
    own_answers = answers(results)
    same = [answer for answer in own_answers if answer.question.startswith("gains the same")]
    counts = {
        word: sum(answer.verdict == word for answer in same) for word in ("holds", "contradicted", "inconclusive")
    }
    if any(counts.values()):
        text += "That a miner gains the same in every framework "
        text += ", ".join(f"{'is ' if word != 'holds' else ''}{word} for {n}" for word, n in counts.items() if n)
        text += f" of {len(same)} miners. "
    ranks = order_by_precision(results)
    if ranks:
        text += "Rank correlation of gain and precision over the rules: "
        text += ", ".join(f"{name} {number(rank, 2, sign=True)}" for name, rank in ranks.items()) + "."
    return unfinished.cautious(results, text)


def headline(results: Results) -> Display:
    """The finding, on a card."""
    return unfinished.headline(results, finding(results))


@own_style()
def figure(results: Results) -> Figure:
    """A panel for each framework: gain over the bare framework by how often a partner is of the class."""
    plot, axes = new_plot(1, len(SHORT), size=(11, 3.6), sharey=True)
    values = []
    for axis, name in zip(axes, SHORT.values(), strict=True):
        axis.axhline(0, color="#555555", linewidth=0.8)
        axis.set_title(name, fontsize=10)
        axis.set_xlim(0, 105)
        for place, rule in enumerate(RULES):
            cell, right = gain(results, rule, name), partners(results, rule)[1]
            if cell is None or right is None:
                continue
            error = cell.half_width if cell.has_interval else None
            axis.errorbar(
                right.mean,
                cell.mean,
                yerr=error,
                fmt=MARKERS[place],
                color=PALETTE[place],
                markersize=5,
                elinewidth=1.1,
                label=rule,
            )
            values.append(f"{rule} on {name} {format_cell(cell, sign=True)} at {number(right.mean, 0)}%")
    axes[0].set_ylabel("gain over the bare framework, points", fontsize=9)
    if values:
        axes[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    plot.supxlabel("partners that share the class, %", fontsize=9)
    style(plot, list(axes))
    alt = f"Gain by framework and precision: {'; '.join(values)}."
    return Figure(plot, alt, f"{results.definition.id}-{results.plan.profile.name}", csv_of(plot))


def rows_of(results: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer as plain text."""
    lines = body(results)
    return HEAD, lines[:-1], lines[-1:]


def copies(results: Results) -> Display:
    """The grid for download."""
    return copies_of(results, rows_of(results))
