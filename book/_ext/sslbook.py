"""What the book needs beyond Jupyter Book: offline assets, the claims board, pictures made at build time."""

import base64
import functools
import html
import io
import json
import re
import shutil
from importlib import metadata
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.util import logging

from sslrepro import papers
from sslrepro.base.paths import PAGES
from sslrepro.claims import Verdict
from sslrepro.report.formats import html_table
from sslrepro.report.table_page import badge
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, read_results

LOG = logging.getLogger(__name__)
REMOTE = re.compile(r"""<(?:script|link|img|iframe|source)[^>]*(?:src|href)=["'](?:https?:)?//[^"']*["'][^>]*>""")
MEASURED = Path(__file__).parents[2] / "benchmarks" / "results"
ORDER = ("holds", "contradicted", "inconclusive", "not judged")


def vendored() -> Path:
    """MathJax as one file, where pip put it."""
    for path in metadata.files("sphinx-mathjax-offline"):
        if path.name == "tex-svg.js":
            return Path(path.locate())
    raise FileNotFoundError("tex-svg.js is not in the sphinx-mathjax-offline package; reinstall requirements.txt")


def offline_assets(app: Sphinx, config) -> None:
    """Put MathJax where mathjax_path points, outside the sources."""
    folder = Path(app.outdir).parent / "static"
    (folder / "vendor").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(vendored(), folder / "vendor" / "tex-svg.js")
    config.html_static_path.append(str(folder))


def fetches(script) -> bool:
    """Whether a script comes from elsewhere or, as thebe's two, is there to fetch one."""
    given = f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {}).get('body', '')}"
    return "://" in given or "thebe" in given


