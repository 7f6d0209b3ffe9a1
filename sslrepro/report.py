"""What a page is made of: each function takes `Results` and returns something a notebook shows.

Every number on a page comes from here; none is typed. The same input gives the same bytes.
"""

import html
import io
import itertools
import math
from typing import Any

from sslrepro import papers
from sslrepro.claims import Cell, Verdict
from sslrepro.config import flat, from_record
from sslrepro.profiles import PROFILES
from sslrepro.study import Results

NAMES = {
    "linear_top1": "linear probe, top-1",
    "linear_top5": "linear probe, top-5",
    "knn_top1": "20-NN, top-1",
    "few_top1": "10 labels per class, top-1",
    "neighbour_match": "neighbour has the class",
}
CONTROLS = {
    "pixels": "pixels, no encoder",
    "random": "encoder as initialised",
    "simclr": "SimCLR, same images, steps and views",
    "supcon": "SupCon, labels used (upper bound)",
}
AGREEMENT = {  # what a method takes to be alike, by the names the loop logs
    "neighbour_match_without_self": "mined positives of the anchor's class",
    "pair_match": "mined pairs of one class",
    "relation_match": "affinity pairs of one class",
    "precision_0": "pseudo-label pairs of one class",
}
MINED = "neighbour_match_without_self"  # logged in training, over the last log interval
COLOURS = {"paper": "#8a8f98", "ours": "#0072b2", "extra": "#d55e00"}  # Okabe-Ito: told apart by colour-blind eyes
MINUS = "\u2212"


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A number with a true minus sign."""
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", MINUS)


def shown(cell: Cell | None, digits: int = 1) -> str:
    """mean ± half the 95% interval; only the mean where n = 1; a dash where nothing was run."""
    if cell is None:
        return "–"
    if cell.n < 2:
        return number(cell.mean, digits)
    return f"{number(cell.mean, digits)} ± {number(cell.half_width, digits)}"


def plural(n: int, word: str) -> str:
    """1 epoch, 2 epochs."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


class Shown:
    """Something with an HTML form for the page and a text form for the terminal and for tests."""

    def __init__(self, html_form: str, text: str):
        self.html, self.text = html_form, text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


def html_table(head: list[str], body: list[list[str]], classes: str = "", foot: list[list[str]] = ()) -> str:
    """A table of ready HTML cells, scrolling sideways where it is wider than the page."""

    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    parts = [f'<div class="scroll"><table class="dataframe cmp {classes}">', "<thead>", row(head, "th"), "</thead>"]
    parts += ["<tbody>", *(row(line, "td") for line in body), "</tbody>"]
    if foot:
        parts += ["<tfoot>", *(row(line, "td") for line in foot), "</tfoot>"]
    return "\n".join([*parts, "</table></div>"])


def text_table(lines: list[list[str]]) -> str:
    """The same for a terminal; the first line is the head."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([out[0], "  ".join("-" * width for width in widths), *out[1:]])


# --- the table --------------------------------------------------------------------------------------------------


def rows_of(found: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer (controls) of the table paper | ours, as plain text."""
    definition = found.definition
    transcribed = {row["row"]: row for row in papers.table(definition.id)["rows"]}
    labels = {column["key"]: column.get("label", column["key"]) for column in papers.table(definition.id)["columns"]}
    varied = labels[definition.varied]
    head = [varied, "ours runs"]
    for column, score in definition.columns.items():
        head += [f"paper {labels[column]}", f"ours {NAMES[score]}"]
    head += [f"ours {NAMES[score]}" for score in definition.also] + ["n"]

    def ours(name: str, mapped: str) -> tuple[list[str], list[str]]:
        main = [shown(found.cell(name, score)) for score in definition.columns.values()]
        return main, [shown(found.cell(name, score)) for score in definition.also] + [mapped]

    body, foot = [], []
    for row in definition.rows:
        main, rest = ours(row, str(len(found.rows[row])))
        line = [f"{transcribed[row][definition.varied]:,}", mapped_setting(found, row)]
        for column, mine in zip(definition.columns, main, strict=True):
            line += [number(transcribed[row][column]), mine]
        body.append(line + rest)
    for name in definition.controls:
        main, rest = ours(name, str(len(found.controls[name])))
        line = [CONTROLS[name], ""]
        for mine in main:
            line += ["", mine]
        foot.append(line + rest)
    return head, body, foot


def mapped_setting(found: Results, row: str) -> str:
    """What a row's varied setting became in our runs."""
    records = found.rows[row]
    if not records:
        return "–"
    return f"{records[0]['config']['settings'][found.definition.varied]:,}"


