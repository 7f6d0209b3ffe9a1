"""Frames a second while the map of 50,000 images is dragged: python -m benchmarks.map_frames [chromium]

A page as `sslrepro map` writes it, of random features, is opened in a headless Chromium, whose graphics are drawn by
software where there is no GPU, and dragged to and fro by the pointer events that a mouse sends: `MOVES` of them, one
every `PAUSE` seconds. The page notes the time of every frame, and where the plot stands in it. A frame counts where the
plot has moved since the frame before. Beside it the same with Bokeh's own drags, which draw all points for every move.
Other work on the machine slows frames down, so the processor time of a frame is noted too, by process of the browser
(the page's, and the one that draws), from the first move to the last. Writes benchmarks/results/map_frames.json.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import websocket

from sslrepro.base.store import environment, write_json
from sslrepro.own.layouts import in_square
from sslrepro.own.map import map_to

RESULTS = Path(__file__).parent / "results" / "map_frames.json"
N, GROUPS, MOVES, PAUSE, WINDOW = 50_000, 30, 240, 1 / 125, (1280, 800)  # images; of them; events; s; px
ROUNDS = 3
FLAGS = ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--remote-debugging-port=0", "--remote-allow-origins=*",
         "--enable-unsafe-swiftshader", "--no-first-run")  # fmt: skip

WATCH = """
window.seen = []; window.watching = true;
(function frame(now) {
  window.seen.push([now, where()]);
  if (window.watching) requestAnimationFrame(frame);
})(performance.now());
"""
WHERE = "function where() { return %s; }"
DRAWN = "for (const range of [figure.x_range, figure.y_range]) range.change.disconnect(slide);"  # as Bokeh pans itself
STANDS = "figure.x_range.start"


def page(place: Path) -> Path:
    """A map of random features in groups; nobody looks at its pictures, so that none are drawn."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(GROUPS, 16))
    x = (centre[rng.integers(0, GROUPS, N)] + 0.4 * rng.normal(size=(N, 16))).astype("float32")
    run = place / "many.ssl"
    run.mkdir()
    np.save(run / "embeddings.npy", x)
    names = "".join(f"folder/{row:06}.jpg,96,96\n" for row in range(N))
    (run / "embeddings.csv").write_text("file,width,height\n" + names, encoding="utf-8")
    about = {"images": {"folder": str(place), "n": N}, "method": "nnclr", "epochs": 1, "encoder": "none", "side": 96}
    write_json(run / "model.json", about)
    flat = {name: lambda rows, seed: in_square(rows.numpy()[:, :2]) for name in ("t-SNE", "UMAP")}
    with mock.patch("sslrepro.own.map.LAYOUTS", flat):
        return map_to(run, place / "map.html", say=None)


