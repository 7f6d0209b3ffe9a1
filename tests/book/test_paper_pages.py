"""The papers' parts of the book: numbers come from the transcriptions, ids lead somewhere, drawings can be read."""

import functools
import importlib
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from sslrepro import papers
from sslrepro.claims import Missing, Verdict

BOOK = Path(__file__).parents[2] / "book"
WRITTEN = [*sorted((BOOK / "papers").glob("*.md")), BOOK / "contradictions.md"]
ROLE = re.compile(r"\{(printed|stated|setting)\}`([^`]+)`")


@pytest.fixture(scope="module")
def pages():
    """The book's extensions by file name, imported as Sphinx does: from their own folder."""
    sys.path.insert(0, str(BOOK / "_ext"))
    names = [path.stem for path in (BOOK / "_ext").glob("*.py")]
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(BOOK / "_ext"))


def test_roles_show_what_the_paper_prints(pages):
    rows = {row["row"]: row for row in papers.table("nnclr_queue")["rows"]}
    assert pages.paper_numbers.cell("nnclr_queue.q8192.top1") == str(rows["q8192"]["top1"])
    gap = rows["q98304"]["top1"] - rows["q8192"]["top1"]
    assert pages.paper_numbers.cell("nnclr_queue.q98304.top1 - nnclr_queue.q8192.top1") == f"{gap:.1f}"
    assert pages.paper_numbers.value("nnclr.crop_1000ep") == str(papers.text_value("nnclr", "crop_1000ep"))
    assert pages.paper_numbers.setting("nnclr.headline_run.queue") == "98,304"
    assert pages.paper_numbers.setting("nnclr_linear.multi_crop_epochs") == str(
        papers.settings("nnclr_linear")["multi_crop_epochs"]
    )


def test_a_number_says_in_words_where_it_is_from(pages):
    numbers = pages.paper_numbers
    assert numbers.cell_source("nnclr_queue.q8192.top1") == "NNCLR, Table 7a: 8192, Top-1"
    assert numbers.cell_source("nnclr_queue.q98304.top1 - nnclr_queue.q8192.top1").count("Table 7a") == 2
    assert numbers.value_source("nnclr.nn_match_end").startswith("NNCLR, 4.5: accuracy of the NN")
    assert numbers.setting_source("nnclr.headline_run.queue") == "NNCLR, settings: headline run, queue"


@pytest.mark.parametrize(
    "read, text",
    [
        ("cell", "nnclr_queue.q1.top1"),
        ("cell", "nnclr_nnsiam.simsiam.top5"),
        ("value", "nnclr.nothing"),
        ("setting", "nnclr.headline_run.nothing"),
    ],
)
def test_a_number_that_is_not_printed_is_an_error(pages, read, text):
    with pytest.raises(Missing):
        getattr(pages.paper_numbers, read)(text)


def test_every_role_on_the_written_pages_can_be_read(pages):
    readers = {
        "printed": pages.paper_numbers.cell,
        "stated": pages.paper_numbers.value,
        "setting": pages.paper_numbers.setting,
    }
    roles = [match for page in WRITTEN for match in ROLE.findall(page.read_text("utf-8"))]
    assert len(roles) > 30 and all(readers[name](text) for name, text in roles)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_no_result_is_typed(page):
    assert re.findall(r"\d\.\d", ROLE.sub("", page.read_text("utf-8"))) == []


def test_every_contradiction_concerns_something_known(pages):
    empty = [name for name, ids in pages.relations.concerns().items() if not ids]
    assert empty == [] and set(pages.relations.concerns()) == set(pages.relations.contradictions())


def test_a_note_on_nothing_is_refused(pages, monkeypatch, tmp_path):
    (tmp_path / "contradictions.md").write_text("nnclr_x01: nnclr_queu\n")
    monkeypatch.setattr(pages.relations, "BOOK", tmp_path)
    with pytest.raises(ValueError, match="nnclr_x01: id must be a table, figure or claim, got 'nnclr_queu'"):
        pages.relations.concerns.__wrapped__()


def test_readers_see_no_line_numbers_of_a_source_they_do_not_have(pages):
    texts = [
        pages.relations.readable(str(entry[key]))
        for entry in pages.relations.contradictions().values()
        for key in ("statement_a", "statement_b", "analysis", "use")
    ]
    lines = [text for text in texts if re.search(r"\blines? \d", re.sub(r"Algorithm 1 \(lines? [\d-]+\)", "", text))]
    assert lines == [] and any("Algorithm 1 (line 10)" in text for text in texts)


