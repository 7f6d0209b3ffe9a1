"""Bundles that carry ledger files from one machine to another."""

import io
import json
import re
import tarfile
from pathlib import Path

from sslrepro.base.errors import require
from sslrepro.base.store import read_json, write_atomic, write_json
from sslrepro.study import ledger, plans
from sslrepro.training.config import from_record

INSIDE = re.compile(r"\w[\w.-]*/(logs/)?\w[\w.-]*\.jsonl?")  # no part begins with a dot


def export_bundle(path: Path, profiles: list[str] | None = None) -> int:
    """Write ledger files, logs and fingerprints of the given scales (default all) into one .tar.gz; returns how many.

    Written under another name and renamed, so that a bundle is whole or not there.
    """
    buffer = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
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
    member.uname = member.gname = ""
    return member


def import_bundle(path: Path) -> dict[str, int]:
    """Merge a bundle into the ledger; what stands there is never overwritten, further evaluations are added.

    Returns {"new", "agree", "differ"}: runs that were not there, runs with the same scores, and runs with others
    (kept as they were). Raises ValueError for a file that is no bundle, or a result that does not fit its name.
    """
    counts = {"new": 0, "agree": 0, "differ": 0}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as file:
            for member in file:
                require(bool(INSIDE.fullmatch(member.name)) and member.isfile(), "ledger.import", "member",
                        "<scale>/<run>.json", member.name)  # fmt: skip
                found[member.name] = file.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"ledger.import: {path} is not a bundle ({error}). Make one with --export.") from None
    for name, content in found.items():  # all is checked before anything is written
        if name.endswith(".json") and not name.endswith("/data.json"):
            check_record(name, content)
    for name, content in sorted(found.items()):
        target = plans.LEDGER / name
        if name.endswith("/data.json"):
            write_json(target, json.loads(content) | (read_json(target) if target.exists() else {}))
        elif name.endswith(".jsonl"):
            if not target.exists():
                write_atomic(target, content)
        elif not target.exists():
            write_atomic(target, content)
            counts["new"] += 1
        else:
            before = read_json(target)
            after, gaps = ledger.merge_records(before, json.loads(content))
            same = max(gaps, default=0.0) == 0
            counts["agree" if same else "differ"] += 1
            if same and after != before:
                write_json(target, after)
    return counts


def check_record(name: str, content: bytes) -> None:
    """Raise ValueError unless the content is a ledger file whose configuration has the name's identity."""
    run = Path(name).stem
    try:
        record = json.loads(content)
        config, results = record["config"], record["results"]
    except (json.JSONDecodeError, KeyError, TypeError):
        raise ValueError(f"ledger.import: {name} is not a ledger file.") from None
    fits = "pixels" in config or from_record(config).name == run
    require(fits and isinstance(results, dict), "ledger.import", "file", "named for its configuration", name)
