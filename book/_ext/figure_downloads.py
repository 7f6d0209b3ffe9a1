"""The PNG of a figure among its downloads: from the picture that the page shows, nothing is drawn again."""

import re
from typing import Any

FIGURE = re.compile(
    r'<img class="plot[^>]*src="(?P<png>data:image/png;base64,[^"]+)"[^>]*>(?:(?!<img).)*?'
    r'<p class="copies">Download this figure: <a download="(?P<stem>[^"]+)\.svg"[^>]*>SVG</a>(?P<here>)',
    re.DOTALL,
)


def with_png(shown: str) -> str:
    """HTML in which every figure that has an SVG to download has its PNG beside it; what has one stays as it is.

    >>> page = '<img class="plot" src="data:image/png;base64,AA"><p class="copies">Download this figure: '
    >>> with_png(page + '<a download="t.svg" href="data:">SVG</a> · CSV')[-70:]
    '<a download="t.png" href="data:image/png;base64,AA">PNG</a> · CSV'
    """
    for figure in reversed(list(FIGURE.finditer(shown))):
        link = f' · <a download="{figure["stem"]}.png" href="{figure["png"]}">PNG</a>'
        if not shown.startswith(link.partition(" href")[0], figure.start("here")):
            shown = shown[: figure.start("here")] + link + shown[figure.start("here") :]
    return shown


def add_png(cell: dict[str, Any]) -> None:
    """The same in the outputs of a notebook's cell."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text/html" in data:
            data["text/html"] = with_png("".join(data["text/html"]))
