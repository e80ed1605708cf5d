"""The kernels of the independently recurrent layer against its equation."""

from typing import Any

import numpy as np
import pytest

from tests.backends.kernel_proof import BACKENDS, BATCH, FEATURES, UNITS, Proof

STATE = np.random.default_rng(1).standard_normal((BATCH, UNITS))
ACTIVATIONS = ("relu", "tanh")


def proof(activation: str) -> Proof:
    def step(x: Any, weights: Any, states: Any) -> Any:
        a = x @ weights["w_x"] + weights["w_h"] * states[0] + weights["b"]
        return (np.tanh(a) if activation == "tanh" else np.where(a.real > 0, a, 0),)

    weights = {"w_x": (FEATURES, UNITS), "w_h": (UNITS,), "b": (UNITS,)}
    return Proof("ind_rnn", step, weights, [STATE], activation=activation)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
def test_by_its_equations(backend: str, activation: str, reverse: bool, lengths: Any) -> None:
    proof(activation).hold(backend, lengths, reverse)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_is_left_out_counts_as_zero(backend: str, activation: str) -> None:
    proof(activation).hold_where_left_out(backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rows_or_no_steps_hand_the_state_through(backend: str) -> None:
    proof("relu").hold_without_steps(backend)
