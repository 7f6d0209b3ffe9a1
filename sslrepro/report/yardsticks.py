"""Our runs on CIFAR-10 beside what others published, by method and length; what differs; and the test of the stack."""

import html
import math
from dataclasses import dataclass
from typing import Any

from sslrepro import methods
from sslrepro.base.store import read_json
from sslrepro.claims import Cell
from sslrepro.report.formats import Display, format_cell, html_table, number, text_table
from sslrepro.study import plans, yardsticks
from sslrepro.study.every_scale import ledger_scales
from sslrepro.study.profiles import images_in, on_dataset, profile, split_scale
from sslrepro.training.config import RunConfig, from_record

IMAGES = 50_000  # of CIFAR-10's training set
JPEG = {"6b31ad5fae4af426-7366a2b425b58e63"}  # fingerprints of CIFAR-10 written as JPEG files of quality 95
ORACLES = ("supcon", "supervised")  # read labels
HEAD = ["method", "by", "epochs", "worth", "linear probe, %", "nearest neighbours, %", "n", "what differs"]


@dataclass
class Ours:
    """Runs of one configuration at a scale, over its seeds.

    scores   score -> seed -> accuracy in %
    k        neighbours that voted
    """

    scale: str
    config: RunConfig
    scores: dict[str, dict[int, float]]
    k: int

    def cell(self, score: str) -> Cell | None:
        """Mean and spread over seeds; None where it was not measured."""
        return Cell.of(self.scores[score]) if self.scores.get(score) else None

    @property
    def worth(self) -> float:
        """Images seen, in epochs of all 50,000: what a length comes to where fewer images are used."""
        return self.config.plan.epochs * images_in(self.config.data) / IMAGES


def ours() -> list[Ours]:
    """Every method's own setting, as initialised (0 epochs) or trained, that the ledger holds on CIFAR-10.

    Rows of tables that change a setting are left out: a yardstick has none of them.
    """
    groups: dict[tuple[str, str], Ours] = {}
    for scale in ledger_scales():
        base, dataset = split_scale(scale)
        at = on_dataset(profile(base), dataset)
        if at.data.name != "cifar10":
            continue
        for path in sorted((plans.LEDGER / scale).glob("*-cifar10-s*.json")):
            record = read_json(path)
            if "method" not in record["config"]:  # pixels
                continue
            config = from_record(record["config"])
            if not is_own(config, at):
                continue
            key = scale, config.with_changes(seed=0, **{"data.seed": 0}).identity
            group = groups.setdefault(key, Ours(scale, config, {"linear_top1": {}, "knn_top1": {}}, 0))
            for line in record["results"].values():
                for score in group.scores.keys() & line["scores"].keys():
                    group.scores[score][config.seed] = 100 * line["scores"][score]
                    if score == "knn_top1":
                        group.k = line["protocol"]["k"]
    return list(groups.values())


def is_own(config: RunConfig, at: plans.Profile) -> bool:
    """Whether a run has its method's own setting at a scale, at any length, or is the test of the stack."""
    usual = at.config(config.method, config.seed)
    same = config.settings == usual.settings and config.views == usual.views
    same &= config.plan.batch_size == usual.plan.batch_size and config.plan.lr == usual.plan.lr
    try:
        yardsticks.require_acceptance_run(config)
    except ValueError:
        return same and (config.plan.epochs > 0 or config.method == "simclr")
    return True


def differs(row: Ours) -> str:
    """What stands between a row of ours and the published runs, from its configuration.

    Published: ResNet-18, all 50,000 images of 32 px from the original files, all 10,000 test images.
    """
    config, parts = row.config, []
    data, n = config.data, images_in(config.data)
    parts += [f"{n:,} of 50,000 images"] if n != IMAGES else []
    parts += [f"{data.n_test:,} of 10,000 test images"] if data.n_test not in (0, 10_000) else []
    parts += [f"{data.side} px of 32"] if data.side not in (0, 32) else []
    parts += [f"encoder {config.encoder}"] if config.encoder != "resnet18-cifar" else []
    crop = f", crops of at least {config.views.crop_min:.0%}" if config.views.crop_min else ""
    plan = config.plan
    if plan.epochs:
        parts += [f"views {config.views.recipe}{crop}", f"batch {plan.batch_size}", f"{plan.optimizer}, lr {plan.lr:g}"]
    parts += ["JPEG files of quality 95"] if data.fingerprint in JPEG else []
    return "; ".join(parts)


def method_name(name: str) -> str:
    """A method in its paper's capitals: SimCLR of simclr."""
    return methods.method_class(name).__name__


def public_cell(row: dict[str, Any], score: str) -> str:
    """A published value with its standard deviation, where it has one; a dash without it."""
    if score not in row:
        return "–"
    spread = row.get(f"{score}_spread")
    return number(row[score]) + (f" (sd {number(spread)})" if spread is not None else "")


def lines() -> list[tuple[bool, list[str]]]:
    """(whether it is ours, cells) by method, then by length: what has one length stands together.

    Methods that we have no run of come last.
    """
    sources, mine = yardsticks.public()["sources"], ours()
    out: list[tuple[tuple[Any, ...], bool, list[str]]] = []
    run = {row.config.method for row in mine if row.config.plan.epochs}
    for row in yardsticks.public()["rows"]:
        source = sources[row["source"]]
        name = source["name"] + (f" @{source['commit']}" if source["commit"] else "")
        k = f" ({row['knn_k']}-NN)" if row.get("knn_k") else ""
        length = f"{row['epochs']:,}"
        cells = [method_name(row["method"]), name, length, length, public_cell(row, "linear")]
        cells += [f"{public_cell(row, 'knn')}{k}", str(row["runs"]), source["note"]]
        out.append(((row["method"] not in run, row["method"], row["epochs"], 0), False, cells))
    for row in mine:
        epochs = row.config.plan.epochs
        method = method_name(row.config.method) if epochs else "untrained encoder"
        label = f"{method} (labels)" if row.config.method in ORACLES else method
        linear, knn = row.cell("linear_top1"), row.cell("knn_top1")
        n = max(cell.n for cell in (linear, knn) if cell)
        cells = [label, f"ours, {row.scale}", f"{epochs:,}", f"{row.worth:.1f}", format_cell(linear)]
        cells += [f"{format_cell(knn)} ({row.k}-NN)" if knn else "–", str(n), differs(row)]
        out.append(((False, row.config.method if epochs else "", epochs, 1), True, cells))
    return [(is_ours, cells) for _, is_ours, cells in sorted(out, key=lambda entry: entry[0])]


