"""What a release packs: the same bytes twice, the book under one folder, digests that are right."""

import hashlib
import zipfile

import pytest

from sslrepro.cli.main import main
from sslrepro.report import release
from sslrepro.study import plans


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A built book of two files, and a ledger of one run."""
    (tmp_path / "html" / "pages").mkdir(parents=True)
    (tmp_path / "html" / "index.html").write_text("<p>front</p>", encoding="utf-8")
    (tmp_path / "html" / "pages" / "é.html").write_text("<p>page</p>", encoding="utf-8")
    (tmp_path / "ledger" / "cpu").mkdir(parents=True)
    (tmp_path / "ledger" / "cpu" / "a.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(plans, "LEDGER", tmp_path / "ledger")
    monkeypatch.setattr(release, "sources_of_commit", lambda name: b"sources of " + name.encode())
    return tmp_path / "html"


def test_a_release_has_three_archives_and_their_digests(book, tmp_path, capsys):
    assert main(["release", "--book", str(book), "-o", str(tmp_path / "dist")]) == 0
    files = {path.name: path for path in (tmp_path / "dist").iterdir()}
    sums = dict(line.split("  ")[::-1] for line in files.pop("SHA256SUMS").read_text("utf-8").splitlines())
    assert sums == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert sorted(files) == [f"sslrepro-0.1.0{end}" for end in ("-book.zip", "-ledger.tar.gz", ".tar.gz")]
    with zipfile.ZipFile(files["sslrepro-0.1.0-book.zip"]) as packed:
        assert packed.namelist() == [f"sslrepro-0.1.0-book/{name}" for name in ("index.html", "pages/é.html")]
    said = capsys.readouterr().out
    assert all(name in said for name in files)


def test_the_same_files_give_the_same_bytes(book, tmp_path, monkeypatch):
    first = {path.name: path.read_bytes() for path in release.pack(book, tmp_path / "one")}
    monkeypatch.setattr("time.time", lambda: 2e9)
    for path in (*book.rglob("*.html"), *(tmp_path / "ledger").rglob("*.json")):
        path.touch()
        path.chmod(0o600)
    assert first == {path.name: path.read_bytes() for path in release.pack(book, tmp_path / "two")}


def test_without_a_built_book_one_line_says_how_to_build_it(tmp_path, capsys):
    assert main(["release", "--book", str(tmp_path), "-o", str(tmp_path / "dist")]) == 2
    assert "`make book` builds it" in capsys.readouterr().err and not (tmp_path / "dist").exists()
