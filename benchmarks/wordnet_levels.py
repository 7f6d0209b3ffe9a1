"""How large ImageNet's categories are at the depths of WordNet of IFND's Table 5; writes book/data/wordnet_levels.csv.

    python -m benchmarks.wordnet_levels TREE.csv

The tree has a line per class: its WordNet id, and its category at each depth (`class,depth3,depth5,...`). It follows,
at every synset, the hypernym whose name comes first in the alphabet, with the root at depth 0. The paper does not say
which hypernym it follows; this one gives its 9, 36, 206, 486 and 1,000 categories.
"""

import argparse
import collections
import csv
import io
from pathlib import Path

from sslrepro.base.store import write_atomic

OUT = Path(__file__).parent.parent / "book" / "data" / "wordnet_levels.csv"
HEAD = ("depth", "categories", "largest", "classes_in_largest", "classes", "same_category")
LEAVES = 18  # depth of the original labels, as the paper counts


def levels(tree: list[dict[str, str]]) -> list[dict[str, str | int | float]]:
    """A line per depth, coarse to fine; `same_category` is the chance that images of two random classes share one.

    >>> levels([{"class": "a", "depth3": "n1 x"}, {"class": "b", "depth3": "n1 x"}])[0]["same_category"]
    1.0
    """
    out = []
    for name in [*(column for column in tree[0] if column.startswith("depth")), "class"]:
        sizes = collections.Counter(line[name] for line in tree)
        largest, n = sizes.most_common(1)[0]
        depth = LEAVES if name == "class" else int(name.removeprefix("depth"))
        shared = round(sum(size**2 for size in sizes.values()) / len(tree) ** 2, 6)
        label = "" if name == "class" else largest.partition(" ")[2]
        out.append(dict(zip(HEAD, (depth, len(sizes), label, n, len(tree), shared), strict=True)))
    return out


def main() -> None:
    """Read the tree and write the file."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("tree", type=Path)
    with words.parse_args().tree.open(encoding="utf-8", newline="") as file:
        lines = levels(list(csv.DictReader(file)))
    text = io.StringIO()
    writer = csv.DictWriter(text, HEAD, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_atomic(OUT, text.getvalue().encode())
    print(text.getvalue(), end="")


if __name__ == "__main__":
    main()
