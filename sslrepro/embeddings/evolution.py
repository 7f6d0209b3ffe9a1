"""What is the page of a figure of embeddings over training made of?"""

import base64
import html
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sslrepro import papers
from sslrepro.base.errors import one_of, require
from sslrepro.base.paths import RUNS, data_root
from sslrepro.embeddings import maps
from sslrepro.embeddings.definitions import DEFINITIONS, Definition, FigureResults, papers_number, transcription
from sslrepro.embeddings.layers import KEPT
from sslrepro.embeddings.maps import ARMS, MAPS, TRUSTED
from sslrepro.embeddings.pictures import curves, neighbours
from sslrepro.embeddings.player import Panel, player
from sslrepro.embeddings.score_names import OF_LABELS, SCORES, factor, title
from sslrepro.embeddings.snapshots import CLUSTERINGS
from sslrepro.report.formats import Display, html_table, number, plural, text_table
from sslrepro.report.plots import Figure
from sslrepro.study.profiles import on_dataset, profile


def names() -> list[str]:
    """Ids of all figures, sorted."""
    return sorted(DEFINITIONS)


def figure(
    name: str,
    profile_name: str = "cpu",
    seed: int = 0,
    dataset: str | None = None,
    root: str | Path | None = None,
    runs: str | Path = RUNS,
    device: str = "cpu",
) -> FigureResults:
    """A figure's runs: committed where they are, else trained (or resumed). What the notebook calls."""
    root = data_root(root)
    definition = DEFINITIONS[one_of(name, DEFINITIONS, "evolution.figure", "name")]
    base = on_dataset(profile(profile_name), dataset)
    atlases = {arm: maps.committed_atlas(arm, base, seed, root) for arm in definition.arms}
    absent = [arm for arm in atlases if atlases[arm] is None]
    require(not absent or base.runnable, "evolution.figure", "profile", "smoke, cpu or gpu", profile_name)
    for arm in absent:
        with tqdm(desc=ARMS[arm].label, unit="step") as bar:

            def report(step: int, steps: int, bar: tqdm = bar) -> None:
                bar.total = steps
                bar.update(step - bar.n)

            atlases[arm] = maps.make_atlas(arm, base, seed, root, Path(runs), device, report)
    return FigureResults(definition, base, seed, atlases, not absent, root)


def keep(results: FigureResults) -> list[Path]:
    """Write the atlases of a figure where they are committed, the new ones only; returns their paths."""
    paths = []
    for arm, atlas in results.atlases.items():
        paths.append(maps.path_of(arm, results.profile, results.seed))
        if maps.committed_atlas(arm, results.profile, results.seed, results.root) is None:
            maps.write(paths[-1], atlas)
    return paths


# --- what a page shows ------------------------------------------------------------------------------------------


def picture(results: FigureResults) -> Display | Figure:
    """The figure: a player, curves, or neighbours as images."""
    definition = results.definition
    if definition.panels:
        panels = [
            Panel(
                heading or definition.label(arm),
                results.atlases[arm],
                colour,
                results.atlases[definition.borrows.get(arm, arm)],
            )
            for arm, colour, heading in definition.panels
        ]
        return player(panels, definition.first, definition.id, definition.lines)
    return curves(results) if definition.curves else neighbours(results)


def caption(results: FigureResults) -> Display:
    """What is shown, from the configurations: images, encoder, epochs, seed, how maps are made."""
    atlas = next(iter(results.atlases.values()))
    config = atlas.config
    text = (
        f"{papers_number(results.definition)} at {results.profile.name} scale: {config.data.name}, "
        f"{config.data.n_train or results.profile.n_train:,} training images of {config.data.side or 'native'} px, "
        f"encoder {config.encoder}, {plural(config.plan.epochs, 'epoch')}, seed {results.seed} alone. "
    )
    if results.definition.panels:
        text += (
            f"The maps show {len(atlas.shown)} of the training images, the same at every epoch, by the features of the "
            "frozen encoder brought to unit length. t-SNE (openTSNE): each epoch starts from the positions of the one "
            "before."
        )
        text += " UMAP: AlignedUMAP, all epochs at once." if "umap" in atlas.maps else ""
        text += f" kNN: {title('knn_top1', results.profile)}, on test images."
        text += f" Trust: trustworthiness of the map with {TRUSTED} neighbours."
    if results.definition.own:
        text += f" Settings beside the scale's, in the paper's units: {settings_of(results)}."
    if any(atlas.mined.size for atlas in results.atlases.values()):
        text += (
            f" Lines go to at most {KEPT} mined images of each shown image{by_hop(results)}, drawn at random from "
            "those that are shown too; the shares are of all mined images of all training images."
        )
    return Display(f'<p class="caption">{html.escape(text)}</p>', text)


