"""What a page is made of: each function takes `Results` and returns something a notebook shows.

Every number on a page comes from here; none is typed. The same input gives the same bytes.
"""

import base64
import csv as lines_of
import html
import io
import math
from typing import Any

from sslrepro import papers
from sslrepro.report.figures import MINED, Figure, figure, style
from sslrepro.report.formats import (
    COLOURS,
    MINUS,
    Shown,
    as_latex,
    as_markdown,
    html_table,
    number,
    plural,
    shown,
    text_table,
)
from sslrepro.report.headings import (
    CONTROLS,
    NAMES,
    column_label,
    heading,
    mapped_columns,
    mapped_setting,
    row_heading,
    row_label,
    rows_in_order,
    set_by,
    shown_number,
    transcribed_columns,
)
from sslrepro.report.verdicts import badge, finding, headline, probability, steps, undecided, verdicts
from sslrepro.study.profiles import PROFILES
from sslrepro.study.results import Results
from sslrepro.training.config import flat, from_record

__all__ = ["AGREEMENT", "COLOURS", "CONTROLS", "MINED", "NAMES", "Figure", "Shown", "as_latex", "badge", "caption",
           "changes", "command", "copies", "cost", "csv", "figure", "finding", "headline", "html_table", "latex",
           "machine", "markdown", "number", "plural", "probability", "provenance", "rerun", "rows_of", "shown",
           "steps", "style", "table", "text_table", "undecided", "verdicts"]  # fmt: skip

CLOSE = 0.1  # embedding_std below this is said in the caption; below half of it the loop warns of collapse
AGREEMENT = {  # what a method takes to be alike, by the names the loop logs
    "neighbour_match_without_self": "mined positives of the anchor's class",
    "pair_match": "mined pairs of one class",
    "relation_match": "affinity pairs of one class",
    "precision_0": "pseudo-label pairs of one class",
}


# --- the table --------------------------------------------------------------------------------------------------


def lines_in_order(found: Results) -> list[tuple[str, str]]:
    """(kind, name) of every line of the body: the paper's rows, run or "quoted", then each "variant" of ours."""
    definition = found.definition
    here = [("row" if row in definition.rows and found.plan.of(row) else "quoted", row)
            for row in rows_in_order(definition)]  # fmt: skip
    return here + [("variant", name) for name in definition.variants]


