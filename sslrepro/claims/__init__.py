"""Claims: the language of their letter, the statistic of their sentence, gates, and the verdict."""

from sslrepro.claims.judge import judge, seeds_needed
from sslrepro.claims.language import LEAST_SEEDS, Cell, Missing, Reader, holds_in_paper, printed_cell, stated_value
from sslrepro.claims.verdict import CONTRADICTED, HOLDS, VERDICTS, Lenses, Letter, Part, Verdict

__all__ = ["CONTRADICTED", "HOLDS", "LEAST_SEEDS", "VERDICTS", "Cell", "Lenses", "Letter", "Missing", "Part", "Reader",
           "Verdict", "holds_in_paper", "judge", "printed_cell", "seeds_needed", "stated_value"]  # fmt: skip
