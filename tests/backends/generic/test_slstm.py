"""The kernels of the sLSTM against its equations."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from tests.backends.kernel_proof import BACKENDS, BATCH, FEATURES, TIME, UNITS, Proof, sigmoid

RNG = np.random.default_rng(1)
# h, c, n, m; the first row has not begun.
STATES = [RNG.uniform(0.5, 2, (BATCH, UNITS)) for _ in range(4)]
STATES[1][0] = STATES[2][0] = 0
GATES = ("sigmoid", "exp")


def proof(forget: str) -> Proof:
    def step(x: Any, weights: Any, states: Any) -> Any:
        h, c, n, m = states
        i, f, z, o = np.split(x @ weights["w_x"] + h @ weights["w_h"] + weights["b"], 4)
        f = f if forget == "exp" else -np.log(1 + np.exp(-f))
        scale = np.where((n.real == 0) | ((f + m).real < i.real), i, f + m)
        c = np.exp(f + m - scale) * c + np.exp(i - scale) * np.tanh(z)
        n = np.exp(f + m - scale) * n + np.exp(i - scale)
        return sigmoid(o) * c / n, c, n, scale

    weights = {"w_x": (FEATURES, 4 * UNITS), "w_h": (UNITS, 4 * UNITS), "b": (4 * UNITS,)}
    return Proof("slstm", step, weights, STATES, forget=forget)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("forget", GATES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
def test_by_its_equations(backend: str, forget: str, reverse: bool, lengths: Any) -> None:
    proof(forget).hold(backend, lengths, reverse)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("forget", GATES)
def test_what_is_left_out_counts_as_zero(backend: str, forget: str) -> None:
    proof(forget).hold_where_left_out(backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rows_or_no_steps_hand_the_states_through(backend: str) -> None:
    proof("sigmoid").hold_without_steps(backend)


def unscaled(x: Any, weights: Any, forget: str) -> Any:
    """Return the outputs by the equations without m, which overflow where gates are far from 0."""
    h, c, n = np.zeros(UNITS), np.zeros(UNITS), np.zeros(UNITS)
    outputs = []
    for x_t in x:
        i, f, z, o = np.split(x_t @ weights["w_x"] + h @ weights["w_h"] + weights["b"], 4)
        f = np.exp(f) if forget == "exp" else sigmoid(f)
        c, n = f * c + np.exp(i) * np.tanh(z), f * n + np.exp(i)
        h = sigmoid(o) * c / n
        outputs.append(h)
    return np.array(outputs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("forget", GATES)
def test_m_leaves_the_outputs_as_they_are(backend: str, forget: str) -> None:
    given = proof(forget)
    kernel = get_backend(backend).select("slstm")
    y, _, _ = kernel.forward(given.x, *given.weights.values(), None, None, None, None, None, forget=forget)
    assert y.shape == (BATCH, TIME, UNITS)
    for row, x in zip(y, given.x, strict=True):
        np.testing.assert_allclose(row, unscaled(x, given.weights, forget), rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("forget", GATES)
@pytest.mark.parametrize(("i", "f"), [(1e3, 1e3), (1e3, -1e3), (-1e3, 1e3), (-1e3, -1e3), (-300, 0)])
def test_gates_far_from_zero_neither_overflow_nor_divide_by_zero(backend: str, forget: str, i: float, f: float) -> None:
    # An average of tanh(1) alone is tanh(1), whatever the gates.
    x, w_h = np.ones((1, 4, 1), "float32"), np.zeros((1, 4), "float32")
    w_x = np.array([[i, f, 1, 0]], "float32")
    kernel = get_backend(backend).select("slstm")
    with np.errstate(all="raise", under="ignore"):
        y, _, saved = kernel.forward(x, w_x, w_h, None, None, None, None, None, None, forget=forget)
        gradients = kernel.backward(y, None, None, None, None, saved, w_x, w_h)
    np.testing.assert_allclose(y[0, :, 0], np.tanh(1) / 2, rtol=1e-5)
    assert all(np.isfinite(gradient).all() for gradient in gradients[:4])
