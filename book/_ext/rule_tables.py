"""What the pages about the rule show: its error rates, its gates' counts, and what changed from the first rule."""

from collections import Counter

from badges import badge
from blocks import plain_table
from docutils import nodes
from docutils.parsers.rst import Directive
from published import judged
from sphinx.application import Sphinx

from sslrepro.claims import error_rates, revision
from sslrepro.claims.verdict import VERDICTS
from sslrepro.report.formats import html_table

ERROR_HEAD = [
    "kind",
    "simulated",
    "seeds",
    "wrongly holds",
    "wrongly contradicted",
    "holds at 0.5 / 1 / 2 sd",
    "contradicted at 0.5 / 1 / 2 sd",
]


def percent(*shares: float) -> str:
    """Shares in whole percent, but small ones with a digit."""
    return " / ".join(f"{100 * share:.0f}" for share in shares)


class ErrorRates(Directive):
    """The simulated error rates of every kind of claim."""

    def run(self) -> list[nodes.Node]:
        body = [
            [
                line.kind,
                line.told,
                str(line.n),
                f"{100 * line.wrong_holds:.1f}",
                f"{100 * line.wrong_contradicted:.1f}",
                percent(*line.power_holds),
                percent(*line.power_contradicted),
            ]
            for line in error_rates.load_rates()
        ]
        return [nodes.raw("", plain_table(ERROR_HEAD, body), format="html")]


class GateCounts(Directive):
    """How many claims each gate stopped, at each scale."""

    def run(self) -> list[nodes.Node]:
        counts: Counter[tuple[str, str]] = Counter()
        seen = set()
        for _, results, verdicts in judged():
            for verdict in verdicts:
                key = results.plan.profile.name, verdict.claim
                if verdict.gate and key not in seen:
                    seen.add(key)
                    counts[key[0], verdict.gate] += 1
        body = [[scale, gate, str(n)] for (scale, gate), n in sorted(counts.items())]
        shown = plain_table(["scale", "gate", "claims stopped"], body) if body else "<p>No claim was stopped.</p>"
        return [nodes.raw("", shown, format="html")]


class ExpectedWrong(Directive):
    """How many wrong verdicts to expect among so many."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", f"<p>{expected_sentence()}</p>", format="html")]


def expected_sentence() -> str:
    """The expectation in words, over every published verdict, each claim once."""
    told = [
        (results.plan.profile.name, results.definition.id, verdict)
        for _, results, verdicts in judged()
        for verdict in verdicts
    ]
    wrong = revision.expected_errors(told)
    return (
        f"{wrong.judged} claims have been judged and {wrong.decided} of them are decided. Were every one exactly on "
        f"the edge, at most {wrong.mean:.1f} verdicts would be wrong on average, and {wrong.most} or fewer with 95% "
        "confidence."
    )


class RuleChanges(Directive):
    """Both boards, and every claim whose word changed, with the reason."""

    def run(self) -> list[nodes.Node]:
        lines = revision.on_the_first_runs()
        plain = [line for line in lines if line.scale == "cpu"]  # a claim once
        before, after = (revision.board(plain, rule) for rule in ("first", "second"))
        totals = [
            [badge(name), str(sum(own[name] for own in before.values())), str(sum(own[name] for own in after.values()))]
            for name in VERDICTS
        ]
        changed = revision.html_rows(lines, changed_only=True)
        rest = revision.html_rows(lines)
        head = [word.capitalize() for word in revision.HEAD]
        unchanged = [row for row in rest if row not in changed]
        return [
            nodes.raw(
                "",
                "\n".join(
                    [
                        html_table(["verdict", "first rule", "second rule"], totals),
                        f"<h2>The {len(changed)} that changed</h2>",
                        html_table(head, changed),
                        f"<details><summary>The {len(unchanged)} that did not</summary>"
                        f"{html_table(head, unchanged)}</details>",
                    ]
                ),
                format="html",
            )
        ]


def setup(app: Sphinx) -> dict:
    """Register them."""
    app.add_directive("rule-error-rates", ErrorRates)
    app.add_directive("gate-counts", GateCounts)
    app.add_directive("expected-wrong", ExpectedWrong)
    app.add_directive("rule-changes", RuleChanges)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