def caption(found: Results) -> str:
    """Unit, protocol, data and n, in one sentence made from the configurations."""
    config = found.plan.rows[next(iter(found.rows))][0].config
    made = found.plan.profile
    return (
        f"{papers.table(found.definition.id)['number']} of the paper beside our runs at `{made.name}` scale. "
        f"Accuracy in %, mean ± half the 95% t-interval over n seeds. Ours: {config.data.name}, "
        f"{config.data.n_train or made.n_train:,} training images of {config.data.side or 'native'} px, encoder "
        f"{config.encoder}, {plural(config.plan.epochs, 'epoch')}; linear probe by L-BFGS on frozen features, its "
        f"penalty chosen on a fifth of train; test read once, at the last epoch. "
        f"Paper: {papers.table(found.definition.id)['dataset']}."
    )


def table(found: Results) -> Shown:
    """The table, paper | ours, with the same-budget controls in the footer and the best row of each column marked."""
    head, body, foot = rows_of(found)
    lines = [[html.escape(cell) for cell in line] for line in body]
    for place in range(2, len(head) - 1):
        values = [float(line[place].split(" ")[0].replace(MINUS, "-")) if line[place] != "–" else -math.inf
                  for line in body]  # fmt: skip
        for line, value in zip(lines, values, strict=True):
            if value == max(values) > -math.inf:
                line[place] = f"<strong>{line[place]}</strong>"
    shown_head = [_stacked(cell) for cell in head]
    note = caption(found).replace(f"`{found.plan.profile.name}`", f"<code>{found.plan.profile.name}</code>")
    return Shown(
        html_table(shown_head, lines, "results", foot) + f'\n<p class="caption">{note}</p>',
        text_table([head, *body, *foot]) + "\n" + caption(found),
    )


def _stacked(cell: str) -> str:
    who, _, what = cell.partition(" ")
    return f'<span class="who {who}">{who}</span><br>{html.escape(what)}' if who in ("paper", "ours") else cell


def markdown(found: Results) -> str:
    """The table in Markdown, for a README or an issue."""
    head, body, foot = rows_of(found)
    lines = [head, ["---"] * len(head), *body, *foot]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def latex(found: Results) -> str:
    """The table in LaTeX (booktabs)."""
    return as_latex(*rows_of(found))


def as_latex(head: list[str], body: list[list[str]], foot: list[list[str]]) -> str:
    """Plain cells as a booktabs tabular."""

    def line(cells: list[str]) -> str:
        return " & ".join(c.replace("%", r"\%").replace("±", r"$\pm$").replace(MINUS, "$-$") for c in cells) + r" \\"

    middle = [line(head), r"\midrule", *map(line, body), r"\midrule", *map(line, foot)]
    return "\n".join([rf"\begin{{tabular}}{{{'l' + 'r' * (len(head) - 1)}}}", r"\toprule", *middle, r"\bottomrule",
                      r"\end{tabular}"]) + "\n"  # fmt: skip


def csv(found: Results) -> str:
    """One line per row, score and seed: what every other number on the page is computed from."""
    lines = ["row,score,seed,value"]
    groups = found.rows | found.controls
    for name, records in groups.items():
        for record in records:
            config = record["config"]
            seed = config.get("seed", config.get("pixels", {}).get("seed"))
            for line in record["results"].values():
                lines += [f"{name},{score},{seed},{value!r}" for score, value in sorted(line["scores"].items())
                          if isinstance(value, float)]  # fmt: skip
    return "\n".join(lines) + "\n"


def copies(found: Results, forms: tuple[str, str] | None = None) -> Shown:
    """The table as CSV (every seed), Markdown and LaTeX, embedded in the page for download.

    forms   its Markdown and LaTeX, where they are not those of a paper's table
    """
    import base64

    links, name = [], f"{found.definition.id}-{found.plan.profile.name}"
    in_markdown, in_latex = forms or (markdown(found), latex(found))
    for label, kind, text in (("CSV, every seed", "csv", csv(found)), ("Markdown", "md", in_markdown),
                              ("LaTeX", "tex", in_latex)):  # fmt: skip
        data = base64.b64encode(text.encode()).decode()
        links.append(f'<a download="{name}.{kind}" href="data:text/plain;base64,{data}">{label}</a>')
    return Shown(f'<p class="copies">Take the table along: {" · ".join(links)}</p>', "csv, markdown, latex")


# --- verdicts ---------------------------------------------------------------------------------------------------