class Tab:
    """A page in a browser, spoken to by Chromium's debugging protocol."""

    def __init__(self, address: str):
        self.socket, self.number = websocket.create_connection(address, timeout=120), 0

    def ask(self, method: str, wait: bool = True, **words: Any) -> Any:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": words}))
        while wait:
            told = json.loads(self.socket.recv())
            if told.get("id") == self.number:
                if "error" in told:
                    raise RuntimeError(f"map_frames: {method}: {told['error']}")
                return told["result"]
        return None

    def run(self, script: str) -> Any:
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(f"map_frames: {told['exceptionDetails']['exception'].get('description')}")
        return told["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, button: str = "left", wait: bool = True) -> None:
        down = 1 if button == "left" else 0
        self.ask("Input.dispatchMouseEvent", wait, type=kind, x=x, y=y, button=button, buttons=down, clickCount=down)


@contextmanager
def browser(program: str, file: Path):
    """(tab, process) of a browser that shows a file."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        size = f"--window-size={WINDOW[0]},{WINDOW[1]}"
        words = [program, *FLAGS, size, f"--user-data-dir={profile}", file.as_uri()]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            told = Path(profile) / "DevToolsActivePort"
            while not told.exists() or not told.read_text():
                time.sleep(0.1)
                if process.poll() is not None:
                    raise RuntimeError(f"map_frames: {program} ended with {process.returncode}")
            port = told.read_text().split()[0]
            tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
            tab = Tab(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
            while tab.run("(document.getElementById('map') || {dataset: {}}).dataset.ready") != "yes":
                time.sleep(0.2)
            yield tab, process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def busy(session: int) -> dict[str, float]:
    """Seconds of processor time that the processes of a session have taken so far, by their kind."""
    total, ticks = dict.fromkeys(("renderer", "gpu-process", "others"), 0.0), os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            words = (stat.parent / "cmdline").read_text(encoding="utf-8")
        except OSError:
            continue
        if int(fields[3]) == session:
            kind = next((kind for kind in total if f"--type={kind}" in words), "others")
            total[kind] += (int(fields[11]) + int(fields[12])) / ticks
    return total


def drag(tab: Tab, session: int) -> dict[str, Any]:
    """One drag to and fro across the plot: its frames, and what they cost."""
    x, y = 480.0, 400.0
    tab.mouse("mouseMoved", x, y, "none")
    time.sleep(0.3)
    tab.run(WATCH)
    before, begun = busy(session), time.perf_counter()
    tab.mouse("mousePressed", x, y)
    for move in range(1, MOVES + 1):
        way = move if move <= MOVES // 2 else MOVES - move  # px: 120 to the right and down, and back
        tab.mouse("mouseMoved", x + 2 * way, y + way, wait=False)
        time.sleep(max(0.0, begun + move * PAUSE - time.perf_counter()))
    seconds, after = time.perf_counter() - begun, busy(session)
    tab.mouse("mouseReleased", x, y)
    time.sleep(0.5)
    seen = tab.run("window.watching = false, window.seen")
    first, *others = seen
    stands, times = first[1], []
    for now, where in others:
        if where != stands:
            times.append(now)
            stands = where
    gaps = [b - a for a, b in itertools.pairwise(times)]
    return {
        "frames_per_second": round(1000 * (len(times) - 1) / (times[-1] - times[0]), 1) if len(times) > 1 else 0.0,
        "frames": len(times),
        "median_gap_ms": round(statistics.median(gaps), 1) if gaps else None,
        "gap_95_ms": round(sorted(gaps)[int(0.95 * len(gaps))], 1) if gaps else None,
        "seconds": round(seconds, 2),
        "cpu_ms_a_frame": {
            kind: round(1000 * (after[kind] - before[kind]) / max(1, len(times)), 1) for kind in sorted(after)
        },
    }


def measure(program: str, file: Path, prepare: str = "", shot: Path | None = None) -> dict[str, Any]:
    """Several drags of one page; `prepare` is a script that runs before."""
    with browser(program, file) as (tab, process):
        tab.run(WHERE % STANDS + prepare)
        tab.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.run(WATCH)
        time.sleep(2)
        idle = tab.run("window.watching = false, window.seen")
        drags = [drag(tab, process.pid) for _ in range(ROUNDS)]
        if shot:
            import base64

            shot.write_bytes(base64.b64decode(tab.ask("Page.captureScreenshot")["data"]))
        return {
            "idle_frames_per_second": round(1000 * (len(idle) - 1) / (idle[-1][0] - idle[0][0]), 1),
            "drags": drags,
            "load": round(os.getloadavg()[0], 1),
            "renderer": tab.run(
                "(() => { const g = document.createElement('canvas').getContext('webgl'); "
                "const e = g && g.getExtension('WEBGL_debug_renderer_info'); "
                "return e ? g.getParameter(e.UNMASKED_RENDERER_WEBGL) : ''; })()"
            ),
        }


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("program", nargs="?", default="chromium")
    program = words.parse_args().program
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = page(place)
        record = {
            "picture moved": measure(program, file),
            "drawn at every move": measure(program, file, DRAWN),
            "images": N,
            "window": WINDOW,
            "environment": environment("cpu"),
        }
    write_json(RESULTS, record)
    print(json.dumps(record, indent=1))
