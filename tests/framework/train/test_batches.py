from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends.numpy.backend import NumPyBackend
from lamina.data.shapes import Data
from lamina.losses import SoftmaxCrossEntropy
from lamina.train.batches import batches, count_batches, hold
from lamina.train.meter import Mean

X = np.arange(10.0).reshape(5, 2)
LENGTHS = np.arange(5)
BACKEND = lamina.get_backend("numpy")


def test_rows_come_in_order_and_the_last_batch_is_what_is_left() -> None:
    found = list(batches(Data((X,), np.arange(5)), 2, BACKEND))
    assert [batch.rows for batch in found] == [2, 2, 1]
    assert count_batches(5, 2) == 3
    assert count_batches(4, 2) == 2
    assert np.array_equal(np.concatenate([batch.inputs[0] for batch in found]), X)
    assert np.concatenate([batch.target for batch in found]).tolist() == [0, 1, 2, 3, 4]
    assert all(batch.options == {} for batch in found)


def test_inputs_targets_and_lengths_follow_the_given_order() -> None:
    order = np.array([4, 0, 3, 1, 2])
    data = Data((X, -X), np.arange(5), (LENGTHS, None))
    found = list(batches(data, 3, BACKEND, order))
    assert [batch.target.tolist() for batch in found] == [[4, 0, 3], [1, 2]]
    assert np.array_equal(found[0].inputs[0], X[[4, 0, 3]])
    assert np.array_equal(found[1].inputs[1], -X[[1, 2]])
    assert found[0].options["lengths"][0].tolist() == [4, 0, 3]
    assert found[0].options["lengths"][1] is None
    (batch,) = batches(Data((X,), None, LENGTHS), 9, BACKEND, order)
    assert batch.options["lengths"].tolist() == order.tolist()
    assert batch.target is None


@pytest.mark.parametrize("on_host", [True, False])
def test_the_mean_is_weighted_by_terms_in_double_precision(on_host: bool) -> None:
    backend = NumPyBackend()
    backend.on_host = on_host
    mean = Mean(backend)
    values = [np.float32(0.1), np.float32(1e-9), np.float32(3e7), np.float32(np.nan)]
    for value, terms in zip(values, (3, 5.5, 7, 0), strict=True):
        mean.add(np.asarray(value), terms)
    wanted = (float(values[0]) * 3 + float(values[1]) * 5.5 + 3e7 * 7) / 15.5
    assert mean.result() == pytest.approx(wanted, rel=1e-15)
    assert np.isnan(Mean(backend).result())


def test_what_counts_is_found_on_the_host() -> None:
    """A target that went to a device is at hand here too, in the order that was taken."""

    class Device(NumPyBackend):
        on_host = False

        def asarray(self, value: Any, dtype: Any = None) -> Any:
            return np.array(value)

        def to_numpy(self, array: Any) -> Any:
            raise AssertionError("waited for")

    order = np.array([4, 0, 3, 1, 2])
    labels = np.array([0, -1, 1, -1, 2])
    loss = SoftmaxCrossEntropy(ignore_index=-1)
    found = list(batches(Data((X,), labels), 2, Device(), order))
    assert [batch.counted.tolist() for batch in found] == [[2, 0], [-1, -1], [1]]
    assert all(batch.counted is not batch.target for batch in found)
    assert [loss.terms(batch.inputs[0], batch.counted) for batch in found] == [2, 0, 1]
    (batch,) = batches(Data((X,)), 9, Device())
    assert batch.counted is None


class There(NumPyBackend):
    """A device with some free memory, which notes what is brought there."""

    on_host = False

    def __init__(self, free: int) -> None:
        super().__init__()
        self.free, self.uploaded = free, []  # type: ignore[var-annotated]

    def free_memory(self) -> int:
        return self.free

    def upload(self, array: Any) -> Any:
        self.uploaded.append(array.nbytes)
        return np.array(array)


def test_data_that_fit_are_held_the_first_ones_first() -> None:
    data = Data((X,), np.arange(5), LENGTHS)
    size = X.nbytes + 5 * 8 * 2
    small = Data((X[:1],), np.arange(1))
    for free, expected in ((0, [False] * 3), (4 * size, [True, False, False]), (8 * size, [True, True, False])):
        backend = There(free)
        assert [one is not None for one in hold(backend, (data, data, None))] == expected
        assert sum(backend.uploaded) == size * sum(expected)
    backend = There(4 * size - 4)
    first, second = hold(backend, (data, small))
    assert first is None
    assert second is not None
    np.testing.assert_array_equal(second[0], X[:1])
    assert hold(BACKEND, (data, None)) == [None, None]


@pytest.mark.parametrize("order", [None, np.array([4, 0, 3, 1, 2])])
@pytest.mark.parametrize("target", [None, np.arange(5)])
@pytest.mark.parametrize("lengths", [None, LENGTHS, (LENGTHS, None), (None, LENGTHS)])
def test_batches_are_the_same_held_brought_and_on_the_host(order: Any, target: Any, lengths: Any) -> None:
    data = Data((X, np.arange(15).reshape(5, 3)), target, lengths)
    backend = There(10**6)
    (held,) = hold(backend, (data,))
    several = zip(
        batches(data, 2, BACKEND, order), batches(data, 2, backend, order), batches(data, 2, backend, order, held),
        strict=True,
    )  # fmt: skip
    for batch, *others in several:
        for other in others:
            assert other.rows == batch.rows
            np.testing.assert_equal(other.inputs, batch.inputs)
            np.testing.assert_equal(other.target, batch.target)
            np.testing.assert_equal(other.counted, batch.counted)
            np.testing.assert_equal(other.options, batch.options)
            assert other.hosts[0] is None  # numbers are not looked at on the host
            np.testing.assert_array_equal(other.hosts[1], batch.hosts[1])
