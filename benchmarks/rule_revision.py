"""What changed from the first rule to the second, over the committed ledger: python -m benchmarks.rule_revision"""

from sslrepro.claims.revision import changes, counts_markdown, expected_errors, markdown
from sslrepro.study.rejudge import rejudge

if __name__ == "__main__":
    judged = rejudge("cpu")
    lines = changes(judged)
    print(counts_markdown(lines))
    print(markdown(lines))
    wrong = expected_errors(judged)
    print(
        f"{wrong.judged} judged, {wrong.decided} decided: were every claim on the edge, at most {wrong.mean:.1f} "
        f"verdicts would be wrong on average, {wrong.most} with 95% confidence."
    )
    print(markdown(changes(rejudge("cpu", "cifar10"))))
