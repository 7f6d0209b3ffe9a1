"""The map in a browser: a drag moves the picture that is drawn, and draws it anew at its end; the lasso lists."""

import shutil
import time

import pytest

from benchmarks.map_frames import browser
from sslrepro.own.layouts import in_square
from sslrepro.own.map import map_to

CHROMIUM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
STATE = "({moved: picture().style.transform, held: figure.hold_render, at: figure.x_range.start})"
PAINTS = "window.paints = 0; { const plain = view.paint.bind(view); view.paint = () => { paints += !figure.hold_render; plain(); } }"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_drag_moves_the_picture_and_draws_it_once(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("sslrepro.own.map.LAYOUTS", {"one": lambda x, seed: in_square(x.numpy()[:, :2])})
    page = map_to(trained[1], tmp_path / "map.html", say=None)
    with browser(CHROMIUM, page) as (tab, _):
        time.sleep(1)
        before = tab.run(STATE)
        assert before["moved"] == "" and not before["held"]
        tab.run("clearTimeout(rest); setTimeout = (plain => (f, ms) => plain(f, ms === RESTS ? 1e6 : ms))(setTimeout)")
        tab.run(PAINTS)
        tab.mouse("mousePressed", 400, 300)
        for move in (20, 40, 60):
            tab.mouse("mouseMoved", 400 + move, 300 + move / 2)
        during = tab.run(f"new Promise(f => requestAnimationFrame(() => f({STATE})))")
        assert during["held"] and during["at"] < before["at"]
        across, down = (float(word.strip("px ")) for word in during["moved"].removeprefix("translate(")[:-1].split(","))
        assert across == pytest.approx(60, abs=0.5) and down == pytest.approx(30, abs=0.5)
        assert tab.run("paints") == 0, "while it is dragged"
        tab.mouse("mouseReleased", 460, 330)
        time.sleep(0.5)
        after = tab.run(STATE)
        assert after["moved"] == "" and not after["held"] and after["at"] == during["at"]
        assert tab.run("paints") >= 1
        # what is under the pointer is where it is drawn
        near = "(([kx, ky]) => under({x: at.x[5] + 2 / kx, y: at.y[5] + 2 / ky}))(scale())"
        assert tab.run(near) == 5


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_lasso_lists_what_it_encloses(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("sslrepro.own.map.LAYOUTS", {"one": lambda x, seed: in_square(x.numpy()[:, :2])})
    page = map_to(trained[1], tmp_path / "map.html", say=None)
    with browser(CHROMIUM, page) as (tab, _):
        time.sleep(1)
        tab.run("figure.toolbar.tools.find(t => t.type === 'LassoSelectTool').active = true")
        tab.mouse("mousePressed", 20, 60)
        for x, y in ((900, 60), (900, 600), (20, 600), (20, 70)):
            tab.mouse("mouseMoved", x, y)
            time.sleep(0.1)
        tab.mouse("mouseReleased", 20, 70)
        time.sleep(0.5)
        assert tab.run("picture().style.transform") == "" and not tab.run("figure.hold_render")
        assert 20 <= tab.run("source.selected.indices.length") <= 24, "the outermost may lie under the bar"
        assert tab.run("count.textContent").endswith(" images in the lasso")
