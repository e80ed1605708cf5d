"""The GRU kernels, both forms, against the equations; gradients by complex steps, exact to rounding."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

BATCH, TIME, FEATURES, UNITS = 3, 3, 2, 2
SHAPES = {
    "x": (BATCH, TIME, FEATURES), "w_x": (FEATURES, 3 * UNITS), "w_h": (UNITS, 3 * UNITS), "b": (3 * UNITS,),
    "b_h": (UNITS,), "state": (BATCH, UNITS),
}  # fmt: skip


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def equations(
    after: bool, lengths: Any, reverse: bool, x: Any, w_x: Any, w_h: Any, b: Any, b_h: Any, state: Any
) -> tuple[Any, Any]:
    outputs, h = np.zeros((BATCH, TIME, UNITS), x.dtype), state.copy()
    rows, columns, last = slice(UNITS), slice(UNITS, 2 * UNITS), slice(2 * UNITS, 3 * UNITS)
    for n in range(BATCH):
        for t in list(range(lengths[n]))[:: -1 if reverse else 1]:
            a = x[n, t] @ w_x + b
            r = sigmoid(a[rows] + h[n] @ w_h[:, rows])
            z = sigmoid(a[columns] + h[n] @ w_h[:, columns])
            inner = r * (h[n] @ w_h[:, last] + b_h) if after else (r * h[n]) @ w_h[:, last]
            h[n] = outputs[n, t] = (1 - z) * np.tanh(a[last] + inner) + z * h[n]
    return outputs, h


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
def test_gru_by_its_equations(backend: str, after: bool, reverse: bool, lengths: Any) -> None:
    rng = np.random.default_rng(2)
    values = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    dy = [rng.standard_normal(shape) for shape in ((BATCH, TIME, UNITS), (BATCH, UNITS))]
    steps = lengths or (TIME,) * BATCH
    for row, length in enumerate(steps):
        values["x"][row, length:] = dy[0][row, length:] = 0
    expected = equations(after, steps, reverse, **values)
    gradients = {}
    for name, array in values.items():
        gradients[name] = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[place] += 1e-30j
            results = equations(after, steps, reverse, **{**{k: v + 0j for k, v in values.items()}, name: moved})
            gradients[name][place] = sum((r.imag * d).sum() for r, d in zip(results, dy, strict=True)) / 1e-30

    for row, length in enumerate(steps):
        values["x"][row, length:] = dy[0][row, length:] = np.nan  # never looked at
    for array in (*values.values(), *dy):
        array.flags.writeable = False
    kernel = get_backend(backend).select("gru", reset_after=after)
    own, arguments = None if lengths is None else np.array(lengths), dict(values)
    if not after:
        arguments["b_h"] = None
    h, last, saved = kernel.forward(*arguments.values(), own, reset_after=after, reverse=reverse)
    for got, wanted in zip((h, last), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    results = kernel.backward(*dy, saved, values["w_x"], values["w_h"])
    for name, got in zip(SHAPES, results, strict=True):
        if after or name != "b_h":
            np.testing.assert_allclose(got, gradients[name], rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("after", [True, False])
def test_what_is_left_out_counts_as_zero(backend: str, after: bool) -> None:
    rng = np.random.default_rng(3)
    x, w_x, w_h = (rng.standard_normal(SHAPES[name]) for name in ("x", "w_x", "w_h"))
    kernel = get_backend(backend).select("gru", reset_after=after)
    zeros, b_h = np.zeros((BATCH, UNITS)), np.zeros(UNITS) if after else None
    h, last, saved = kernel.forward(x, w_x, w_h, None, None, None, None, reset_after=after)
    h_full, last_full, saved_full = kernel.forward(
        x, w_x, w_h, np.zeros(3 * UNITS), b_h, zeros, np.full(BATCH, TIME), reset_after=after
    )
    np.testing.assert_allclose(h, h_full, rtol=1e-13)
    np.testing.assert_allclose(last, last_full, rtol=1e-13)
    some = kernel.backward(None, np.ones((BATCH, UNITS)), saved, w_x, w_h)
    full = kernel.backward(np.zeros(h.shape), np.ones((BATCH, UNITS)), saved_full, w_x, w_h)
    for one, other in zip(some, full, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 0)])
def test_no_rows_or_no_steps_hand_the_state_through(backend: str, after: bool, batch: int, time: int) -> None:
    x, w_x, w_h, state = np.zeros((batch, time, 2)), np.ones((2, 9)), np.ones((3, 9)), np.full((batch, 3), 0.5)
    kernel = get_backend(backend).select("gru", reset_after=after)
    y, last, saved = kernel.forward(x, w_x, w_h, np.ones(9), None, state, None, reset_after=after)
    assert y.shape == (batch, time, 3)
    assert last.tolist() == state.tolist()
    dx, *_, dstate = kernel.backward(y, state, saved, w_x, w_h)
    assert dx.shape == x.shape
    assert dstate.tolist() == state.tolist()