def settings_of(results: FigureResults) -> str:
    """What the runs of a figure set beside the scale's settings."""
    parts = []
    for arm in results.atlases:
        of_arm = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in ARMS[arm].settings.items())
        parts.append(f"{results.definition.label(arm)}: {of_arm or 'none'}")
    return "; ".join(parts)


def by_hop(results: FigureResults) -> str:
    """Whether lines are kept by hop, in words."""
    return " and hop" if any(atlas.mined.shape[2] > 1 for atlas in results.atlases.values()) else ""


def numbers_in_paper(definition: Definition) -> str:
    """What the paper says in numbers about its figure, or nothing."""
    parts = []
    for stated in transcription(definition).get("numbers", ()):
        value = (
            f"epoch {stated['value']}"
            if stated["unit"] == "epoch"
            else f"{stated['value']} {stated['unit']}".replace(" %", "%")
        )
        parts.append(f"{stated['what']}: {'about ' if stated['approx'] else ''}{value}")
    return f"The paper, on {transcription(definition)['dataset']}: {'; '.join(parts)}." if parts else ""


def measures(results: FigureResults) -> Display:
    """Scores of every run at its last epoch, one seed, and a link to those of all epochs."""
    kinds = [kind for kind in MAPS if all(kind in atlas.maps for atlas in results.atlases.values())]
    names = (*SCORES, *OF_LABELS)
    head = ["run", *(title(name, results.profile) for name in names), *(f"trust of {MAPS[kind]}" for kind in kinds)]
    body = []
    for arm, atlas in results.atlases.items():
        values = [(factor(name), atlas.score(name)[-1]) for name in names]
        values += [(100.0, atlas.about["trust"][kind][-1]) for kind in kinds]
        cells = ["–" if value is None else number(times * value) for times, value in values]
        body.append([results.definition.label(arm), *cells])
    filled = [place for place in range(len(head)) if any(line[place] != "–" for line in body)]
    head, body = [head[place] for place in filled], [[line[place] for place in filled] for line in body]
    data = base64.b64encode(csv(results).encode()).decode()
    name = f"{results.definition.id}-{results.profile.name}.csv"
    link = f'<a download="{name}" href="data:text/plain;base64,{data}">all epochs as CSV</a>'
    note = f"In %, at the last epoch, one seed. k-means: as many clusters as classes, means of {CLUSTERINGS} of them."
    if title("mined", results.profile) in head:
        n_classes = len(next(iter(results.atlases.values())).about["classes"])
        note += f" Of images drawn at random {number(100 / n_classes)}% would be of the class."
    return Display(
        html_table([html.escape(cell) for cell in head], [[html.escape(cell) for cell in line] for line in body])
        + f'\n<p class="caption">{note} Download: {link}.</p>',
        text_table([head, *body]) + "\n" + note,
    )


def csv(results: FigureResults) -> str:
    """run,epoch,score,value of every snapshot."""
    lines = ["run,epoch,score,value"]
    for arm, atlas in results.atlases.items():
        series = atlas.about["scores"] | {f"trust_{kind}": values for kind, values in atlas.about["trust"].items()}
        for name, values in sorted(series.items()):
            lines += [
                f"{arm},{epoch:g},{name},{value!r}"
                for epoch, value in zip(atlas.epochs, values, strict=True)
                if value is not None
            ]
    return "\n".join(lines) + "\n"


def rerun(results: FigureResults) -> Display:
    """The command that reproduces the runs of this figure."""
    profile = results.profile
    command = f"python -m sslrepro evolution {results.definition.id} --profile {profile.base} --seed {results.seed}"
    command += f" --dataset {profile.dataset}" if profile.dataset else ""
    places = [atlas.about["environment"] for atlas in results.atlases.values()]
    commits = ", ".join(sorted({str(where["commit"])[:10] for where in places}))
    note = f"Run on {places[0]['device']} with torch {places[0]['torch']}, commit {commits}."
    return Display(
        f'<div class="rerun"><pre>{html.escape(command)}</pre><p>{html.escape(note)}</p></div>', f"{command}\n{note}"
    )


class Text:
    """Markdown for a notebook."""

    def __init__(self, text: str):
        self.text = text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": self.text, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


def question(definition: Definition, cite: bool = False) -> Text:
    """Which figure of which paper, and what it asks; with a citation of the book's bibliography."""
    paper = f"{{cite:t}}`{definition.paper}`" if cite else papers.paper(definition.paper)["paper"]["short"]
    source = f"*A figure of our own, beside* {paper}, *which has none like it.*"
    source = source if definition.own else f"*{transcription(definition)['number']} of* {paper}."
    return Text(f"{source} {definition.question}")


def reading(definition: Definition) -> Text:
    """How to read the figure, and what the paper says of it in numbers."""
    return Text(f"{definition.reading} {numbers_in_paper(definition)}".strip())
