"""Rows of tables by index: sums in a fixed order and changes in place, one launch each, one upload for the ids."""

import numpy as np
import pytest

from lamina.backends.generic.rows import RowOperations
from lamina.layers import Embedding
from lamina.optimizers import SGD, AdaGrad, Adam
from tests.backends.cupy.against_generic import faulty_source

RNG = np.random.default_rng(0)
IDS = {
    "each once": RNG.permutation(40)[:30],
    "some more often": np.array([3, 1, 3, 3, 9, 1, 0, 3, 3, 3, 3, 9]),
    "one hundreds of times": np.concatenate([np.full(700, 5), RNG.integers(0, 20, 100)])[RNG.permutation(800)],
    "all the same": np.full(33, 2),
    "one": np.array([7]),
    "none": np.zeros(0, int),
    "int32": np.array([3, 1, 3], "int32"),
}


def exact(ids, values):
    """Return the ids, each once, and the sums of their rows."""
    unique = np.unique(ids)
    return unique, np.array([values[ids == one].sum(axis=0, dtype=np.longdouble) for one in unique])


@pytest.mark.parametrize("units", [1, 3, 8, 32, 45])
@pytest.mark.parametrize("ids", IDS)
def test_sums(device, ids, units):
    found = IDS[ids]
    values = RNG.normal(size=(len(found), units))
    unique, sums = device.sum_rows(found, device.asarray(values))
    expected = exact(found, values)
    np.testing.assert_array_equal(unique, expected[0])
    assert sums.shape == (len(unique), units)
    np.testing.assert_allclose(device.to_numpy(sums), expected[1].reshape(-1, units), rtol=1e-12, atol=1e-13)
    if found.size:
        _, single = device.sum_rows(found, device.asarray(values.astype("float32")))
        assert single.dtype == "float32"
        np.testing.assert_allclose(device.to_numpy(single), expected[1], rtol=1e-5, atol=3e-5)


def test_sums_of_some_of_the_rows(device):
    values, ids, places = RNG.normal(size=(9, 5)), np.array([4, 2, 4, 4]), np.array([8, 0, 3, 4])
    unique, sums = device.sum_rows(ids, device.asarray(values), places)
    expected = exact(ids, values[places])
    np.testing.assert_array_equal(unique, expected[0])
    np.testing.assert_allclose(device.to_numpy(sums), expected[1], rtol=1e-14)


@pytest.mark.parametrize("kind", ["turned", "float16", "int64"])
def test_sums_of_other_rows(device, kind):
    values = np.arange(12.0).reshape(4, 3)
    given = device.asarray(values.T).T if kind == "turned" else device.asarray(values.astype(kind))
    unique, sums = device.sum_rows(np.array([1, 0, 1, 1]), given)
    assert unique.tolist() == [0, 1]
    assert device.to_numpy(sums).tolist() == [[3, 4, 5], [15, 18, 21]]


def test_a_sum_is_the_same_to_the_bit_each_time(device):
    ids, values = IDS["one hundreds of times"], RNG.normal(size=(800, 33)).astype("float32")
    bits = {device.to_numpy(device.sum_rows(ids, device.asarray(values))[1]).tobytes() for _ in range(3)}
    assert len(bits) == 1


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("twin", ["int64", "int32"])
def test_rows_are_changed_in_place(device, dtype, twin):
    values, more = (RNG.integers(-9, 9, size).astype(dtype) for size in ((7, 5), (3, 5)))
    table, ids = device.asarray(values.copy()), device.asarray(np.array([6, 0, 2], twin))
    device.add_rows(table, ids, device.asarray(more))
    values[[6, 0, 2]] += more
    np.testing.assert_array_equal(device.to_numpy(table), values)
    device.scale_rows(table, ids, 0.5)
    values[[6, 0, 2]] *= np.asarray(0.5, dtype)
    np.testing.assert_array_equal(device.to_numpy(table), values)
    table[0, 0] = np.nan  # 0 times it is not 0
    device.zero_rows(table, ids)
    values[[6, 0, 2]] = 0
    np.testing.assert_array_equal(device.to_numpy(table), values)


def test_no_rows_change_nothing(device):
    table, ids = device.asarray(np.ones((2, 3))), device.asarray(np.zeros(0, "int64"))
    device.add_rows(table, ids, device.zeros((0, 3), "float64"))
    device.scale_rows(table, ids, 2.0)
    device.zero_rows(table, ids)
    assert (device.to_numpy(table) == 1).all()


def test_launches(counted):
    device, ledger = counted
    ids, values = IDS["one hundreds of times"], device.asarray(RNG.normal(size=(800, 6)))
    table = device.zeros((20, 6), "float64")
    ledger.clear()
    unique, sums = device.sum_rows(ids, values)
    device.add_rows(table, device.constant(unique), sums)
    device.scale_rows(table, device.constant(unique), 2.0)
    device.zero_rows(table, device.constant(unique))
    totals = ledger.totals()
    assert (totals["launch"], totals["upload"], totals["set"], totals["wait"]) == (4, 1, 0, 0)


@pytest.mark.parametrize("optimizer", [SGD, AdaGrad, Adam])
def test_a_tables_backward_and_update_take_two_launches(counted, optimizer):
    """Its rows' sums, and their update; however often ids occur."""
    device, ledger = counted
    table = Embedding(50, 4)
    table.build((None, None), seed=0, backend=device)
    stepping = optimizer(table.parameters())
    for seed in range(3):
        ids = np.random.default_rng(seed).integers(0, 50, (8, 40)) % (3 + seed)
        dy = device.asarray(RNG.normal(size=(8, 40, 4)).astype("float32"))
        given = device.asarray(ids)
        _, saved = table.forward(given)
        ledger.clear()
        stepping.zero_grad()
        table.backward(dy, saved)
        stepping.step()
        totals = ledger.totals()
        assert (totals["launch"], totals["upload"], totals["wait"]) == (2, 1, 0)


# A fault in a kernel: what stands in the source, and what takes its place.
FAULTS = {
    "one lane of all": ("half = lanes / 2", "half = 0"),
    "a lane too few": ("lane < half", "lane + 1 < half"),
    "rows beyond the first round": ("place += lanes", "place = stop"),
    "rows not in their order": ("rows[order[place] * units", "rows[place * units"),
    "another id's rows": ("starts[id] + lane", "starts[0] + lane"),
    "columns beyond the first block": ("blockIdx.y) * blockDim.x", "0) * blockDim.x"),
    "the neighbour's column": ("(*index - row * units)", "0"),
    "set instead of added": ("table[place] += rows[index]", "table[place] = rows[index]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_kernel_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    faulty_source(monkeypatch, "rows.cu", *FAULTS[fault])
    seen = 0
    for check in (
        lambda: test_sums(device, "one hundreds of times", 45),
        lambda: test_sums(device, "some more often", 3),
        lambda: test_rows_are_changed_in_place(device, "float64", "int64"),
    ):
        try:
            check()
        except AssertionError:
            seen += 1
    assert seen


def test_the_generic_sums_are_another_way(device):
    """What the kernels are compared with is not themselves."""
    assert type(device).sum_rows is not RowOperations.sum_rows
    ids, values = IDS["one hundreds of times"], device.asarray(RNG.normal(size=(800, 6)))
    unique, sums = RowOperations.sum_rows(device, ids, values)
    own, found = device.sum_rows(ids, values)
    np.testing.assert_array_equal(unique, own)
    np.testing.assert_allclose(device.to_numpy(found), device.to_numpy(sums), rtol=1e-12, atol=1e-13)
