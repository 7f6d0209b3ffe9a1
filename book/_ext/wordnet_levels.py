"""ImageNet's categories at the depths of WordNet that IFND's Table 5 uses, beside the paper's accuracies."""

import csv
import html
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from sslrepro import papers
from sslrepro.report.formats import html_table, number

FILE = Path(__file__).parent.parent / "data" / "wordnet_levels.csv"
HEAD = ["depth", "categories", "largest category", "its share of classes, %", "two random classes share it, %",
        "SimCLR, paper", "IFND, paper", "SupCon, paper"]  # fmt: skip
NAMES = {"simclr": "SimCLR", "ifnd": "IFND", "supcon": "SupCon"}
METHODS = tuple(NAMES)


@dataclass(frozen=True)
class Level:
    """A depth: its categories as recovered, in classes and percent, and the paper's accuracies at it, in percent."""

    depth: int
    categories: int
    largest: str
    classes_in_largest: int
    classes: int
    same: float
    printed: dict[str, float]

    @property
    def constant(self) -> float:
        """Accuracy of naming the largest category for every image, where classes have as many images each."""
        return 100 * self.classes_in_largest / self.classes

    @property
    def line(self) -> list[str]:
        """As a line of the table."""
        cells = [str(self.depth), f"{self.categories:,}", self.largest or "–", number(self.constant), number(self.same)]
        return cells + [number(self.printed[method]) for method in METHODS]


def levels() -> list[Level]:
    """Coarse to fine; raises ValueError where the paper prints another number of categories."""
    printed = {row["row"]: row for row in papers.table("ifnd_granularity")["rows"]}
    out = []
    with FILE.open(encoding="utf-8", newline="") as file:
        for read in csv.DictReader(file):
            row = printed[f"imagenet_d{read['depth']}"]
            if row["num_categories"] != int(read["categories"]):
                raise ValueError(f"wordnet_levels: depth {read['depth']} must have {row['num_categories']} categories")
            sizes = (int(read[name]) for name in ("classes_in_largest", "classes"))
            of_level = int(read["depth"]), int(read["categories"]), read["largest"]
            out.append(Level(*of_level, *sizes, 100 * float(read["same_category"]), row))
    return out


def words() -> str:
    """What the levels mean for the paper's table, from the numbers."""
    first, last = levels()[0], levels()[-1]
    below = [NAMES[method] for method in METHODS if first.printed[method] < first.constant]
    text = (
        f"At depth {first.depth}, {first.classes_in_largest} of {first.classes:,} classes are one category, "
        f"{first.largest}: an answer that never changes is right for {number(first.constant)}% of the images. "
    )
    if below:
        best = max(first.printed[method] for method in METHODS) - first.constant
        text += f"In the paper {' and '.join(below)} {'is' if len(below) == 1 else 'are'} below that, and the best is "
        text += f"{number(best)} points above it. " if best >= 0 else "below it too. "
    return text + (
        f"From depth {first.depth} to {last.depth} the share of random pairs that are of one class, and so of false "
        f"negatives, falls from {number(first.same)}% to {number(last.same)}%, while the paper's gaps grow: it is not "
        "because of more false negatives that they do."
    )


class WordnetLevels(Directive):
    """The table, from the committed file: `{wordnet-levels}`."""

    def run(self) -> list[nodes.Node]:
        self.state.document.settings.env.note_dependency(str(FILE))
        rich = [[html.escape(cell) for cell in level.line] for level in levels()]
        table = html_table(HEAD, rich, "results")
        return [nodes.raw("", f"{table}\n<p>{html.escape(words())}</p>", format="html")]


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.add_directive("wordnet-levels", WordnetLevels)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
