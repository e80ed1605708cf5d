"""The kernels of the linear recurrent unit against its equations, in complex numbers."""

from typing import Any

import numpy as np
import pytest

from tests.backends.kernel_proof import BACKENDS, BATCH, FEATURES, UNITS, Proof

RNG = np.random.default_rng(1)
STATES = [RNG.standard_normal((BATCH, UNITS)), RNG.standard_normal((BATCH, 2 * UNITS))]


def step(x: Any, weights: Any, states: Any) -> Any:
    """Take both parts of the state as numbers of their own, so that a complex step may be taken through them."""
    n, p, gain = np.split(np.exp(weights["eigenvalues"]), 3)
    re, im = np.split(states[1], 2)
    b_re, b_im = np.split(x @ weights["w_b"], 2)
    size = np.exp(-n)
    new = np.concatenate(
        [
            size * (np.cos(p) * re - np.sin(p) * im) + gain * b_re,
            size * (np.sin(p) * re + np.cos(p) * im) + gain * b_im,
        ]
    )
    return new @ weights["w_c"] + x @ weights["w_d"], new


def proof() -> Proof:
    weights = {
        "eigenvalues": (3 * UNITS,),
        "w_b": (FEATURES, 2 * UNITS),
        "w_c": (2 * UNITS, UNITS),
        "w_d": (FEATURES, UNITS),
    }
    return Proof("lru", step, weights, STATES)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, (2, 0, 3)])
def test_by_its_equations(backend: str, reverse: bool, lengths: Any) -> None:
    proof().hold(backend, lengths, reverse)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_left_out_counts_as_zero(backend: str) -> None:
    proof().hold_where_left_out(backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rows_or_no_steps_hand_the_states_through(backend: str) -> None:
    proof().hold_without_steps(backend)


def test_the_equations_are_those_of_complex_numbers() -> None:
    given = proof()
    n, p, gain = np.split(np.exp(given.weights["eigenvalues"]), 3)
    halves = {name: np.split(given.weights[name], 2, axis=axis) for name, axis in (("w_b", 1), ("w_c", 0))}
    b, c = halves["w_b"][0] + 1j * halves["w_b"][1], halves["w_c"][0] - 1j * halves["w_c"][1]
    s = given.states[1][0, :UNITS] + 1j * given.states[1][0, UNITS:]
    s = np.exp(-n + 1j * p) * s + gain * (given.x[0, 0] @ b)
    y, state = step(given.x[0, 0], given.weights, tuple(state[0] for state in given.states))
    np.testing.assert_allclose(y, (s @ c).real + given.x[0, 0] @ given.weights["w_d"], rtol=1e-13)
    np.testing.assert_allclose(state, np.concatenate([s.real, s.imag]), rtol=1e-13)
