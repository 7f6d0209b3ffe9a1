"""The command line: `sslrepro --help`."""

import os
import sys

from sslrepro.cli.evaluate import evaluate_again
from sslrepro.cli.evolution import evolution
from sslrepro.cli.ledger import ledger
from sslrepro.cli.lists import show_lists
from sslrepro.cli.notebook import open_notebook
from sslrepro.cli.parser import parser
from sslrepro.cli.reproduce import reproduce
from sslrepro.cli.show import show
from sslrepro.cli.train import train
from sslrepro.cli.trials import trials


def main(words: list[str] | None = None) -> int:
    """Run a command; wrong input prints one line and returns 2."""
    given = parser().parse_args(words)
    try:
        match given.command:
            case "reproduce":
                reproduce(given)
            case "show":
                show(given)
            case "list":
                show_lists()
            case "train":
                train(given)
            case "evolution":
                evolution(given)
            case "notebook":
                open_notebook(given)
            case "evaluate":
                evaluate_again(given)
            case "ledger":
                ledger(given)
            case "trials":
                trials(given)
            case "new":
                given.perform(given)
            case "check":
                from sslrepro.report.publish import stale

                found = stale()
                print("\n".join(found) if found else "every page is up to date")
                return 1 if found else 0
            case "pages":
                from sslrepro.report.publish import renew, renew_picture

                for page in [*renew(), *renew_picture()]:
                    print(page)
            case "bench":
                from benchmarks.suite import main as bench

                bench(given.device)
    except (ValueError, RuntimeError, FloatingPointError) as error:
        if os.environ.get("RANK", "0") == "0" or not isinstance(error, ValueError):  # wrong input is said once
            print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `... list | head`; nothing more can be printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("\nstopped; the same command resumes", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
