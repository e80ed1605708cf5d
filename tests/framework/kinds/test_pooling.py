"""What pooling layers share; the kernels are proven in backends/test_pooling."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.layers import AveragePool1D, Dense, GlobalAveragePool1D, GlobalMaxPool1D, MaxPool1D

X = np.random.default_rng(0).standard_normal((4, 7, 3))
X.flags.writeable = False
LENGTHS = np.array([7, 0, 1, 4])


@pytest.mark.parametrize("kind", [MaxPool1D, AveragePool1D])
@pytest.mark.parametrize("settings", [(2,), (3, 1), (2, 3), (3, 2, "same"), (9,), (4, 3, "same"), (3, 2, (2, 0))])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_each_row_gives_what_it_gives_alone(kind: Any, settings: Any, backend: str) -> None:
    layer = kind(*settings)
    layer.build((None, None, 3), dtype="float64", backend=backend)
    padded = X.copy()
    for row, length in enumerate(LENGTHS):
        padded[row, length:] = np.nan
    y, saved = layer.forward(padded, lengths=LENGTHS)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx = layer.backward(dy, saved)
    for row, (length, count) in enumerate(zip(LENGTHS, layer.output_lengths(LENGTHS), strict=True)):
        alone, saved = layer.forward(X[row : row + 1, :length])
        assert alone.shape == (1, count, 3)
        np.testing.assert_allclose(y[row, :count], alone[0], rtol=1e-14)
        own = layer.backward(dy[row : row + 1, :count], saved)
        np.testing.assert_allclose(dx[row, :length], own[0], rtol=1e-14)
        assert not y[row, count:].any()
        assert not dx[row, length:].any()


def test_windows_lie_side_by_side_unless_a_stride_is_given() -> None:
    assert (MaxPool1D(3).stride, MaxPool1D(3, 1).stride) == (3, 1)
    assert MaxPool1D(3).padding == "valid"
    assert repr(MaxPool1D(3, 2, "same")) == "MaxPool1D(3, stride=2, padding='same')"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": 0}, "expected pool to be a whole number of 1 or more, got 0"),
        ({"pool": 2, "dilation": 0}, "expected dilation to be a whole number of 1 or more, got 0"),
        ({"pool": 2, "ceil": "yes"}, "expected ceil to be True or False, got 'yes'"),
        (
            {"pool": 2, "dilation": 2, "padding": (0, 3)},
            "expected padding to be less than the 3 steps that a window reaches over, got (0, 3)",
        ),
        ({"pool": 2, "stride": 1.5}, "expected stride to be a whole number of 1 or more, got 1.5"),
    ],
)
def test_sizes_that_are_none_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        MaxPool1D(**settings)
    assert str(caught.value) == f"MaxPool1D: {message}"


def test_there_is_no_causal_pooling() -> None:
    with pytest.raises(UnknownNameError) as caught:
        AveragePool1D(2, padding="causal")
    assert str(caught.value).startswith("unknown padding of AveragePool1D 'causal'")


@pytest.mark.parametrize("pool", [MaxPool1D(3, 1, (4, 0), dilation=2), AveragePool1D(3, 1, (2, 0))])
def test_a_row_that_begins_again_in_a_stream_knows_of_nothing_before(pool: Any) -> None:
    x = X - 9  # below 0: a 0 would be seen
    pool.build((None, None, 3), dtype="float64")
    stream = lamina.Stream(pool)
    first = stream(x[:, :4])
    stream.reset([1, 3])
    second = stream(x[:, 4:])
    np.testing.assert_allclose(first, pool(x[:, :4]), rtol=1e-14)
    np.testing.assert_allclose(second[[1, 3]], pool(x[[1, 3], 4:]), rtol=1e-14)
    np.testing.assert_allclose(second[[0, 2]], pool(x[[0, 2]])[:, 4:], rtol=1e-14)


def test_one_pool_in_places_of_other_features_streams() -> None:
    pool = MaxPool1D(2, 1, (1, 0))
    model = Sequential(pool, Dense(5), pool)
    model.build((None, None, 3), dtype="float64", seed=0)
    stream = lamina.Stream(model)
    parts = [stream(X[:, :2]), stream(X[:, 2:3]), stream(X[:, 3:])]
    np.testing.assert_allclose(np.concatenate(parts, 1), model(X), rtol=1e-13)


@pytest.mark.parametrize("kind", [GlobalMaxPool1D, GlobalAveragePool1D])
def test_of_whole_rows_the_time_is_gone(kind: Any) -> None:
    layer = kind()
    assert layer.build((None, None, 3), dtype="float64") == (None, 3)
    assert layer.output_lengths(LENGTHS) is None
    y = layer(X, lengths=LENGTHS)
    assert not y[1].any()
    for row, length in enumerate(LENGTHS):
        if length:
            np.testing.assert_allclose(y[row], layer(X[row : row + 1, :length])[0], rtol=1e-14)
    with pytest.raises(ShapeError) as caught:
        kind().build((None, 3))
    assert str(caught.value) == f"{kind.__name__}: expected (batch, time, features), got (batch, 3)"
