"""The expression language of transcribed claims, and the cell: one measured number with what each seed gave.

Expressions are read by the small interpreter below, never by Python. They are the letter of a claim ("every step
rises"); what its sentence is about is a statistic (`statistics.py`), and that is what a verdict rests on.
"""

import ast
import itertools
import math
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from sslrepro import papers
from sslrepro.base.errors import require

LEAST_SEEDS = 3


class Missing(Exception):
    """A cell or value that an expression needs and that has not been measured."""


@dataclass(frozen=True)
class Cell:
    """One measured cell, in the paper's unit. sd is the standard deviation over seeds (ddof 1).

    source   what it was measured from, where that is known: cells of one source are one measurement, whatever table
             prints them
    seeds    (seed, value) of every run: cells that share seeds are compared seed by seed. () where only the summary
             is known; such cells are compared as independent

    >>> Cell.of({0: 1.0, 1: 2.0, 2: 3.0})
    Cell(mean=2.0, sd=1.0, n=3, source='', seeds=((0, 1.0), (1, 2.0), (2, 3.0)))
    """

    mean: float
    sd: float = 0.0
    n: int = 1
    source: str = ""
    seeds: tuple[tuple[int, float], ...] = ()

    @classmethod
    def of(cls, values: Mapping[int, float], source: str = "") -> "Cell":
        """The cell of seed -> value; raises ValueError without any."""
        require(len(values) > 0, "Cell.of", "values", "of at least one seed", dict(values))
        numbers = list(values.values())
        sd = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
        return cls(statistics.fmean(numbers), sd, len(numbers), source, tuple(values.items()))

    @property
    def by_seed(self) -> dict[int, float]:
        """Seed -> value; {} where only the summary is known."""
        return dict(self.seeds)

    def without(self, seeds: Iterable[int]) -> "Cell | None":
        """The cell of the other seeds; None where none is left. Itself where its seeds are not known."""
        left = {seed: value for seed, value in self.seeds if seed not in set(seeds)}
        return self if not self.seeds else Cell.of(left, self.source) if left else None

    @property
    def has_interval(self) -> bool:
        """Whether its interval is shown: that of two seeds is 18 times their deviation wide, beyond any accuracy."""
        return self.n > 2

    @property
    def half_width(self) -> float:
        """Half the 95% interval of the mean; NaN for one seed."""
        if self.n < 2:
            return math.nan
        return float(stdtrit(self.n - 1, 0.975)) * self.sd / math.sqrt(self.n)


# --- the expression language -----------------------------------------------------------------------------------

_COMPARE = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_BINARY = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}

NAMES = {
    "T12D": ["food101", "cifar10", "cifar100", "birdsnap", "sun397", "cars", "aircraft", "voc2007", "dtd", "pets",
             "caltech101", "flowers"],
    "True": True, "False": False, "None": None,
}  # fmt: skip


def _several(values: Any) -> list[Any]:
    """A list of values; the draws of one cell are not one."""
    if isinstance(values, np.ndarray):
        raise Missing("several values are needed where one was measured")
    if not isinstance(values, list):
        raise TypeError(f"a list of values is needed, not {values!r}")
    _present(values)
    return values


def _all(values: Iterable[Any]) -> Any:
    out: Any = True
    for value in values:
        out = np.logical_and(out, value)
    return out


def _steps(compare: Callable[[Any, Any], Any]) -> Callable[[list[Any]], Any]:
    def check(values: Any) -> Any:
        values = _several(values)
        return _all(compare(a, b) for a, b in itertools.pairwise(values))

    return check


def _present(values: Iterable[Any]) -> None:
    if any(value is None for value in values):
        raise Missing("a cell that the paper leaves empty")


def _gapless(function: Callable[..., Any]) -> Callable[..., Any]:
    def check(*values: Any) -> Any:
        _present(values)
        return function(*values)

    return check


def _difference(a: Any, b: Any) -> Any:
    _present((a, b))
    return np.round(np.subtract(a, b), 9)  # 76.3 - 72.2 >= 4.1 must be true