def rows_of(found: Results) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Head, body and footer (controls) of the table paper | ours, as plain text."""
    definition = found.definition
    theirs = transcribed_columns(definition)
    head = [row_heading(definition), "ours runs"]
    for column in definition.columns:
        head += [f"paper {column_label(definition, column)}"] if column in theirs else []
        head += [f"ours {heading(definition, column)}"]
    head += [f"ours {NAMES.get(score, score)}" for score in definition.also] + ["n"]

    def line(name: str, kind: str) -> list[str]:
        control = kind == "control"
        cells = [CONTROLS.get(name, name) if control else row_label(definition, name)]
        cells.append("" if control else mapped_setting(found, name))
        for column in definition.columns:
            if column in theirs:
                cells.append("" if kind in ("control", "variant") else shown_number(definition, name, column))
            given = definition.column(column)
            cells.append(
                "" if kind == "quoted" else shown(found.at(name, column, control), given.digits, given.derived)
            )
        for score in definition.also:
            cell = found.cell(name, score) if not control else found.control_cell(name, score)
            cells.append("" if kind == "quoted" else shown(cell))
        return [*cells, "" if kind == "quoted" else seeds_of(found, name, control)]

    body = [line(name, kind) for kind, name in lines_in_order(found)]
    return head, body, [line(name, "control") for name in definition.controls]


def seeds_of(found: Results, name: str, control: bool = False) -> str:
    """How many seeds the cells of a line have: 3, or 2-3 where they differ."""
    counts = {len(found.seeded(name, column, control)) for column in found.definition.measured}
    counts = counts - {0} or {0}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"


def caption(found: Results) -> str:
    """Unit, protocol, data and n, in a few sentences made from the configurations."""
    definition, made = found.definition, found.plan.profile
    table = papers.table(definition.id)
    configs = [run.config for row in definition.rows for column in definition.measured
               for run in found.plan.of(row, column)[:1]]  # fmt: skip
    config = configs[0]
    data = sorted({one.data.name for one in configs})
    epochs = sorted({one.plan.epochs for one in configs} - {0})
    length = plural(epochs[0], "epoch") if len(epochs) == 1 else f"{', '.join(map(str, epochs))} epochs"
    said = (
        f"{table['number']} of the paper beside our runs at `{made.name}` scale. {units(found)}, mean ± half the 95% "
        f"t-interval over n seeds. Ours: {', '.join(data)}, {config.data.n_train or made.n_train:,} training images of "
        f"{config.data.side or 'native'} px, encoder {config.encoder}, {length}"
    )
    if any(column.score.startswith("linear_top") for column in definition.measured.values()):
        said += ("; linear probe by L-BFGS on frozen features, its penalty chosen on a fifth of train; test read once, "
                 "at the last epoch")  # fmt: skip
    said += f". Paper: {table['dataset']}."
    became = mapped_columns(found)
    if became:
        parts = [f"{column_label(definition, name)}: {what}" for name, what in became.items()]
        said += f" What columns set, in our runs: {'; '.join(parts)}."
    if any(definition.column(name).derived for name in definition.columns):
        said += " Differences are taken seed by seed, and their intervals are of the differences."
    if any(kind == "quoted" for kind, _ in lines_in_order(found)):
        said += " Gray rows are quoted from the paper and not run here."
    if definition.variants:
        said += " Rows below the paper's are variants of ours."
    flat = collapsing(found)
    if flat:
        said += (f" Close to collapse at the end (spread of the embedding below {CLOSE} of a healthy 1), and counted "
                 f"like every other run: {'; '.join(flat)}.")  # fmt: skip
    return said


def collapsing(found: Results) -> list[str]:
    """Runs of the table whose embedding had nearly no spread left at the last epoch, as "row, seed 1 (0.06)"."""
    definition = found.definition
    found_at: dict[str, None] = {}  # each once, in the order of the table
    for row in definition.ours:
        for column in definition.measured:
            for record in found.of(row, column):
                training = record["results"].get("training", {"scores": {}})["scores"]
                spread = training.get("embedding_std", 1.0)
                if spread < CLOSE:
                    sets = definition.column(column).sets
                    name = row_label(definition, row) + (f", {column_label(definition, column)}" if sets else "")
                    found_at[f"{name}, seed {record['config']['seed']} ({spread:.2f})"] = None
    return list(found_at)


def units(found: Results) -> str:
    """The units of our columns: "Accuracy in %", or each with its own."""
    definition = found.definition
    by_unit: dict[str, list[str]] = {}
    accuracy = True
    for name in definition.columns:
        column = definition.column(name)
        base = definition.column(column.of) if column.derived else column
        accuracy &= "_top" in base.score
        given = transcribed_columns(definition).get(name, {}).get("unit") or column.unit
        unit = "points" if column.derived and base.factor == 100 else "%" if base.factor == 100 else given
        if unit:  # a column of ours says its own
            by_unit.setdefault(unit, []).append(column_label(definition, name))
    if set(by_unit) <= {"%", "points"} and accuracy:
        return "Accuracy in %, differences in points" if "points" in by_unit else "Accuracy in %"
    return "Units: " + "; ".join(f"{', '.join(names)} in {unit}" for unit, names in by_unit.items())


def table(found: Results) -> Shown:
    """The table, paper | ours, with the same-budget controls in the footer and the best row of each column marked."""
    head, body, foot = rows_of(found)
    kinds = [kind for kind, _ in lines_in_order(found)]
    lines = [[html.escape(cell) for cell in line] for line in body]
    for place, best in enumerate(directions(found), 2):
        mark_best(lines, body, kinds, place, best)
    shown_head = [_stacked(cell) for cell in head]
    plain_foot = [[html.escape(cell) for cell in line] for line in foot]
    note = html.escape(caption(found), quote=False)
    note = note.replace(f"`{found.plan.profile.name}`", f"<code>{found.plan.profile.name}</code>")
    classes = ["" if kind == "row" else kind for kind in kinds]
    return Shown(
        html_table(shown_head, lines, "results", plain_foot, classes) + f'\n<p class="caption">{note}</p>',
        text_table([head, *body, *foot]) + "\n" + caption(found),
    )


def directions(found: Results) -> list[str]:
    """Which value is best, "high", "low" or "", for every column of numbers as it stands in the table."""
    definition, out = found.definition, []
    for name in definition.columns:
        best = definition.column(name).best
        out += [best, best] if name in transcribed_columns(definition) else [best]
    return out + ["high"] * len(definition.also)


def mark_best(lines: list[list[str]], body: list[list[str]], kinds: list[str], place: int, best: str) -> None:
    """Set the best of a column in bold, among the paper's rows, where there are at least two values."""
    values = {}
    for number_of, (line, kind) in enumerate(zip(body, kinds, strict=True)):
        text = line[place].split(" ")[0].replace(MINUS, "-").replace(",", "")
        if kind != "variant" and text not in ("", "–"):
            values[number_of] = float(text)
    if len(values) < 2 or not best:
        return
    chosen = (max if best == "high" else min)(values.values())
    for number_of, value in values.items():
        if value == chosen:
            lines[number_of][place] = f"<strong>{lines[number_of][place]}</strong>"


