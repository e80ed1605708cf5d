"""Both sides do the same work, and what one cannot do does not keep the others from it."""

import sys
from contextlib import contextmanager

import numpy as np
import pytest

import lamina
from benchmarks.gpu import rehearsal, side_by_side
from benchmarks.gpu.ours import Ours
from benchmarks.gpu.precision import NotThere, in_precision
from benchmarks.gpu.work import CELLS, Work
from lamina.backends import registry
from tests.stand_in import cupy

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

_REPLACED = ("CUDAGraph", "graph", "Stream", "stream", "current_stream", "synchronize", "empty_cache")


@pytest.fixture
def backend(monkeypatch):
    """Return the CuPy backend over the stand-in, in a rehearsal whose traces in PyTorch are taken away afterwards."""
    monkeypatch.setenv(rehearsal.VARIABLE, "1")
    for name in _REPLACED:
        monkeypatch.setattr(torch.cuda, name, getattr(torch.cuda, name))
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    opened = {name: one for name, one in registry._instances.items() if name != "cupy"}
    monkeypatch.setattr(registry, "_instances", opened)
    return lamina.get_backend("cupy")


def company(work, backend, precision="fp32", change=0.0):
    weights = Ours(work, lamina.get_backend("numpy")).weights()
    changed = {name: array + np.float32(change) * (name == "0.w_h") for name, array in weights.items()}
    return side_by_side.Company(work, precision, backend, changed)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [{}, {"ragged": True}, {"layers": 2}, {"bidirectional": True},
     {"layers": 3, "bidirectional": True, "ragged": True}],
    ids=["plain", "ragged", "layers", "bidirectional", "everything"],
)  # fmt: skip
def test_logits_and_gradients_are_pytorchs(backend, cell, options):
    one = company(Work(cell, 4, 6, 5, **options), backend)
    assert one.failed == []
    for mode in side_by_side.MODES:
        row = one.row(mode)
        assert set(row["seconds"]) == {"lamina", "pytorch", "pytorch graph"} and row["missing"] == {}
        assert row["difference"]["pytorch"][1] < 1e-5


def test_a_difference_is_found(backend):
    one = company(Work("GRU", 4, 6, 5), backend, change=0.01)
    assert len(one.failed) == 1 and "differs from PyTorch's" in one.failed[0]
    assert one.row("forward")["difference"]["pytorch"][1] > 1e-3


def test_a_precision_that_is_not_there_leaves_pytorchs_times(backend, monkeypatch):
    monkeypatch.setattr(backend, "precisions", ("fp32",), raising=False)
    monkeypatch.setattr(backend, "in_precision", entered := Entered(), raising=False)
    row = company(Work("LSTM", 4, 6, 5), backend, "bf16").row("step")
    assert row["missing"] == {"lamina": "not there: backend 'cupy' has no precision 'bf16'"}
    assert len(row["seconds"]) == 4 and row["dtype"]["pytorch bfloat16"] == "bfloat16"
    assert entered.names == []


def test_a_precision_that_is_there_is_computed_in(backend, monkeypatch):
    monkeypatch.setattr(backend, "precisions", ("fp32", "tf32"), raising=False)
    monkeypatch.setattr(backend, "in_precision", entered := Entered(), raising=False)
    one = company(Work("LSTM", 4, 6, 5), backend, "tf32")
    one.row("forward")
    assert entered.names and set(entered.names) == {"tf32"} and entered.depth == 0
    with pytest.raises(NotThere, match="'bf16'"):
        in_precision(backend, "bf16")


def test_what_lamina_cannot_do_is_told_and_the_others_are_timed(backend, monkeypatch):
    def broken(*arguments, **options):
        raise FloatingPointError("a fault")

    monkeypatch.setattr(type(backend), "lstm_forward", broken)
    one = company(Work("LSTM", 4, 6, 5), backend)
    row = one.row("forward")
    assert one.failed == ["fp32: FloatingPointError: a fault"]
    assert row["missing"] == {"lamina": "FloatingPointError: a fault"}
    assert set(row["seconds"]) == {"pytorch", "pytorch graph"}


def test_without_pytorch_lamina_is_timed(backend, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    row = company(Work("LSTM", 4, 6, 5), backend).row("forward")
    assert set(row["seconds"]) == {"lamina"}
    assert row["missing"]["pytorch"].startswith("not there: PyTorch (")


def test_the_sizes_on_a_gpu_are_those_that_were_asked_for(monkeypatch):
    monkeypatch.delenv(rehearsal.VARIABLE, raising=False)
    works = list(side_by_side.works())
    asked = [(32, 28, 64), (64, 100, 128), (16, 256, 256), (64, 256, 512), (32, 512, 1024), (1, 1000, 256)]
    for cell in CELLS:
        plain = [work.shape for work in works if work.cell == cell and not work.variant]
        assert sorted(plain) == sorted(asked)
        assert {work.variant for work in works if work.cell == cell} >= {"", "ragged", "2 layers", "bidirectional"}


class Entered:
    """Stands for a backend's ``in_precision``."""

    def __init__(self):
        self.names, self.depth = [], 0

    @contextmanager
    def __call__(self, name):
        self.names.append(name)
        self.depth += 1
        yield
        self.depth -= 1
