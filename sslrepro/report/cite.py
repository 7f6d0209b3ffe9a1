"""How a table or page is cited: BibTeX with the version, the commit and the page's place in the book."""

from sslrepro import papers, tables
from sslrepro.base.errors import one_of
from sslrepro.base.paths import PAGES, PROJECT
from sslrepro.base.store import commit_of_code

TITLE = "sslrepro: when do other images help? A reproducibility book for self-supervised image representations"


def anchor_of(table: str, profile: str = "cpu") -> str:
    """The page of a table in the book, as a path below its front page; the front page where there is none."""
    page = f"{table}-{profile}"
    return f"executed/{page}.html" if (PAGES / f"{page}.ipynb").exists() else "index.html"


def bibtex(table: str, profile: str = "cpu", with_paper: bool = True) -> str:
    """The entry of a table of this book, and of the paper whose table it is.

    Raises ValueError for a table that does not exist, with the nearest.

    >>> print(bibtex("nnclr_queue"))  # doctest: +ELLIPSIS
    @software{sslrepro-nnclr_queue,
      author = {{The sslrepro authors}},
      title = {{sslrepro: when do other images help? ...
    """
    import sslrepro

    definition = tables.definition(one_of(table, tables.names(), "cite", "table"))
    commit = commit_of_code() or "unknown"
    of_paper = table in papers.tables()
    number = papers.table(table)["number"] if of_paper else "own table"
    note = f"{definition.title} ({number}), {profile} scale, {anchor_of(table, profile)}, commit {commit[:12]}"
    entry = entry_of(
        f"sslrepro-{table}",
        {
            "author": "{The sslrepro authors}",
            "title": f"{{{TITLE}}}",
            "year": release_date()[:4],
            "version": sslrepro.__version__,
            "note": in_bibtex(note),
        },
    )
    theirs = paper_entry(papers.table(table)["paper"]) if of_paper and with_paper else ""
    return entry + (f"\n{theirs}" if theirs else "")


def page_entry(page: str, title: str) -> str:
    """The entry of any page of the book, by its path below the front page, without ending.

    >>> print(page_entry("methods/nnclr", "NNCLR"))  # doctest: +ELLIPSIS
    @software{sslrepro-methods-nnclr,
      author = {{The sslrepro authors}},
      title = {{NNCLR. In: sslrepro: when do other images help? ...
    """
    import sslrepro

    note = f"{page}.html, commit {(commit_of_code() or 'unknown')[:12]}"
    return entry_of(
        f"sslrepro-{page.replace('/', '-')}",
        {
            "author": "{The sslrepro authors}",
            "title": f"{{{in_bibtex(title)}. In: {TITLE}}}",
            "year": release_date()[:4],
            "version": sslrepro.__version__,
            "note": in_bibtex(note),
        },
    )


def sentence(page: str, title: str) -> str:
    """The same as a sentence.

    >>> sentence("methods/nnclr", "NNCLR")  # doctest: +ELLIPSIS
    'The sslrepro authors (...). NNCLR. In: sslrepro, version ..., commit ..., methods/nnclr.html.'
    """
    import sslrepro

    commit = (commit_of_code() or "unknown")[:12]
    ended = title if title.endswith((".", "?", "!")) else f"{title}."
    version = f"version {sslrepro.__version__}, commit {commit}"
    return f"The sslrepro authors ({release_date()[:4]}). {ended} In: sslrepro, {version}, {page}.html."


def entry_of(key: str, values: dict[str, str]) -> str:
    """A BibTeX entry for software."""
    return "@software{" + ",\n  ".join([key, *(f"{name} = {{{value}}}" for name, value in values.items())]) + "\n}\n"


def in_bibtex(text: str) -> str:
    """Text as LaTeX prints it, where BibTeX hands it on."""
    return "".join(f"\\{sign}" if sign in "&%$#_" else sign for sign in text)


def release_date() -> str:
    """The date of the version, YYYY-MM-DD, as CITATION.cff has it; "n.d." without that file."""
    path = PROJECT / "CITATION.cff"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.split('"')[1] for line in lines if line.startswith("date-released:")), "n.d.")


def paper_entry(paper: str) -> str:
    """The entry of a paper in the book's bibliography; "" where that is not at hand or has none."""
    path = PROJECT / "book" / "references.bib"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((f"{line}\n" for line in lines if line.partition("{")[2].startswith(f"{paper},")), "")
