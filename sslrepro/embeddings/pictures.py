"""How are a figure's runs drawn where it is no player: curves over epochs, or queries with their neighbours?"""

import numpy as np

from sslrepro.data.datasets import load
from sslrepro.embeddings.definitions import FigureResults, papers_number
from sslrepro.embeddings.maps import Atlas
from sslrepro.embeddings.player import HUES
from sslrepro.embeddings.score_names import LOGGED, factor, title
from sslrepro.embeddings.sheets import Row, sheet
from sslrepro.report.formats import number
from sslrepro.report.plots import Figure, new_plot, own_style, style

STAGES = 4  # blocks of a picture of neighbours
SIDE = 0.54  # inches of an image in it


@own_style()
def curves(results: FigureResults) -> Figure:
    """Scores at snapshots, and what training logs, over epochs; a line for every run, or for every name of one run."""
    panels = results.definition.curves
    plot, axes = new_plot(1, len(panels), size=(5.4 * len(panels), 3.4), squeeze=False)
    parts = []
    for axis, (heading, what) in zip(axes[0], panels, strict=True):
        lines = [(arm, name) for arm in results.atlases for name in what]
        for place, (arm, name) in enumerate(lines):
            epochs, values = series(results.atlases[arm], name)
            label = (
                results.definition.label(arm) if len(what) == 1 else LOGGED.get(name) or title(name, results.profile)
            )
            mark = {"marker": "osD^"[place % 4], "markersize": 4} if name not in LOGGED else {}
            axis.plot(
                epochs, values, color=HUES[place], linestyle=("-", "--", "-.", ":")[place % 4], label=label, **mark
            )
            if values:
                parts.append(f"{heading}, {label}: {number(values[0])} to {number(values[-1])}")
        axis.set_title(heading, fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        axis.legend(fontsize=8, frameon=False)
    style(plot, list(axes[0]))
    return Figure(plot, f"{papers_number(results.definition)}, curves over epochs. {'; '.join(parts)}.")


def series(atlas: Atlas, name: str) -> tuple[list[float], list[float]]:
    """(epochs, values) of a score at snapshots, or of what training logs; shares in percent."""
    if name in LOGGED:
        epochs, values = atlas.about["log"]["epoch"], atlas.about["log"].get(name, [])
        epochs = epochs if values else []
    else:
        epochs, values = atlas.epochs, atlas.score(name)
    pairs = [(epoch, factor(name) * value) for epoch, value in zip(epochs, values, strict=True) if value is not None]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def neighbours(results: FigureResults) -> Figure:
    """Queries and their neighbours as images, a block for every stage of training."""
    (atlas,) = results.atlases.values()
    definition, data = results.definition, load(atlas.config.data, results.root)[0]
    frames = [len(atlas.epochs) - 1] if definition.last else stages(atlas)
    index = getattr(atlas, definition.among)[frames]  # [stages q k]
    label, present = data.labels.numpy(), index >= 0
    same = present & (label[index] == label[atlas.queries][:, None])
    hits, every = same.sum((1, 2)), np.maximum(present.sum((1, 2)), 1)
    shares = [f"{number(100 * right / of, 0)}% of the class" for right, of in zip(hits, every, strict=True)]
    epochs = [f"epoch {atlas.epochs[frame]:g}" for frame in frames]
    rows = [Row(int(query), "", index[:, place].tolist()) for place, query in enumerate(atlas.queries)]
    titles = [f"{epoch}: {share}" for epoch, share in zip(epochs, shares, strict=True)]
    parts = [f"{epoch} {share}" for epoch, share in zip(epochs, shares, strict=True)]
    n_query, k = index.shape[1:]
    alt = f"{papers_number(results.definition)}: {n_query} queries and their {k} nearest; {', '.join(parts)}."
    return Figure(sheet(data, "query", titles, rows, k, SIDE), alt)


def stages(atlas: Atlas) -> list[int]:
    """Frames of a picture of neighbours: evenly spaced, first and last included."""
    last = len(atlas.epochs) - 1
    return sorted({round(place * last / (STAGES - 1)) for place in range(STAGES)})
