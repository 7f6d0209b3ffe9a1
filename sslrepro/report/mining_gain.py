"""Do other images help, and when? How often mined items share the class, against what mining gains.

Every pair is a row that mines other images and the same method with mining switched off: the same images, encoder,
views, steps, batch and seeds, and equal settings wherever both have them. What cannot be paired is in `UNPAIRED`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sslrepro.base.errors import require
from sslrepro.base.values import from_mapping, identity_values
from sslrepro.claims import Cell
from sslrepro.data.dataset import DataConfig
from sslrepro.data.recipes import ViewConfig
from sslrepro.report.effects import direction
from sslrepro.report.headings import AGREEMENT
from sslrepro.study.plans import plan_table
from sslrepro.study.results import Results, cell_of, paired_differences, read_results
from sslrepro.tables.equal_terms import OFF, SAME_PAIRS, SWITCHED_OFF
from sslrepro.training.config import TrainingConfig

SCORE = "linear_top1"
SAME = ("data", "encoder", "views", "plan")  # of a run's configuration: equal in both rows of a pair
PARTS = {"data": DataConfig, "views": ViewConfig, "plan": TrainingConfig}


@dataclass(frozen=True)
class Pair:
    """A row that mines and its baseline, each as (table, row).

    why     what the baseline is, in one line
    apart   settings in which the two differ; all others that both have are equal
    name    what the row is called in a figure; the paper's own words stay in its table
    labels  whether labels choose the positives: then the share is 1 by construction
    """

    mined: tuple[str, str]
    plain: tuple[str, str]
    name: str
    why: str
    apart: tuple[str, ...] = ()
    labels: bool = False


@dataclass(frozen=True)
class Gain:
    """What a pair came to, over the seeds that both rows have.

    share   % of mined items at the end of training that share the anchor's class
    gain    linear probe, top-1, with mining minus without, in points, paired by seed
    chance  % of random pairs that share a class
    score   name of the logged metric behind `share`; "" where labels choose
    family  the method that mines
    """

    pair: Pair
    share: Cell
    gain: Cell
    chance: float
    score: str
    family: str

    @property
    def direction(self) -> str:
        """ "gains" or "loses" where the 95% interval of the gain leaves out 0, else "undecided"."""
        return direction(self.gain)


_OFF = ("nnclr_positives", "view 1, no gradient")
_OFF_NO_HEAD = ("nnclr_positives", "view 1, no gradient, no head")
_OFF_WHY = "NNCLR with the lookup off: the view itself, without gradient, stands in for the neighbour"
_BARE = ("ifnd_strategies", "a")
_BARE_WHY = "IFND with no pseudo-label accepted: the same head, temperature and batches"


def _nnclr(table: str, row: str, name: str, *apart: str) -> Pair:
    return Pair((table, row), _OFF, f"NNCLR, {name}", _OFF_WHY, ("positive", *apart))


def _ifnd(table: str, row: str, name: str, *apart: str) -> Pair:
    return Pair((table, row), _BARE, f"IFND, {name}", _BARE_WHY, ("acceptance", "final_rate", *apart))


EQUAL = {
    "nnclr": ("NNCLR, as its trials chose", "the view itself, without gradient, in the neighbour's place"),
    "nnsiam": ("NNSiam", "SimSiam at the same learning rate: NNSiam without the lookup"),
    "ifnd": ("IFND, as its trials chose", "the same with no pseudo-label accepted"),
    "ifnd_moco": ("IFND on MoCo v2", "the same with no pseudo-label accepted"),
    "ifnd_swav": ("IFND on SwAV", "the same with no pseudo-label accepted"),
    "invp": ("InvP", "the same without weight on the invariance loss"),
    "invp_moco": ("InvP on MoCo v2", "the same without weight on the invariance loss"),
    "isl": ("ISL", "the same with sets that never grow"),
    "isl_moco": ("ISL on MoCo v2", "the same with sets that never grow"),
    "la": ("LA", "its warm-up, instance discrimination, to the end"),
    "pcl": ("PCL", "its warm-up, MoCo v2's loss, to the end"),
    "fnc": ("FNC", "the same views with no false negative found"),
    "msf": ("MSF", "the same with the target as its only neighbour"),
}
SEPPID = {
    "seppid": "MoCo v2",
    "seppid on simclr": "SimCLR",
    "seppid on simsiam": "SimSiam",
    "seppid on vicreg": "VICReg",
    "seppid on dino": "DINO",
}

PAIRS = (
    _nnclr("nnclr_queue", "q8192", "queue 8,192", "queue_size"),
    _nnclr("nnclr_queue", "q16384", "queue 16,384", "queue_size"),
    _nnclr("nnclr_queue", "q32768", "queue 32,768"),
    _nnclr("nnclr_queue", "q65536", "queue 65,536", "queue_size"),
    _nnclr("nnclr_queue", "q98304", "queue 98,304", "queue_size"),
    *(_nnclr("nnclr_topk", f"k{k}", f"one of {k} nearest", "top_k") for k in (2, 4, 8, 16, 32)),
    _nnclr("nnclr_softnn", "soft", "soft neighbour"),
    _nnclr("nnclr_softnn", "soft, temperature 0.02", "soft neighbour at 0.02", "soft_temperature"),
    _nnclr("nnclr_softnn", "soft, temperature 0.5", "soft neighbour at 0.5", "soft_temperature"),
    _nnclr("nnclr_support_set", "encoder_16384", "fresh embeddings", "support", "queue_size"),
    _nnclr("nnclr_support_set", "queue, random rows replaced", "random replacement", "eviction", "queue_size"),
    _nnclr("nnclr_support_set", "queue, both views pushed", "both views queued", "push_both_views", "queue_size"),
    Pair(("nnclr_predhead", "without"), _OFF_NO_HEAD, "NNCLR, no predictor", _OFF_WHY, ("positive",)),
    Pair(("nnclr_positives", "nn_mom"), ("nnclr_positives", "view1_mom"), "NNCLR, momentum encoder",
         "NNCLR with a momentum encoder and the lookup off", ("positive",)),
    Pair(("nnclr_positives", "neighbour, momentum, no head"), ("nnclr_positives", "view 1, momentum, no head"),
         "NNCLR, momentum encoder, no predictor", "the same without the lookup", ("positive",)),
    Pair(("nnclr_nnsiam", "nnsiam"), ("nnclr_nnsiam", "simsiam"), "NNSiam, its table",
         "SimSiam: NNSiam without the lookup"),
    _ifnd("ifnd_strategies", "b", "all accepted from the start"),
    _ifnd("ifnd_strategies", "c", "all accepted after a tenth", "step_at"),
    _ifnd("ifnd_strategies", "d", "schedule d", "step_at"),
    _ifnd("ifnd_strategies", "e", "schedule e", "step_at"),
    _ifnd("ifnd_strategies", "f", "schedule f", "step_at"),
    _ifnd("ifnd_strategies", "g", "linear schedule"),
    _ifnd("ifnd_strategies", "h", "attraction", "mode"),
    _ifnd("ifnd_strategies", "g, clusters of features", "clusters of features", "space"),
    _ifnd("ifnd_strategies", "h, half accepted at the end", "attraction, half accepted", "mode"),
    *(_ifnd("ifnd_pcl", row, name, "mode", "clusters", "confidence", "step_at") for row, name in (
        ("pcl", "ProtoNCE in place of elimination"), ("pcl_elim", "PCL's schedule"),
        ("ifnd_protonce", "ProtoNCE"), ("pcl_linear", "ProtoNCE, linear schedule"),
        ("pcl_clusters", "ProtoNCE, other clusters"), ("ifnd_clusters", "other clusters"),
        ("ifnd_conf", "confidence by density"),
        ("PCL, linear, confidence of Eq. 2", "ProtoNCE, linear schedule, confidence of Eq. 2"))),
    Pair(("ifnd_frameworks", "ifnd_moco_v2"), ("ifnd_frameworks", "IFND (MoCo v2), nothing accepted"),
         "IFND on MoCo v2, its table", "the same head and queue with no pseudo-label accepted",
         ("acceptance", "final_rate")),
    Pair(("ifnd_frameworks", "ifnd_swav"), ("ifnd_frameworks", "swav"), "IFND on SwAV, its table", "SwAV alone"),
    Pair(("ifnd_linear", "pcl"), ("ifnd_linear", "moco_v2"), "PCL, batch 4", "MoCo v2, PCL's loss without prototypes"),
    Pair(("ifnd_linear", "localagg"), ("ifnd_linear", "instdisc"), "LA, batch 4",
         "instance discrimination, LA's warm-up loss"),
    *(Pair(("equal_terms", row), ("equal_terms", OFF(row)), name, why, tuple(SWITCHED_OFF[row].keys() - {"method"}))
      for row, (name, why) in EQUAL.items()),
    *(Pair(("equal_terms", row), ("equal_terms", SAME_PAIRS(row)), f"SePP-ID on {name}",
           "as many further rows, each an image paired with itself", ("control",)) for row, name in SEPPID.items()),
    Pair(("all_methods", "supcon"), ("all_methods", "simclr"), "SupCon (labels)",
         "SimCLR, the same loss with one positive", labels=True),
)  # fmt: skip

UNPAIRED = {
    "DeepCluster": "without clusters nothing is left of its loss",
    "NNCLR's oracle": "its shorter schedule was not run with the lookup off",
}


def gain(pair: Pair, mined: list[dict[str, Any]], plain: list[dict[str, Any]], chance: float) -> Gain | None:
    """A pair's share and gain from the ledger records of its two rows, one record per seed.

    chance   share of random pairs of images of one class, in [0, 1]

    None where the rows share fewer than two seeds or nothing was mined. Raises ValueError where the two differ in
    anything but the settings the pair names.
    """
    by_seed = [{record["config"]["seed"]: record for record in records} for records in (mined, plain)]
    seeds = sorted(set(by_seed[0]) & set(by_seed[1]))
    if len(seeds) < 2:
        return None
    for seed in seeds:
        _comparable(pair, by_seed[0][seed]["config"], by_seed[1][seed]["config"])
    high, low = ({seed: 100 * _score(records[seed], SCORE) for seed in seeds} for records in by_seed)
    family = by_seed[0][seeds[0]]["config"]["method"]
    score, share = "", Cell(100.0, 0.0, len(seeds))
    if not pair.labels:
        logged = by_seed[0][seeds[0]]["results"]["training"]["scores"]
        score = next((name for name in AGREEMENT if name in logged), "")
        if not score:
            return None
        share = cell_of({seed: 100 * _score(by_seed[0][seed], score) for seed in seeds})
    return Gain(pair, share, cell_of(paired_differences(high, low)), 100 * chance, score, family)


def _score(record: dict[str, Any], name: str) -> float:
    lines = [record["results"]["training"], *record["results"].values()]  # training's own first: names may repeat
    return next(line["scores"][name] for line in lines if name in line["scores"])


def _identity(name: str, value: Any) -> Any:
    """What a part of a configuration says of a run: older records lack younger fields whose default changes nothing."""
    return identity_values(from_mapping(PARTS[name], value, "mining gain")) if name in PARTS else value


def _comparable(pair: Pair, mined: dict[str, Any], plain: dict[str, Any]) -> None:
    for name in SAME:
        own, others = _identity(name, mined[name]), _identity(name, plain[name])
        require(own == others, f"mining gain: {pair.name}", name, f"the baseline's, {others}", own)
    settings = [config["settings"] for config in (mined, plain)]
    for name in sorted(set(settings[0]) & set(settings[1]) - set(pair.apart)):
        require(
            settings[0][name] == settings[1][name],
            f"mining gain: {pair.name}",
            f"settings.{name}",
            f"the baseline's, {settings[1][name]!r}",
            settings[0][name],
        )


def gains(
    profile: str = "cpu", pairs: Iterable[Pair] = PAIRS, of: Callable[[str], Results] | None = None
) -> list[Gain]:
    """Every pair that the ledger of a profile has both rows of, each pair of runs once.

    of   table -> its results; by default read from the ledger
    """
    read = of or (lambda table: read_results(plan_table(table, profile)))
    results: dict[str, Results] = {}
    out, seen = [], set()
    for pair in pairs:
        for table, _ in (pair.mined, pair.plain):
            if table not in results:
                results[table] = read(table)
        mined, plain = (results[table].of(row) for table, row in (pair.mined, pair.plain))
        runs = frozenset(_name(record) for record in (*mined, *plain))
        result = gain(pair, mined, plain, 1 / results[pair.mined[0]].plan.profile.classes)
        if result is not None and runs not in seen:
            seen.add(runs)
            out.append(result)
    return out


def _name(record: dict[str, Any]) -> str:
    return repr(record["config"])


def answer(rows: list[Gain], paper_share: float, scale: str) -> list[str]:
    """The answer in three sentences, from the numbers.

    paper_share   % of lookups that share the class towards the end of training, as NNCLR prints it
    scale         what this scale is, in words: "16-px synthetic images, 8 epochs"
    """
    mining, oracles = [row for row in rows if not row.pair.labels], [row for row in rows if row.pair.labels]
    require(bool(mining), "mining gain", "gains", "at least one row that mines", rows)
    n = {word: sum(row.direction == word for row in mining) for word in ("gains", "loses", "undecided")}
    low, high = (pick(row.share.mean for row in mining) for pick in (min, max))
    chance = mining[0].chance
    families = len({row.family for row in mining})
    helps = (
        "does not help measurably" if not n["gains"] else "rarely helps" if n["gains"] < n["loses"] else "often helps"
    )
    first = (
        f"At this scale ({scale}), mining other images without labels {helps}: of {len(mining)} variants of "
        f"{families} methods, {n['gains'] or 'none'} gain over the same method without mining, {n['loses']} lose, "
        f"and for {n['undecided']} the 95% interval of the difference includes zero."
    )
    second = (
        f"What is mined is mostly wrong here: {low:.0f} to {high:.0f}% of mined items share the anchor's class, "
        f"where chance is {chance:.0f}% and NNCLR reports about {paper_share:.0f}% on ImageNet."
    )
    third = "No run here says what right positives would be worth."
    if oracles:
        best = oracles[0]
        third = (
            f"When labels choose the positives, every one right, the gain is {best.gain.mean:+.1f} ± "
            f"{best.gain.half_width:.1f} points, so other images do help if they are the right ones; whether "
            "mining finds enough of them at the papers' scale cannot be answered here."
        )
        if best.direction != "gains":
            third = (
                f"Even when labels choose the positives the gain is {best.gain.mean:+.1f} ± "
                f"{best.gain.half_width:.1f} points, so this scale cannot answer the question."
            )
    return [first, second, third]
