"""Pooling by hand and by loops, on both backends over NumPy."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.generic.windows import Windows


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def numbers(*shape: int) -> Any:
    array = np.random.default_rng(shape).standard_normal(shape)
    array.flags.writeable = False
    return array


WINDOWS = [
    Windows(2, 3, stride=2),
    Windows(3, 4),
    Windows(2, 2, stride=3),
    Windows(3, 3, stride=2, before=1),
    Windows(1, 6),
    Windows(9, 0),
    Windows(2, 5, dilation=3, before=1),
    Windows(2, 3, stride=3, before=1),
]


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize(
    ("name", "after"), [("max_pool", None), ("average_pool", None), ("average_pool", 0), ("average_pool", 2)]
)
def test_windows_by_loops(backend: Backend, windows: Windows, ragged: bool, name: str, after: Any) -> None:
    lengths = np.array([6, 0, 3]) if ragged else None
    outputs = np.array([windows.number, 0, min(1, windows.number)]) if ragged else None
    x, dy = numbers(3, 6, 2), numbers(3, windows.number, 2)
    y_expected, dx_expected = np.zeros(dy.shape), np.zeros(x.shape)
    for row in range(3):
        length = 6 if lengths is None else int(lengths[row])
        for j in range(windows.number if outputs is None else int(outputs[row])):
            begin = j * windows.stride - windows.before
            steps = [t for t in range(begin, begin + windows.reach, windows.dilation) if 0 <= t < length]
            counted = len(steps)
            if after is not None:
                ends = range(begin, begin + windows.reach, windows.dilation)
                counted = sum(-windows.before <= t < length + after for t in ends)
            for c in range(2 if steps else 0):
                if name == "max_pool":
                    best = max(steps, key=lambda t, c=c, row=row: x[row, t, c])  # type: ignore[misc]
                    y_expected[row, j, c] = x[row, best, c]
                    dx_expected[row, best, c] += dy[row, j, c]
                else:
                    y_expected[row, j, c] = sum(x[row, t, c] for t in steps) / counted
                    for t in steps:
                        dx_expected[row, t, c] += dy[row, j, c] / counted
    kernel = backend.select(name)
    y, saved = kernel.forward(x, lengths, outputs, windows, **({} if after is None else {"after": after}))
    np.testing.assert_allclose(y, y_expected, rtol=1e-14)
    np.testing.assert_allclose(kernel.backward(dy, saved), dx_expected, rtol=1e-14)


def test_the_first_of_equal_maxima_gets_the_gradient(backend: Backend) -> None:
    x, dy = np.array([[[1.0], [3.0], [3.0], [3.0]]]), np.array([[[10.0], [20.0]]])
    _, saved = backend.max_pool_forward(x, None, None, Windows(3, 2))
    assert backend.max_pool_backward(dy, saved)[0, :, 0].tolist() == [0, 30, 0, 0]
    _, saved = backend.global_max_pool_forward(x, None)
    assert backend.global_max_pool_backward(dy[:, 0], saved)[0, :, 0].tolist() == [0, 10, 0, 0]


def test_not_a_number_and_infinities_are_seen(backend: Backend) -> None:
    x = np.array([[[1.0], [np.nan], [2.0], [-np.inf], [-np.inf], [np.inf]]])
    for windows, expected in ((Windows(2, 3, stride=2), [np.nan, 2, np.inf]), (Windows(2, 1, stride=9), [np.nan])):
        y, _ = backend.max_pool_forward(x, None, None, windows)
        np.testing.assert_array_equal(y[0, :, 0], expected)
    lengths = np.array([2])
    y, saved = backend.global_max_pool_forward(np.full((1, 3, 1), -np.inf), lengths)
    assert y.tolist() == [[-np.inf]]
    assert backend.global_max_pool_backward(np.ones((1, 1)), saved)[0, :, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("name", "expected", "dx"),
    [
        ("global_max_pool", [[3, 5], [0, 0], [7, 9]], [[[0, 2], [1, 0]], [[0, 0], [0, 0]], [[5, 6], [0, 0]]]),
        (
            "global_average_pool",
            [[2, 4.5], [0, 0], [7, 9]],
            [[[0.5, 1], [0.5, 1]], [[0, 0], [0, 0]], [[5, 6], [0, 0]]],
        ),
    ],
)
def test_whole_rows_by_hand(backend: Backend, name: str, expected: Any, dx: Any) -> None:
    x = np.array([[[1.0, 5], [3, 4]], [[8, 8], [8, 8]], [[7, 9], [np.nan, np.nan]]])
    kernel = backend.select(name)
    y, saved = kernel.forward(x, np.array([2, 0, 1]))
    assert y.tolist() == expected
    assert kernel.backward(np.array([[1.0, 2], [3, 4], [5, 6]]), saved).tolist() == dx


@pytest.mark.parametrize("name", ["global_max_pool", "global_average_pool"])
def test_no_step_at_all_gives_0(backend: Backend, name: str) -> None:
    kernel = backend.select(name)
    for lengths in (None, np.zeros(2, np.int64)):
        y, saved = kernel.forward(np.zeros((2, 0, 3)), lengths)
        assert y.tolist() == np.zeros((2, 3)).tolist()
        assert kernel.backward(np.ones((2, 3)), saved).shape == (2, 0, 3)


@pytest.mark.parametrize("counts", [[3, 0, 2, 0], [1, 1, 1, 1]])
@pytest.mark.parametrize("lengths", [[0, 2, 1, 0], [2, 2, 2, 2]])
def test_what_two_parts_of_a_row_give_is_joined(backend: Backend, counts: Any, lengths: Any) -> None:
    x = numbers(4, 5, 3) - 3  # below 0, which stands for no steps
    rows = [
        (x[row, :count], x[row, 3 : 3 + length])
        for row, (count, length) in enumerate(zip(counts, lengths, strict=True))
    ]
    for join, pooled in ((backend.join_maxima, np.max), (backend.join_averages, np.mean)):

        def pool(steps: Any, pooled: Any = pooled) -> Any:
            return pooled(steps, axis=0) if len(steps) else np.zeros(3)

        before, new = (np.array([pool(parts[index]) for parts in rows]) for index in (0, 1))
        y, share = join(before, np.array(counts), new, np.array(lengths))
        np.testing.assert_allclose(y, [pool(np.concatenate(parts)) for parts in rows], rtol=1e-14)
        share = np.broadcast_to(share, (4, 3))
        for row, (old, own) in enumerate(rows):
            if pooled is np.mean:
                expected: Any = len(own) / max(len(old) + len(own), 1)
            else:
                expected = 0 if not len(own) else 1 if not len(old) else np.max(own, 0) > np.max(old, 0)
            np.testing.assert_allclose(share[row], np.broadcast_to(expected, 3))