def test_ids_become_links_only_where_they_are_words(pages):
    anchors = {"nnclr_c01": "claims.html"}
    named = functools.partial(pages.id_links.link_ids, names={"nnclr_c01": "best & first"})
    link = '<a class="claim" title="nnclr_c01" href="../claims.html#nnclr_c01">best &amp; first</a>'
    assert named("<td>nnclr_c01</td>", "../", anchors) == f"<td>{link}</td>"
    headline = '<span class="claim">best &amp; first</span>'
    assert named(headline, "../", anchors) == f'<span class="claim">{link}</span>'
    assert named("<b>best &amp; first</b>", "../", anchors) == "<b>best &amp; first</b>"
    assert named('<code class="claim-id">nnclr_c01</code>', "../", anchors).endswith(">nnclr_c01</a></code>")
    link_ids = functools.partial(pages.id_links.link_ids, names={})
    assert link_ids("<td>nnclr_c01</td>", "../", anchors) == (
        '<td><a class="id" href="../claims.html#nnclr_c01">nnclr_c01</a></td>'
    )
    for same in (
        '<a href="#x">nnclr_c01</a>',
        '<img alt="nnclr_c01">',
        "<pre>x <b>nnclr_c01</b></pre>",
        "nnclr_c99",
        "my_nnclr_c01",
        "nnclr_c012",
    ):
        assert link_ids(same, "../", anchors) == same
    assert link_ids("<pre>a</pre>nnclr_c01", "", anchors).endswith("</a>")


def test_drawings_are_whole_described_and_used(pages):
    for name, draw in pages.diagrams.DRAWINGS.items():
        tree = ElementTree.fromstring(draw())
        assert tree.get("role") == "img" and len(tree.get("aria-label")) > 80
        _, _, width, height = map(float, tree.get("viewBox").split())
        heads = {f"url(#{marker.get('id')})" for marker in tree.iter("marker")}
        for element in tree.iter():
            for end in ("marker-start", "marker-end"):
                assert element.get(end) is None or element.get(end) in heads
        words = list(tree.iter("text"))
        assert words and not any(re.search(r"\d\.?\d", line.text) for line in words)
        assert all(0 <= float(line.get("x")) < width and 0 < float(line.get("y")) < height for line in words)
        assert f"```{{diagram}} {name}\n" in (BOOK / "papers" / f"{name.split('_')[0]}.md").read_text("utf-8")
        assert name in pages.relations.figures()


def listing(pages, kind):
    """A directive outside a build."""
    directive = type("Alone", (kind,), {"env": SimpleNamespace(docname="claims")})
    return directive.__new__(directive)


def test_every_claim_has_its_entry_and_anchor(pages):
    sections = listing(pages, pages.claims_list.ClaimsList).run()[1:]
    anchors = [entry["ids"][0] for section in sections for entry in section.children[1:]]
    assert sorted(anchors) == sorted(papers.claims())


def test_a_claim_says_what_would_settle_it(pages):
    def sentence(**settings):
        return "".join(pages.claims_list.ClaimsList.outlook(Verdict("c", "text", **settings)))

    assert "17 seeds per cell would settle it" in sentence(verdict="inconclusive", probability=0.6, seeds_needed=17)
    assert "larger scale" in sentence(verdict="inconclusive", probability=0.6)
    assert sentence(verdict="holds", probability=0.97) == ", probability 0.970"
    assert sentence(verdict="not judged", reason="not run: x") == ": not run: x"


def test_a_claim_opens_to_its_section_and_how_the_paper_says_it(pages):
    judgements, folds = papers.judgements(), {}
    for name, claim in papers.claims().items():
        folds[name] = pages.claims_list.fold(claim, judgements[name], "")
    hedged = [name for name, about in judgements.items() if about["basis"] == "hedged" and about.get("hedge")]
    assert len(hedged) > 20 and all("hedges it (“" in folds[name] for name in hedged)
    assert "no sentence says it" in folds["nnclr_c15"] and 'class="claim-id">nnclr_c15<' in folds["nnclr_c15"]