def _stacked(cell: str) -> str:
    who, _, what = cell.partition(" ")
    escaped = html.escape(what)
    return f'<span class="who {who}">{who}</span><br>{escaped}' if who in ("paper", "ours") else html.escape(cell)


def markdown(found: Results) -> str:
    """The table in Markdown, for a README or an issue."""
    return as_markdown(*rows_of(found))


def latex(found: Results) -> str:
    """The table in LaTeX (booktabs)."""
    return as_latex(*rows_of(found))


def csv(found: Results) -> str:
    """One line per run and score: what every other number on the page is computed from.

    row   of the table, or the control; with the column behind a colon where the column has runs of its own
    """
    out = io.StringIO()
    write = lines_of.writer(out, lineterminator="\n").writerow
    write(["row", "score", "seed", "value"])
    for name, runs in groups(found):
        for run in runs:
            for line in found.known[run.name]["results"].values():
                for score, value in sorted(line["scores"].items()):
                    if isinstance(value, float):
                        write([name, score, run.seed, repr(value)])
    return out.getvalue()


def groups(found: Results) -> list[tuple[str, list[Any]]]:
    """(name of a cell's run, its runs that were done), each distinct run once."""
    seen, out = set(), []
    for (row, column), runs in found.plan.cells.items():
        name = row.removeprefix("control ") + (f":{column}" if column else "")
        mine = [run for run in runs if run.name in found.known and (name, run.name) not in seen]
        seen |= {(name, run.name) for run in mine}
        out.append((name, mine))
    return out


def copies(found: Results, forms: tuple[str, str] | None = None) -> Shown:
    """The table as CSV (every seed), Markdown and LaTeX, embedded in the page for download.

    forms   its Markdown and LaTeX, where they are not those of a paper's table
    """
    links, name = [], f"{found.definition.id}-{found.plan.profile.name}"
    in_markdown, in_latex = forms or (markdown(found), latex(found))
    for label, kind, text in (("CSV, every seed", "csv", csv(found)), ("Markdown", "md", in_markdown),
                              ("LaTeX", "tex", in_latex)):  # fmt: skip
        data = base64.b64encode(text.encode()).decode()
        links.append(f'<a download="{name}.{kind}" href="data:text/plain;base64,{data}">{label}</a>')
    return Shown(f'<p class="copies">Take the table along: {" · ".join(links)}</p>', "csv, markdown, latex")


# --- what differs, cost, rerun, provenance ----------------------------------------------------------------------


def changes(found: Results) -> Shown:
    """Our runs against the same table at `paper` scale: every setting that differs, made from the configurations."""
    definition = found.definition
    row, column = next((row, column) for row in definition.rows for column in definition.measured
                       if found.plan.of(row, column))  # fmt: skip
    given = definition.rows[row] | definition.column(column).sets
    method = given.pop("method", definition.method)
    ours = flat(found.plan.of(row, column)[0].config)
    theirs = flat(PROFILES["paper"].config(method, 0, given))
    skip = {"data.fingerprint", "data.seed", "seed"}
    head = ["setting", "paper", "ours"]
    body = [[f"<code>{name}</code>", _plain(name, theirs[name]), _plain(name, ours[name])]
            for name in ours if ours[name] != theirs[name] and name not in skip]  # fmt: skip
    names = [name.replace("_", " ") for name in set_by(definition.rows)]
    row_note = f"Shown for row {row_label(definition, row)}"
    row_note += f"; rows differ in {names[0]} alone." if len(names) == 1 else f"; rows set {', '.join(names)}."
    sets = set_by({name: one.sets for name, one in definition.measured.items()})
    if sets:
        columns = ", ".join(name.replace("_", " ") for name in sets)
        row_note += f" Shown for column {column_label(definition, column)}; columns set {columns}."
    text = [[cell.replace("<code>", "").replace("</code>", "") for cell in line] for line in body]
    return Shown(
        html_table(head, body) + f'\n<p class="caption">{row_note}</p>', text_table([head, *text]) + "\n" + row_note
    )


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
    name, dataset = made.profile.base, made.profile.dataset
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
    for name, runs in groups(found):
        for run in runs:
            record = found.known[run.name]
            config, place = record["config"], record["environment"]
            data = config.get("data") or config["pixels"]
            identity = from_record(config).identity if "method" in config else "–"
            body.append(
                [
                    html.escape(f"{name} {identity}"),
                    str(run.seed),
                    (place["commit"] or "–")[:9],
                    "–" if place["dirty"] is None else "no" if place["dirty"] else "yes",
                    data["fingerprint"],
                ]
            )
    shown_html = f"<details><summary>{len(body)} runs, their identities and commits</summary>"
    return Shown(f"{shown_html}{html_table(head, body)}</details>", f"{len(body)} runs")
