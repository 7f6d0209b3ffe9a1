"""The forms numbers take on a page and in a terminal: signs, intervals, tables in HTML, text, Markdown and LaTeX."""

from typing import Any

from sslrepro.claims import Cell

MINUS = "\u2212"
COLOURS = {"paper": "#8a8f98", "ours": "#0072b2", "extra": "#d55e00"}  # Okabe-Ito: told apart by colour-blind eyes


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A number with a true minus sign."""
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", MINUS)


def format_cell(cell: Cell | None, digits: int = 1, sign: bool = False) -> str:
    """mean ± half the 95% interval; only the mean where n < 3; a dash where nothing was run."""
    if cell is None:
        return "–"
    if not cell.has_interval:
        return number(cell.mean, digits, sign)
    return f"{number(cell.mean, digits, sign)} ± {number(cell.half_width, digits)}"


def plural(n: int, word: str) -> str:
    """1 epoch, 2 epochs."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


class Display:
    """Something with an HTML form for the page and a text form for the terminal and for tests."""

    def __init__(self, html_form: str, text: str):
        self.html, self.text = html_form, text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


def html_table(
    head: list[str], body: list[list[str]], classes: str = "", foot: list[list[str]] = (), kinds: list[str] = ()
) -> str:
    """A table of ready HTML cells, scrolling sideways where it is wider than the page.

    kinds   class of each line of the body; "" for none
    """

    def row(cells: list[str], tag: str, kind: str = "") -> str:
        start = f'<tr class="{kind}">' if kind else "<tr>"
        return start + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    parts = [f'<div class="scroll"><table class="dataframe cmp {classes}">', "<thead>", row(head, "th"), "</thead>"]
    parts += [
        "<tbody>",
        *(row(line, "td", kind) for line, kind in zip(body, kinds or [""] * len(body), strict=True)),
        "</tbody>",
    ]
    if foot:
        parts += ["<tfoot>", *(row(line, "td") for line in foot), "</tfoot>"]
    return "\n".join([*parts, "</table></div>"])


def text_table(lines: list[list[str]]) -> str:
    """The same for a terminal; the first line is the head."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([out[0], "  ".join("-" * width for width in widths), *out[1:]])


def as_markdown(head: list[str], body: list[list[str]], foot: list[list[str]]) -> str:
    """Plain cells as a Markdown table."""
    lines = [[cell.replace("|", r"\|") for cell in line] for line in [head, ["---"] * len(head), *body, *foot]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
          MINUS: "$-$", "–": "--", "<": "$<$", ">": "$>$", "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\to$",
          "Δ": r"$\Delta$", "×": r"$\times$", "[": "{[}",  # a bracket at the start of a line would be \\'s argument
          **{sign: "\\" + sign for sign in "&%$#_{}"}}  # fmt: skip


def in_latex(text: str) -> str:
    """Text as LaTeX prints it: every sign that means something to LaTeX is escaped."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def as_latex(head: list[str], body: list[list[str]], foot: list[list[str]]) -> str:
    """Plain cells as a booktabs tabular."""

    def line(cells: list[str]) -> str:
        return " & ".join(map(in_latex, cells)) + r" \\"

    middle = [line(head), r"\midrule", *map(line, body), *([r"\midrule", *map(line, foot)] if foot else [])]
    return "\n".join([rf"\begin{{tabular}}{{{'l' + 'r' * (len(head) - 1)}}}", r"\toprule", *middle, r"\bottomrule",
                      r"\end{tabular}"]) + "\n"  # fmt: skip
