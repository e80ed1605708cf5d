"""Dropout by a mask: a launch in each pass."""

import numpy as np
import pytest

from tests.backends.cupy.against_generic import differences, faulty_source, host, pairs

SHAPES = {
    "whole": ((4, 5, 6), (4, 5, 6)),
    "rows": ((4, 6), (4, 6)),
    "one for all steps": ((4, 5, 6), (4, 1, 6)),
    "one for all features": ((4, 5, 6), (4, 5, 1)),
    "one for two axes": ((4, 5, 3, 2), (4, 1, 1, 2)),
    "one for two axes apart": ((4, 5, 3, 2), (4, 1, 3, 1)),
    "one for all rows": ((4, 5, 6), (5, 6)),
    "one for all": ((4, 5), (1, 1)),
    "no rows": ((0, 5), (0, 5)),
    "no steps": ((4, 0, 6), (4, 1, 6)),
    "many": ((50, 40, 30), (50, 1, 30)),
}


def results(device, shape, kept, dtype="float64", turned=False):
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(size=shape[::-1] if turned else shape).astype(dtype) for _ in range(2))
    if x.size:
        x.flat[0], x.flat[-1], dy.flat[0] = np.inf, np.nan, -np.inf
    keep = rng.random(kept[::-1] if turned else kept) > 0.4
    found = []
    for asarray, forward, backward in pairs(device, "dropout"):
        given = [asarray(one) for one in (x, keep, dy)]
        x_, keep_, dy_ = (one.T for one in given) if turned else given
        with np.errstate(invalid="ignore"):
            y, saved = forward(x_, keep_, rate=0.3)
            found.append(host(device, [y, backward(dy_, saved)]))
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("turned", [False, True], ids=["as it is", "turned"])
@pytest.mark.parametrize("name", SHAPES)
def test_the_bits_of_the_generic_kernel(device, name, turned, dtype):
    assert max(differences(*results(device, *SHAPES[name], dtype, turned))) == 0


@pytest.mark.parametrize("name", ["whole", "one for all steps", "one for two axes"])
def test_launches(counted, name):
    device, ledger = counted
    shape, kept = SHAPES[name]
    x, keep = device.asarray(np.ones(shape)), device.asarray(np.ones(kept, bool))
    forward, backward = device.pair("dropout")
    ledger.clear()
    y, saved = forward(x, keep, rate=0.5)
    backward(y, saved)
    assert ledger.totals() == {"launch": 2, "set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}


FAULTS = {
    "what is kept": ("keep[place] ? scale : real(0)", "keep[place] ? real(0) : scale"),
    "the scale": ("? scale : real(0)", "? real(1) : real(0)"),
    "a mask's place": ("if (times != 1)", "if (false)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    faulty_source(monkeypatch, "dropout.cu", *FAULTS[fault])
    assert max(differences(*results(device, *SHAPES["one for all steps"]))) > 1e-6