def test_a_claim_on_no_page_gives_its_reason(pages):
    board = listing(pages, pages.claims_list.ClaimsList)
    assert board.why_not(papers.claims()["invp_c14"]) == ["a claim of priority; no run can judge it"], (
        "of its judgement"
    )
    text, figure = board.why_not(papers.claims()["nnclr_c41"])
    assert text.startswith("it rests on a figure, which is drawn") and figure.astext() == "NNCLR, Figure 4"


def test_the_better_known_verdict_of_a_profile_is_shown(pages, monkeypatch):
    def result(table):
        return SimpleNamespace(
            plan=SimpleNamespace(profile=SimpleNamespace(name="cpu")), definition=SimpleNamespace(id=table)
        )

    judged = Verdict("nnclr_c01", "t", "holds", 0.99)
    unjudged = Verdict("nnclr_c01", "t", "not judged", reason="not run")
    rows = (("a-cpu", result("a"), (unjudged,)), ("b-cpu", result("b"), (judged,)), ("c-cpu", result("c"), (unjudged,)))
    monkeypatch.setattr(pages.claims_list, "judged", lambda: rows)
    assert pages.claims_list.ClaimsList.by_scale.__wrapped__("nnclr_c01") == {"cpu": ("b-cpu", "b", judged)}


def test_what_is_not_run_stands_as_printed(pages, monkeypatch):
    rest_of, as_printed = pages.printed_table.rest_of, pages.printed_table.as_printed
    table = papers.table("ifnd_linear")
    measured = ("nnclr_queue", "seppid_sota", "isl_fig1", "invp_epochs200")
    assert not any(rest_of(papers.table(name)) for name in measured)
    columns = {"imagenet": "linear_top1"}
    less = replace(pages.relations.definitions()["ifnd_linear"], columns=columns, effect=(), adapted={})
    monkeypatch.setattr(pages.printed_table, "definitions", lambda: {"ifnd_linear": less})
    assert rest_of(table) == ["voc", "places"]
    places = as_printed(table, ["voc", "places"])
    assert "VOC, %, not run yet" in places and "ImageNet, %" not in places


@pytest.mark.parametrize("name", papers.tables())
def test_a_table_of_a_paper_is_printed_whole(name, pages):
    """The best of each column of scores is marked, and what our table does not measure is labelled."""
    table, definition = papers.table(name), pages.relations.definitions()[name]
    shown = pages.printed_table.as_printed(table)
    assert set(table["metric"]) <= {column["key"] for column in table["columns"]}
    assert shown.count("not run yet") == len(pages.printed_table.rest_of(table))
    for score in table["metric"]:
        values = [line[score] for line in table["rows"] if isinstance(line.get(score), int | float)]
        best = definition.column(score).best if score in definition.columns else "high"
        if len(values) > 1 and best:
            marked = [
                float(cell)
                for cell in re.findall(r"<strong>([-−\d.,]+)</strong>", shown.translate({44: None, 8722: 45}))
            ]
            assert (max if best == "high" else min)(values) in marked


def test_the_page_of_a_table_is_completed(pages):
    margin = "```{margin} **x**: within the paper\nLine 203: a number.\n```\n\n## What is varied"
    cells = [{"cell_type": "markdown", "source": [margin]}, {"cell_type": "code", "source": ["line 203"]}]
    for name, ids in (
        ("executed/isl_transfer-cpu", ["scale-strip", "every-scale", "code-behind", "paper-columns"]),
        ("executed/nnclr_queue-cpu", ["scale-strip", "every-scale", "replications", "code-behind"]),
        ("executed/all_methods-cpu", ["code-behind"]),
        ("rule", []),
    ):
        source = [json.dumps({"cells": cells})]
        pages.table_page.complete(None, name, source)
        completed = json.loads(source[0])["cells"]
        assert [cell["id"] for cell in completed if "id" in cell] == ids
        notes, code = (cell for cell in completed if "id" not in cell)
        assert code == cells[1]  # code is never touched
        assert ("Line 203" in "".join(notes["source"])) == ("scale-strip" not in ids)


def test_every_contradiction_of_a_table_stands_in_its_margin(pages):
    for table, definition in pages.relations.definitions().items():
        notes = pages.margin.further_notes(table)
        names = {*definition.margin, *re.findall(r"\w+_x\d\d", notes)}
        assert {name for name, ids in pages.relations.concerns().items() if table in ids} <= names
        assert not any(f"**{name}**" in notes for name in definition.margin)  # none twice