def badge(verdict: str) -> str:
    """A coloured word."""
    return f'<span class="verdict {verdict.replace(" ", "-")}">{verdict}</span>'


def _interval(gap: tuple[float, float, float] | None, unit: str) -> str:
    if gap is None:
        return "–"
    return f"{number(gap[0], 2, sign=True)} [{number(gap[1], 2, sign=True)}, {number(gap[2], 2, sign=True)}] {unit}"


def _needed(verdict: Verdict) -> str:
    if verdict.verdict == "inconclusive":
        return "more than 1,000" if verdict.seeds_needed is None else str(verdict.seeds_needed)
    return "" if verdict.verdict != "not judged" else verdict.reason


def probability(verdict: Verdict) -> str:
    """Three digits; never rounded to certainty."""
    if verdict.probability is None:
        return "–"
    if verdict.probability < 0.001:
        return "< 0.001"
    return "> 0.999" if verdict.probability > 0.999 else f"{verdict.probability:.3f}"


def verdicts(found: Results) -> Shown:
    """Each claim with its verdict, probability, effect beside the paper's, and the seeds it would take."""
    head = ["claim", "what the paper says", "verdict", "probability", "our effect [95%]", "paper's effect",
            "seeds it would take, or why not judged"]  # fmt: skip
    plain, rich = [], []
    for verdict in found.verdicts():
        paper_gap = (
            "–" if verdict.paper_gap is None else f"{number(verdict.paper_gap, 1, sign=True)} {verdict.gap_unit}"
        )
        line = [verdict.claim, verdict.text, verdict.verdict, probability(verdict),
                _interval(verdict.gap, verdict.gap_unit), paper_gap, _needed(verdict)]  # fmt: skip
        plain.append(line)
        cells = [html.escape(cell) for cell in line]
        cells[2] = badge(verdict.verdict)
        rich.append(cells)
    scale = f"at {found.plan.profile.name} scale"
    note = (
        f"Verdicts hold {scale}. Each cell is drawn from its t-distribution over seeds; the probability is the share "
        "of draws in which the claim's expression is true: at least 0.95 holds, at most 0.05 contradicted. The "
        "paper's effect is shown beside ours, not judged: the scales differ."
    )
    note += steps(found) + undecided(found)
    return Shown(
        html_table(head, rich, "verdicts") + f'\n<p class="caption">{note}</p>',
        text_table([head, *plain]) + "\n" + note,
    )


def steps(found: Results) -> str:
    """For a table that claims an order of its rows: how many steps between neighbouring rows go up, in the means."""
    rows = [row for row in found.definition.rows if found.rows[row]]
    kinds = {(claim.get("check") or {}).get("kind") for claim in papers.claims_on(found.definition.id)}
    if "monotone" not in kinds or len(rows) < 3:
        return ""
    parts = []
    for score in found.definition.columns.values():
        means = [found.cell(row, score).mean for row in rows]
        gaps = [after - before for before, after in itertools.pairwise(means)]
        rising = sum(gap > 0 for gap in gaps)
        parts.append(f"{rising} of {len(gaps)} steps of {NAMES[score]} rise (least step {number(min(gaps), 1, True)})")
    return f" Step by step, in the means: {'; '.join(parts)}."


def undecided(found: Results) -> str:
    """Says of every effect whose interval holds both nothing and the paper's size that these seeds tell neither."""
    said = []
    for verdict in found.verdicts():
        if verdict.gap is None or verdict.paper_gap is None:
            continue
        _, low, high = verdict.gap
        if low <= 0 <= high and low <= verdict.paper_gap <= high:
            paper_gap = number(verdict.paper_gap, 1, sign=True)
            said.append(
                f" {verdict.claim}: the interval of our effect holds both 0 and the paper's {paper_gap}, so at this "
                "scale these seeds cannot tell the paper's effect from none; a verdict on the order of all rows says "
                "that they do not rise one by one, not that the trend is false."
            )
    return "".join(said)


