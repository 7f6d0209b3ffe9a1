"""The command line: `sslrepro --help`."""

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from sslrepro.cli.options import command
from sslrepro.cli.parser import parser

SIGNALS = (
    signal.SIGTERM,
    getattr(signal, "SIGHUP", signal.SIGTERM),
)  # what stops a call beside Ctrl-C: kill, a terminal that closes


def main(words: list[str] | None = None) -> int:
    """Run a command; wrong input prints one line and returns 2, a call that is stopped 128 + the signal's number.

    What would be printed on a closed standard output is lost, as on /dev/null; a full one is an error.
    """
    open_streams()
    stopped = [signal.SIGINT]
    try:
        try:
            require_system()
            require_working_folder()
            settings = parser().parse_args(words)
            with interruptible(stopped):
                return settings.perform(settings) or 0
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `... list | head`; nothing more can be printed
        discard(sys.stdout)
        return 0
    except (ValueError, RuntimeError, ArithmeticError, OSError, MemoryError) as error:
        if os.environ.get("RANK", "0") == "0" or not isinstance(error, ValueError):  # wrong input is said once
            say(f"error: {in_words(error)}")
        try:
            sys.stdout.flush()
        except OSError:
            discard(sys.stdout)
        return 2
    except KeyboardInterrupt as stop:
        atexit.register(gc.freeze)  # the interpreter would look through all of torch for a second before it ends
        kept = f": {stop}" if str(stop) else "; what was finished is kept"
        say(f"\nstopped{kept}\ngo on with: {command(sys.argv[1:] if words is None else words)}")
        return 128 + stopped[-1]


def require_system() -> None:
    """Raise ValueError on Windows, where folders of runs cannot be locked nor workers stopped as elsewhere."""
    if sys.platform == "win32":
        raise ValueError("sslrepro: the system must be Linux or macOS, got Windows. WSL 2 runs it.")


def require_working_folder() -> None:
    """Raise ValueError where the working folder was deleted: libraries would end the process in words of their own."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise ValueError("sslrepro: the working folder must exist, got a deleted one. Change to another.") from None


def in_words(error: BaseException) -> str:
    """An error in one line; only what went wrong inside of a worker keeps its lines."""
    if isinstance(error, RuntimeError) and "Traceback" in str(error):
        return str(error)
    return " ".join(str(error).split()) or type(error).__name__


def say(text: str) -> None:
    """Print to standard error, where that can be written to."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def open_streams() -> None:
    """Stand in for standard streams that are closed: their numbers would be given to the next files that are opened.

    What the locale cannot print is escaped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale of ASCII or latin-1 cannot print every file's name
            stream.reconfigure(errors="backslashreplace")


def discard(stream: TextIO) -> None:
    """What is still held for a stream goes nowhere, so that the interpreter does not fail on it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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


if __name__ == "__main__":
    sys.exit(main())
