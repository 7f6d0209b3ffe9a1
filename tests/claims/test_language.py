"""The transcriptions against their own tables, the expression language, and cells."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from sslrepro import claims, papers
from sslrepro.claims import Cell, Missing, Reader
from sslrepro.claims.language import NAMES

EVALUABLE = [claim for claim in papers.claims().values() if (claim.get("check") or {}).get("expr")]
EXPRESSED = [claim for claim in papers.claims().values() if papers.expression(claim)]

A, B, C, D = (("t", row, "x") for row in "abcd")
a, b, c = (f"c('t','{row}','x')" for row in "abc")
EMPTY = "c('isl_detection','la','alexnet_fast')"  # the paper prints nothing here


def by_id(claim):
    return claim["id"]


def paper_reader() -> Reader:
    return Reader(claims.printed_cell, claims.stated_value)


def fixed(**cells) -> Reader:
    """A reader over cells of table 't', column 'x'."""

    def cell(table, row, column):
        if (table, column) != ("t", "x") or row not in cells:
            raise Missing(f"{table}.{row}.{column}")
        return cells[row]

    return Reader(cell, lambda paper, name: cells[name])


# --- the expression language ------------------------------------------------------------------------------------

REFUSED = [
    "().__class__", "c.__class__", "'{}'.format(1)", "T12D.clear()", "().__class__.__bases__[0].__subclasses__()",
    "__import__('os')", "__import__('os').system('true')", "open('x')", "eval('1')", "exec('1')", "getattr(1, 'real')",
    "lambda: 1", "(lambda: 1)()", "all(lambda: x for x in [1])",
    "unknown", "c", "__builtins__", "unknown(1)", "sum([1])", "len(T12D)", "c('a')('b')",
    "(x := 1)", "all((x := 1) for y in [1])", "x = 1", "1; 2", "import os", "yield", "await T12D", "del T12D",
    "f'{1}'", "f'plain'", "b'x'", "1j", "...",
    "[1, 2][0]", "T12D[0]", "[1, 2][0:1]",
    "round(1.25, n=1)", "d(a=1, b=2)", "c(**{})", "c(*['a', 'b', 'c'])", "[*[1, 2]]",
    "2 ** 9", "7 // 2", "7 % 2", "1 << 2", "1 >> 2", "1 | 2", "1 & 2", "1 ^ 2", "1 @ 2", "~1", "+1",
    "1 in [1]", "1 not in [1]", "1 if True else 2", "{1: 2}", "{1}", "{x for x in [1]}", "{x: 1 for x in [1]}",
    "[p for p, q in [[1, 2]]]", "[1 for T12D[0] in [1]]",
    "", " ", "1 +", "(1", "\0",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_anything_outside_the_language_is_refused(text):
    with pytest.raises(ValueError, match="claims"):
        paper_reader().read(text)


def test_an_asynchronous_loop_is_refused():
    with pytest.raises(ValueError, match="claims"):
        paper_reader().read("all(r async for r in [1])")


def escaping(texts, allowed) -> list[str]:
    """The expressions that give a value, or raise anything but `allowed` with the language's own words."""
    escapes = []
    for text in texts:
        try:
            paper_reader().read(text)
            escapes.append(f"{text}: a value")
        except allowed as error:
            if isinstance(error, ValueError) and not str(error).startswith("claims"):
                escapes.append(f"{text}: {error!r}")
        except Exception as error:
            escapes.append(f"{text}: {error!r}")
    return escapes


def test_malformed_calls_and_operands_are_refused_as_well():
    malformed = ["c('isl_detection')", "c(1, 2, 3, 4)", "v('isl')", "d(1)", "rowids()", "beats('isl_detection')",
                 "all(5)", "max(3)", "max([])", "inc(3)", "all(r for r in 5)", "'a' - 1", "1 < 'a'"]  # fmt: skip
    assert escaping(malformed, ValueError) == []


def test_refusals_name_the_expression_and_the_choices():
    with pytest.raises(ValueError, match=r"claims: function must be one of c, v, d, .*, got 'open'"):
        paper_reader().read("open('x')")
    with pytest.raises(ValueError, match=r"claims: '2 \*\* 9' is outside the expression language"):
        paper_reader().read("2 ** 9")
    with pytest.raises(ValueError, match=r"papers.table: .*Did you mean 'nnclr_queue'"):
        paper_reader().read("c('nnclr_queu','q8192','top1')")


