"""How often the rule of docs/adr/0008 is wrong, on simulated experiments: python -m benchmarks.rule_error_rates

Prints the table; with --write also stores it where the package reads it and as docs/adr/rule_error_rates.md.
"""

import argparse
from pathlib import Path

from sslrepro.claims.error_rates import EXPERIMENTS, as_json, as_markdown, simulation

PROJECT = Path(__file__).parents[1]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=EXPERIMENTS)
    parser.add_argument("--write", action="store_true")
    settings = parser.parse_args()
    lines = simulation(settings.experiments)
    print(as_markdown(lines), end="")
    if settings.write:
        (PROJECT / "sslrepro" / "claims" / "error_rates.json").write_text(as_json(lines, settings.experiments), "utf-8")
        (PROJECT / "docs" / "adr" / "rule_error_rates.md").write_text(as_markdown(lines), "utf-8")
