"""What stands past each row's end, and around it, on NumPy."""

import numpy as np
import pytest

import lamina
from lamina.backends.generic.windows import Windows
from lamina.backends.numpy.padding import clear_past, padded_rows

RNG = np.random.default_rng(0)
BATCH, TIME = 4, 5
ENDS = np.array([3, 0, 5, 1])


@pytest.mark.parametrize("shape", [(BATCH, TIME), (BATCH, TIME, 2), (BATCH, TIME, 2, 3)], ids=str)
@pytest.mark.parametrize("view", [False, True])
def test_steps_past_the_end_become_0_in_the_array_itself(shape, view):
    backend = lamina.get_backend("numpy")
    whole = RNG.normal(size=(BATCH, TIME + 3, *shape[2:]))
    steps = whole[:, 2 : 2 + TIME] if view else whole[:, :TIME].copy()
    before, outside = steps.copy(), whole.copy()
    clear_past(backend, steps, None)
    np.testing.assert_array_equal(steps, before)
    clear_past(backend, steps, ENDS)
    for row, end in enumerate(ENDS):
        np.testing.assert_array_equal(steps[row, :end], before[row, :end])
        assert not steps[row, end:].any()
    np.testing.assert_array_equal(whole[:, :2], outside[:, :2])
    np.testing.assert_array_equal(whole[:, 2 + TIME :], outside[:, 2 + TIME :])


@pytest.mark.parametrize("lengths", [None, ENDS], ids=["full", "ragged"])
@pytest.mark.parametrize("windows", [Windows(3, 5, 1, 1, 1), Windows(2, 3, 2, 2, 0), Windows(4, 1, 1, 1, 0)], ids=str)
def test_rows_are_padded_as_far_as_windows_reach(lengths, windows):
    x = RNG.normal(size=(BATCH, TIME, 2)).astype("float32")
    given = x.copy()
    padded = padded_rows(lamina.get_backend("numpy"), x, lengths, windows)
    np.testing.assert_array_equal(x, given)
    reach = (windows.number - 1) * windows.stride + (windows.size - 1) * windows.dilation + 1
    wanted = np.zeros((BATCH, max(reach, windows.before + TIME), 2), "float32")
    for row, end in enumerate([TIME] * BATCH if lengths is None else lengths):
        wanted[row, windows.before : windows.before + end] = x[row, :end]
    assert padded.dtype == wanted.dtype
    np.testing.assert_array_equal(padded, wanted)
