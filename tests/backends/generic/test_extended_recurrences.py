"""SimpleRNN, LSTM and GRU with a mask of the state, and the LSTM with a projection, against their equations."""

from typing import Any

import numpy as np
import pytest

from tests.backends.generic.by_equations import prove, sigmoid

UNITS, PROJECTION = 3, 2
WAYS = [
    pytest.mark.parametrize("backend", ["numpy", "reference"]),
    pytest.mark.parametrize("reverse", [False, True]),
    pytest.mark.parametrize("lengths", [None, (2, 0, 3)]),
]
MASK = {"state_mask": (3, UNITS)}


def every_way(test: Any) -> Any:
    for way in WAYS:
        test = way(test)
    return test


@every_way
def test_simple_rnn(backend: str, reverse: bool, lengths: Any) -> None:
    def step(x: Any, h: Any, w_x: Any, w_h: Any, b: Any, state_mask: Any) -> tuple[Any]:
        return (np.tanh(x @ w_x + (h * state_mask) @ w_h + b),)

    shapes = {"x": (3, 3, 2), "w_x": (2, UNITS), "w_h": (UNITS, UNITS), "b": (UNITS,), "h": (3, UNITS)} | MASK
    options = {"activation": "tanh"}
    prove("extended_simple_rnn", backend, step, shapes, ["h"], lengths, reverse, options, ("state_mask",))


@every_way
@pytest.mark.parametrize("after", [True, False])
def test_gru(backend: str, reverse: bool, lengths: Any, after: bool) -> None:
    def step(x: Any, h: Any, w_x: Any, w_h: Any, b: Any, b_h: Any, state_mask: Any) -> tuple[Any]:
        a, seen, two = x @ w_x + b, h * state_mask, 2 * UNITS
        gates = sigmoid(a[:two] + seen @ w_h[:, :two])
        r, z = gates[:UNITS], gates[UNITS:]
        inside = r * (seen @ w_h[:, two:] + b_h) if after else (r * seen) @ w_h[:, two:]
        return ((1 - z) * np.tanh(a[two:] + inside) + z * h,)

    shapes = {
        "x": (3, 3, 2), "w_x": (2, 3 * UNITS), "w_h": (UNITS, 3 * UNITS), "b": (3 * UNITS,), "b_h": (UNITS,),
        "h": (3, UNITS), **MASK,
    }  # fmt: skip
    options = {"reset_after": after}
    prove("extended_gru", backend, step, shapes, ["h"], lengths, reverse, options, ("state_mask",))


@every_way
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("size", [PROJECTION, 5])
def test_lstm_with_a_projection(backend: str, reverse: bool, lengths: Any, masked: bool, size: int) -> None:
    def step(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, b: Any, w_p: Any, state_mask: Any = 1) -> tuple[Any, Any]:
        a = x @ w_x + (h * state_mask) @ w_h + b
        i, f, g, o = (a[gate * UNITS : (gate + 1) * UNITS] for gate in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return (sigmoid(o) * np.tanh(c)) @ w_p, c

    mask = {"state_mask": (3, size)} if masked else {}
    shapes = {
        "x": (3, 3, 2), "w_x": (2, 4 * UNITS), "w_h": (size, 4 * UNITS), "b": (4 * UNITS,), "h": (3, size),
        "c": (3, UNITS), "w_p": (UNITS, size), **mask,
    }  # fmt: skip
    prove("extended_lstm", backend, step, shapes, ["h", "c"], lengths, reverse, {}, ("w_p", *mask))
