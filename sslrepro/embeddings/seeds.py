"""A figure of embeddings over training for several seeds: one is drawn, the numbers are of all."""

import html
from pathlib import Path

from sslrepro.base.errors import require
from sslrepro.base.paths import RUNS
from sslrepro.embeddings import evolution
from sslrepro.embeddings.score_names import OF_LABELS, SCORES, factor, title
from sslrepro.report.formats import Display, format_cell, html_table, text_table
from sslrepro.study.results import cell_of


def figures(
    name: str,
    profile: str = "cpu",
    seeds: int = 1,
    dataset: str | None = None,
    root: str | Path | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> list[evolution.FigureResults]:
    """The figure for each of the seeds 0..seeds-1: committed where it is, else trained (or resumed)."""
    require(isinstance(seeds, int) and seeds >= 1, "evolution", "seeds", ">= 1", seeds)
    return [evolution.figure(name, profile, seed, dataset, root, runs, device) for seed in range(seeds)]


def measures(results: list[evolution.FigureResults]) -> Display:
    """Scores of every run at its last epoch: of one seed as the figure's page has them, of several mean ± interval."""
    if len(results) == 1:
        return evolution.measures(results[0])
    first = results[0]
    scores = [
        name
        for name in (*SCORES, *OF_LABELS)
        if any(atlas.score(name)[-1] is not None for atlas in first.atlases.values())
    ]
    body = []
    for arm in first.atlases:
        cells = []
        for name in scores:
            ends = {result.seed: result.atlases[arm].score(name)[-1] for result in results}
            cells.append(cell_of({seed: factor(name) * value for seed, value in ends.items() if value is not None}))
        body.append([first.definition.label(arm), *map(format_cell, cells)])
    head = ["run", *(title(name, first.profile) for name in scores)]
    note = f"In %, at the last epoch, mean ± half the 95% t-interval of {len(results)} seeds. The picture shows seed 0."
    return Display(
        html_table([html.escape(cell) for cell in head], [[html.escape(cell) for cell in line] for line in body])
        + f'\n<p class="caption">{note}</p>',
        text_table([head, *body]) + "\n" + note,
    )
