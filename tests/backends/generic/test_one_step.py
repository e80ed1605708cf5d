"""One step by hand, and as the kernels over the whole time axis."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

RNG = np.random.default_rng(0)
X, H, C = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


def weights(gates: int) -> tuple[Any, ...]:
    return tuple(RNG.normal(size=shape) for shape in ((2, 4 * gates), (4, 4 * gates), (4 * gates,)))


@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_numbers_by_hand(name: str) -> None:
    backend = get_backend(name)
    one = np.array([[1.0]])
    h = backend.simple_rnn_step(2 * one, 0.5 * one, 0.25 * one, None, -2 * one)
    assert h.item() == pytest.approx(np.tanh(2 * 0.5 - 2 * 0.25))
    gate = 1 / (1 + np.exp(-2.0))
    h, c = backend.lstm_step(2 * one, np.ones((1, 4)), np.zeros((1, 4)), None, one, 3 * one)
    assert c.item() == pytest.approx(gate * 3 + gate * np.tanh(2.0))
    assert h.item() == pytest.approx(gate * np.tanh(c.item()))
    h = backend.gru_step(2 * one, np.ones((1, 3)), np.zeros((1, 3)), None, one[0], 3 * one)
    assert h.item() == pytest.approx((1 - gate) * np.tanh(2 + gate) + gate * 3)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_a_step_is_a_sequence_of_one(name: str, bias: bool) -> None:
    backend = get_backend(name)
    for activation in ("tanh", "relu"):
        w_x, w_h, b = weights(1)
        b = b if bias else None
        _, last, _ = backend.simple_rnn_forward(X[:, None], w_x, w_h, b, H, None, activation=activation)
        assert abs(backend.simple_rnn_step(X, w_x, w_h, b, H, activation=activation) - last).max() < 1e-14
    w_x, w_h, b = weights(4)
    b = b if bias else None
    _, states, _ = backend.lstm_forward(X[:, None], w_x, w_h, b, H, C, None)
    for got, expected in zip(backend.lstm_step(X, w_x, w_h, b, H, C), states, strict=True):
        assert abs(got - expected).max() < 1e-14
    for reset_after in (True, False):
        w_x, w_h, b = weights(3)
        b, b_h = (b, RNG.normal(size=4)) if bias else (None, None)
        b_h = b_h if reset_after else None
        _, last, _ = backend.gru_forward(X[:, None], w_x, w_h, b, b_h, H, None, reset_after=reset_after)
        assert abs(backend.gru_step(X, w_x, w_h, b, b_h, H, reset_after=reset_after) - last).max() < 1e-14


def test_large_inputs_overflow_nowhere() -> None:
    backend = get_backend("numpy")
    for size in (1e4, -1e4):
        w_x, w_h, b = (np.full(shape, size) for shape in ((2, 16), (4, 16), (16,)))
        h, c = backend.lstm_step(X, w_x, w_h, b, H, C)
        assert np.isfinite(h).all()
        assert np.isfinite(c).all()
