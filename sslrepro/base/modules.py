"""The modules of a package, asked of its folder once and again where the folder has changed."""

import functools
import os
import pkgutil
from collections.abc import Iterable


def module_names(path: Iterable[str]) -> list[str]:
    """Names of the modules in the folders of a package's `__path__`, sorted.

    >>> import sslrepro.base
    >>> "errors" in module_names(sslrepro.base.__path__)
    True
    """
    folders = tuple(path)
    return list(_listed(folders, tuple(os.stat(folder).st_mtime_ns for folder in folders)))


@functools.lru_cache(maxsize=16)
def _listed(folders: tuple[str, ...], changed: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folders)))
