"""`evaluate`: evaluate a stored run again."""

import argparse

from sslrepro.cli.parser import changes


def evaluate_again(given: argparse.Namespace) -> None:
    """Evaluate a stored run."""
    from sslrepro import evaluate
    from sslrepro.base import store
    from sslrepro.base.errors import require
    from sslrepro.base.store import read_json, result_key
    from sslrepro.study.run import Run, perform_run
    from sslrepro.training.config import from_record

    require((given.run / "config.json").exists(), "evaluate", "run", "a run's folder (it has a config.json)",
            str(given.run))  # fmt: skip
    config = from_record(read_json(given.run / "config.json"))
    chosen = given.evaluation or [name for name in evaluate.names() if not evaluate.of_run(name)]
    protocols = {name: evaluate.protocol(name, changes(given.set)) for name in chosen}
    task = Run(config.data, config.seed, protocols, config)
    perform_run(task, given.run.resolve().parent, given.root, given.device, 1)
    done = store.Store(given.run.resolve().parent).results(task.name)
    for name, protocol in protocols.items():
        print(name, protocol)
        for score, value in done[result_key(name, protocol)]["scores"].items():
            print(f"  {score:32} {value:.4f}")
