"""What is a score of a snapshot called on a page, and in which unit is it shown?"""

from sslrepro import evaluate
from sslrepro.report.headings import score_name
from sslrepro.study.profiles import Profile

SCORES = ("knn_top1", "linear_top1", "nmi", "purity", "concentration", "mined", "mined_right")
OF_LABELS = {"accepted": "pseudo-labels accepted", "precision": "pairs of one pseudo-label that share the class"}
OWN_NAMES = {
    "purity": "purity of k-means",
    "concentration": "variance between clusters",
    "mined": "mined images per image (a count)",
    "mined_right": "mined images of the class",
}
LOGGED = {
    "loss": "training loss",
    "neighbour_match": "the neighbour is of the same class",
    "neighbour_match_without_self": "the same, the image's own past left out",
    "self_hit": "the neighbour is the image's own past",
}


def title(score: str, scale: Profile) -> str:
    """What a score at a snapshot is called, by the protocol of its evaluation at a scale."""
    if score in OWN_NAMES | OF_LABELS:
        return (OWN_NAMES | OF_LABELS)[score]
    evaluation = score.partition("_")[0]
    own = scale.evaluations.get(evaluation)
    return score_name(score, None if own is None else evaluate.protocol(evaluation, own))


def factor(score: str) -> float:
    """What a score is multiplied with to be shown: shares are in percent, a loss and a count are as they are."""
    return 1.0 if score in ("loss", "mined") else 100.0
