"""At which scales does the ledger hold runs of a table, and what would the other scales cost?"""

from sslrepro.study import plans
from sslrepro.study.budget import estimate
from sslrepro.study.paper_scale import images_shown, total_hours
from sslrepro.study.plans import TablePlan, plan_table
from sslrepro.study.profiles import PROFILES, split_scale
from sslrepro.study.results import Results, published_results

AIMS = ("gpu", "paper")  # scales that every table is planned for, run or not


def order(scale: str) -> tuple[int, str]:
    """Where a scale stands: from small to large, its own images before others."""
    base, dataset = split_scale(scale)
    return list(PROFILES).index(base), dataset or ""


def ledger_scales() -> list[str]:
    """Scales that judge and have a folder in the ledger, small to large: cpu, cpu-cifar10, night, ..."""
    if not plans.LEDGER.is_dir():
        return []
    names = [path.name for path in plans.LEDGER.iterdir() if path.is_dir()]
    known = [name for name in names if (base := split_scale(name)[0]) in PROFILES and PROFILES[base].judged]
    return sorted(known, key=order)


def rows_run(results: Results) -> list[str]:
    """The table's rows and variants of which the ledger holds a run; controls do not count, other tables share them."""
    definition = results.definition
    return [row for row in definition.ours if any(results.of(row, column) for column in definition.score_columns)]


def at_every_scale(table: str, passed_over: tuple[str, ...] = ()) -> list[Results]:
    """What the ledger holds of a table, a scale each where it holds a run of any row, small to large.

    passed_over   scales that are not asked for
    """
    several = []
    for scale in ledger_scales():
        if scale in passed_over:
            continue
        base, dataset = split_scale(scale)
        try:
            plan = plan_table(table, base, None, dataset)
        except ValueError:  # a column or level that these images have not
            continue
        results = published_results(plan)
        if rows_run(results):
            several.append(results)
    return several


def aim(table: str, scale: str) -> TablePlan | None:
    """A table's plan at a scale where nothing may have been run, for counting alone; None where it cannot be had."""
    try:
        return plan_table(table, scale, count_only=True)
    except ValueError:  # its images have no such level
        return None


def cost_in_words(plan: TablePlan) -> str:
    """What a plan would cost where it was not run: runs, and hours where a device was measured.

    The paper's scale has a rate of its own (benchmarks); another scale that of the runs its ledger holds.
    """
    trained = [run for run in plan.runs if run.config is not None and run.config.plan.epochs]
    shown = sum(images_shown(trained)) / 1e6
    text = f"{len(trained)} training runs, {shown:,.0f} million images in all"
    if plan.profile.name == "paper":
        units = {"cpu": "core-hours", "cuda": "GPU-hours"}
        measured = total_hours(trained)
        hours = [f"about {measured[kind]:,.0f} {units[kind]} at the rate measured on one" for kind in measured]
        missing = "" if any("GPU" in text for text in hours) else "no GPU was measured"
        return "; ".join(filter(None, [text, *hours, missing]))
    seconds = estimate(trained, plan.ledger)
    return f"{text}; about {seconds / 3600:,.0f} hours" if seconds else f"{text}; none was timed at this scale yet"
