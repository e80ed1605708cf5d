import re
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli import info
from lamina.cli.info import THREAD_VARIABLES


def facts(text: str) -> dict[str, str]:
    # As wide as the longest name: a backend that another test has registered may be longer than any of ours.
    parts = (re.split(r"  +", line, maxsplit=1) for line in text.split("\n\n")[0].splitlines())
    return dict(parts)


def test_versions_backends_and_linear_algebra(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr("lamina.backends.registry._instances", {})
    result = run("info")
    assert result.code == 0 and not result.err
    found = facts(result.out)
    assert found["lamina"] == lamina.__version__ and found["numpy"] == np.__version__
    assert found["safetensors"] == version("safetensors")
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert found["backend numpy"] == found["backend reference"] == "CPU"
    assert found["backend cupy"].startswith("cannot run: CuPy is not installed")
    assert "(NumPy's)" in found["blas"] and found["threads"]


def test_a_backend_that_breaks_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise ZeroDivisionError("no such thing")

    lamina.register_backend("broken", broken)
    try:
        assert facts(run("info").out)["backend broken"] == "cannot run: no such thing"
    finally:
        del lamina.backends.registry._factories["broken"]


def test_several_devices_stand_below_each_other(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.backends.reference.ReferenceBackend.devices", lambda self: ["GPU 0", "GPU 1"])
    lines = run("info").out.splitlines()
    index = next(i for i, line in enumerate(lines) if line.startswith("backend reference"))
    assert lines[index].endswith("  GPU 0") and lines[index + 1] == " " * lines[index].index("GPU") + "GPU 1"


def test_what_runs_on_a_backend_is_named(run: Any) -> None:
    text = run("info").out
    lines = {
        line.split()[1]: rest
        for line, rest in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if line.startswith("backend ")
    }
    own = lines["numpy"].strip().removeprefix("kernels of its own: ").split(", ")
    assert {"lstm", "gru", "simple_rnn", "dense"} <= set(own) and "huber" not in own and own == sorted(own)
    assert lamina.get_backend("reference").own_kernels() == ()
    assert not lines["reference"].startswith(" ")


def test_threads_are_told_honestly(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [{"user_api": "openmp", "num_threads": 9}, {"user_api": "blas", "num_threads": 3}]
    monkeypatch.setattr(info, "find_spec", lambda name: object())
    monkeypatch.setattr(info, "import_module", lambda name: SimpleNamespace(threadpool_info=lambda: pools))
    assert info._threads() == "3"
    monkeypatch.setattr(info, "find_spec", lambda name: None)
    for variable in THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert info._threads().startswith("not set, so most likely one for each of the 5 processors")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert info._threads() == "2, if the library follows OMP_NUM_THREADS"


def test_a_model_is_described(run: Any, trained: Path) -> None:
    path = trained / "runs" / "rows" / "model.safetensors"
    model = lamina.load(path)
    model.facts["note"] = "mine"
    model.save("noted.safetensors")
    result = run("info", "noted.safetensors")
    assert result.code == 0
    assert model.summary() in result.out
    assert "\nclass names: 0, 1, 2\n" in result.out and "\nnote: mine\n" in result.out
    assert "\npreprocessing\n  feature mean: " in result.out
    assert "\n  epochs: 5\n" in result.out and f"\n  accuracy: {model.facts['test']['accuracy']:.6g}\n" in result.out
    assert f"\n  history: loss {model.facts['training']['history']['loss']:.6g}, " in result.out


def test_no_model_is_one_line(run: Any) -> None:
    result = run("info", "none.safetensors")
    assert result.code == 2
    assert result.err == "lamina: error: 'none.safetensors': there is no such file\n"
