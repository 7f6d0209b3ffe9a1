"""Tests, a folder for each room; and the checker of shapes and types that `make test` puts around functions.

Rooms that plan, judge and report neither take nor give tensors: checking the types of their hundreds of thousands of
small calls took nine tenths of their tests' time, so the checker is put around the rooms that hold tensors.
"""

import beartype

checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
