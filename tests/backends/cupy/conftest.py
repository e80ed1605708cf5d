"""The CuPy backend over a stand-in for CuPy, once as it is and once as it rounds; and on a GPU, where there is one."""

import sys

import pytest

import lamina
from lamina.backends import registry
from tests.stand_in import cupy, jitter, ledger
from tests.stand_in.raw import COMPILER

STAND_IN, JITTER, GPU = "stand-in", "stand-in that rounds", "gpu"
DEVICES = [STAND_IN, JITTER, pytest.param(GPU, marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch):
    """Return the CuPy backend."""
    return opened(request.param, monkeypatch)


@pytest.fixture(params=[*DEVICES, "numpy", "reference"])
def backend(request, monkeypatch):
    """Return the CuPy backend, or one of the host: what is a mistake on one is one on all."""
    return opened(request.param, monkeypatch)


def opened(name, monkeypatch):
    if name not in (STAND_IN, JITTER):
        return lamina.get_backend("cupy" if name == GPU else name)
    put_in_place(monkeypatch)
    monkeypatch.setattr(jitter, "on", name == JITTER)
    return lamina.get_backend("cupy")


@pytest.fixture
def counted(monkeypatch):
    """Return the CuPy backend over the stand-in, and what counts launches, copies and waits, with their lines."""
    put_in_place(monkeypatch)
    monkeypatch.setattr(ledger, "traced", True)
    ledger.clear()
    yield lamina.get_backend("cupy"), ledger
    ledger.clear()


def put_in_place(monkeypatch):
    """Put the stand-in where CuPy is imported from, for this test alone."""
    if COMPILER is None:
        pytest.skip("the stand-in runs CUDA's kernels with a C++ compiler, and this machine has none")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    opened = {name: one for name, one in registry._instances.items() if name != "cupy"}
    monkeypatch.setattr(registry, "_instances", opened)