def finding(found: Results) -> str:
    """The table's effect in one sentence."""
    high, low, column = found.definition.effect
    ours = [found.cell(row, found.definition.columns[column]) for row in (high, low)]
    rows = {row["row"]: row for row in papers.table(found.definition.id)["rows"]}
    varied, unit = found.definition.varied, "points"
    printed = rows[high][column] - rows[low][column]
    label = {c["key"]: c.get("label", c["key"]) for c in papers.table(found.definition.id)["columns"]}[varied].lower()
    change = f"from {label} {rows[low][varied]:,} to {rows[high][varied]:,} (ours {mapped_setting(found, low)} to " \
             f"{mapped_setting(found, high)})"  # fmt: skip
    if None in ours:
        return f"Not run yet: {change}."
    gap = next((v.gap for v in found.verdicts() if v.gap is not None), None)
    ours_gap = number(ours[0].mean - ours[1].mean, 1, sign=True)
    spread = f" [{number(gap[1], 1, sign=True)}, {number(gap[2], 1, sign=True)}]" if gap else ""
    tail = "" if found.plan.profile.judged else " Nothing is concluded at this scale."
    return (
        f"Going {change} changes linear top-1 by {ours_gap}{spread} {unit} at {found.plan.profile.name} scale; "
        f"the paper prints {number(printed, 1, sign=True)}.{tail}"
    )


def headline(found: Results) -> Shown:
    """Verdict badges and the finding."""
    made = found.verdicts()
    badges = " ".join(f'{badge(v.verdict)} <span class="claim">{v.claim}</span>' for v in made)
    text = finding(found)
    return Shown(f'<div class="headline">{badges}<p>{html.escape(text)}</p></div>',
                 "; ".join(f"{v.claim}: {v.verdict}" for v in made) + "\n" + text)  # fmt: skip


# --- figure -----------------------------------------------------------------------------------------------------


def style(figure: Any, axes: list[Any]) -> None:
    """One look for all plots, on a light card that also stands in dark mode."""
    figure.patch.set_facecolor("#ffffff")
    for axis in axes:
        axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        axis.tick_params(labelsize=9)


class Figure:
    """A PNG with its alternative text; matplotlib's version and date stay out of the file."""

    def __init__(self, figure: Any, alt: str):
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
        plt.close(figure)
        self.png, self.alt = buffer.getvalue(), alt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        import base64

        data = base64.b64encode(self.png).decode()
        return {"text/html": f'<div class="scroll"><img class="plot wide" alt="{html.escape(self.alt)}" '
                f'src="data:image/png;base64,{data}"></div>', "text/plain": self.alt}  # fmt: skip


