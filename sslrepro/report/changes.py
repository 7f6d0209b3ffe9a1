"""What we changed against the paper's settings: the configurations of our runs and of `paper` scale, compared."""

from typing import Any

from sslrepro.report.formats import Display, html_table, text_table
from sslrepro.report.headings import column_label, row_label, settings_named
from sslrepro.study.profiles import PROFILES
from sslrepro.study.results import Results
from sslrepro.training.config import flat

NOT_CHOICES = {"data.fingerprint", "data.seed", "seed"}


def changes(results: Results) -> Display:
    """Our runs against the same table at `paper` scale: every setting that differs, made from the configurations."""
    definition = results.definition
    row, column = next(
        (row, column) for row in definition.rows for column in definition.score_columns if results.plan.of(row, column)
    )
    settings = definition.rows[row] | definition.column(column).sets
    method = settings.pop("method", definition.method)
    ours = flat(results.plan.of(row, column)[0].config)
    theirs = flat(PROFILES["paper"].config(method, 0, settings))
    head = ["setting", "paper", "ours"]
    body = [
        [name, _format(name, theirs[name]), _format(name, ours[name])]
        for name in ours
        if ours[name] != theirs[name] and name not in NOT_CHOICES
    ]
    names = [name.replace("_", " ") for name in settings_named(definition.rows)]
    note = f"Shown for row {row_label(definition, row)}"
    note += f"; rows differ in {names[0]} alone." if len(names) == 1 else f"; rows set {', '.join(names)}."
    sets = settings_named({name: column.sets for name, column in definition.score_columns.items()})
    if sets:
        columns = ", ".join(name.replace("_", " ") for name in sets)
        note += f" Shown for column {column_label(definition, column)}; columns set {columns}."
    marked = [[f"<code>{name}</code>", *values] for name, *values in body]
    return Display(
        html_table(head, marked) + f'\n<p class="caption">{note}</p>', text_table([head, *body]) + "\n" + note
    )


def _format(name: str, value: Any) -> str:
    if value == 0 and name in ("data.n_train", "data.n_test", "data.side", "views.crop_min", "data.classes"):
        return "all" if name.startswith("data.n_") else "as defined"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