def drop_remote(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Drop scripts the theme would fetch (thebe, require.js), and warn of any remote asset in a page's own body."""
    context["script_files"] = [script for script in context.get("script_files", []) if not fetches(script)]
    for tag in REMOTE.findall(context.get("body") or ""):
        LOG.warning("%s: remote asset %s; the book must work offline", page, tag)


def thumbnail(png: bytes, width: int = 480, colours: int = 24) -> bytes:
    """A PNG no wider than `width` pixels with a small palette."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(colours, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def settles(verdict: Verdict) -> str:
    """What would settle an undecided claim."""
    if verdict.seeds_needed is None:
        return "not even 1,000 seeds per cell would settle it here: it takes another scale"
    return f"{verdict.seeds_needed:,} seeds per cell would settle it, if means and spreads stayed"


def published() -> dict[str, Results]:
    """Page name -> results, for every executed page."""
    found = {}
    for page in sorted(PAGES.glob("*.ipynb")):
        given = json.loads(page.read_text())["metadata"]["sslrepro"]["parameters"]
        made = plan_table(given["table"], given["profile"], given["seeds"], given.get("dataset"))
        if made.profile.judged:
            found[page.stem] = read_results(made)
    return found


class ClaimsBoard(Directive):
    """One mark per claim, by the verdict of the largest scale that judged it, and counts by paper and scale.

    "not judged" counts claims that no page of that scale has judged. Below, what each undecided claim would take.
    """

    def run(self) -> list[nodes.Node]:
        judged: dict[str, list[tuple[Verdict, str, str]]] = {}  # claim -> (verdict, scale, page)
        scales: dict[str, dict[str, str]] = {}  # scale -> claim -> its verdict there
        for page, found in published().items():
            scale = found.plan.profile.name
            at = scales.setdefault(scale, {})
            for verdict in found.verdicts():
                if verdict.verdict != "not judged":
                    judged.setdefault(verdict.claim, []).append((verdict, scale, page))
                if verdict.verdict != "not judged" or verdict.claim not in at:
                    at[verdict.claim] = verdict.verdict
        lines, rows, totals, open_ones = [], [], dict.fromkeys(ORDER, 0), []
        for key in papers.PAPERS:
            squares, own = [], dict.fromkeys(ORDER, 0)
            claims, name = papers.paper(key)["claims"], papers.paper(key)["paper"]["short"]
            for claim in claims:
                known = judged.get(claim["id"], [])
                verdict = known[0][0].verdict if known else "not judged"
                own[verdict] += 1
                took = f", {settles(known[0][0])}" if verdict == "inconclusive" else ""
                title = html.escape(f"{claim['id']}: {claim['text']} ({verdict}{took})", quote=True)
                squares.append(f'<a href="claims.html#{claim["id"]}" class="square {verdict.replace(" ", "-")}"'
                               f' title="{title}" aria-label="{title}"></a>')  # fmt: skip
                for one, scale, page in known:
                    if one.verdict == "inconclusive":
                        open_ones.append(
                            f'<li><a href="claims.html#{claim["id"]}">{claim["id"]}</a> {html.escape(claim["text"])} '
                            f'<a href="executed/{page}.html">At {scale} scale</a>: {settles(one)}.</li>')  # fmt: skip
            link = f'<a href="claims.html#claims-{key}">{name}</a>'
            lines.append(f'<div class="paper"><b>{link}</b><span class="squares">{"".join(squares)}</span></div>')
            totals = {one: totals[one] + own[one] for one in ORDER}
            for scale, at in sorted(scales.items()):
                told = [at.get(claim["id"], "not judged") for claim in claims]
                if set(told) != {"not judged"}:
                    rows.append([link, scale, *(str(told.count(one)) for one in ORDER)])
        counts = " ".join(f"<span>{badge(name)} {totals[name]}</span>" for name in ORDER)
        table = html_table(["paper", "scale", *ORDER], rows) if rows else ""
        took = ""
        if open_ones:
            took = (f"<details><summary>What each of the {len(open_ones)} inconclusive verdicts would take</summary>"
                    f"<ul>{''.join(open_ones)}</ul></details>")  # fmt: skip
        board = f'<div class="board">{"".join(lines)}<p class="counts">{counts}</p>{table}{took}</div>'
        return [nodes.raw("", board, format="html")]


class Pages(Directive):
    """A card per published page: its figure, its finding."""

    def run(self) -> list[nodes.Node]:
        cards = []
        for page, found in published().items():
            kind = found.definition.notebook
            image, text = presenter(found.definition).figure(found), presenter(found.definition).finding(found)
            data = base64.b64encode(thumbnail(image.png, 560)).decode()
            title = f"{found.definition.title} ({found.plan.profile.name})"
            cards.append(
                f'<a class="card-page" href="executed/{page}.html"><img {"class=tall " if kind == "methods" else ""}'
                f'alt="{html.escape(image.alt, quote=True)}" src="data:image/png;base64,{data}">'
                f"<b>{html.escape(title)}</b>"
                f"<span>{html.escape(text)}</span></a>"
            )
        return [nodes.raw("", f'<div class="gallery">{"".join(cards)}</div>', format="html")]


class ShapesSheet(Directive):
    """Sample images of the procedural set, three per leaf class."""

    def run(self) -> list[nodes.Node]:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        from sslrepro.data import load
        from sslrepro.data.dataset import DataConfig
        from sslrepro.data.shapes import FAMILIES, VARIANTS

        train, _ = load(DataConfig("shapes", n_train=48 * 8, n_test=48, side=16, seed=7))
        plot, axes = plt.subplots(12, 16, figsize=(11, 8.6), layout="constrained")
        shapes = [shape for family in FAMILIES.values() for shape in family]
        for row, axis_row in enumerate(axes):
            variant, copy = divmod(row, 4)
            for column, axis in enumerate(axis_row):
                leaf = variant * 16 + column
                image = train.images[(train.labels == leaf).nonzero()[copy, 0]]
                axis.imshow(image.permute(1, 2, 0), interpolation="nearest")
                axis.set_xticks([]), axis.set_yticks([])
                if row == 0:
                    axis.set_title(shapes[column], fontsize=7)
                if column == 0 and copy == 0:
                    axis.set_ylabel(VARIANTS[variant], fontsize=8)
        buffer = io.BytesIO()
        plot.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
        plt.close(plot)
        data = base64.b64encode(buffer.getvalue()).decode()
        alt = "Sample images of shapes: 16 shapes in columns, four images each of the solid, hollow and bitten variant."
        return [nodes.raw("", f'<img class="plot" alt="{alt}" src="data:image/png;base64,{data}">', format="html")]


@functools.cache
def class_tree() -> tuple[bytes, str]:
    """Six of the embedded images with their labels at every level of the class tree: a PNG and its alternative text."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from sslrepro.data import load
    from sslrepro.data.dataset import DataConfig
    from sslrepro.data.shapes import LEAVES, LEVELS

    train, _ = load(DataConfig("shapes", n_train=48 * 8, n_test=48, side=16, seed=7))
    chosen = (0, 21, 26, 31, 36, 47)  # leaves of all families and variants
    plot, axes = plt.subplots(1, len(chosen), figsize=(10, 2.7), layout="constrained")
    told = []
    for axis, leaf in zip(axes, chosen, strict=True):
        family, shape, variant = LEAVES[leaf]
        image = train.images[(train.labels == leaf).nonzero()[0, 0]]
        axis.imshow(image.permute(1, 2, 0), interpolation="nearest")
        axis.set_xticks([]), axis.set_yticks([])
        axis.set_xlabel(f"{family}\n{shape}\n{variant} {shape}", fontsize=9)
        told.append(f"{variant} {shape} (shape {shape}, family {family})")
    depths = " / ".join(f"{n}" for n in sorted(LEVELS))
    plot.suptitle(f"labels with {depths} classes, from above", fontsize=9)
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(plot)
    return buffer.getvalue(), "Six images and their labels at three levels: " + "; ".join(told) + "."


class ClassTree(Directive):
    """Six of the embedded images with their labels at every level of the class tree."""

    def run(self) -> list[nodes.Node]:
        png, alt = class_tree()
        data, alt = base64.b64encode(png).decode(), html.escape(alt, quote=True)
        image = f'<div class="scroll"><img class="plot wide" alt="{alt}" src="data:image/png;base64,{data}"></div>'
        return [nodes.raw("", image, format="html")]


class Profiles(Directive):
    """The scales, from the code that runs them."""

    def run(self) -> list[nodes.Node]:
        from sslrepro.study.profiles import PROFILES

        head = ["profile", "where", "images", "encoder", "epochs", "batch", "optimizer", "seeds"]
        body = []
        for made in PROFILES.values():
            data = f"{made.data.name}, {made.n_train:,} of {made.data.side or 'native'} px"
            run = made.plan
            body.append([made.name, made.where, data, made.encoder, f"{run.epochs:,}",
                         f"{run.batch_size:,}", f"{run.optimizer}, lr {run.lr:g}", str(made.seeds)])  # fmt: skip
        return [nodes.raw("", _table(head, body), format="html")]


class Bench(Directive):
    """The speed table as it was measured last, from benchmarks/results."""

    def run(self) -> list[nodes.Node]:
        record = json.loads((MEASURED / "cpu.json").read_text())
        peak = record["peaks"]["flops_per_second"]
        head = ["what", "ours", "peer's", "unit", "ratio [least, greatest]", "of the measured peak", "share", "peer"]
        body = []
        for row in record["rows"]:
            ratio = f"{row['ratio']:.1f} [{row['least']:.1f}, {row['greatest']:.1f}]" if "ratio" in row else ""
            reached = f"{100 * row['flops_per_second'] / peak:.0f}%" if "flops_per_second" in row else ""
            share = f"views {100 * row['views_share']:.0f}% of the step" if "views_share" in row else ""
            if "training_share" in row:
                share = f"{100 * row['training_share']:.1f}% of a training that renews them every epoch"
            other = f"{row['peer_rate']:,.1f}" if "peer_rate" in row else ""
            body.append([row["what"], f"{row['ours']:,.1f}", other, row["unit"], ratio, reached, share, row["peer"]])
        where = record["environment"]
        note = (
            f"Measured on {where['device']}, one thread, torch {where['torch']}; peak {peak / 1e9:.0f} GFLOP/s in fp32."
        )
        return [nodes.raw("", _table(head, body) + f'<p class="caption">{html.escape(note)}</p>', format="html")]


class Growth(Directive):
    """Time over size for everything whose growth was measured, with the exponent its definition allows."""

    def run(self) -> list[nodes.Node]:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        record = json.loads((MEASURED / "growth-cpu.json").read_text())
        lines = record["lines"]
        plot, axes = plt.subplots(1, len(lines), figsize=(2.3 * len(lines), 2.6), layout="constrained")
        for axis, line in zip(axes, lines, strict=True):
            axis.loglog(line["sizes"], [1000 * value for value in line["seconds"]], "o-", color="#0072b2", markersize=4)
            axis.set_title(line["what"], fontsize=9)
            axis.set_xlabel(line["over"], fontsize=8)
            axis.tick_params(labelsize=7)
            axis.grid(True, color="#e3e6ea", linewidth=0.8)
        axes[0].set_ylabel("ms", fontsize=8)
        buffer = io.BytesIO()
        plot.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
        plt.close(plot)
        data = base64.b64encode(buffer.getvalue()).decode()
        alt = "; ".join(f"{line['what']} over {line['over']}: exponent {line['exponent']:.2f}" for line in lines)
        body = [[line["what"], line["over"], f"{line['exponent']:.2f}", f"{line['expected']:g}"] for line in lines]
        table = _table(["what", "over", "measured exponent", "allowed by its definition"], body)
        image = f'<img class="plot wide" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
        return [nodes.raw("", f'<div class="scroll">{image}</div>{table}', format="html")]


def _table(head: list[str], body: list[list[str]]) -> str:
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in body)
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    table = f'<div class="scroll"><table class="dataframe cmp"><thead><tr>{top}</tr></thead><tbody>{rows}</tbody>'
    return f"{table}</table></div>"


def as_written(app: Sphinx, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Docstrings are laid out by hand: show everything after the first paragraph as it stands."""
    if "" in lines[:-1]:
        first = lines.index("")
        rest = [f"   {line}" for line in lines[first + 1 :]]
        lines[:] = [*_plain(lines[:first]), "", ".. code-block:: text", "", *rest, ""]
    else:
        lines[:] = _plain(lines)


def _plain(lines: list[str]) -> list[str]:
    return [re.sub(r"([*|_])", r"\\\1", line) if "`" not in line else line.replace("`", "``") for line in lines]


def setup(app: Sphinx) -> dict:
    """Register everything."""
    app.connect("config-inited", offline_assets)
    app.connect("html-page-context", drop_remote, priority=900)
    app.connect("autodoc-process-docstring", as_written)
    app.add_directive("claims-board", ClaimsBoard)
    app.add_directive("pages", Pages)
    app.add_directive("shapes-sheet", ShapesSheet)
    app.add_directive("class-tree", ClassTree)
    app.add_directive("profiles", Profiles)
    app.add_directive("bench", Bench)
    app.add_directive("growth", Growth)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
