"""Every claim of every table, judged again from the committed ledger. Trains nothing."""

from sslrepro import tables
from sslrepro.claims import Verdict
from sslrepro.study.plans import plan_table
from sslrepro.study.results import read_results


def rejudge(profile: str = "cpu", dataset: str | None = None) -> list[tuple[str, str, Verdict]]:
    """(scale, table, verdict) of every claim that a table at this scale answers, over what the ledger holds.

    Tables that these images cannot make are passed over; claims whose runs the ledger lacks are "not judged".
    """
    judged = []
    for table in tables.names():
        if tables.definition(table).notebook != "table":
            continue
        try:
            plan = plan_table(table, profile, None, dataset)
        except ValueError:  # a column or level that these images have not
            continue
        judged += [(plan.profile.name, table, verdict) for verdict in read_results(plan).verdicts()]
    return judged
