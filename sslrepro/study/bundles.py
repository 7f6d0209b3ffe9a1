"""Bundles that carry ledger files from one machine to another."""

import gzip
import io
import json
import lzma
import re
import tarfile
import zlib
from pathlib import Path

from sslrepro.base.errors import require
from sslrepro.base.store import lock_folder, read_json, write_atomic, write_json
from sslrepro.study import ledger, plans
from sslrepro.study.run import require_record, texts

MOST_BYTES = 512 * 2**20  # of a bundle's content: the whole ledger has a few MiB
INSIDE = re.compile(r"\w[\w.-]*/(logs/)?\w[\w.-]*\.jsonl?")  # no part begins with a dot


def export_bundle(path: Path, profiles: list[str] | None = None) -> int:
    """Write ledger files, logs and fingerprints of the given scales (default all) into one .tar.gz; returns how many.

    Written under another name and renamed, so that a bundle is whole or not there. The same files give the same bytes.
    """
    require(
        not path.is_dir(), "ledger.export", "path", "a file's", "a folder", f"Name a file in it: {path}/ledger.tar.gz."
    )
    buffer = io.BytesIO()
    count = 0
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as file,
    ):
        for source in sorted(plans.LEDGER.rglob("*.json*")):
            name = source.relative_to(plans.LEDGER).as_posix()
            if profiles is None or name.split("/")[0] in profiles:
                file.add(source, name, filter=_bare)
                count += 1
    require(count > 0, "ledger.export", "profiles", "with results to export", profiles)
    write_atomic(path, buffer.getvalue())
    return count


def _bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.mode = 0o644
    member.uname = member.gname = ""
    return member


def import_bundle(path: Path) -> dict[str, int]:
    """Merge a bundle into the ledger; what stands there is never overwritten, further evaluations are added.

    Returns {"new", "agree", "differ"}: runs that were not there, runs with the same scores, and runs with others
    (kept as they were). Raises ValueError for a file that is no bundle, or a result that does not fit its name.
    """
    counts = {"new": 0, "agree": 0, "differ": 0}
    contents: dict[str, bytes] = {}
    size = 0
    try:
        with tarfile.open(path) as file:
            for member in file:
                require(
                    bool(INSIDE.fullmatch(member.name)) and member.isfile(),
                    "ledger.import",
                    "member",
                    "<scale>/<run>.json",
                    member.name,
                )
                size += member.size
                require(
                    size <= MOST_BYTES, "ledger.import", "bundle", f"of at most {MOST_BYTES >> 20} MiB", member.name
                )
                contents[member.name] = file.extractfile(member).read()
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"ledger.import: {path} is not a bundle ({why}). Make one with --export.") from None
    for name, content in contents.items():  # all is checked before anything is written
        check_content(name, content)
    for name, content in sorted(contents.items(), key=lambda pair: (pair[0].count("/") < 2, pair)):  # logs first
        with lock_folder(plans.LEDGER / name.partition("/")[0]):
            outcome = import_file(plans.LEDGER / name, content)
        if outcome:
            counts[outcome] += 1
    return counts


def import_file(target: Path, content: bytes) -> str:
    """Merge one checked file into the ledger; a key of `import_bundle`'s counts, "" for what is no run's result."""
    if target.name == "data.json":
        write_json(target, json.loads(content) | (read_json(target) if target.exists() else {}))
        return ""
    if target.suffix == ".jsonl":
        if not target.exists():
            write_atomic(target, content)
        return ""
    if not target.exists():
        write_atomic(target, content)
        return "new"
    before = read_json(target)
    after, gaps = ledger.merge_records(before, json.loads(content))
    same = max(gaps, default=0.0) == 0
    if same and after != before:
        write_json(target, after)
    return "agree" if same else "differ"


def check_content(name: str, content: bytes) -> None:
    """Raise ValueError unless a bundle's file is what its name says: a result, a log, or the marks of a scale.

    No text of it may hold what a page would take for HTML.
    """
    try:
        values = [json.loads(line) for line in (content.splitlines() if name.endswith(".jsonl") else [content])]
    except (ValueError, RecursionError):
        raise ValueError(f"ledger.import: {name} is not a ledger file.") from None
    require(all(isinstance(value, dict) for value in values), "ledger.import", name, "JSON objects", "others")
    text = next((text for value in values for text in texts(value) if re.search("[<>&]", text)), None)
    require(text is None, "ledger.import", f"text in {name}", "plain", text)
    if name.endswith("/data.json"):
        plain = all(isinstance(mark, str) for mark in values[0].values())
        require(plain, "ledger.import", name, "fingerprints by set", values[0])
    elif name.endswith(".json"):
        check_record(name, content)


def check_record(name: str, content: bytes) -> None:
    """Raise ValueError unless the content is a ledger file whose configuration has the name's identity."""
    require_record(json.loads(content), Path(name).stem, name, "ledger.import")
