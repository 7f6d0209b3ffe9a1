"""Where things are: the checkout with its ledger, notebooks and book, or the working folder of an installed package."""

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]

# $SSLREPRO_HOME, else the checkout this file lies in, else (a plain install: no ledger, no book) the working folder
PROJECT = Path(os.environ.get("SSLREPRO_HOME") or (_CHECKOUT if (_CHECKOUT / "book").is_dir() else Path.cwd()))
RUNS = PROJECT / "runs"
LEDGER = PROJECT / "book" / "ledger"
NOTEBOOKS = PROJECT / "notebooks"
PAGES = PROJECT / "book" / "executed"
