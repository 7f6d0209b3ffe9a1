"""What a piece of code depends on in this package: the modules it imports, and theirs, read without running them."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def module_file(name: str) -> Path | None:
    """The file of a dotted name inside the package; None for what is not a module (a function, another package)."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imported_names(tree: ast.AST) -> frozenset[str]:
    """Dotted names of the package that code imports, at its top or inside functions: modules, and what is in them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    parents = {".".join(parts[:n]) for name in names for parts in [name.split(".")] for n in range(1, len(parts) + 1)}
    return frozenset(name for name in parents if name.split(".")[0] == PACKAGE.name)


@functools.cache
def read_module(path: Path, changed_at: int) -> tuple[str, frozenset[str]]:
    """(SHA-256 of a module's syntax tree, `imported_names`): docstrings, comments and layout do not count.

    changed_at   the file's mtime in ns, so that an edited file is read again, and others once for all pages
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), names


def import_closure(code: str, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Every module of the package that code reaches through imports -> the digest of its code, sorted by name.

    without   rooms that are left out with all that only they reach, by dotted name

    >>> "sslrepro.base.errors" in import_closure("from sslrepro.base.store import Store")
    True
    """
    waiting, seen, digests = set(imported_names(ast.parse(code))), set(), {}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        path = None if name.startswith(without) else module_file(name)
        if path is not None:
            digests[name], names = read_module(path, path.stat().st_mtime_ns)
            waiting |= names - seen
    return dict(sorted(digests.items()))
