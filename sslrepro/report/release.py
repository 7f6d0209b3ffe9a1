"""What a reader takes along without installing: the built book, the ledger and the sources, each as one archive."""

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path

import sslrepro
from sslrepro.base.errors import require
from sslrepro.base.paths import PROJECT
from sslrepro.base.store import write_atomic
from sslrepro.study.bundles import export_bundle

DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same files give the same archive on any day
SUMS = "SHA256SUMS"


def pack(book: str | Path, out: str | Path) -> list[Path]:
    """Write the archives of a release into the folder `out` and return them, their digests (`SHA256SUMS`) last.

        book   the built book, a folder with index.html
        sslrepro-<version>-book.zip        unpack it anywhere and open index.html
        sslrepro-<version>-ledger.tar.gz   every published number; `sslrepro ledger --import` reads it
        sslrepro-<version>.tar.gz          the commit's sources, notebooks among them; left out outside of a checkout

    The same files give the same bytes. Raises ValueError for a folder that holds no built book.
    """
    book, out = Path(book).expanduser(), Path(out).expanduser()
    require(
        (book / "index.html").is_file(),
        "release",
        "book",
        "a folder with a built book",
        str(book),
        "`make book` builds it in _build/html.",
    )
    require(not out.exists() or out.is_dir(), "release", "out", "a folder", str(out))
    stem = f"sslrepro-{sslrepro.__version__}"
    out.mkdir(parents=True, exist_ok=True)
    archives = [out / f"{stem}-book.zip", out / f"{stem}-ledger.tar.gz"]
    write_atomic(archives[0], zip_folder(book, f"{stem}-book"))
    export_bundle(archives[1])
    sources = sources_of_commit(stem)
    if sources is not None:
        archives.append(out / f"{stem}.tar.gz")
        write_atomic(archives[-1], sources)
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in archives)
    write_atomic(out / SUMS, sums)
    return [*archives, out / SUMS]


def zip_folder(folder: Path, name: str) -> bytes:
    """A folder's files as a zip, under `name`/, in order of their paths, without days, owners or rights.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     _ = (Path(place) / "index.html").write_text("<p>", encoding="utf-8")
    ...     content = zip_folder(Path(place), "book")
    >>> zipfile.ZipFile(io.BytesIO(content)).namelist()
    ['book/index.html']
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", DAY)
            member.external_attr = 0o644 << 16
            member.create_system = 3  # else the system that packs it
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, path.read_bytes(), compresslevel=9)
    return buffer.getvalue()


def sources_of_commit(name: str) -> bytes | None:
    """The committed files as .tar.gz under `name`/; None where there is no git or no checkout."""
    words = ["git", "-C", str(PROJECT), "archive", "--format=tar.gz", f"--prefix={name}/", "HEAD"]
    try:
        done = subprocess.run(words, capture_output=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
