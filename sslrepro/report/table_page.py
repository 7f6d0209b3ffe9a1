"""The parts of a table's page, each a function of `Results`: what the notebook shows, in the order of the page.

Every number on a page comes from here; none is typed. The same input gives the same bytes.
"""

from sslrepro.report.caption import caption, runs_near_collapse
from sslrepro.report.changes import changes
from sslrepro.report.closing import closing_box
from sslrepro.report.copies import copies, csv
from sslrepro.report.cost import command, cost, rerun
from sslrepro.report.figures import figure
from sslrepro.report.provenance import provenance
from sslrepro.report.table import latex, markdown, rows_of, table
from sslrepro.report.verdicts import badge, finding, headline, verdicts

__all__ = ["badge", "caption", "changes", "closing_box", "command", "copies", "cost", "csv", "figure", "finding",
           "headline", "latex", "markdown", "provenance", "rerun", "rows_of", "runs_near_collapse", "table",
           "verdicts"]  # fmt: skip
