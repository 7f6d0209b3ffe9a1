"""What a table cost, on which machine, and how to run it again."""

import html
import math
from collections import Counter

from sslrepro.report.formats import Display
from sslrepro.study.results import Results


def cost(results: Results) -> Display:
    """What the table cost, and what its longest run needs."""
    records = results.records()
    training = [r["results"]["training"]["scores"] for r in records if "training" in r["results"]]
    runs = sum(1 for scores in training if scores["steps"] > 0)
    peak = max((scores.get("peak_bytes", 0) for scores in training), default=0)
    longest = max((scores["seconds"] for scores in training), default=0.0)
    text = (
        f"{runs} training runs, {results.cpu_seconds() / 60:.1f} processor-minutes in all; the longest run took "
        f"{longest:.0f} s; peak memory of a process {peak / 2**30:.2f} GiB. {machine(results)}"
    )
    return Display(f"<p>{html.escape(text)}</p>", text)


def machine(results: Results) -> str:
    """Where it was run, from the runs' own records; with how many runs where there are several places."""
    places = Counter(
        f"{place['device']}, {place['threads']} thread per run, torch {place['torch']}"
        for place in (record["environment"] for record in results.records())
    )
    if not places:
        return "Nothing was run yet."
    if len(places) == 1:
        return f"Run on {next(iter(places))}."
    counted = "; ".join(f"{count} of {places.total()} results on {place}" for place, count in sorted(places.items()))
    return f"Run on machines that may round differently: {counted}. The list of runs names the processor of each."


def command(results: Results) -> str:
    """The command that reproduces this page."""
    plan, profile = results.plan, results.plan.profile
    words = ["make reproduce", f"TABLE={plan.definition.id}", f"PROFILE={profile.base}", f"SEEDS={plan.seeds}"]
    return " ".join(words + ([f"DATASET={profile.dataset}", "DATA=<dir>"] if profile.dataset else []))


def rerun(results: Results) -> Display:
    """The command, with the time it took here on two cores."""
    minutes = math.ceil(results.cpu_seconds() / 60 / 2)
    text = f"{command(results)}\nabout {minutes} minutes on 2 cores, depending on the machine"
    page = (
        f'<div class="rerun"><pre>{html.escape(command(results))}</pre><p>About {minutes} minutes on 2 cores. An '
        "interrupted call resumes where it stopped; a second call reads the stored results.</p></div>"
    )
    return Display(page, text)
