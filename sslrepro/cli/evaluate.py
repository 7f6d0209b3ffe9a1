"""`evaluate`: evaluate a stored run again."""

import argparse
from typing import Any

from sslrepro.cli.options import changes, path, root_option


def add(commands: Any) -> None:
    """The command's words."""
    sub = commands.add_parser("evaluate", help="evaluate a stored run again, or with another protocol")
    sub.add_argument("run", type=path, help="the run's folder")
    sub.add_argument("--evaluation", action="append", metavar="NAME", help="see list (default all that read features)")
    sub.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change the protocol")
    root_option(sub)
    sub.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    sub.set_defaults(perform=evaluate_again)


def reads_root(protocol: dict[str, Any]) -> bool:
    """Whether an evaluation asks for images that are not drawn: of detection, or sets of transfer."""
    from sslrepro.data.downstream import EMBEDDED

    return protocol.get("data", "scenes") != "scenes" or not set(protocol.get("sets", ())) <= set(EMBEDDED)


def evaluate_again(settings: argparse.Namespace) -> None:
    """Evaluate a stored run."""
    from sslrepro import evaluate
    from sslrepro.base.errors import require
    from sslrepro.base.store import Store, read_json, result_key
    from sslrepro.data.dataset import SHAPES
    from sslrepro.study.reproduce import data_root, usable_device
    from sslrepro.study.run import Run, perform_run
    from sslrepro.training.config import from_record

    require(
        (settings.run / "config.json").is_file(),
        "evaluate",
        "run",
        "a run's folder (it has a config.json)",
        str(settings.run),
    )
    config = from_record(read_json(settings.run / "config.json"), settings.run / "config.json")
    own = config.name == settings.run.resolve().name
    require(
        own,
        "evaluate",
        "run",
        f"named for its configuration, {config.name}",
        str(settings.run),
        "Its config.json changed, or the folder was renamed.",
    )
    chosen = settings.evaluation or [name for name in evaluate.names() if evaluate.of_features(name)]
    protocols = {name: evaluate.protocol(name, changes(settings.set)) for name in chosen}
    elsewhere = config.data.name not in (*SHAPES, "digits") or any(map(reads_root, protocols.values()))
    root = data_root(settings.root, elsewhere, "evaluate")
    run, folder = Run(config.data, config.seed, protocols, config), settings.run.resolve().parent
    perform_run(run, folder, root, usable_device(settings.device, "evaluate"), 1)
    results = Store(folder).results(run.name)
    for name, protocol in protocols.items():
        print(name, protocol)
        for score, value in results[result_key(name, protocol)]["scores"].items():
            print(f"  {score:32} {value:.4f}")
