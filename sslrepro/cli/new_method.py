"""`new method`: the three files of a method of your own, that work as they are."""

import argparse
import importlib
import re
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """The command's words."""
    new = commands.add_parser("new", help="start something of your own: new method NAME [--like METHOD]")
    what = new.add_subparsers(dest="what", metavar="what", required=True)
    sub = what.add_parser("method", help="write the three files of a method: code, oracle, page; they pass as written")
    sub.add_argument("name", help="file name: small letters, digits and underscores")
    sub.add_argument("--like", default="msf", metavar="METHOD", help="the method to start from (default msf)")
    sub.set_defaults(perform=new_method)


def new_method(settings: argparse.Namespace) -> None:
    """Write the files and say what to edit."""
    from sslrepro.base.paths import PROJECT

    paths = write(settings.name, settings.like, PROJECT)
    for path in paths:
        print(f"written   {path.relative_to(PROJECT)}")
    print(
        f"\nThey are {settings.like} under another name, and work. Change the code and the oracle, each from the "
        "equation; then\n"
        f"  python -m pytest -q tests/methods/test_equations.py tests/methods/test_contract.py -k {settings.name}\n"
        f"  python -m sslrepro train --method {settings.name} --profile smoke"
    )


def class_name(name: str) -> str:
    """The class of a method's file: MyMethod of my_method."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def write(name: str, like: str, project: Path) -> list[Path]:
    """Write methods/<name>.py, tests/equations/<name>.py and book/methods/<name>.md; returns their paths.

    Raises ValueError for a name that is taken or cannot be one, for a method whose oracle has a form of its own, and
    outside of a checkout.
    """
    from sslrepro import methods
    from sslrepro.base.errors import one_of, require

    owner = "new method"
    require(bool(re.fullmatch(r"[a-z][a-z0-9_]*", name)), owner, "name", "small letters, digits and underscores", name)
    require(name not in (*methods.names(), "base", "kinds"), owner, "name", "one that is not taken", name)
    places = {"code": Path("sslrepro/methods"), "oracle": Path("tests/equations"), "page": Path("book/methods")}
    require((project / places["oracle"]).is_dir(), owner, "folder", "a checkout of the repository", str(project))
    files = {kind: project / place / f"{{}}.{'md' if kind == 'page' else 'py'}" for kind, place in places.items()}
    usable = [other for other in methods.names() if usable_as_model(files, other)]
    one_of(like, usable, owner, "--like")
    old, new = methods.method_class(like).__name__, class_name(name)
    title = importlib.import_module(f"sslrepro.methods.{like}").__doc__.strip().partition(":")[0]
    written = []
    for kind, template in files.items():
        path = Path(str(template).format(name))
        require(not path.exists(), owner, "file", "one that is not there yet", str(path))
        text = Path(str(template).format(like)).read_text(encoding="utf-8")
        text = re.sub(rf"\b{re.escape(old)}\b", new, text)
        if kind == "page":
            text = re.sub(rf"\b{re.escape(like)}\b", name, text)
            text = re.sub(
                r"\A# .*\n", f"# {new}\n\n*Starts as a copy of {title}: say here what differs, and why.*\n", text
            )
        else:
            _, docstring, rest = text.split('"""', 2)
            first = f"{new}: starts as a copy of {title}; say in this line what the method does."
            if kind == "oracle":
                first = f"{new} loss, from the equation and not from the code. Starts as that of {title}."
            text = f'"""{first}\n\n{docstring.strip()}\n"""{rest}'
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def usable_as_model(files: dict[str, Path], method: str) -> bool:
    """Whether a method has all three files, and an oracle in the common form (tests/equations/__init__.py)."""
    oracle, page = (Path(str(files[kind]).format(method)) for kind in ("oracle", "page"))
    return oracle.exists() and page.exists() and "\nOUTPUTS" in oracle.read_text(encoding="utf-8")
