"""What does a claim's effect compare, and how large is it here? One effect has one interval wherever it is shown.

An effect is read from the claim's own expression: a cell, a difference of two, or a difference of differences. It is
taken seed by seed, so its interval is that of the paired differences; both operands are named.
"""

import ast
from dataclasses import dataclass, replace

from sslrepro import papers
from sslrepro.claims import Cell, Verdict
from sslrepro.report.formats import number
from sslrepro.report.headings import column_label, printed_value, row_label
from sslrepro.study.results import Results, cell_of, paired_differences

SAME = 1e-6  # in the paper's unit: the statistic that was judged is the difference of the named cells


def direction(gain: Cell) -> str:
    """ "gains" or "loses" where a difference has a 95% interval that leaves out 0, else "undecided"."""
    if not gain.has_interval or not gain.half_width < abs(gain.mean):
        return "undecided"
    return "gains" if gain.mean > 0 else "loses"


@dataclass(frozen=True)
class Effect:
    """An effect in the paper's unit.

    what    its operands in words: "98,304 minus 8,192, Top-1"; "" where the claim's expression has no two operands
    mean, low, high   with its 95% interval; low and high are None below three seeds
    paper   what the paper prints; None where it prints no such pair
    n       seeds, 0 where unknown
    compares  whether it is a difference; a level is not laid against 0
    """

    what: str
    mean: float
    low: float | None
    high: float | None
    unit: str = ""
    paper: float | None = None
    n: int = 0
    compares: bool = True

    @property
    def size(self) -> str:
        """ "+2.90 [−3.70, +9.50] points"."""
        text = number(self.mean, 2, sign=True)
        if self.low is not None and self.high is not None:
            text += f" [{number(self.low, 2, sign=True)}, {number(self.high, 2, sign=True)}]"
        return f"{text} {self.unit}".strip()

    @property
    def lenses(self) -> list[str]:
        """How a difference lies to the paper's and to zero, in words; [] without an interval and for a level."""
        if not self.compares or self.low is None or self.high is None:
            return []
        out = []
        if self.paper:
            out.append("same sign as the paper" if self.mean * self.paper > 0 else "opposite sign to the paper")
            inside = self.low <= self.paper <= self.high
            out.append(f"the interval {'includes' if inside else 'excludes'} the paper's effect")
        return [*out, f"it {'includes' if self.low <= 0 <= self.high else 'excludes'} 0"]

    @property
    def is_undecided(self) -> bool:
        """Whether the interval holds both 0 and the paper's effect, so that these seeds tell neither."""
        if self.paper is None or self.low is None or self.high is None or not self.compares:
            return False
        return self.low <= 0 <= self.high and self.low <= self.paper <= self.high


def effect_of(results: Results, verdict: Verdict) -> Effect | None:
    """A claim's effect as its verdict has it, its operands in words where they stand in this table; None without one.

    A claim that was not judged shows the effect of its own expression, paired over seeds.
    """
    expression = (papers.claims()[verdict.claim].get("check") or {}).get("gap_expr")
    tree = ast.parse(expression, mode="eval").body if expression else None
    values = effect_by_seed(results, tree) if tree is not None else None
    what = in_words(results, tree) if tree is not None else ""
    own = None
    if values:
        own = effect_from(cell_of(values), what, verdict.gap_unit, verdict.paper_gap)
        own = replace(own, compares=compares(results, tree))
    if verdict.gap is None or (own is not None and abs(own.mean - verdict.gap[0]) < SAME):
        return own
    mean, low, high = verdict.gap
    ends = (None, None) if verdict.n in (1, 2) else (low, high)
    return Effect("", mean, *ends, unit=verdict.gap_unit, paper=verdict.paper_gap, n=verdict.n or 0)


def compares(results: Results, node: ast.AST) -> bool:
    """Whether an effect is a difference: of two cells, or a cell of a column of differences."""
    place = _cell(results, node)
    return place is None or results.definition.column(place[1]).is_derived


def effect_from(cell: Cell, what: str, unit: str = "", paper: float | None = None) -> Effect:
    """An effect from the cell of its differences."""
    low, high = (cell.mean - cell.half_width, cell.mean + cell.half_width) if cell.has_interval else (None, None)
    return Effect(what, cell.mean, low, high, unit, paper, cell.n)


def effect_by_seed(results: Results, node: ast.AST) -> dict[int, float] | None:
    """Seed -> value of an effect's expression; None where it reads other tables or is no difference of cells."""
    match _call(node):
        case "c", [ast.Constant(table), ast.Constant(row), ast.Constant(column)]:
            definition = results.definition
            here = table == definition.id and row in definition.ours and column in definition.columns
            return results.values_by_seed(row, column) if here else None
        case "v", [ast.Constant(), ast.Constant(name)] if name in results.definition.values:
            return results.values_by_seed(*results.definition.values[name])
        case "d", [high, low]:
            first, second = effect_by_seed(results, high), effect_by_seed(results, low)
            return None if first is None or second is None else paired_differences(first, second)
    return None


def in_words(results: Results, node: ast.AST) -> str:
    """The operands of an effect: "NNCLR minus SimCLR, Top-1"; "" for what is no difference of cells."""
    match _call(node):
        case "c" | "v", _:
            place = _cell(results, node)
            return f"{_row(results, place[0])}, {_column(results, place[1])}" if place else ""
        case "d", [high, low]:
            ends = _cell(results, high), _cell(results, low)
            if None not in ends:
                return difference_in_words(results, *ends)
            first, second = in_words(results, high), in_words(results, low)
            return f"({first}) minus ({second})" if first and second else ""
        case "spread", [inner] if _call(inner)[0] == "col":
            column = _call(inner)[1][1].value
            return f"largest minus smallest, {_column(results, column)}"
    return ""


def difference_in_words(results: Results, high: tuple[str, str], low: tuple[str, str]) -> str:
    """Both operands of a difference of two cells, (row, column) each; what they share is said once."""
    rows = [_row(results, row) for row, _ in (high, low)]
    varied = results.definition.varied
    if varied and isinstance(printed_value(results.definition, high[0], varied), bool | int | float):
        rows[0] = f"{_column(results, varied)} {rows[0]}"  # "yes" and "98,304" say nothing alone
    columns = [_column(results, column) for _, column in (high, low)]
    if columns[0] == columns[1]:
        return f"{rows[0]} minus {rows[1]}, {columns[0]}"
    if rows[0] == rows[1]:
        return f"{rows[0]}, {columns[0]} minus {columns[1]}"
    return f"{rows[0]}, {columns[0]}, minus {rows[1]}, {columns[1]}"


def _cell(results: Results, node: ast.AST) -> tuple[str, str] | None:
    match _call(node):
        case "c", [ast.Constant(table), ast.Constant(row), ast.Constant(column)] if table == results.definition.id:
            return row, column
        case "v", [ast.Constant(), ast.Constant(name)]:
            return results.definition.values.get(name)
    return None


def _call(node: ast.AST) -> tuple[str, list[ast.AST]]:
    """(function, arguments) of a call; ("", []) for anything else."""
    return (node.func.id, node.args) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ("", [])


def _row(results: Results, row: str) -> str:
    return row_label(results.definition, row)


def _column(results: Results, column: str) -> str:
    return column_label(results.definition, column)
