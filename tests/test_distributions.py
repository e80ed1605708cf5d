"""The look into a wheel and an sdist, `.ci/distributions.py`, sees what is wrong with them."""

import importlib.util
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("distributions", ROOT / ".ci" / "distributions.py")
assert spec is not None and spec.loader is not None
LOOK = importlib.util.module_from_spec(spec)
spec.loader.exec_module(LOOK)

needs_git = pytest.mark.skipif(not LOOK.tracked(), reason="not a clone")


def wheel(folder: Path, leave_out: str = "", add: str = "", tag: str = "py3-none-any") -> Path:
    path = folder / f"lamina-0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for source in LOOK.tracked():
            first, _, rest = source.partition("/")
            if source != leave_out:
                archive.writestr(f"{LOOK.SOURCES[first]}/{rest}", "")
        archive.writestr("lamina-0.dist-info/METADATA", "")
        if add:
            archive.writestr(add, "")
    return path


def sdist(folder: Path, leave_out: str = "", add: str = "") -> Path:
    path = folder / "lamina-0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in [*LOOK.tracked(), "pyproject.toml", "README.md", "LICENSE", "PKG-INFO", add]:
            if name and name != leave_out:
                archive.addfile(tarfile.TarInfo(f"lamina-0/{name}"), io.BytesIO())
    return path


@needs_git
def test_whole_ones_are_right(tmp_path, capsys):
    wheel(tmp_path)
    sdist(tmp_path)
    assert LOOK.main(tmp_path) == 0
    assert "wheel: " in capsys.readouterr().out


@needs_git
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"leave_out": "layers/gru.py"}, "lacks layers/gru.py"),
        ({"leave_out": "framework/py.typed"}, "lacks framework/py.typed"),
        ({"add": "lamina/fast.so"}, "holds lamina/fast.so"),
        ({"add": "tests/test_it.py"}, "holds tests/test_it.py"),
        ({"tag": "cp311-cp311-linux_x86_64"}, "is not pure Python by its name"),
    ],
)
def test_what_is_wrong_with_a_wheel_is_told(tmp_path, settings, told):
    (wrong,) = LOOK.wrong_in_wheel(wheel(tmp_path, **settings))
    assert wrong.endswith(told)


@needs_git
def test_a_wheel_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(LOOK, "MOST", 10)
    assert "must stay under 10" in LOOK.wrong_in_wheel(wheel(tmp_path))[0]


@needs_git
@pytest.mark.parametrize(
    ("settings", "told"),
    [({"leave_out": "LICENSE"}, "lacks LICENSE"), ({"add": "framework/a.pyc"}, "holds framework/a.pyc")],
)
def test_what_is_wrong_with_an_sdist_is_told(tmp_path, settings, told):
    (wrong,) = LOOK.wrong_in_sdist(sdist(tmp_path, **settings))
    assert wrong.endswith(told)


def test_a_folder_without_them_is_refused(tmp_path, capsys):
    assert LOOK.main(tmp_path) == 1
    assert "found 0 and 0" in capsys.readouterr().err


def test_each_check_of_ci_is_a_script_that_is_run():
    run = (ROOT / ".ci" / "run").read_text()
    listed = run[run.index("checks=(") : run.index(")", run.index("checks=("))].removeprefix("checks=(").split()
    assert sorted(listed) == sorted(path.name for path in (ROOT / ".ci" / "checks").iterdir())
    assert all((ROOT / ".ci" / "checks" / name).stat().st_mode & 0o100 for name in listed)
