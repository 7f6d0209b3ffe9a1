"""What changed from the first rule to the second, over the committed ledger, and what a page says beside a verdict."""

import functools

import pytest

from sslrepro import claims, papers
from sslrepro.claims import VERDICTS, Verdict, revision
from sslrepro.claims.revision import (
    Change,
    board,
    changes,
    counts_markdown,
    expected_errors,
    first_rule,
    html_rows,
    markdown,
    why,
)
from sslrepro.report import verdicts
from sslrepro.report.effects import Effect
from sslrepro.study.rejudge import rejudge


@functools.cache
def ledger():
    return rejudge("cpu")


def of(claim: str) -> Verdict:
    return next(verdict for _, _, verdict in ledger() if verdict.claim == claim)


def test_the_first_rule_is_kept_as_it_was():
    records = first_rule()
    assert records["cpu", "nnclr_queue", "nnclr_c23"]["verdict"] == "contradicted"
    words = {}
    for (scale, _, claim), line in records.items():
        if scale == "cpu" and words.get(claim, "not judged") == "not judged":
            words[claim] = line["verdict"]
    counts = {word: list(words.values()).count(word) for word in set(words.values())}
    assert counts == {"contradicted": 28, "inconclusive": 17, "holds": 6, "not judged": 9}


def test_every_claim_that_the_first_rule_judged_is_judged_again():
    lines = changes(ledger())
    assert {(line.claim) for line in lines} == {claim for scale, _, claim in first_rule() if scale == "cpu"}
    assert all(line.why and line.name for line in lines)
    assert [line.claim for line in lines] == sorted((line.claim for line in lines), key=list(papers.claims()).index), (
        "in the papers' order"
    )


def test_a_longer_queue_is_not_contradicted_by_an_effect_like_the_papers():
    """The first rule's fault that started this: +2.9 points, where the paper prints +1.8, was a contradiction."""
    verdict = of("nnclr_c23")
    assert verdict.verdict != "contradicted" and verdict.gap[0] > 0
    assert verdict.lenses.same_direction and verdict.lenses.paper_inside and verdict.lenses.zero_inside


def test_every_contradiction_has_a_part_whose_interval_leaves_out_zero():
    for _, _, verdict in ledger():
        if verdict.verdict == "contradicted":
            effects = [part.effect for part in verdict.parts if part.verdict == "contradicted"] or [verdict.gap]
            assert any(mean < 0 for mean, _, _ in effects), verdict.claim
            assert verdict.opposite >= 0.95


def test_a_constant_network_is_seen():
    """SupCon with four classes, one seed of three: its loss is that of a constant network, its spread above the bar."""
    verdict = of("ifnd_c08")
    assert (verdict.verdict, verdict.gate) == ("inconclusive", "collapse")
    assert "imagenet_d3, seed 1: its loss, 3.850, is that of a constant network, 3.850" in verdict.reason


def test_the_queue_on_cifar_is_not_tested():
    verdicts = [verdict for _, _, verdict in rejudge("cpu", "cifar10") if verdict.claim == "nnclr_c23"]
    assert [verdict.verdict for verdict in verdicts] == ["not tested"]


def test_the_comparison_on_the_first_runs_is_whole():
    lines = revision.on_the_first_runs()
    assert {(line.scale, line.claim): line.first for line in lines if line.scale == "cpu"} == {
        ("cpu", line.claim): line.first for line in changes(ledger())
    }
    after = board([line for line in lines if line.scale == "cpu"])
    total = {word: sum(own[word] for own in after.values()) for word in VERDICTS}
    assert total == {"holds": 6, "contradicted": 12, "inconclusive": 24, "not tested": 9, "not judged": 79}


# --- words -----------------------------------------------------------------------------------------------------------


def verdict(word: str, **settings) -> Verdict:
    return Verdict("nnclr_c13", "text", word, **({"kind": "order", "gap": (1.0, -1.0, 3.0)} | settings))


