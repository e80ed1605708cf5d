"""Steps before and past each row's end: as NumPy's, one launch each, faults seen."""

import numpy as np
import pytest

import lamina
from tests.backends.cupy.against_generic import faulty_source

BATCH, TIME = 5, 7
LENGTHS = {"ragged": np.array([7, 0, 3, 1, 5]), "full": np.full(5, 7), "all ended": np.zeros(5, int)}
RNG = np.random.default_rng(0)


def drawn(*shape, dtype="float64"):
    return (RNG.normal(size=shape) * 9 - 20).astype(dtype)


def both(device, run, *values):
    """Return what the device's operation gives, and NumPy's."""
    host = lamina.get_backend("numpy")
    return device.to_numpy(run(device, *map(device.asarray, values))), run(host, *values)


def expect_alike(device, run, *values):
    own, expected = both(device, run, *values)
    assert (own.shape, own.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "int64", "int32", "int16", "uint8", "float16", "bool", "complex128"]
)
def test_zeros_past_an_end(device, dtype, shape, lengths):
    x = drawn(BATCH, TIME, *shape, dtype=dtype)
    if x.dtype.kind == "f" and x.size:
        x[:, 3:] = np.nan  # what stands there is not even looked at
    expect_alike(device, lambda backend, array: backend.zero_past(array, LENGTHS[lengths]), x)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_which_steps_are_valid(device, lengths):
    expect_alike(device, lambda backend: backend.valid_steps(LENGTHS[lengths], TIME))
    expect_alike(device, lambda backend: backend.valid_steps(LENGTHS[lengths], 0))


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_the_last_step_and_its_gradient(device, dtype, lengths):
    x, dy = drawn(BATCH, TIME, 3, dtype=dtype), drawn(BATCH, 3, dtype=dtype)
    expect_alike(device, lambda backend, array: backend.last_step(array, LENGTHS[lengths]), x)
    expect_alike(device, lambda backend, array: backend.scatter_last_step(array, LENGTHS[lengths], TIME), dy)


def test_arrays_in_another_order(device):
    x, lengths = drawn(TIME, BATCH, 3), LENGTHS["ragged"]
    expect_alike(device, lambda backend, array: backend.zero_past(backend.permute(array, (1, 0, 2)), lengths), x)
    expect_alike(device, lambda backend, array: backend.last_step(backend.permute(array, (1, 0, 2)), lengths), x)


VIEWS = {
    "turned": lambda x: x.transpose(1, 0, 2),
    "turned inside": lambda x: x.transpose(0, 2, 1),
    "every other one": lambda x: x[::2, 1::2, ::3],
    "backwards": lambda x: x[:, ::-1],
    "more axes, turned": lambda x: x.reshape(8, 9, 2, 3).transpose(1, 0, 3, 2),
}


@pytest.mark.parametrize("view", VIEWS)
def test_zeros_past_an_end_of_a_view(device, view):
    lengths = RNG.integers(0, 8, 9)
    expect_alike(
        device,
        lambda backend, array: backend.zero_past(VIEWS[view](array), lengths[: len(VIEWS[view](array))]),
        drawn(8, 9, 6),
    )


def test_zeros_past_an_end_are_in_a_new_array(device):
    values = device.asarray(np.ones((4, 5)))
    device.zero_past(values, np.full(4, 5))[...] = 0
    assert device.to_numpy(values).all()


def test_lengths_on_the_device(device):
    x, lengths = drawn(BATCH, TIME, 3), LENGTHS["ragged"]
    dy = x[:, 0]
    expect_alike(device, lambda backend, array, ends: backend.zero_past(array, ends), x, lengths)
    expect_alike(device, lambda backend, array, ends: backend.last_step(array, ends), x, lengths)
    expect_alike(device, lambda backend, array, ends: backend.scatter_last_step(array, ends, TIME), dy, lengths)
    expect_alike(device, lambda backend, ends: backend.valid_steps(ends, TIME), lengths)


def test_without_lengths(device):
    x = drawn(BATCH, TIME, 3)
    array = device.asarray(x)
    assert device.zero_past(array, None) is array
    expect_alike(device, lambda backend, array: backend.last_step(array, None), x)
    expect_alike(device, lambda backend, array: backend.scatter_last_step(array, None, TIME), x[:, 0])


def test_one_launch_each_and_one_upload_of_the_lengths(counted):
    device, ledger = counted
    x, ids = device.asarray(drawn(BATCH, TIME, 3)), device.asarray(np.ones((BATCH, TIME), int))
    lengths = np.array([1, 2, 3, 4, 5])
    ledger.clear()
    device.zero_past(x, lengths)
    device.zero_past(ids, lengths.copy())
    device.zero_past(x.transpose(0, 2, 1), lengths)  # read where it lies
    device.valid_steps(lengths, TIME)
    device.scatter_last_step(device.last_step(x, lengths), lengths, TIME)
    totals = ledger.totals()
    assert (totals["launch"], totals["upload"], totals["set"], totals["wait"], totals["copy"]) == (6, 1, 0, 0, 0)


# A fault in a kernel: what stands in the source, and what takes its place.
FAULTS = {
    "a zero too few": ("bool valid = step < lengths[row]", "bool valid = step <= lengths[row]"),
    "zeros by another row's length": ("bool valid = step < lengths[row]", "bool valid = step < lengths[0]"),
    "where the innermost axis lies": ("within * inner_stride", "within"),
    "a step too many": ("index % time < lengths[index / time]", "index % time <= lengths[index / time]"),
    "valid steps of the row before": ("lengths[index / time]", "lengths[0]"),
    "an empty row": ("step < 0 ? real(0) :", "step < 0 ? real(1) :"),
    "the step before the last": ("(row * time + step) * features", "(row * time + step / 2) * features"),
    "every step is the last": ("== lengths[row] - 1", "< lengths[row]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_kernel_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    faulty_source(monkeypatch, "padding.cu", *FAULTS[fault])
    seen = 0
    for check in (
        lambda: test_zeros_past_an_end(device, "float32", (3,), "ragged"),
        lambda: test_zeros_past_an_end_of_a_view(device, "turned inside"),
        lambda: test_which_steps_are_valid(device, "ragged"),
        lambda: test_the_last_step_and_its_gradient(device, "float64", "ragged"),
    ):
        try:
            check()
        except AssertionError:
            seen += 1
    assert seen
