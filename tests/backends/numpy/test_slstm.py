"""NumPy's sLSTM equals the generic kernel, which its equations have proven, whatever the sizes."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.numpy.gates import CHUNK_ROWS
from tests.backends.generic.test_slstm import GATES, proof
from tests.backends.kernel_proof import hold_equal
from tests.backends.slstm_extremes import FORGET, LENGTHS, PUSHES, STATES, hold

# One row over many steps, which goes in blocks of time; many steps to a chunk, and one.
SIZES = [(1, 100), (4, 150), (40, 20), (CHUNK_ROWS + 50, 3)]


@pytest.mark.parametrize("forget", GATES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equals_the_generic_kernel(forget: str, sizes: tuple[int, int], dtype: str) -> None:
    hold_equal("numpy", "reference", proof(forget), 0, sizes, dtype)


UNITS, FEATURES = 3, 2


def both(rows: int, time: int, lengths: Any, push: Any, states: Any) -> list[list[Any]]:
    """Return everything the kernels give, in float64; push (time,) is added to what i squashes."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.standard_normal((rows, time, FEATURES)), np.tile(push[None, :, None], (rows, 1, 1))], 2)
    w_x, w_h = rng.standard_normal((FEATURES + 1, 4 * UNITS)), rng.standard_normal((UNITS, 4 * UNITS)) / 2
    w_x[-1] = np.repeat([1, 0, 0, 0], UNITS)
    dy, *dlast = (rng.standard_normal(shape) for shape in ((rows, time, UNITS), *[(rows, UNITS)] * 4))
    results = []
    for name in ("numpy", "reference"):
        kernel = get_backend(name).select("slstm")
        h, last, saved = kernel.forward(x, w_x, w_h, None, *states, lengths)
        *gradients, dstates = kernel.backward(dy, *dlast, saved, w_x, w_h)
        results.append([h, *last, *gradients, *dstates])
    return results


# Where what i squashes goes, and from where on n is out of range of the first m.
LEAVINGS = {
    "up": lambda steps: np.where(steps < 600, 0, 40),
    "down": lambda steps: np.where(steps < 600, 0, -40),
    "up at once": lambda steps: np.full(len(steps), 40),
    "down and back": lambda steps: np.where((steps > 300) & (steps < 700), -60, 0),
    "far": lambda steps: np.where(steps < 600, 0, 1000),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("push", LEAVINGS)
@pytest.mark.parametrize(("rows", "lengths"), [(1, None), (2, None), (4, [900, 0, 130, 700])], ids=["1", "2", "ragged"])
def test_n_may_leave_the_range_of_the_first_m(push: str, rows: int, lengths: Any) -> None:
    lengths = None if lengths is None else np.array(lengths)
    for one, other in zip(*both(rows, 900, lengths, LEAVINGS[push](np.arange(900.0)), [None] * 4), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * max(1, np.abs(other).max()))


def test_a_first_m_far_from_zero() -> None:
    # It is what n is divided by, so that n stays near 1; and where there is no n yet it says nothing.
    rng = np.random.default_rng(0)
    h, c, n = rng.uniform(0.5, 2, (3, 4, UNITS))
    c[0], n[0] = 0, 0
    for m in (-300.0, 300.0):
        states = h, c, n, np.full_like(n, m)
        for one, other in zip(*both(4, 200, None, np.zeros(200), states), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * max(1, np.abs(other).max()))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("forget", FORGET)
@pytest.mark.parametrize("states", STATES)
@pytest.mark.parametrize("pushes", PUSHES)
def test_gates_and_states_far_from_0(pushes: str, states: str, forget: str, dtype: str) -> None:
    for lengths in LENGTHS:
        for reverse in (False, True):
            hold("numpy", dtype, pushes, states, lengths, forget, reverse)


def test_no_state_given_and_zeros_given_are_the_same() -> None:
    zeros = [np.zeros((3, UNITS))] * 4
    for one, other in zip(
        both(3, 50, None, np.zeros(50), [None] * 4), both(3, 50, None, np.zeros(50), zeros), strict=True
    ):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
