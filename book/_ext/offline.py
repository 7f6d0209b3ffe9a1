"""Fail if a built page would fetch anything from another host: `python book/_ext/offline.py _build/html`."""

import sys
from html.parser import HTMLParser
from pathlib import Path

ASSETS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "audio": "src", "video": "src"}
FETCHED_LINKS = {"stylesheet", "preload", "prefetch", "modulepreload", "icon", "preconnect", "dns-prefetch"}


class Remote(HTMLParser):
    """Collects assets a browser would load from elsewhere."""

    def __init__(self):
        super().__init__()
        self.remote: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        values = dict(attributes)
        address = values.get(ASSETS.get(tag, ""), None)
        if tag == "link" and set((values.get("rel") or "").split()) & FETCHED_LINKS:
            address = values.get("href")
        if address and address.startswith(("http://", "https://", "//")):
            self.remote.append(f"<{tag}> {address}")


def remote_assets(page: Path) -> list[str]:
    """Remote assets of one page."""
    parser = Remote()
    parser.feed(page.read_text("utf-8"))
    return parser.remote


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    bad = [f"{page}: {asset}" for page in sorted(folder.rglob("*.html")) for asset in remote_assets(page)]
    print("\n".join(bad) if bad else f"{len(list(folder.rglob('*.html')))} pages, no remote asset")
    sys.exit(bool(bad))
