"""Primitives on whole arrays: zeros past the rows' ends, in one launch."""

import numpy as np
import pytest

import lamina

LENGTHS = np.array([3, 0, 5, 1])
NUMPY = lamina.get_backend("numpy")


def drawn(*shape, dtype="float64"):
    values = np.random.default_rng(0).normal(size=shape) * 100
    if dtype == "bool":
        return values > 0
    values = values.astype(dtype)
    if values.dtype.kind == "f":  # what stands past an end is nobody's to read
        values[1] = np.nan
    return values


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "int16", "uint8", "bool", "complex128"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 2, 3), (4, 5, 0)], ids=str)
def test_zero_past(device, shape, dtype):
    values = drawn(*shape, dtype=dtype)
    got = device.zero_past(device.asarray(values), LENGTHS)
    assert got.dtype == values.dtype
    assert np.array_equal(device.to_numpy(got), NUMPY.zero_past(values, LENGTHS))


VIEWS = {
    "turned": lambda x: x.transpose(1, 0, 2),
    "turned inside": lambda x: x.transpose(0, 2, 1),
    "every other one": lambda x: x[::2, 1::2, ::3],
    "backwards": lambda x: x[:, ::-1],
    "more axes, turned": lambda x: x.reshape(8, 9, 2, 3).transpose(1, 0, 3, 2),
}


@pytest.mark.parametrize("view", VIEWS)
def test_zero_past_of_a_view(device, view):
    values = np.random.default_rng(0).normal(size=(8, 9, 6))
    wanted = VIEWS[view](values)
    lengths = np.random.default_rng(1).integers(0, wanted.shape[1] + 1, len(wanted))
    got = device.zero_past(VIEWS[view](device.asarray(values)), lengths)
    assert np.array_equal(device.to_numpy(got), NUMPY.zero_past(wanted, lengths))


def test_zero_past_is_a_new_array(device):
    values = device.asarray(np.ones((4, 5)))
    device.zero_past(values, np.full(4, 5))[...] = 0
    assert device.to_numpy(values).all()
    assert device.zero_past(values, None) is values


def test_zero_past_by_lengths_on_the_device(device):
    values = drawn(4, 5, 3)
    got = device.zero_past(device.asarray(values), device.asarray(LENGTHS))
    assert np.array_equal(device.to_numpy(got), NUMPY.zero_past(values, LENGTHS))


def test_zero_past_is_one_launch(counted):
    device, ledger = counted
    values = device.asarray(drawn(4, 5, 3))
    ledger.clear()
    device.zero_past(values, LENGTHS)
    assert ledger.totals() == {"launch": 1, "set": 0, "copy": 0, "upload": 1, "download": 0, "wait": 0}
    ledger.clear()
    device.zero_past(values.transpose(0, 2, 1), LENGTHS)  # as many rows: the lengths are there
    assert ledger.totals() == {"launch": 1, "set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}