def test_a_loop_variable_is_known_only_in_its_loop():
    assert paper_reader().read("[r + q for r in [1, 2] for q in [10, 20] if q > 10]") == [21, 22]
    with pytest.raises(ValueError, match="loop variable, got 'r'"):
        paper_reader().read("all(r > 0 for r in [1]) and r > 0")


VALUES = {"1 + 2*3 - 4/8": 6.5, "-2 - -3": 1, "d(76.3, 72.2) >= 4.1": True, "76.3 - 72.2 >= 4.1": False,
          "abs(1 - 3)": 2, "round(2.345, 1)": 2.3, "round(2.6)": 3, "min(3, 1, 2)": 1, "max([3, 1, 2])": 3,
          "max(r for r in [1, 5, 2])": 5, "spread([3, 1, 2.5])": 2, "inc([1, 2, 3])": True, "inc([1, 2, 2])": False,
          "dec([3, 2, 1])": True, "dec([3, 3, 1])": False, "ninc([3, 3, 1])": True, "ninc([3, 4])": False,
          "1 < 2 < 3": True, "1 < 3 < 2": False, "2 > 1 and 1 > 2": False, "2 > 1 or 1 > 2": True,
          "1 > 2 or 2 > 3": False, "not 1 > 2": True, "1 == 1.0": True, "1 != 1": False, "'a' == 'a'": True,
          "None is None": True, "1 is not None": True, "all([])": True, "all(r > 0 for r in [1, -1])": False,
          "all(r > 1 for r in [1, 2, 3] if r > 1)": True}  # fmt: skip


@pytest.mark.parametrize("text", VALUES, ids=repr)
def test_the_language_by_hand(text):
    assert paper_reader().read(text) == pytest.approx(VALUES[text])


def test_tables_by_row_and_column():
    read = paper_reader().read
    rows = papers.table("nnclr_queue")["rows"]
    assert read("rowids('nnclr_queue')") == [row["row"] for row in rows]
    assert read("col('nnclr_queue','top1')") == [row["top1"] for row in rows]
    assert read("c('nnclr_queue','q98304','top1')") == next(row["top1"] for row in rows if row["row"] == "q98304")
    assert len(read("T12D")) == 12


def test_beats_and_wins_by_hand(monkeypatch):
    rows = [{"row": "a", "x": 3.0, "y": 1.0}, {"row": "b", "x": 2.0, "y": None}, {"row": "e", "x": 3.0, "y": 0.0}]
    monkeypatch.setattr(papers, "table", lambda name: {"rows": rows})
    read = paper_reader().read
    assert not read("beats('t','a','x')"), "a tie is not a win"
    assert read("beats('t','a','y')"), "rows without a value are passed over"
    assert read("beats('t','a','x',['a','b'])") and not read("beats('t','b','x')")
    assert read("wins('t','a',['b','e'],['x','y'])") == 1
    assert read("wins('t','a',['b'],['x'])") == 1 and read("wins('t','b',['a','e'],['x'])") == 0


# --- missing cells ----------------------------------------------------------------------------------------------


def test_the_empty_cell_of_these_tests_is_empty():
    assert claims.printed_cell("isl_detection", "la", "alexnet_fast") is None
    assert paper_reader().read(f"{EMPTY} is None") and not paper_reader().read(f"{EMPTY} is not None")


@pytest.mark.parametrize("text", [
    f"{EMPTY} > 1", f"1 < {EMPTY}", f"0 < {EMPTY} < 2", f"{EMPTY} == 1", f"d({EMPTY}, 1)", f"d(1, {EMPTY})",
    f"max(1, {EMPTY})", f"min([{EMPTY}, 1])", f"spread([1, {EMPTY}])", f"inc([1, {EMPTY}])", f"dec([{EMPTY}, 1])",
    f"ninc([1, {EMPTY}])", "c('isl_detection','nobody','alexnet_fast')", "c('isl_detection','la','nothing')",
    "v('isl','unheard_of')",
])  # fmt: skip
def test_a_gap_in_the_paper_raises_missing(text):
    with pytest.raises(Missing):
        paper_reader().read(text)


