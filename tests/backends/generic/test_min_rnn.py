"""The kernels of MinGRU and MinLSTM against their equations."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from tests.backends.kernel_proof import BACKENDS, BATCH, FEATURES, UNITS, Proof, sigmoid

STATE = np.random.default_rng(1).standard_normal((BATCH, UNITS))


def min_gru(x: Any, weights: Any, states: Any) -> Any:
    z, candidate = np.split(x @ weights["w_x"] + weights["b"], 2)
    z = sigmoid(z)
    return ((1 - z) * states[0] + z * candidate,)


def min_lstm(x: Any, weights: Any, states: Any) -> Any:
    i, f, candidate = np.split(x @ weights["w_x"] + weights["b"], 3)
    i, f = sigmoid(i), sigmoid(f)
    return (f / (f + i) * states[0] + i / (f + i) * candidate,)


def proofs() -> dict[str, Proof]:
    return {
        name: Proof(name, step, {"w_x": (FEATURES, gates * UNITS), "b": (gates * UNITS,)}, [STATE])
        for name, step, gates in (("min_gru", min_gru, 2), ("min_lstm", min_lstm, 3))
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", proofs())
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
def test_by_its_equations(backend: str, name: str, reverse: bool, lengths: Any) -> None:
    proofs()[name].hold(backend, lengths, reverse)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", proofs())
def test_what_is_left_out_counts_as_zero(backend: str, name: str) -> None:
    proofs()[name].hold_where_left_out(backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", proofs())
def test_no_rows_or_no_steps_hand_the_state_through(backend: str, name: str) -> None:
    proofs()[name].hold_without_steps(backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("i", "f", "kept"), [(-1e4, -1e4, 0.5), (-1e4, -1e4 + 1, sigmoid(1.0)), (1e4, -1e4, 0), (-1e4, 1e4, 1)]
)
def test_gates_far_from_zero_still_share(backend: str, i: float, f: float, kept: float) -> None:
    # Both sigmoids are 0 in float32; their quotient is not.
    kernel = get_backend(backend).select("min_lstm")
    x, w = np.ones((1, 1, 1), "float32"), np.array([[i, f, 0]], "float32")
    y, _, saved = kernel.forward(x, w, None, np.ones((1, 1), "float32"), None)
    np.testing.assert_allclose(y, [[[kept]]], rtol=1e-6)
    assert all(np.isfinite(gradient).all() for gradient in kernel.backward(y, None, saved, w))
