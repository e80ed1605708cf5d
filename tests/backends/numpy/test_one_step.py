"""NumPy's steps are the generic ones, for one row and for several, and write into nothing they were given."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

NUMPY, REFERENCE = get_backend("numpy"), get_backend("reference")
CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("simple_rnn_step", 1, {}),
    ("simple_rnn_step", 1, {"activation": "relu"}),
    ("lstm_step", 4, {}),
    ("gru_step", 3, {}),
    ("gru_step", 3, {"reset_after": False}),
    ("slstm_step", 4, {}),
    ("slstm_step", 4, {"forget": "exp"}),
]
STATES = {"lstm_step": 2, "slstm_step": 4}


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "gates", "options"), CASES)
def test_a_step_is_the_generic_one(
    name: str, gates: int, options: dict[str, Any], dtype: str, bias: bool, rows: int
) -> None:
    rng = np.random.default_rng(rows)

    def drawn(*shape: int) -> np.ndarray:
        array = 30 * rng.standard_normal(shape).astype(dtype) / 10
        array.flags.writeable = False
        return array

    b = [drawn(4 * gates) if bias else None]
    if name == "gru_step":
        b.append(drawn(4) if bias else None)
    states = [drawn(rows, 4) for _ in range(STATES.get(name, 1))]
    if name == "slstm_step":  # its n is never below 0, and where it is 0 so is c
        begun = np.arange(4) > 1
        states[1:3] = states[1] * begun, abs(states[2]) * begun
    arguments = (drawn(rows, 3), drawn(3, 4 * gates), drawn(4, 4 * gates), *b, *states)
    got, expected = (getattr(one, name)(*arguments, **options) for one in (NUMPY, REFERENCE))
    for own, other in zip(*(each if isinstance(each, tuple) else (each,) for each in (got, expected)), strict=True):
        assert own.dtype == dtype
        np.testing.assert_allclose(
            own, other, rtol=1e-6 if dtype == "float32" else 1e-14, atol=1e-6 if dtype == "float32" else 1e-14
        )
        assert not any(np.shares_memory(own, given) for given in arguments if given is not None)


@pytest.mark.parametrize(("name", "gates", "options"), CASES)
def test_nothing_overflows(name: str, gates: int, options: dict[str, Any]) -> None:
    large = np.full((1, 4 * gates), 1e30)
    states = [np.full((1, 4), 0.5)] * STATES.get(name, 1)
    b = [None, None] if name == "gru_step" else [None]
    with np.errstate(all="raise", under="ignore"):
        for sign in (-1, 1):
            after = getattr(NUMPY, name)(
                np.ones((1, 1)), sign * large, np.zeros((4, 4 * gates)), *b, *states, **options
            )
            assert all(np.isfinite(own).all() for own in (after if isinstance(after, tuple) else (after,)))
