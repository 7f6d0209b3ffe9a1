"""What a table's caption says: units, protocol, data and number of seeds, all taken from the configurations."""

from typing import Any

from sslrepro import papers
from sslrepro.report.formats import plural
from sslrepro.report.headings import (
    column_label,
    mapped_columns,
    protocol_of,
    row_label,
    rows_in_order,
    transcribed_columns,
)
from sslrepro.study.profiles import side_of
from sslrepro.study.results import Results
from sslrepro.training.config import RunConfig

CLOSE = 0.1  # embedding_std below this is said in the caption; below half of it the loop warns of collapse


def queue_in_words(config: RunConfig) -> str:
    """ ", queue of 192 rows"; "" for a method without one."""
    size = config.settings.get("queue_size")
    return f", queue of {size} rows" if size else ""


def lines_in_order(results: Results) -> list[tuple[str, str]]:
    """(kind, name) of every line of the body: the paper's rows, run or "quoted", then each "variant" of ours."""
    definition = results.definition
    of_paper = [
        ("row" if row in definition.rows and results.plan.of(row) else "quoted", row)
        for row in rows_in_order(definition)
    ]
    return of_paper + [("variant", name) for name in definition.variants]


def caption(results: Results) -> str:
    """Unit, protocol, data and n, in a few sentences made from the configurations."""
    definition, profile = results.definition, results.plan.profile
    table = papers.table(definition.id)
    configs = [
        run.config
        for row in definition.rows or definition.ours
        for column in definition.score_columns
        for run in results.plan.of(row, column)[:1]
    ]
    config = configs[0]
    data = sorted({config.data.name for config in configs})
    epochs = sorted({config.plan.epochs for config in configs} - {0})
    length = plural(epochs[0], "epoch") if len(epochs) == 1 else f"{', '.join(map(str, epochs))} epochs"
    length = length if epochs else "nothing trained"
    text = (
        f"{table['number']} of the paper beside our runs at `{profile.name}` scale. {units(results)}, mean ± half the "
        f"95% t-interval over n seeds. Ours: {', '.join(data)}, {config.data.n_train or profile.n_train:,} training "
        f"images of {side_of(config.data)} px, encoder {config.encoder}, {length}"
    )
    if any(column.score.startswith("linear_top") for column in definition.score_columns.values()):
        text += f"; {probe(results)}"
    text += f". Paper: {table['dataset']}."
    became = mapped_columns(results)
    if became:
        parts = [f"{column_label(definition, name)}: {what}" for name, what in became.items()]
        text += f" What columns set, in our runs: {'; '.join(parts)}."
    if any(definition.column(name).is_derived for name in definition.columns):
        text += " Differences are taken seed by seed, and their intervals are intervals of the difference."
    if any(kind == "quoted" for kind, _ in lines_in_order(results)):
        text += " Gray rows are quoted from the paper and were not run here."
    if definition.variants:
        text += " Rows below the paper's are variants of ours."
    marked = runs_near_collapse(results)
    if marked:
        text += (
            f" Nearly collapsed at the end (spread of the embedding below {CLOSE} of a healthy 1), and kept like "
            f"every other run: {'; '.join(marked)}."
        )
    return text


def probe(results: Results) -> str:
    """How the linear probe was fitted, from the protocol that was run."""
    evaluation, protocol = protocol_of(results, "linear_top1")
    share = _share(protocol.get("held_out", 0.2))
    if evaluation == "linear_sgd":
        text = (
            f"linear probe by SGD on frozen features ({plural(protocol['epochs'], 'epoch')}, batch "
            f"{protocol['batch_size']}), its learning rate chosen on {share} of the training images"
        )
    else:
        text = f"linear probe by L-BFGS on frozen features, its penalty chosen on {share} of the training images"
    return f"{text}; the test images are read once, after the last epoch"


def _share(value: float) -> str:
    """A share in words where it is a usual one."""
    return {0.1: "a tenth", 0.2: "a fifth", 0.25: "a quarter", 0.5: "half"}.get(value, f"{value:.0%}")


def runs_near_collapse(results: Results) -> list[str]:
    """Runs of the table whose embedding had nearly no spread left at the last epoch, as "row, seed 1 (0.06)"."""
    definition = results.definition
    marked: dict[str, None] = {}  # each once, in the order of the table
    for row in definition.ours:
        for column in definition.score_columns:
            for record in results.of(row, column):
                spread = _final_scores(record).get("embedding_std", 1.0)
                if spread < CLOSE:
                    sets = definition.column(column).sets
                    name = row_label(definition, row) + (f", {column_label(definition, column)}" if sets else "")
                    marked[f"{name}, seed {record['config']['seed']} ({spread:.2f})"] = None
    return list(marked)


def _final_scores(record: dict[str, Any]) -> dict[str, Any]:
    return record["results"].get("training", {"scores": {}})["scores"]


def units(results: Results) -> str:
    """The units of our columns: "Accuracy in %", or each with its own."""
    definition = results.definition
    by_unit: dict[str, list[str]] = {}
    accuracy = True
    for name in definition.columns:
        column = definition.column(name)
        base = definition.column(column.of) if column.is_derived else column
        accuracy &= "_top" in base.score
        stated = transcribed_columns(definition).get(name, {}).get("unit") or column.unit
        unit = "points" if column.is_derived and base.factor == 100 else "%" if base.factor == 100 else stated
        if unit:  # a column of ours says its own
            by_unit.setdefault(unit, []).append(column_label(definition, name))
    if set(by_unit) <= {"%", "points"} and accuracy:
        return "Accuracy in %, differences in points" if "points" in by_unit else "Accuracy in %"
    return "Units: " + "; ".join(f"{', '.join(names)} in {unit}" for unit, names in by_unit.items())