@pytest.mark.parametrize("first, verdict, words", [
    ("contradicted", verdict("inconclusive", kind="trend"), "every step had to go one way"),
    ("contradicted", verdict("inconclusive", kind="equivalence"), "noise wider than the tolerance"),
    ("contradicted", verdict("inconclusive"), "a low probability was taken for the opposite"),
    ("inconclusive", verdict("inconclusive"), "neither side has 95%; effect +1.0 [-1.0, +3.0]"),
    ("inconclusive", verdict("holds", probability=0.9999), "seed by seed, the claim has more than 99.9%"),
    ("contradicted", verdict("contradicted", opposite=0.96), "the opposite has 96.0%; effect +1.0"),
    ("contradicted", verdict("not tested", reason="no floor"), "no floor"),
    ("contradicted", verdict("contradicted", opposite=0.97, parts=(
        claims.Part("a above b", (2.0, 1.0, 3.0), "holds", 0.01), claims.Part("a above c", (-2.0, -3.0, -1.0),
                                                                              "contradicted", 0.99))),
     "reversed: a above c, -2.0 [-3.0, -1.0]"),
])  # fmt: skip
def test_why_in_a_sentence(first, verdict, words):
    assert words in why(first, verdict)


LINES = [
    Change("cpu", "t", "nnclr_c13", "NN <b> view", "contradicted", "inconclusive", "a & b"),
    Change("cpu", "t", "nnclr_c14", "momentum", "holds", "holds", "same"),
    Change("cpu", "t", "nnclr_c15", "neither", "not judged", "not judged", "not run"),
]


def test_the_table_of_changes():
    assert markdown(LINES).splitlines()[2:] == [
        "| nnclr_c13 NN <b> view | cpu | contradicted | inconclusive | a & b |",
        "| nnclr_c14 momentum | cpu | holds | holds | same |",
    ]
    assert len(markdown(LINES, changed_only=True).splitlines()) == 3
    row = html_rows(LINES)[0]
    assert 'href="claims.html#nnclr_c13"' in row[0] and "&lt;b&gt;" in row[0] and row[4] == "a &amp; b"
    assert row[2] == '<span class="verdict contradicted">contradicted</span>'


def test_the_boards_count_all_claims():
    after = board(LINES)
    assert sum(sum(own.values()) for own in after.values()) == 130 and list(after["nnclr"]) == list(VERDICTS)
    assert after["nnclr"] == {"holds": 1, "contradicted": 0, "inconclusive": 1, "not tested": 0, "not judged": 45}
    assert board(LINES, "first")["nnclr"]["contradicted"] == 1
    assert "| NNCLR | 1 → 1 | 1 → 0 | 0 → 1 | 0 → 0 | 45 → 45 |" in counts_markdown(LINES)


def test_expected_wrong_counts_every_judged_claim_once():
    judged = [
        ("cpu", "t", verdict("holds", n=3)),
        ("cpu", "u", verdict("holds", n=3)),
        ("cpu", "t", Verdict("nnclr_c14", "t", "not tested", kind="order", n=3)),
        ("cpu", "t", Verdict("nnclr_c15", "t", "inconclusive", kind="trend", n=5)),
    ]
    wrong = expected_errors(judged)
    assert (wrong.judged, wrong.decided) == (2, 1) and wrong.mean == pytest.approx(0.102, abs=0.004)


def test_probabilities_are_never_rounded_to_certainty():
    assert [revision.level(p) for p in (0.9999, 0.9512, None)] == ["more than 99.9%", "95.1%", "no probability"]


# --- what a page adds ------------------------------------------------------------------------------------------------


def test_an_interval_with_zero_and_the_papers_effect_tells_neither():
    def sentence(gap):
        return verdicts.open_effects([(Verdict("nnclr_c26", "t", "inconclusive", 0.3), Effect("", *gap, paper=1.5))])

    assert "includes both 0 and the paper's +1.5" in sentence((1.0, -1.0, 3.0))
    assert sentence((1.0, 0.5, 3.0)) == ""


def test_a_tolerance_that_equal_cells_would_miss_is_named():
    def sentence(**settings):
        return verdicts.narrow_tolerances([Verdict("nnclr_c32", "t", "inconclusive", 0.3, **settings)])

    assert (
        sentence(if_equal=0.119).startswith(" “nnclr_c32”: if all its cells were equal")
        and sentence(if_equal=0.99) == sentence() == ""
    )
