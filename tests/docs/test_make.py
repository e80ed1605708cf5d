"""What builds the site, but for Sphinx, which CI runs."""

import importlib
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def make(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("make")


def test_pages_alone_are_run(make, tmp_path, capsys):
    assert make.main(["--only", "lengths", "--out", str(tmp_path), "--jobs", "1"]) == 0
    assert "lengths: " in capsys.readouterr().out
    assert not (tmp_path / "html").exists()


def test_a_page_that_is_wrong_fails(make, tmp_path, capsys, monkeypatch):
    (tmp_path / "broken.md").write_text("```python\n1 / 0\n```\n")
    monkeypatch.setattr(make.pages, "FOLDER", tmp_path)
    assert make.run(tmp_path / "broken.md", tmp_path)[2] is not None
    assert make.main(["--out", str(tmp_path / "out"), "--jobs", "1"]) == 1
    assert "broken: WRONG" in capsys.readouterr().out


def test_what_sphinx_reads_is_laid_out(make, tmp_path):
    pytest.importorskip("sklearn", reason="the reference needs scikit-learn")
    source = make.stage(tmp_path, [])
    assert (source / "conf.py").exists() is False  # it stays where it is
    assert (source / "reference" / "lamina.layers.rst").is_file()
    assert (source / "contributing.md").is_file()
    assert "](docs/" not in (source / "contributing.md").read_text()
    assert (tmp_path / "tree" / "benchmarks" / "results").is_dir()
    assert "{py:obj}`GRU <lamina.layers.GRU>`" in (source / "api.md").read_text()


def test_the_site_goes_where_git_does_not_look(make):
    assert make.OUT.relative_to(make.ROOT).parts[0] == "runs"
    assert "runs/" in (make.ROOT / ".gitignore").read_text().splitlines()
