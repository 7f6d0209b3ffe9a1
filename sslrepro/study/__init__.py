"""From a table's name to its numbers: plans, runs, ledger, results."""