def table() -> Display:
    """Published rows in gray, ours between them at their length."""
    body = lines()
    note = (
        "Published: ResNet-18 for 32 px, all 50,000 images of the original files, the standard deviation "
        "where one is stated. Ours: mean ± half the 95% interval over n seeds. Worth: images seen, "
        "in epochs of all 50,000. The JPEG files that our runs read are near the originals and not equal to them."
    )
    rich = []
    for _, cells in body:
        *first, differing = map(html.escape, cells)
        first[1] += f'<br><span class="scale-line">{differing}</span>' if differing else ""  # a column would not fit
        rich.append(first)
    kinds = ["" if is_ours else "quoted" for is_ours, _ in body]
    return Display(
        html_table([html.escape(cell) for cell in HEAD[:-1]], rich, "results yardsticks", kinds=kinds)
        + f'\n<p class="caption">{html.escape(note)}</p>',
        text_table([HEAD, *(cells for _, cells in body)]) + "\n" + note,
    )


def nearest(row: Ours, score: str, worth: bool) -> dict[str, Any] | None:
    """The published run of a row's method that is nearest to it in length; None where none has the score.

    worth   by images seen instead of by epochs
    """
    length = row.worth if worth else row.config.plan.epochs
    same = [p for p in yardsticks.public()["rows"] if p["method"] == row.config.method and score in p]
    return min(same, key=lambda p: abs(p["epochs"] - length), default=None)


def finding() -> str:
    """How each trained row of ours lies to the published run nearest in epochs, and to that nearest in images seen."""
    sentences = []
    for row in ours():
        if not row.config.plan.epochs:
            continue
        for score, name, words in (
            ("linear", "linear_top1", "linear probe"),
            ("knn", "knn_top1", "nearest neighbours"),
        ):
            cell, near = row.cell(name), nearest(row, score, worth=False)
            if cell is None or near is None or not comparable(near["epochs"], row.config.plan.epochs):
                continue
            text = (
                f"{method_name(row.config.method)}, {words}: {format_cell(cell)}% after {row.config.plan.epochs} "
                f"epochs at {row.scale} scale (n = {cell.n}), {number(near[score])}% published after {near['epochs']}"
            )
            seen = nearest(row, score, worth=True)
            if seen["epochs"] != near["epochs"]:
                text += (
                    f"; it saw the images of {row.worth:.1f} epochs of the whole set, and "
                    f"{number(seen[score])}% is published after {seen['epochs']}"
                )
            sentences.append(f"{text}.")
    if not sentences:
        return "No run of ours has a published run of its method at nearly its length yet."
    return " ".join(sentences)


def comparable(first: float, second: float) -> bool:
    """Whether two lengths are equal within half."""
    low, high = sorted((first, second))
    return low > 0 and high <= 1.5 * low


def acceptance() -> Display:
    """What the test run must meet, why, and what it says."""
    result, aims = yardsticks.published_acceptance(), yardsticks.intervals()
    config, theirs, spread = yardsticks.acceptance_config(), yardsticks.THEIRS, yardsticks.THEIR_SPREAD
    names = {"knn_top1": "10-NN", "linear_top1": "linear probe"}
    plan, n = config.plan, yardsticks.SEEDS
    must = " and ".join(f"{names[score]} {number(low)} to {number(high)}%" for score, (low, high) in aims.items())
    published = " and ".join(f"{names[score]} {number(value)}%" for score, value in theirs.items())
    text = [
        f"The ledger of GPUs begins with SimCLR for {plan.epochs} epochs of CIFAR-10: {config.encoder}, batch "
        f"{plan.batch_size}, {plan.optimizer} at {plan.lr:g}, temperature {config.settings['temperature']:g}, "
        f"{plan.precision}. Published: {published}, each with a standard deviation of {number(spread)} over {n} runs.",
        f"To pass, the mean over our seeds must lie at {must}.",
    ]
    if result.n:
        means = ", ".join(f"{names[score]} {number(mean)}%" for score, mean in result.means.items())
        text.append(f"It reaches {means} (n = {result.n}): {result.verdict}.")
    else:
        text.append("It was not run yet.")
    noise = spread * math.sqrt(1 + 1 / n)
    reason = (
        f"The tolerance, {number(yardsticks.TOLERANCE)} points to each side, was fixed before any such run. Half is "
        f"noise: one run of ours against the mean of {n} has a standard deviation of {number(noise, 2)}, so "
        f"{number(1.96 * noise, 2)} in 95% of cases. The other half is for what is known to differ and was not "
        "measured: JPEG files, batch norm in the head, bf16, the dropped last batch, biases without weight decay, "
        "L-BFGS in place of Adam. A result above the interval fails too, since it would mean that test images leak. A "
        "fault that costs less than the tolerance is not seen."
    )
    words = " ".join(text)
    return Display(
        f'<div class="headline"><p>{html.escape(words)}</p></div><p>{html.escape(reason)}</p>', f"{words}\n{reason}"
    )
