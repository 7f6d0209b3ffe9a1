"""Modules of a package: listed once, and again when the folder has changed."""

import os

from sslrepro.base.modules import module_names


def test_a_file_that_is_added_or_gone_is_noticed(tmp_path):
    def names(second: int) -> list[str]:
        os.utime(tmp_path, (second, second))  # two changes within a tick of the clock would look like one
        return module_names([str(tmp_path)])

    (tmp_path / "b.py").touch()
    assert names(1) == ["b"]
    (tmp_path / "a.py").touch()
    assert names(2) == ["a", "b"]
    (tmp_path / "b.py").unlink()
    assert names(3) == ["a"] and module_names([str(tmp_path)]) == ["a"]
