"""At which scale was it tried? Data, encoder, epochs and batch of the paper's table, and of our runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sslrepro import papers
from sslrepro.report.formats import plural
from sslrepro.study.profiles import PROFILES, Profile, side_of
from sslrepro.study.results import Results

UNSTATED = "not stated"


@dataclass(frozen=True)
class Scale:
    """What a table was run on, in words: "ImageNet", "ResNet-50", "1,000", "4,096"."""

    data: str
    encoder: str
    epochs: str
    batch: str

    def __str__(self) -> str:
        return f"{self.data}, {self.encoder}, epochs {self.epochs}, batch {self.batch}"


def paper_scale(table_id: str) -> Scale:
    """The scale of a paper's table, as the paper states it."""
    table, settings = papers.table(table_id), papers.settings(table_id)

    def stated(name: str) -> str:
        value = settings.get(name, UNSTATED)
        return f"{value:,}" if isinstance(value, int) else str(value).partition(" (")[0].partition(" for the")[0]

    return Scale(table["dataset"], stated("encoder"), stated("epochs"), stated("batch_size"))


def our_scale(results: Results, rows: Iterable[str] = (), columns: Iterable[str] = ()) -> Scale:
    """The scale of our runs behind some rows and columns; without them, behind all rows of the paper that were run."""
    definition, profile = results.definition, results.plan.profile
    wanted, named = set(rows) or set(definition.rows), set(columns)
    runs = [
        run
        for (row, column), runs in results.plan.cells.items()
        for run in runs
        if row in wanted and (column in named or not column or not named)
    ]
    configs = [run.config for run in runs if run.config is not None]
    data = sorted({config.data.name for config in configs}) or [profile.data.name]
    images = sorted({config.data.n_train or profile.n_train for config in configs}) or [profile.n_train]
    side = next((side_of(config.data) for config in configs), "native")
    kind = "synthetic " if all(name.startswith("shapes") for name in data) else ""
    return Scale(
        f"{', '.join(data)}: {' or '.join(f'{n:,}' for n in images)} {kind}images of {side} px",
        ", ".join(sorted({config.encoder for config in configs})) or profile.encoder,
        span([config.plan.epochs for config in configs]) if any(config.plan.epochs for config in configs) else "none",
        span([config.plan.batch_size for config in configs]),
    )


def claim_scale(results: Results, claim: dict[str, Any]) -> Scale:
    """The scale of the runs that a claim reads: of the rows and columns that its expression names."""
    definition = results.definition
    text = definition.adapted.get(claim["id"]) or papers.expression(claim) or ""
    rows = [row for row in definition.ours if f"'{row}'" in text]
    columns = [name for name in definition.columns if f"'{name}'" in text]
    own = [name for name in columns if definition.column(name).sets]
    return our_scale(results, rows, own)


def span(values: list[int]) -> str:
    """8, or 2–16 where runs differ."""
    low, high = (min(values), max(values)) if values else (0, 0)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def scale_in_words(profile: Profile) -> str:
    """What a scale is, for a sentence: "16-px synthetic images, 8 epochs"."""
    kind = "synthetic images" if profile.data.name == "shapes" else f"images of {profile.data.name}"
    side = f"{profile.data.side}-px " if profile.data.side else ""
    return f"{side}{kind}, {plural(profile.plan.epochs, 'epoch')}"


def profile_in_words(name: str) -> str:
    """The same of a profile by name, whatever its images."""
    return scale_in_words(PROFILES[name])