def test_a_gap_in_the_paper_raises_missing_in_every_part_of_the_language():
    texts = [
        f"{EMPTY} - 1 > 0",
        f"2 * {EMPTY} > 0",
        f"-{EMPTY} < 0",
        f"abs({EMPTY}) > 0",
        f"round({EMPTY}, 1) > 0",
        "beats('isl_detection','la','alexnet_fast')",
        "wins('isl_detection','la',['isl'],['alexnet_fast']) == 0",
    ]
    assert escaping(texts, Missing) == []


def test_a_loop_can_pass_over_empty_cells():
    text = "all(c('isl_detection','isl',m) > c('isl_detection','la',m) for m in ['alexnet_fast','alexnet_faster']{})"
    assert paper_reader().read(text.format(" if c('isl_detection','la',m) is not None"))
    with pytest.raises(Missing):
        paper_reader().read(text.format(""))


# --- arrays of draws mean the same as draw after draw -----------------------------------------------------------


def plain_world(cell, value):
    """The language over numbers, written again with Python's own loops; expressions are run by Python itself."""

    def rows(table):
        return [row["row"] for row in papers.table(table)["rows"]]

    def beats(table, row, column, among=None):
        rest = [cell(table, r, column) for r in (rows(table) if among is None else among) if r != row]
        return all(cell(table, row, column) > value for value in rest if value is not None)

    def wins(table, row, others, columns):
        won = 0
        for column in columns:
            rest = [cell(table, other, column) for other in others]
            won += all(cell(table, row, column) > value for value in rest if value is not None)
        return won

    def steps(sign):
        return lambda values: all(sign(p, q) for p, q in itertools.pairwise(values))

    return {
        "__builtins__": {}, "c": cell, "v": value, "d": lambda p, q: round(p - q, 9), "abs": abs, "all": all,
        "min": min, "max": max, "round": round, "inc": steps(lambda p, q: p < q), "dec": steps(lambda p, q: p > q),
        "ninc": steps(lambda p, q: p >= q), "spread": lambda values: round(max(values) - min(values), 9), "rowids": rows,
        "col": lambda table, column: [cell(table, row, column) for row in rows(table)], "beats": beats, "wins": wins,
        "T12D": NAMES["T12D"],
    }  # fmt: skip


class Draws:
    """Draws of every cell and value: the paper's number (or 50) and noise that grows from draw to draw."""

    n = 48

    def __init__(self, claim: dict):
        self.rng = np.random.default_rng(len(claim["text"]))
        self.empty = None if claim["check"].get("expr") else 50.0  # an overlay fills what the paper leaves empty
        self.known = {}
        self.noise = np.linspace(0, 3, self.n)

    def spread_out(self, key, number):
        if key not in self.known:
            if number is None or isinstance(number, str | bool):
                self.known[key] = number
            else:
                self.known[key] = number + self.noise * self.rng.standard_normal(self.n)
        return self.known[key]

    def cell(self, *key):
        try:
            number = claims.printed_cell(*key)
            return self.spread_out(key, self.empty if number is None else number)
        except (Missing, ValueError):  # a cell or a whole table that only an overlay has
            return self.spread_out(key, 50.0)

    def value(self, *key):
        if key == ("invp", "top1_for_positives_30_to_70"):  # a value per number of positives
            return [self.spread_out((*key, str(i)), 50.0) for i in range(3)]
        number = papers.text_value(*key)
        return self.spread_out(key, 50.0 if number is None else number)

    @staticmethod
    def at(i, value):
        if isinstance(value, list):
            return [Draws.at(i, part) for part in value]
        return float(value[i]) if isinstance(value, np.ndarray) else value


def both_ways(text: str, draws: Draws) -> tuple[np.ndarray, list]:
    def alone(i):
        def cell(*key):
            return Draws.at(i, draws.cell(*key))

        return eval(text, plain_world(cell, lambda *key: Draws.at(i, draws.value(*key))))

    at_once = np.broadcast_to(np.asarray(Reader(draws.cell, draws.value).read(text)), draws.n)
    return at_once, [alone(i) for i in range(draws.n)]


