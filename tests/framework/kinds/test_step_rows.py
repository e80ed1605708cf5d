"""A cell's step has the rows that have that step: what stands past a row's end does not count in what rows share."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Cell, Recurrent, Sequential, Stream
from lamina.errors import BackendError
from lamina.layers import BatchNorm, Dense, Dropout
from lamina.testing import check_gradients, check_model, register_strict_backend
from lamina.testing.random_models.parts import Averaging, Mixing, Remembering

X = np.random.default_rng(0).standard_normal((5, 4, 3))
LENGTHS = np.array([2, 4, 0, 1, 4])
BACKENDS = ["numpy", "reference", "numba", "array-api-strict"]


def backend_called(name: str) -> str:
    try:
        return register_strict_backend().name if name == "array-api-strict" else lamina.get_backend(name).name
    except BackendError as error:
        pytest.skip(str(error))


def normalized(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)


def written_out(x: np.ndarray, lengths: np.ndarray, backwards: bool) -> np.ndarray:
    """h' = (h + norm(x)) / 2, each step over the rows that have it."""
    h, outputs = np.zeros((x.shape[0], x.shape[2])), np.zeros(x.shape)
    steps = range(x.shape[1])
    for t in reversed(steps) if backwards else steps:
        rows = lengths > t
        if rows.any():
            h[rows] = (h[rows] + normalized(x[rows, t])) / 2
            outputs[rows, t] = h[rows]
    return outputs


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("padding", [0.0, 1e6])
def test_statistics_are_those_of_the_rows_that_have_the_step(backend: str, backwards: bool, padding: float) -> None:
    layer = Recurrent(Averaging(BatchNorm(), 3), return_sequences=True, go_backwards=backwards)
    layer.build((None, None, 3), dtype="float64", backend=backend_called(backend), seed=0)
    x = X.copy()
    for row, length in enumerate(LENGTHS):
        x[row, length:] = padding
    y, saved = layer.forward(layer.as_input(x), lengths=LENGTHS)
    expected = written_out(X, LENGTHS, backwards)
    assert np.allclose(layer.backend.to_numpy(y), expected, rtol=0, atol=1e-12)
    dx = layer.backend.to_numpy(layer.backward(layer.backend.asarray(np.cos(expected)), saved))
    assert np.isfinite(dx).all()
    assert not any(dx[row, length:].any() for row, length in enumerate(LENGTHS))
    mean = 0.0
    steps = range(4)
    for t in reversed(steps) if backwards else steps:
        mean = 0.9 * mean + 0.1 * X[t < LENGTHS, t].mean(axis=0)
    assert np.allclose(layer.state_dict()["cell.inner.running_mean"], mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "cell",
    [
        lambda: Averaging(Sequential(Dense(3), BatchNorm()), 3),
        lambda: Mixing(Dense(3), BatchNorm(), 3),
        lambda: Remembering(BatchNorm(), 3),
    ],
)
def test_gradients_of_cells_that_take_rows_together(cell: Any) -> None:
    for layer in (Recurrent(cell(), return_sequences=True), Bidirectional(Recurrent(cell(), return_sequences=True))):
        layer.build((None, None, 3), dtype="float64", seed=0)
        assert check_gradients(layer, X, lengths=LENGTHS) < 1e-6
        check_model(layer, X, lengths=LENGTHS, loss="mse")


class Counting(Cell):
    """Notes how many rows each step has."""

    def __init__(self) -> None:
        self.units = 3
        self.seen: list[int] = []

    def build(self, x: Any, h: Any) -> Any:
        return h

    def forward(self, x: Any, h: Any) -> Any:
        self.seen.append(x.shape[0])
        return h + x, None

    def backward(self, dh: Any, saved: Any) -> Any:
        self.seen.append(-dh.shape[0])
        return dh, dh


@pytest.mark.parametrize("lengths", [[2, 4, 0, 1, 4], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], None])
def test_a_step_is_asked_for_the_rows_that_have_it_and_for_none_not_at_all(lengths: Any) -> None:
    layer = Recurrent(Counting(), return_sequences=True)
    layer.build((None, None, 3), dtype="float64")
    own = np.full(5, 4) if lengths is None else np.array(lengths)
    counts = [int((own > t).sum()) for t in range(4) if (own > t).any()]
    y, saved = layer.forward(X, lengths=lengths)
    valid = (np.arange(4) < own[:, None])[..., None]
    assert np.allclose(y, np.cumsum(X * valid, axis=1) * valid, rtol=0, atol=1e-12)
    dx = layer.backward(np.ones(y.shape), saved)
    assert layer.cell.seen == counts + [-count for count in reversed(counts)]  # type: ignore[attr-defined]
    later = np.flip(np.cumsum(np.flip(valid * np.ones(3), axis=1), axis=1), axis=1)
    assert np.allclose(dx, later * valid, rtol=0, atol=1e-12)
    assert dx.shape == X.shape


def test_rows_that_have_ended_draw_nothing_and_the_others_as_ever() -> None:
    layer = Recurrent(Averaging(Dropout(0.5), 3), return_sequences=True)
    layer.build((None, None, 3), dtype="float64", seed=4)
    whole, _ = layer.forward(X)
    layer.cell.inner.reseed(4)  # type: ignore[attr-defined]
    ragged, _ = layer.forward(X, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        assert (ragged[row, :length] == whole[row, :length]).all()


def test_a_stream_and_inference_have_those_rows_too() -> None:
    layer = Recurrent(Counting(), return_sequences=True)
    layer.build((None, None, 3), dtype="float64")
    expected = layer(X, lengths=LENGTHS)
    stream = Stream(layer)
    parts = [stream(X[:, a:b], lengths=np.clip(LENGTHS - a, 0, b - a)) for a, b in ((0, 1), (1, 3), (3, 4))]
    assert np.allclose(np.concatenate(parts, axis=1), expected, rtol=0, atol=1e-12)
    assert layer.cell.seen[:4] == [4, 3, 2, 2]  # type: ignore[attr-defined]
