"""`map.html`: one's own images in two dimensions, thumbnails on hover, search, zoom; one file, no network.

A plain canvas and some lines of script: thumbnails come in sheets, a picture of 1,024 each, and are drawn instead of
points where few enough are in sight.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from sslrepro.base.errors import require
from sslrepro.embeddings.maps import PERPLEXITY
from sslrepro.own.images import write_text
from sslrepro.own.pictures import data_uri, thumbnail
from sslrepro.own.run import OwnRun
from sslrepro.parts.mining import nearest

MOST = 50_000  # images on one map
SHEET = 32  # thumbnails across and down a sheet, which is one picture
THUMB = {5_000: 64, 20_000: 48, MOST: 32}  # images -> px of a thumbnail, so that a page stays below some 60 MB
NEAR = 8  # neighbours shown of a clicked image
EXACT = 5_000  # images up to which t-SNE searches neighbours exactly


def positions(run: OwnRun, seed: int = 0) -> np.ndarray:
    """[n 2] positions by t-SNE of the features less their mean, unit rows, in -1..1; the same for the same seed."""
    try:
        import openTSNE
    except ImportError:
        raise ValueError("map: openTSNE is not installed. `pip install openTSNE`.") from None
    x = run.comparable(run.features).numpy()
    shared = dict(perplexity=min(PERPLEXITY, (len(x) - 1) / 3), random_state=seed, n_jobs=1, metric="euclidean")
    search = "exact" if len(x) <= EXACT else "annoy"
    solver = openTSNE.TSNE(initialization="pca", neighbors=search, negative_gradient_method="fft" if len(x) > EXACT
                           else "bh", **shared)  # fmt: skip
    places = np.asarray(solver.fit(x))
    places = places - places.mean(0)
    return places / np.abs(places).max()


def map_to(run: str | Path | OwnRun, out: str | Path, seed: int = 0, say: Callable[..., None] | None = print) -> Path:
    """Write the map of a run's images, at most 50,000, to a page `.html`, and return the file.

    Raises ValueError for another ending, a folder that is not there, and more images than a page holds.
    """
    out = Path(out).expanduser()
    right = out.suffix.lower() == ".html" and out.parent.is_dir()
    require(right, "map", "out", "a .html file in an existing folder", str(out))
    run = run if isinstance(run, OwnRun) else OwnRun(run)
    n = len(run.listing)
    require(n <= MOST, "map", f"images of {run.folder}", f"at most {MOST:,}", n)
    rows = run.comparable(run.features)
    near = []
    for part in rows.split(1024):
        near += nearest(part, rows, min(NEAR + 1, n))[1].tolist()
    side = next(px for most, px in THUMB.items() if n <= most)
    sheets, missing = thumbnails(run, side)
    data = {
        "names": run.files,
        "at": np.round(positions(run, seed), 4).tolist(),
        "near": [[other for other in row if other != own][:NEAR] for own, row in enumerate(near)],
        "side": side,
        "sheet": SHEET,
        "sheets": sheets,
    }
    # "<" may not stand in a script: a file name could end it
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    title = f"{n:,} images of {run.folder.name}"
    about = f"{run.about['method']}, {run.about['epochs']} epochs, t-SNE of {run.about['encoder']}'s features"
    page = PAGE.replace("{title}", html.escape(title)).replace("{about}", html.escape(about)).replace("{data}", text)
    write_text(out, page)
    if say:
        gone = f"; {missing:,} files are no longer readable" if missing else ""
        say(f"{n:,} images, {len(page.encode()) / 1e6:.1f} MB -> {out}{gone}")
    return out


def thumbnails(run: OwnRun, side: int) -> tuple[list[str], int]:
    """(sheets of 1,024 thumbnails as data URIs, in order, from left to right and down; files that cannot be read)."""
    per_sheet, sheets, missing = SHEET * SHEET, [], 0
    for first in range(0, len(run.listing), per_sheet):
        files = run.listing[first : first + per_sheet]
        sheet = Image.new("RGB", (SHEET * side, -(-len(files) // SHEET) * side), (238, 238, 238))
        for place, file in enumerate(files):
            small = thumbnail(file.path, side)
            missing += small is None
            if small is not None:
                left, top = (side - small.width) // 2, (side - small.height) // 2
                sheet.paste(small, (place % SHEET * side + left, place // SHEET * side + top))
        sheets.append(data_uri(sheet, 75))
    return sheets, missing


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
html, body { margin: 0; height: 100%; font: 14px/1.4 system-ui, sans-serif; color: #1c1e21; background: #fff }
body { display: grid; grid-template-columns: 1fr 20rem }
#map { width: 100%; height: 100vh; display: block; cursor: crosshair; touch-action: none }
aside { padding: 1rem; overflow: auto; border-left: 1px solid #ddd; overflow-wrap: anywhere; max-height: 100vh;
  box-sizing: border-box }
input { width: 100%; box-sizing: border-box; font: inherit; padding: .3rem }
.row { display: flex; gap: .6rem; align-items: center; margin: .4rem 0; cursor: pointer } .row canvas { flex: none }
.small { color: #555 }
</style>
<canvas id="map" tabindex="0" aria-label="{title}, as points; the search lists them by name"></canvas>
<aside><h1 style="font-size:1.1rem">{title}</h1><p class="small">{about}. Near points are alike; distances between far
groups carry no meaning. Drag to move, scroll to zoom, click an image for its nearest.</p>
<label>Search file names <input id="search" type="search"></label><p id="count" class="small"></p><div id="list"></div>
</aside>
<script>
"use strict";
const D = {data};
const canvas = document.getElementById("map"), pen = canvas.getContext("2d"), list = document.getElementById("list");
const count = document.getElementById("count");
const n = D.names.length, per = D.sheet * D.sheet;
const pictures = D.sheets.map((uri) => { const p = new Image(); p.onload = later; p.src = uri; return p; });
let zoom = 0, x0 = 0, y0 = 0, over = -1, chosen = -1, hits = new Set(), due = false, held = null, moved = false;

function later() { if (!due) { due = true; requestAnimationFrame(draw); } }
function fit() {
  const r = canvas.getBoundingClientRect(), d = devicePixelRatio || 1;
  canvas.width = r.width * d; canvas.height = r.height * d;
  if (!zoom) { zoom = 0.46 * Math.min(r.width, r.height); x0 = r.width / 2; y0 = r.height / 2; }
  later();
}
function place(i) { return [x0 + zoom * D.at[i][0], y0 + zoom * D.at[i][1]]; }
function stamp(to, i, x, y, side) {
  const q = i % per, s = D.side;
  to.drawImage(pictures[Math.floor(i / per)], (q % D.sheet) * s, Math.floor(q / D.sheet) * s, s, s, x, y, side, side);
}
function draw() {
  due = false;
  const d = devicePixelRatio || 1, w = canvas.width / d, h = canvas.height / d;
  pen.setTransform(d, 0, 0, d, 0, 0); pen.clearRect(0, 0, w, h);
  const seen = [];
  for (let i = 0; i < n; i++) {
    const [x, y] = place(i);
    if (x > -50 && y > -50 && x < w + 50 && y < h + 50) seen.push(i);
  }
  const side = Math.min(D.side, Math.max(0, 0.8 * Math.sqrt(w * h / Math.max(1, seen.length))));
  const pictured = side >= 16;  // few enough in sight to show them
  pen.fillStyle = "#0072b2";
  for (const i of seen) {
    const [x, y] = place(i);
    pen.globalAlpha = hits.size && !hits.has(i) ? 0.15 : 1;
    if (pictured) stamp(pen, i, x - side / 2, y - side / 2, side); else pen.fillRect(x - 1.5, y - 1.5, 3, 3);
  }
  pen.globalAlpha = 1; pen.lineWidth = 2;
  const mark = (i, colour) => { const [x, y] = place(i), s = Math.max(8, pictured ? side : 8);
    pen.strokeStyle = colour; pen.strokeRect(x - s / 2, y - s / 2, s, s); };
  if (hits.size && hits.size < 2000) for (const i of hits) mark(i, "#e69f00");
  if (chosen >= 0) { for (const j of D.near[chosen]) mark(j, "#009e73"); mark(chosen, "#d55e00"); }
  if (over >= 0) {
    const [x, y] = place(over), s = Math.max(96, D.side);
    const left = Math.min(x + 8, w - s - 4), top = Math.min(y + 8, h - s - 24);
    pen.fillStyle = "#fff"; pen.fillRect(left - 3, top - 3, s + 6, s + 24); stamp(pen, over, left, top, s);
    pen.fillStyle = "#1c1e21"; pen.font = "12px system-ui, sans-serif";
    pen.fillText(D.names[over], left, top + s + 15, s);
  }
}
function nearestTo(x, y) {
  let best = -1, least = 400;
  for (let i = 0; i < n; i++) {
    const [a, b] = place(i), q = (a - x) * (a - x) + (b - y) * (b - y);
    if (q < least) { least = q; best = i; }
  }
  return best;
}
function rows(items) {
  list.replaceChildren(...items.map((i) => {
    const [row, small, name] = ["div", "canvas", "span"].map((kind) => document.createElement(kind));
    row.className = "row"; small.width = small.height = D.side;
    stamp(small.getContext("2d"), i, 0, 0, D.side);
    name.textContent = D.names[i]; row.append(small, name); row.onclick = () => choose(i);
    return row;
  }));
}
function choose(i) {
  chosen = i; count.textContent = i < 0 ? "" : "The image, and its nearest:";
  rows(i < 0 ? [] : [i, ...D.near[i]]); later();
}
document.getElementById("search").oninput = (event) => {
  const word = event.target.value.toLowerCase();
  const found = word ? D.names.map((name, i) => i).filter((i) => D.names[i].toLowerCase().includes(word)) : [];
  hits = new Set(found); chosen = -1; rows(found.slice(0, 100));
  count.textContent = word ? found.length + " images" + (found.length > 100 ? ", 100 listed" : "") : "";
  later();
};
function at(event) {
  const r = canvas.getBoundingClientRect();
  return [event.clientX - r.left, event.clientY - r.top];
}
canvas.onpointerdown = (event) => { held = at(event); moved = false; canvas.setPointerCapture(event.pointerId); };
canvas.onpointermove = (event) => {
  const [x, y] = at(event);
  if (held) {
    moved = moved || Math.abs(x - held[0]) + Math.abs(y - held[1]) > 3;
    if (moved) { x0 += x - held[0]; y0 += y - held[1]; held = [x, y]; over = -1; }
  } else over = nearestTo(x, y);
  later();
};
canvas.onpointerup = (event) => { if (held && !moved) choose(nearestTo(...at(event))); held = null; };
canvas.onpointerleave = () => { over = -1; later(); };
canvas.onwheel = (event) => {
  event.preventDefault();
  const [x, y] = at(event), f = Math.exp(-event.deltaY * 0.0015);
  x0 = x + (x0 - x) * f; y0 = y + (y0 - y) * f; zoom *= f; later();
};
addEventListener("resize", fit); fit();
</script>
</html>
"""