def test_the_pictures_of_a_page_have_ids_of_their_own(pages):
    ids = [name for draw in pages.diagrams.DRAWINGS.values() for name in re.findall(r'id="([^"]+)"', draw())]
    assert len(ids) == len(set(ids)) > 4
    for draw in pages.diagrams.DRAWINGS.values():
        assert set(re.findall(r"url\(#([^)]+)\)", draw())) <= set(re.findall(r'id="([^"]+)"', draw()))


def test_an_open_claim_says_what_it_takes(pages):
    open_one = Verdict("nnclr_c01", "t", "inconclusive", 0.5, seeds_needed=1234)
    assert "1,234 seeds" in pages.claims_list.settles(open_one)
    assert "larger scale" in pages.claims_list.settles(Verdict("nnclr_c01", "t", "inconclusive", 0.5))


def test_scripts_that_fetch_others_are_dropped(pages):
    inline = SimpleNamespace(filename=None, attributes={"body": 'const THEBE_JS_URL = "https://unpkg.com/thebe"'})
    own = SimpleNamespace(filename="_static/tables.js", attributes={"defer": "defer"})
    assert pages.local_assets.fetches(inline) and not pages.local_assets.fetches(own)
    assert pages.local_assets.fetches("_static/sphinx-thebe.js") and pages.local_assets.fetches(
        "https://cdn.example/x.js"
    )


def test_a_thumbnail_is_small(pages):
    from PIL import Image

    buffer = io.BytesIO()
    Image.effect_noise((1400, 500), 60).save(buffer, format="png")
    small = pages.thumbnails.thumbnail(buffer.getvalue())
    assert Image.open(io.BytesIO(small)).width < 500 and len(small) < len(buffer.getvalue()) / 4


def test_the_gallery_takes_pictures_from_the_pages(pages):
    published = sorted(page for page in (BOOK / "executed").glob("*.ipynb") if not page.stem.endswith("-smoke"))
    for page in published:
        title, png, alt = pages.thumbnails.title_and_picture(page)
        assert title and not title.startswith("#")
        if page.stem.partition("-")[0] in papers.tables():
            assert png[:4] == b"\x89PNG" and len(alt) > 40


def test_a_method_page_gets_the_tables_that_train_it(pages):
    for name, grows in (("methods/nnclr", True), ("methods/nothing", False), ("rule", False), ("papers/nnclr", False)):
        source = ["# Title\n"]
        pages.related.with_claims(None, name, source)
        assert ("```{method-tables} nnclr\n```" in source[0]) == grows and source[0].startswith("# Title\n")


def test_a_figure_of_our_own_stands_with_its_paper_and_says_whose_it_is(pages):
    assert pages.gallery.paper_of("seppid_evolution") == "seppid" and pages.gallery.paper_of("all_methods") == ""
    assert pages.gallery.paper_of("ifnd_fig3") == "ifnd" and pages.gallery.paper_of("nnclr_queue") == "nnclr"
    contents = (BOOK / "_toc.yml").read_text("utf-8")
    ours = {name: figure for name, figure in pages.gallery.evolution.DEFINITIONS.items() if figure.own}
    for name, figure in ours.items():
        source = ["# Title\n"]
        pages.related.with_claims(None, f"figures/{name}", source)
        assert f"## Related pages\n\n```{{figure-claims}} {name}\n```" in source[0]
        chapter = (BOOK / "papers" / f"{figure.paper}.md").read_text("utf-8")
        ran = all(pages.gallery.maps.path_of(arm, pages.gallery.profile("cpu"), 0).exists() for arm in figure.arms)
        assert (f"<../figures/{name}>`, a figure of our own" in chapter) == ran, name
        assert (f"- file: figures/{name}\n" in contents) == ran, name
        directive = listing(pages, pages.related.FigureClaims)
        directive.arguments = [name]
        words = directive.run()[0].astext()
        assert words.startswith("Of our own, beside ") and "runs of " in words


def test_a_figure_of_a_paper_keeps_its_claims(pages):
    directive = listing(pages, pages.related.FigureClaims)
    directive.arguments = ["ifnd_fig4"]
    assert directive.run()[0].astext() == "In the paper: IFND, Figure 4 · runs of simclr, ifnd, supcon"