def figure(found: Results) -> Figure:
    """Both series over what is varied, the paper's and ours with 95% intervals; and neighbour match, where mined."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    definition = found.definition
    column, score = next(iter(definition.columns.items()))
    transcribed = {row["row"]: row for row in papers.table(definition.id)["rows"]}
    rows = [row for row in definition.rows if found.cell(row, score) is not None]
    labels = [f"{transcribed[row][definition.varied]:,}\n({mapped_setting(found, row)})" for row in rows]
    places = range(len(rows))
    panels = [(score, f"ours: {NAMES[score]} (%)", COLOURS["ours"])]
    if rows and found.cell(rows[0], MINED) is not None:
        panels.append((MINED, "ours: neighbour has the class, last steps (%)", COLOURS["extra"]))
    plot, axes = plt.subplots(1, 1 + len(panels), figsize=(11, 3.5), layout="constrained")
    axes[0].plot(places, [transcribed[row][column] for row in rows], "s-", color=COLOURS["paper"])
    printed_labels = {c["key"]: c.get("label", c["key"]) for c in papers.table(definition.id)["columns"]}
    dataset = papers.table(definition.id)["dataset"].split(" ")[0]
    axes[0].set_title(f"paper: {dataset}, {printed_labels[column]} (%)", fontsize=10)
    for axis, (name, title, colour) in zip(axes[1:], panels, strict=True):
        cells = [found.cell(row, name) for row in rows]
        error = [0.0 if cell.n < 2 else cell.half_width for cell in cells]
        axis.errorbar(places, [cell.mean for cell in cells], error, fmt="o-", color=colour, capsize=3)
        for place, row in enumerate(rows):
            values = [100 * value for value in found.values(row, name)]
            axis.plot([place] * len(values), values, ".", color=colour, alpha=0.35, markersize=5)
        axis.set_title(title, fontsize=10)
    reference = found.cell("simclr", score) if "simclr" in found.controls else None
    if reference is not None:
        axes[1].axhline(reference.mean, color="#555555", linestyle="--", linewidth=1)
        axes[1].annotate("SimCLR", (0, reference.mean), xytext=(0, 3), textcoords="offset points", fontsize=8)
    for axis in axes:
        axis.set_xticks(list(places), labels, fontsize=8)
        axis.set_xlabel(f"{printed_labels[definition.varied]}, paper (ours)", fontsize=9)
    style(plot, list(axes))
    means = ", ".join(f"{transcribed[row][definition.varied]:,}: {shown(found.cell(row, score))}" for row in rows)
    printed = ", ".join(f"{transcribed[row][definition.varied]:,}: {transcribed[row][column]}" for row in rows)
    over = printed_labels[definition.varied].lower()
    alt = f"Panels over {over}. Paper's {printed_labels[column]}: {printed}. Ours, mean and 95% interval: {means}."
    if len(panels) > 1:
        matches = ", ".join(shown(found.cell(row, MINED)) for row in rows)
        alt += f" Share of mined neighbours with the anchor's class: {matches}."
    return Figure(plot, f"{alt} Small dots are single seeds.")


# --- what differs, cost, rerun, provenance ----------------------------------------------------------------------


def changes(found: Results) -> Shown:
    """Our runs against the same table at `paper` scale: every setting that differs, made from the configurations."""
    row = next(iter(found.definition.rows))
    ours = flat(found.plan.rows[row][0].config)
    theirs = flat(PROFILES["paper"].config(found.definition.method, 0, found.definition.rows[row]))
    skip = {"data.fingerprint", "data.seed", "seed"}
    head = ["setting", "paper", "ours"]
    body = [[f"<code>{name}</code>", _plain(name, theirs[name]), _plain(name, ours[name])]
            for name in ours if ours[name] != theirs[name] and name not in skip]  # fmt: skip
    row_note = f"Shown for row {row}; rows differ in {found.definition.varied} alone."
    text = [[cell.replace("<code>", "").replace("</code>", "") for cell in line] for line in body]
    return Shown(html_table(head, body) + f'\n<p class="caption">{row_note}</p>', text_table([head, *text]))


def _plain(name: str, value: Any) -> str:
    if value == 0 and name in ("data.n_train", "data.n_test", "data.side", "views.crop_min", "data.classes"):
        return "all" if name.startswith("data.n_") else "as defined"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def cost(found: Results) -> Shown:
    """What the table cost, and what its longest run needs."""
    records = found.records()
    training = [r["results"]["training"]["scores"] for r in records if "training" in r["results"]]
    runs = sum(1 for scores in training if scores["steps"] > 0)
    seconds = found.cpu_seconds()
    peak = max((scores.get("peak_bytes", 0) for scores in training), default=0)
    each = max((scores["seconds"] for scores in training), default=0.0)
    text = (f"{runs} training runs, {seconds / 60:.1f} processor-minutes in all; the longest run {each:.0f} s; peak "
            f"memory of a process {peak / 2**30:.2f} GiB. {machine(found)}")  # fmt: skip
    return Shown(f"<p>{html.escape(text)}</p>", text)


def machine(found: Results) -> str:
    """Where it was made, from the runs' own records."""
    places = sorted({f"{r['environment']['device']}, {r['environment']['threads']} thread per run, torch "
                     f"{r['environment']['torch']}" for r in found.records()})  # fmt: skip
    return "Made on " + "; ".join(places) + "."


def command(found: Results) -> str:
    """The command that makes this page again."""
    made = found.plan
    name, _, dataset = made.profile.name.partition("-")
    words = ["make reproduce", f"TABLE={made.definition.id}", f"PROFILE={name}", f"SEEDS={made.seeds}"]
    return " ".join(words + ([f"DATASET={dataset}", "DATA=<dir>"] if dataset else []))


def rerun(found: Results) -> Shown:
    """The command, with the time it took here on two cores."""
    minutes = found.cpu_seconds() / 60 / 2
    text = f"{command(found)}\nabout {math.ceil(minutes)} minutes on 2 cores, more or less with the machine"
    shown_html = f'<div class="rerun"><pre>{html.escape(command(found))}</pre><p>About {math.ceil(minutes)} minutes ' \
                 "on 2 cores; a killed call resumes, a second one answers from the store.</p></div>"  # fmt: skip
    return Shown(shown_html, text)


def provenance(found: Results) -> Shown:
    """Every run with its identity, seed and commit."""
    head = ["run", "seed", "commit", "clean tree", "images"]
    body = []
    for name, records in (found.rows | found.controls).items():
        for record in records:
            config, place = record["config"], record["environment"]
            data = config.get("data") or config["pixels"]
            identity = from_record(config).identity if "method" in config else "–"
            body.append(
                [
                    f"{name} {identity}",
                    str(config.get("seed", data["seed"])),
                    (place["commit"] or "–")[:9],
                    "–" if place["dirty"] is None else "no" if place["dirty"] else "yes",
                    data["fingerprint"],
                ]
            )
    shown_html = f"<details><summary>{len(body)} runs, their identities and commits</summary>"
    return Shown(f"{shown_html}{html_table(head, body)}</details>", f"{len(body)} runs")
