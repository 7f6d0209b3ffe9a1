"""A campaign of bad inputs: every reader answers whatever it is given, with a value or with one line.

The suite runs each property on a few inputs; `make faults` on many (FAULTS=n examples each), and prints counts.
"""

import contextlib
import io
import json
import tarfile
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sslrepro.base.errors import require
from sslrepro.base.store import Store, read_json, read_lines
from sslrepro.claims.language import Missing, Reader
from sslrepro.data.trees import read_tree
from sslrepro.study import bundles, plans
from sslrepro.study.run import require_record
from sslrepro.training.config import from_record
from tests.conftest import tiny

COUNTS: Counter[str] = Counter()  # what became of the inputs of a property: "<property> read" or "... refused"
GOOD = asdict(tiny())

words = st.text(max_size=20) | st.sampled_from(["<script>", "a\nb", "\x00", "../x", "pixels", "9" * 50, "simclr"])
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -1, 0, 2**63, 1e308])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def edits(draw: Any, record: dict[str, Any]) -> dict[str, Any]:
    """A good record with one value, at any depth, replaced, removed or added."""
    copy = inner = json.loads(json.dumps(record))
    while True:
        name = draw(st.sampled_from(sorted(inner)))
        if isinstance(inner[name], dict) and inner[name] and draw(st.booleans()):
            inner = inner[name]
            continue
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        if what == "remove":
            del inner[name]
        else:
            inner[name if what == "replace" else draw(words)] = draw(json_values)
        return copy


def answered(name: str, read: Any, *inputs: Any) -> None:
    """Read an input; anything but a value, or a ValueError of one line, is a failure of the reader."""
    try:
        read(*inputs)
    except ValueError as error:
        line = str(error)
        require("\n" not in line and 0 < len(line) < 3000, name, "error", "one line", line)
        COUNTS[f"{name} refused"] += 1
    else:
        COUNTS[f"{name} read"] += 1


def in_folder(name: str, content: bytes, read: Any) -> None:
    """The same of a file's content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        answered(name, read, path)


RECORD = {
    "config": GOOD,
    "environment": {"commit": "c0ffee", "dirty": False, "device": "a processor"},
    "results": {"training": {"key": "training", "evaluation": "training", "scores": {"seconds": 1.0}}},
}
raw = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())


def configuration(value: Any) -> None:
    answered("configuration", from_record, value)


def record(value: Any) -> None:
    answered("record", require_record, value, tiny().name, "record", "test")


def json_file(content: bytes) -> None:
    in_folder("config.json", content, read_json)


def log_lines(content: bytes) -> None:
    in_folder("log.jsonl", content, read_lines)


def results(content: bytes) -> None:
    in_folder("results.jsonl", content, lambda path: Store(path.parent.parent).results(path.parent.name))


def class_tree(content: bytes) -> None:
    in_folder("tree.csv", content, lambda path: read_tree(path.parent))


def claim(text: str) -> None:
    def evaluate(text: str) -> None:
        with contextlib.suppress(Missing):
            Reader(lambda *where: 0.5, lambda *where: 2.0).read(text)

    answered("claim", evaluate, text)


def packed(files: dict[str, bytes]) -> bytes:
    """Files as a bundle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def bundle(files: dict[str, bytes]) -> None:
    """Whatever is refused leaves nothing behind."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        before, plans.LEDGER = plans.LEDGER, Path(folder) / "ledger"
        stack.callback(setattr, plans, "LEDGER", before)
        path = Path(folder) / "bundle.tar.gz"
        path.write_bytes(packed(files))
        refused = COUNTS["bundle refused"]
        answered("bundle", bundles.import_bundle, path)
        if COUNTS["bundle refused"] > refused:
            require(not plans.LEDGER.exists(), "bundle", "ledger", "untouched", "written")
        outside = sorted(path.name for path in Path(folder).iterdir() if path.name not in ("ledger", "bundle.tar.gz"))
        require(not outside, "bundle", "folder", "free of other files", outside)


def bundle_header(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        before, plans.LEDGER = plans.LEDGER, Path(folder) / "ledger"
        stack.callback(setattr, plans, "LEDGER", before)
        in_folder("bundle.tar.gz", content, bundles.import_bundle)


def as_line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@st.composite
def flipped(draw: Any, content: bytes) -> bytes:
    """Good bytes with one of them another, or cut off."""
    place = draw(st.integers(0, len(content) - 1))
    changed = bytes([draw(st.integers(0, 255))])
    return content[:place] if draw(st.booleans()) else content[:place] + changed + content[place + 1 :]


parts = st.sampled_from(["cpu", "logs", "..", ".", "", "data.json", f"{tiny().name}.json", "x.jsonl", "<b>.json"])
names = st.lists(parts, min_size=1, max_size=3).map("/".join).filter(lambda name: name.strip("/.") != "")
cells = st.lists(st.text(max_size=6) | st.sampled_from(["class", "coarse", "x" * 140_000, "\x00", '"']), max_size=4)
tables = st.lists(cells.map(",".join), max_size=6).map(
    lambda lines: "\n".join(["class,coarse", *lines]).encode("utf-8", "replace")
)
trees = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["warm", "cold"])), min_size=2, max_size=4).map(
    lambda pairs: "\n".join(["class,coarse", *map(",".join, pairs)]).encode()
)
symbols = st.sampled_from(["c", "v", "(", ")", "'nnclr_queue'", "'a'", ",", ">", "<", "==", "and", "not", "1e999", "all",
                           "for", "__import__", ".", "x", "lambda:", "[", "]", " ", "**", "9" * 60])  # fmt: skip
PROPERTIES = {
    configuration: json_values | edits(GOOD),
    record: json_values | edits(RECORD),
    json_file: raw,
    log_lines: raw | raw.map(lambda content: content + b"\n"),
    results: raw.map(lambda content: content + b"\n") | edits(RECORD["results"]["training"]).map(as_line),
    class_tree: st.binary(max_size=200) | tables | trees,
    claim: st.text(max_size=60) | st.lists(symbols, max_size=12).map("".join),
    bundle: st.dictionaries(names, raw | edits(RECORD).map(lambda r: json.dumps(r).encode()), min_size=1, max_size=3),
    bundle_header: st.binary(max_size=600) | flipped(packed({f"cpu/{tiny().name}.json": json.dumps(RECORD).encode()})),
}