class Reader:
    """Evaluates expressions over cells; a value is a number or an array of draws.

    cell    (table, row, column) -> value; None where the paper prints nothing; raises Missing
    (in expressions of ours `p` reads a printed cell, `s` a number of a paper's text: neither is evidence)
    value   (paper, name) -> a number from a paper's text or an overlay; raises Missing
    """

    def __init__(self, cell: Callable[[str, str, str], Any], value: Callable[[str, str], Any]):
        self.cell, self.value = cell, value
        self.functions: dict[str, Callable[..., Any]] = {
            "c": cell, "v": value, "d": _difference, "abs": _gapless(np.abs),
            "all": lambda values: _all(_several(values)),
            "min": lambda *a: self._extreme(np.minimum, a), "max": lambda *a: self._extreme(np.maximum, a),
            "round": _gapless(lambda x, n=0: np.round(x, n)), "inc": _steps(operator.lt), "dec": _steps(operator.gt),
            "ninc": _steps(operator.ge), "spread": self._spread, "rowids": self._rows, "col": self._column,
            "beats": self._beats, "wins": self._wins, "p": printed_cell, "s": stated_value,
        }  # fmt: skip

    @staticmethod
    def _extreme(choose: Callable[[Any, Any], Any], arguments: tuple[Any, ...]) -> Any:
        values = _several(arguments[0] if len(arguments) == 1 else list(arguments))
        out = values[0]
        for value in values[1:]:
            out = choose(out, value)
        return out

    def _spread(self, values: Any) -> Any:
        return _difference(self._extreme(np.maximum, (values,)), self._extreme(np.minimum, (values,)))

    @staticmethod
    def _rows(table: str) -> list[str]:
        return [row["row"] for row in papers.table(table)["rows"]]

    def _column(self, table: str, column: str) -> list[Any]:
        return [self.cell(table, row, column) for row in self._rows(table)]

    def _beats(self, table: str, row: str, column: str, rows: list[str] | None = None) -> Any:
        """The row is above every other row that has a value in the column."""
        others = [r for r in (self._rows(table) if rows is None else rows) if r != row]
        values = [value for value in (self.cell(table, r, column) for r in others) if value is not None]
        mine = self.cell(table, row, column)
        _present([mine])
        return _all(mine > value for value in values)

    def _wins(self, table: str, row: str, others: list[str], columns: list[str]) -> Any:
        """In how many columns the row is above all of the others."""
        total: Any = 0
        for column in columns:
            rest = [self.cell(table, other, column) for other in others]
            mine = self.cell(table, row, column)
            _present([mine])
            total = total + np.asarray(_all(mine > value for value in rest if value is not None)).astype(int)
        return total

    def read(self, text: str) -> Any:
        """The value of an expression; raises ValueError for anything outside the language, Missing for a gap."""
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError as error:
            raise ValueError(f"claims: {text!r} is not an expression ({error.msg}).") from None
        try:
            return self._node(tree.body, {})
        except (TypeError, IndexError, AttributeError, KeyError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"claims: {text!r} cannot be evaluated ({error}).") from None

    def _node(self, node: ast.AST, names: dict[str, Any]) -> Any:
        match node:
            case ast.Constant(value=value) if isinstance(value, int | float | str | bool | None):
                return value
            case ast.Name(id=name):
                if name in names:
                    return names[name]
                require(name in NAMES, "claims", "name", f"one of {', '.join(NAMES)} or a loop variable", name)
                return NAMES[name]
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self._node(part, names) for part in parts]
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return _gapless(operator.neg)(self._node(inner, names))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return np.logical_not(self._node(inner, names))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _gapless(_BINARY[type(op)])(self._node(left, names), self._node(right, names))
            case ast.BoolOp(op=ast.And(), values=values):
                return _all(self._node(value, names) for value in values)
            case ast.BoolOp(op=ast.Or(), values=values):
                return np.logical_not(_all(np.logical_not(self._node(value, names)) for value in values))
            case ast.Compare(left=left, ops=ops, comparators=rest):
                values = [self._node(part, names) for part in (left, *rest)]
                kinds = [type(op) for op in ops]
                require(
                    all(kind in _COMPARE for kind in kinds),
                    "claims",
                    "comparison",
                    "an order or equality",
                    ast.unparse(node),
                )
                for kind, pair in zip(kinds, itertools.pairwise(values), strict=True):
                    if kind not in (ast.Is, ast.IsNot):
                        _present(pair)
                return _all(_COMPARE[k](a, b) for k, a, b in zip(kinds, values, values[1:], strict=False))
            case ast.GeneratorExp(elt=element, generators=loops) | ast.ListComp(elt=element, generators=loops):
                return self._loop(element, loops, names)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                require(name in self.functions, "claims", "function", f"one of {', '.join(self.functions)}", name)
                return self.functions[name](*(self._node(part, names) for part in arguments))
        raise ValueError(f"claims: {ast.unparse(node)!r} is outside the expression language.")

    def _loop(self, element: ast.AST, loops: list[ast.comprehension], names: dict[str, Any]) -> list[Any]:
        if not loops:
            return [self._node(element, names)]
        first, *rest = loops
        require(not first.is_async, "claims", "loop", "an ordinary one", "async for")
        require(isinstance(first.target, ast.Name), "claims", "loop variable", "a name", ast.unparse(first.target))
        out: list[Any] = []
        for item in self._node(first.iter, names):
            inner = names | {first.target.id: item}
            if all(bool(self._node(condition, inner)) for condition in first.ifs):
                out += self._loop(element, rest, inner)
        return out


# --- what the papers print ------------------------------------------------------------------------------------


def printed_cell(table: str, row: str, column: str) -> Any:
    """A cell as the paper prints it; None where it prints nothing; raises Missing for an unknown cell."""
    rows = {record["row"]: record for record in papers.table(table)["rows"]}
    if row not in rows or column not in rows[row]:
        raise Missing(f"{table}.{row}.{column}")
    return rows[row][column]


def stated_value(key: str, name: str) -> Any:
    """A number from a paper's text; raises Missing where it states none."""
    number = papers.text_value(key, name)
    if number is None:
        raise Missing(f"the value {name!r}")
    return number


def holds_in_paper(claim: dict[str, Any]) -> bool | None:
    """The claim over the paper's own cells; None where they cannot tell."""
    expression = (claim.get("check") or {}).get("expr")
    if not expression:
        return None
    return bool(Reader(printed_cell, stated_value).read(expression))
