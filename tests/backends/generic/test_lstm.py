"""The LSTM kernels against the equations, row by row; gradients by complex steps, exact to rounding."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

BATCH, TIME, FEATURES, UNITS = 3, 3, 2, 2
SHAPES = {
    "x": (BATCH, TIME, FEATURES), "w_x": (FEATURES, 4 * UNITS), "w_h": (UNITS, 4 * UNITS), "b": (4 * UNITS,),
    "h": (BATCH, UNITS), "c": (BATCH, UNITS),
}  # fmt: skip


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def equations(lengths: Any, reverse: bool, x: Any, w_x: Any, w_h: Any, b: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
    outputs, h, c = np.zeros((BATCH, TIME, UNITS), x.dtype), h.copy(), c.copy()
    for n in range(BATCH):
        for t in list(range(lengths[n]))[:: -1 if reverse else 1]:
            a = x[n, t] @ w_x + h[n] @ w_h + b
            i, f, g, o = (a[gate * UNITS : (gate + 1) * UNITS] for gate in range(4))
            c[n] = sigmoid(f) * c[n] + sigmoid(i) * np.tanh(g)
            h[n] = outputs[n, t] = sigmoid(o) * np.tanh(c[n])
    return outputs, h, c


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
def test_lstm_by_its_equations(backend: str, reverse: bool, lengths: Any) -> None:
    rng = np.random.default_rng(2)
    values = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    dy = [rng.standard_normal(shape) for shape in ((BATCH, TIME, UNITS), (BATCH, UNITS), (BATCH, UNITS))]
    steps = lengths or (TIME,) * BATCH
    for row, length in enumerate(steps):
        values["x"][row, length:] = dy[0][row, length:] = 0
    expected = equations(steps, reverse, **values)
    gradients = {}
    for name, array in values.items():
        gradients[name] = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[place] += 1e-30j
            results = equations(steps, reverse, **{**{k: v + 0j for k, v in values.items()}, name: moved})
            gradients[name][place] = sum((r.imag * d).sum() for r, d in zip(results, dy, strict=True)) / 1e-30

    for row, length in enumerate(steps):
        values["x"][row, length:] = dy[0][row, length:] = np.nan  # never looked at
    for array in (*values.values(), *dy):
        array.flags.writeable = False
    kernel = get_backend(backend).select("lstm")
    own = None if lengths is None else np.array(lengths)
    h, last, saved = kernel.forward(*values.values(), own, reverse=reverse)
    for got, wanted in zip((h, *last), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    *got_gradients, dstates = kernel.backward(*dy, saved, values["w_x"], values["w_h"])
    for name, got in zip(SHAPES, (*got_gradients, *dstates), strict=True):
        np.testing.assert_allclose(got, gradients[name], rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_what_is_left_out_counts_as_zero(backend: str) -> None:
    rng = np.random.default_rng(3)
    x, w_x, w_h = (rng.standard_normal(SHAPES[name]) for name in ("x", "w_x", "w_h"))
    zeros, kernel = np.zeros((BATCH, UNITS)), get_backend(backend).select("lstm")
    h, last, saved = kernel.forward(x, w_x, w_h, None, None, None, None)
    h_full, last_full, saved_full = kernel.forward(x, w_x, w_h, np.zeros(4 * UNITS), zeros, zeros, np.full(BATCH, TIME))
    np.testing.assert_allclose(h, h_full, rtol=1e-13)
    np.testing.assert_allclose(last, last_full, rtol=1e-13)
    *some, _ = kernel.backward(None, None, np.ones((BATCH, UNITS)), saved, w_x, w_h)
    *full, _ = kernel.backward(np.zeros(h.shape), zeros, np.ones((BATCH, UNITS)), saved_full, w_x, w_h)
    for one, other in zip(some, full, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 0)])
def test_no_rows_or_no_steps_hand_the_states_through(backend: str, batch: int, time: int) -> None:
    x, w_x, w_h = np.zeros((batch, time, 2)), np.ones((2, 12)), np.ones((3, 12))
    h, c, kernel = np.full((batch, 3), 0.5), np.full((batch, 3), 0.25), get_backend(backend).select("lstm")
    y, last, saved = kernel.forward(x, w_x, w_h, np.ones(12), h, c, None)
    assert y.shape == (batch, time, 3)
    assert [state.tolist() for state in last] == [h.tolist(), c.tolist()]
    dx, *_, dstates = kernel.backward(y, h, c, saved, w_x, w_h)
    assert dx.shape == x.shape
    assert [state.tolist() for state in dstates] == [h.tolist(), c.tolist()]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_gates_far_from_zero_saturate_without_overflow(backend: str) -> None:
    x, w_h = np.array([[[1e4], [-1e4]]], "float32"), np.zeros((1, 4), "float32")
    kernel = get_backend(backend).select("lstm")
    y, _, saved = kernel.forward(x, np.ones((1, 4), "float32"), w_h, None, None, None, None)
    np.testing.assert_allclose(y[0, :, 0], [np.tanh(1), 0], rtol=1e-6)
    assert all(np.isfinite(g).all() for g in kernel.backward(y, None, None, saved, np.ones((1, 4), "float32"), w_h)[:4])
