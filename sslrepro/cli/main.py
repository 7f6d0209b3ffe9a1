"""The command line: `sslrepro --help`."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from typing import Any

from sslrepro.cli.parser import parser

SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # what stops a call beside Ctrl-C: kill, a terminal that closes


def main(words: list[str] | None = None) -> int:
    """Run a command; wrong input prints one line and returns 2, a call that is stopped 128 + the signal's number."""
    settings = parser().parse_args(words)
    stopped = [signal.SIGINT]
    try:
        with interruptible(stopped):
            code = settings.perform(settings) or 0
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # `... list | head`; nothing more can be printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, RuntimeError, FloatingPointError, OSError) as error:
        if os.environ.get("RANK", "0") == "0" or not isinstance(error, ValueError):  # wrong input is said once
            print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        kept = f": {stop}" if str(stop) else "; what was finished is kept"
        print(f"\nstopped{kept}\ngo on with: {command(sys.argv[1:] if words is None else words)}", file=sys.stderr)
        return 128 + stopped[-1]


@contextlib.contextmanager
def interruptible(stopped: list[signal.Signals]) -> Iterator[None]:
    """Inside, what would end the process raises KeyboardInterrupt, as Ctrl-C does; the signal is added to `stopped`."""

    def stop(number: int, frame: Any) -> None:
        stopped.append(signal.Signals(number))
        raise KeyboardInterrupt

    before = {}
    with contextlib.suppress(ValueError):  # only the main thread hears signals
        before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def command(words: list[str]) -> str:
    """The command that was given: make's where it was make's."""
    return os.environ.get("SSLREPRO_COMMAND") or shlex.join(["python", "-m", "sslrepro", *words])


if __name__ == "__main__":
    sys.exit(main())
