"""`notebook --name`: a copy of a notebook that is taken apart, the reader's own from then on."""

from sslrepro.base.paths import NOTEBOOKS
from sslrepro.cli.main import main
from sslrepro.explore import starter_notebooks


def test_a_copy_is_written_once_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(starter_notebooks, "WRITTEN", tmp_path)
    path = tmp_path / "inside_one_step.ipynb"
    words = ["notebook", "--name", "inside_one_step", "--no-open"]
    assert main(words) == 0 and path.read_text("utf-8") == (NOTEBOOKS / path.name).read_text("utf-8")
    path.write_text("a reader's")
    assert main(words) == 0 and path.read_text("utf-8") == "a reader's"
    assert f"kept      {path}" in capsys.readouterr().out


def test_a_wrong_name_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(starter_notebooks, "WRITTEN", tmp_path)
    assert main(["notebook", "--name", "inside", "--no-open"]) == 2
    assert "Did you mean 'inside_one_step'" in capsys.readouterr().err and not list(tmp_path.iterdir())
