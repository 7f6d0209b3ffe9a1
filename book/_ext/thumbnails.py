"""Small pictures of published pages."""

import base64
import html
import io
import json
import re
from pathlib import Path


def thumbnail(png: bytes, width: int = 420, colours: int = 24) -> bytes:
    """A PNG no wider than `width` pixels with a small palette."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(colours, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def title_and_picture(page: Path) -> tuple[str, bytes | None, str]:
    """Title, first picture and its alternative text, of an executed notebook."""
    cells = json.loads(page.read_text("utf-8"))["cells"]
    text = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    title = text.splitlines()[0].lstrip("# ")
    for cell in cells:
        for output in cell.get("outputs", []):
            png, alt = first_image("".join(output.get("data", {}).get("text/html", "")))
            if png:
                return title, png, alt
    return title, None, ""


def first_image(shown: str) -> tuple[bytes | None, str]:
    """The first PNG within some HTML, and its alternative text."""
    for tag in re.findall(r"<img\b[^>]*>", shown):
        match = re.search(r'src="data:image/png;base64,([^"]+)"', tag)
        alt = re.search(r'alt="([^"]*)"', tag)
        if match:
            return base64.b64decode(match[1]), html.unescape(alt[1]) if alt else ""
    return None, ""


def shrunk(png: bytes | None, alt: str, photo: bool = False) -> str:
    """A thumbnail in HTML; "" where there is no picture. photo: of images, whose colours stay in dark mode."""
    if not png:
        return ""
    data = base64.b64encode(thumbnail(png)).decode()
    kind = ' class="photo"' if photo else ""
    return f'<img{kind} alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'
