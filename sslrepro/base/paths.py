"""Where things are: the checkout with its ledger, notebooks and book, or the working folder of an installed package."""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]

# $SSLREPRO_HOME, else the checkout this file lies in, else (a plain install: no ledger, no book) the working folder
PROJECT = Path(os.environ.get("SSLREPRO_HOME") or (_CHECKOUT if (_CHECKOUT / "book").is_dir() else Path.cwd()))
RUNS = Path(os.environ.get("SSLREPRO_RUNS") or PROJECT / "runs")  # unless a command says otherwise
LEDGER = PROJECT / "book" / "ledger"
NOTEBOOKS = PROJECT / "notebooks"
PAGES = PROJECT / "book" / "executed"


def cache_folder() -> Path:
    """Where decoded images are kept: $SSLREPRO_CACHE, else this user's cache folder.

    A training machine without platformdirs keeps them beside its runs.
    """
    named = os.environ.get("SSLREPRO_CACHE")
    if named:
        return Path(named).expanduser()
    try:
        from platformdirs import user_cache_path
    except ImportError:
        return RUNS / "cache"
    return user_cache_path("sslrepro")


def data_root(root: str | Path | None = None) -> Path | None:
    """The folder of data sets: `root` with ~ spelled out, else $SSLREPRO_DATA, else None."""
    place = root or os.environ.get("SSLREPRO_DATA")
    return Path(place).expanduser() if place else None
