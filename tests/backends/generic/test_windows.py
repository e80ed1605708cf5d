"""Windows over the time axis, taken apart and added up again."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.generic.windows import Windows


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


X = np.arange(1.0, 6.0).reshape(1, 5, 1)
X.flags.writeable = False


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (Windows(2, 4), [[1, 2, 3, 4], [2, 3, 4, 5]]),
        (Windows(2, 2, stride=3), [[1, 4], [2, 5]]),
        (Windows(3, 3, stride=2, before=1), [[9, 2, 4], [1, 3, 5], [2, 4, 9]]),
        (Windows(2, 5, dilation=2, before=2), [[9, 9, 1, 2, 3], [1, 2, 3, 4, 5]]),
        (Windows(2, 1, stride=2), [[1], [2]]),  # the last steps are in no window
        (Windows(7, 0), [[]] * 7),
        (Windows(3, 1, dilation=4, before=4), [[9], [1], [5]]),
    ],
)
def test_steps_by_hand_and_their_sum(backend: Backend, windows: Windows, expected: Any) -> None:
    steps = backend.window_steps(X, 9.0, windows)
    assert [part[0, :, 0].tolist() for part in steps] == expected
    # Each step gets back what it is times the number of windows that read it.
    total = backend.add_window_steps([part * (part != 9) for part in steps], 5, windows)
    counts = [sum(part.count(value) for part in expected) for value in range(1, 6)]
    assert total[0, :, 0].tolist() == [value * count for value, count in zip(range(1, 6), counts, strict=True)]


def test_reach_and_extent() -> None:
    windows = Windows(3, 4, stride=2, dilation=5)
    assert (windows.reach, windows.extent) == (11, 17)
    assert Windows(3, 0).extent == 0
    assert Windows(3, 0).places(2) == slice(0, 0)


@pytest.mark.parametrize("windows", [Windows(3, 4, 2, 2, 3), Windows(2, 5), Windows(1, 3, 3, 1, 1), Windows(4, 0)])
def test_how_many_steps_lie_inside_each_row(windows: Windows) -> None:
    starts, stops = np.array([0, 2, -2, 1]), np.array([5, 4, 9, 1])
    rows = zip(starts, stops, strict=True)
    first = [j * windows.stride - windows.before for j in range(windows.number)]
    steps = [[begin + i * windows.dilation for i in range(windows.size)] for begin in first]
    expected = [[sum(start <= t < stop for t in window) for window in steps] for start, stop in rows]
    got = windows.inside(starts, stops)
    assert got.shape == (4, windows.number)
    assert got.tolist() == expected
    assert windows.inside(0, 5).tolist() == expected[:1]


def test_what_stands_before_a_rows_first_step(backend: Backend) -> None:
    x = np.arange(1.0, 9).reshape(2, 4, 1)
    got = np.asarray(backend.set_before(x, np.array([0, 3]), -np.inf))
    assert got[:, :, 0].tolist() == [[1, 2, 3, 4], [-np.inf] * 3 + [8]]
    assert backend.set_before(x, np.array([0, 0]), 5.0) is x


def test_taking_apart_and_adding_up_are_transposes_of_each_other(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    windows = Windows(3, 4, stride=2, dilation=2, before=2)
    x = rng.standard_normal((2, 8, 3))
    steps = backend.window_steps(x, 0.0, windows)
    weights = [rng.standard_normal(part.shape) for part in steps]
    forth = sum((part * weight).sum() for part, weight in zip(steps, weights, strict=True))
    np.testing.assert_allclose(forth, (x * backend.add_window_steps(weights, 8, windows)).sum(), rtol=1e-12)


def test_steps_of_each_row_from_one_of_its_own(backend: Backend) -> None:
    x = np.arange(12.0).reshape(2, 6, 1)
    got = backend.steps_from(x, np.array([3, 0]), 3)
    assert np.asarray(got)[:, :, 0].tolist() == [[3, 4, 5], [6, 7, 8]]
    assert np.asarray(backend.steps_from(x, np.array([4, 5]), 3))[:, :, 0].tolist() == [[4, 5, 5], [11, 11, 11]]
    assert backend.steps_from(x, np.array([0, 0]), 0).shape == (2, 0, 1)


@pytest.mark.parametrize("counts", [[2, 2, 2], [2, 0, 1], [0, 0, 0]])
@pytest.mark.parametrize("lengths", [None, [1, 3, 0], [0, 0, 0]])
def test_new_steps_go_behind_those_of_each_row(backend: Backend, counts: Any, lengths: Any) -> None:
    before, new = np.arange(1.0, 13.0).reshape(3, 2, 2), -np.arange(1.0, 19.0).reshape(3, 3, 2)
    ends = [3] * 3 if lengths is None else lengths
    padded = np.where((np.arange(3) < np.array(ends)[:, None])[:, :, None], new, np.nan)
    got = np.asarray(
        backend.append_steps(before, np.array(counts), padded, None if lengths is None else np.array(ends))
    )
    rows = [[*before[row, :count], *new[row, :end]] for row, (count, end) in enumerate(zip(counts, ends, strict=True))]
    most = max(map(len, rows))
    assert got.shape == (3, most, 2)
    for row, steps in enumerate(rows):
        assert got[row].tolist() == [*(step.tolist() for step in steps), *[[0, 0]] * (most - len(steps))]
