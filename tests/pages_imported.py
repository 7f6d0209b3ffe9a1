"""What kernels of notebooks have imported when they are forked: the package, the definitions of all tables read."""

import gc

from sslrepro import tables
from sslrepro.report import table_page
from sslrepro.study import reproduce

DEFINITIONS = [tables.definition(name) for name in tables.names()]
USED = [table_page, reproduce]
gc.freeze()  # collections of a child would copy every page of what it shares with its parent