@pytest.mark.parametrize("claim", EXPRESSED, ids=by_id)
def test_draws_at_once_equal_draw_by_draw(claim):
    draws = Draws(claim)
    at_once, one_by_one = both_ways(papers.expression(claim), draws)
    assert at_once.astype(bool).tolist() == [bool(value) for value in one_by_one]
    if claim["check"].get("gap_expr"):
        at_once, one_by_one = both_ways(claim["check"]["gap_expr"], draws)
        assert np.allclose(at_once.astype(float), one_by_one, atol=1e-8)


def test_the_draws_above_make_most_claims_true_and_false():
    mixed = 0
    for claim in EXPRESSED:
        draws = Draws(claim)
        share = np.mean(np.broadcast_to(Reader(draws.cell, draws.value).read(papers.expression(claim)), draws.n))
        mixed += 0 < share < 1
    assert mixed > 0.7 * len(EXPRESSED)


@pytest.mark.parametrize("text", [
    f"{a} > {b} or {b} > {c}", f"not {a} > {b}", f"{a} > {b} > {c}", f"max({a}, {b}) > {c}", f"min([{a}, {b}]) > {c}",
    f"abs(d({a}, {b})) <= 1 and {c} > 50", f"spread([{a}, {b}, {c}]) <= 2", f"round({a}) == round({b})",
    f"inc([{a}, {b}, {c}]) or dec([{a}, {b}, {c}])", "wins('t','a',['b','c'],['x']) == 1", f"-{a} < -{b}",
    f"{a} / {b} >= 1", "beats('t','a','x',['a','b','c'])", f"{a} != {a}",
])  # fmt: skip
def test_each_construct_at_once_equals_draw_by_draw(text):
    rng = np.random.default_rng(1)
    cells = {row: 50 + rng.standard_normal(64) for row in "abc"}
    at_once = np.broadcast_to(fixed(**cells).read(text), 64)
    one_by_one = [eval(text, plain_world(lambda t, r, x: float(cells[r][i]), None)) for i in range(64)]  # noqa: B023
    assert at_once.astype(bool).tolist() == [bool(value) for value in one_by_one]
    assert text == f"{a} != {a}" or 0 < np.mean(at_once) < 1


def test_a_function_of_several_values_is_not_run_over_the_draws_of_one():
    """max(x) of one cell is not its largest draw: draw by draw it has no meaning."""
    read = fixed(a=60 + np.linspace(-5, 5, 64)).read
    for text in (f"max({a}) > 61", f"spread({a}) <= 1", f"all({a} > 60)", f"inc({a})"):
        with pytest.raises((ValueError, Missing)):
            read(text)


# --- cells ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_half_width_is_scipys_t_interval(n):
    sample = np.random.default_rng(n).normal(70, 2, n)
    low, high = stats.t.interval(0.95, n - 1, loc=sample.mean(), scale=stats.sem(sample))
    cell = Cell(sample.mean(), sample.std(ddof=1), n)
    assert cell.half_width == pytest.approx((high - low) / 2, rel=1e-9)


def test_one_seed_has_no_interval():
    assert math.isnan(Cell(70.0).half_width)


def test_no_spread_no_width():
    assert Cell(70.0, 0.0, 3).half_width == 0


def test_a_cell_of_seeds_is_their_mean_and_spread():
    values = {4: 70.0, 0: 71.5, 2: 68.0}
    cell = Cell.of(values, "runs")
    assert (cell.mean, cell.n, cell.source, cell.by_seed) == (pytest.approx(69.8333, abs=1e-4), 3, "runs", values)
    assert cell.sd == pytest.approx(np.std([70, 71.5, 68], ddof=1))
    assert Cell.of({0: 1.0}).sd == 0.0
    with pytest.raises(ValueError, match="Cell.of: values must be of at least one seed"):
        Cell.of({})


def test_a_cell_without_some_seeds():
    cell = Cell.of({0: 1.0, 1: 2.0, 2: 6.0}, "runs")
    assert cell.without([2]) == Cell.of({0: 1.0, 1: 2.0}, "runs") and cell.without([0, 1, 2]) is None
    assert Cell(1.0, 1.0, 3).without([0]) == Cell(1.0, 1.0, 3), "its seeds are not known"
