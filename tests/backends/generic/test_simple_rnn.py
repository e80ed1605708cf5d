"""The SimpleRNN kernels against scalar loops over the equations, on both backends over NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

BATCH, TIME, FEATURES, UNITS = 3, 4, 2, 3
RAGGED = (2, 0, 4)


class Loops:
    """h_t = f(x_t w_x + h_{t-1} w_h + b) and its gradients, one scalar at a time."""

    def __init__(self, x: Any, w_x: Any, w_h: Any, b: Any, lengths: Any, activation: str, reverse: bool) -> None:
        self.x, self.w_x, self.w_h, self.b = x, w_x, w_h, b
        self.steps = [list(range(n))[::-1] if reverse else list(range(n)) for n in lengths]
        self.f = math.tanh if activation == "tanh" else lambda a: max(a, 0.0)
        self.slope = (lambda h: 1 - h * h) if activation == "tanh" else (lambda h: float(h > 0))
        self.before: dict[tuple[int, int], list[float]] = {}
        self.after: dict[tuple[int, int], list[float]] = {}

    def forward(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, last = np.zeros((BATCH, TIME, UNITS)), state.copy()
        for n in range(BATCH):
            for t in self.steps[n]:
                before = last[n].tolist()
                after = []
                for j in range(UNITS):
                    a = self.b[j]
                    a += sum(self.x[n, t, i] * self.w_x[i, j] for i in range(FEATURES))
                    a += sum(before[k] * self.w_h[k, j] for k in range(UNITS))
                    after.append(self.f(a))
                self.before[n, t], self.after[n, t] = before, after
                h[n, t] = last[n] = after
        return h, last

    def backward(self, dh: np.ndarray, dlast: np.ndarray) -> tuple[np.ndarray, ...]:
        dx, dw_x, dw_h = np.zeros(self.x.shape), np.zeros((FEATURES, UNITS)), np.zeros((UNITS, UNITS))
        db, carried = np.zeros(UNITS), dlast.copy()
        for n in range(BATCH):
            for t in reversed(self.steps[n]):
                da = [(carried[n, j] + dh[n, t, j]) * self.slope(self.after[n, t][j]) for j in range(UNITS)]
                for j in range(UNITS):
                    db[j] += da[j]
                    for i in range(FEATURES):
                        dw_x[i, j] += self.x[n, t, i] * da[j]
                        dx[n, t, i] += da[j] * self.w_x[i, j]
                    for k in range(UNITS):
                        dw_h[k, j] += self.before[n, t][k] * da[j]
                carried[n] = [sum(da[j] * self.w_h[k, j] for j in range(UNITS)) for k in range(UNITS)]
        return dx, dw_x, dw_h, db, carried


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, RAGGED])
@pytest.mark.parametrize("optional", [True, False])
def test_simple_rnn_by_loops(
    backend: str, activation: str, reverse: bool, lengths: tuple[int, ...] | None, optional: bool
) -> None:
    rng = np.random.default_rng(5)
    x, w_x = rng.standard_normal((BATCH, TIME, FEATURES)), rng.standard_normal((FEATURES, UNITS))
    w_h, b = rng.standard_normal((UNITS, UNITS)) / 2, rng.standard_normal(UNITS)
    state, dlast = rng.standard_normal((BATCH, UNITS)), rng.standard_normal((BATCH, UNITS))
    dh = rng.standard_normal((BATCH, TIME, UNITS))
    if lengths is not None:
        for row, length in enumerate(lengths):
            x[row, length:] = np.nan  # what stands past a row's end is never looked at
            dh[row, length:] = np.nan
    for array in (x, w_x, w_h, b, state, dlast, dh):
        array.flags.writeable = False

    zeros = np.zeros((BATCH, UNITS))
    loops = Loops(x, w_x, w_h, b if optional else zeros[0], lengths or (TIME,) * BATCH, activation, reverse)
    h_expected, last_expected = loops.forward(state if optional else zeros)
    expected = loops.backward(dh if optional else np.zeros(dh.shape), dlast)

    kernel = get_backend(backend).select("simple_rnn", activation=activation)
    h, last, saved = kernel.forward(
        x,
        w_x,
        w_h,
        b if optional else None,
        state if optional else None,
        None if lengths is None else np.array(lengths),
        activation=activation,
        reverse=reverse,
    )
    h.flags.writeable = False
    got = kernel.backward(dh if optional else None, dlast, saved, w_x, w_h)
    for result, wanted in zip((h, last, *got), (h_expected, last_expected, *expected), strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_without_a_gradient_of_the_last_state_only_the_outputs_count(backend: str) -> None:
    rng = np.random.default_rng(6)
    x, w_x, w_h = rng.standard_normal((2, 3, 2)), rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    dh, kernel = rng.standard_normal((2, 3, 2)), get_backend(backend).select("simple_rnn", activation="tanh")
    gradients = [
        kernel.backward(dh, dstate, kernel.forward(x, w_x, w_h, None, None, None)[2], w_x, w_h)
        for dstate in (None, np.zeros((2, 2)))
    ]
    for without, with_zeros in zip(*gradients, strict=True):
        assert without.tolist() == with_zeros.tolist()


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize("ragged", [False, True])
def test_no_rows_or_no_steps_hand_the_state_through(backend: str, batch: int, time: int, ragged: bool) -> None:
    x, state, ones = np.zeros((batch, time, 2)), np.full((batch, 3), 0.5), np.ones
    lengths = np.full(batch, time) if ragged and time == 0 else None
    kernel = get_backend(backend).select("simple_rnn", activation="tanh")
    h, last, saved = kernel.forward(x, ones((2, 3)), ones((3, 3)), ones(3), state, lengths)
    assert h.shape == (batch, time, 3)
    assert last.tolist() == state.tolist()
    dx, dw_x, dw_h, db, dstate = kernel.backward(ones((batch, time, 3)), state, saved, ones((2, 3)), ones((3, 3)))
    assert dx.shape == x.shape
    assert dstate.tolist() == state.tolist()
    for gradient, shape in ((dw_x, (2, 3)), (dw_h, (3, 3)), (db, (3,))):
        assert gradient.tolist() == np.zeros(shape).tolist()
