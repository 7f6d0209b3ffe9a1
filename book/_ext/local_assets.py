"""What must a page load from its own folder? MathJax and Plotly are copied there; what would be fetched is dropped."""

import re
import shutil
from importlib import metadata
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)


REMOTE = re.compile(r"""<(?:script|link|img|iframe|source)[^>]*(?:src|href)=["'](?:https?:)?//[^"']*["'][^>]*>""")


VENDORED = {"sphinx-mathjax-offline": "tex-svg.js", "plotly": "plotly.min.js"}  # package -> the file it carries


def file_of(package: str) -> Path:
    """A package's file, where pip put it."""
    name = VENDORED[package]
    for path in metadata.files(package) or []:
        if path.name == name:
            return Path(path.locate())
    raise FileNotFoundError(f"{name} is not in the package {package}; reinstall requirements.txt")


def offline_assets(app: Sphinx, config) -> None:
    """Put them where pages look, outside the sources."""
    folder = Path(app.outdir).parent / "static"
    (folder / "vendor").mkdir(parents=True, exist_ok=True)
    for package, name in VENDORED.items():
        shutil.copyfile(file_of(package), folder / "vendor" / name)
    config.html_static_path.append(str(folder))


def fetches(script) -> bool:
    """Whether a script comes from elsewhere or, as thebe's two, is there to fetch one."""
    source = f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {}).get('body', '')}"
    return "://" in source or "thebe" in source


def drop_remote(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Drop scripts the theme would fetch (thebe, require.js), and warn of any remote asset in a page's own body."""
    context["script_files"] = [script for script in context.get("script_files", []) if not fetches(script)]
    for tag in REMOTE.findall(context.get("body") or ""):
        LOG.warning("%s: remote asset %s; the book must work offline", page, tag)


PRELOAD = re.compile(r"""\s*<link rel="preload" as="font"[^>]*>""")


def drop_preloads(app: Sphinx, exception: Exception | None) -> None:
    """Drop the theme's requests for fonts ahead of need: from a folder a browser blocks them, and complains."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text("utf-8")
            if (cleaned := PRELOAD.sub("", text)) != text:
                page.write_text(cleaned, "utf-8")


def setup(app: Sphinx) -> dict:
    """Register it."""
    app.connect("config-inited", offline_assets)
    app.connect("html-page-context", drop_remote, priority=900)
    app.connect("build-finished", drop_preloads)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
