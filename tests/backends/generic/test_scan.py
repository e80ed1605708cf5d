"""The time loop of any step: what is read when, what is frozen, and which gradients reach it."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def add(x: Any, states: tuple[Any, ...]) -> Any:
    """h' = 2 h + x and a second state that counts steps."""
    h, count = states
    return (2 * h + x, count + 1), "saved"


def add_backward(gradients: tuple[Any, ...], saved: Any) -> Any:
    dh, dcount = gradients
    assert saved == "saved"
    return dh, (2 * dh, dcount)


X = np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [np.nan]], [[np.nan]] * 3])
START = np.array([[10.0], [0.0], [7.0]]), np.zeros((3, 1))
LENGTHS = np.array([3, 2, 0])


@pytest.mark.parametrize(
    ("reverse", "outputs", "last"),
    [
        (False, [[21, 44, 91], [4, 13, 0], [0, 0, 0]], [91, 13, 7]),
        (True, [[97, 48, 23], [14, 5, 0], [0, 0, 0]], [97, 14, 7]),
    ],
)
def test_forward_by_hand(backend: Backend, reverse: bool, outputs: Any, last: Any) -> None:
    h, (state, count), _ = backend.scan_forward(add, X, START, LENGTHS, reverse=reverse)
    assert h[:, :, 0].tolist() == outputs
    assert state[:, 0].tolist() == last
    assert count[:, 0].tolist() == [3, 2, 0]


@pytest.mark.parametrize("reverse", [False, True])
def test_backward_by_hand(backend: Backend, reverse: bool) -> None:
    _, _, saved = backend.scan_forward(add, X, START, LENGTHS, reverse=reverse)
    dh = np.array([[[1.0], [10.0], [100.0]], [[1.0], [10.0], [np.nan]], [[np.nan]] * 3])
    if reverse:
        dh[0] = dh[0, ::-1].copy()
        dh[1, :2] = dh[1, 1::-1].copy()
    dlast = np.array([[1000.0], [1000.0], [1000.0]]), np.full((3, 1), 5.0)
    steps, (dstate, dcount) = backend.scan_backward(add_backward, dh, dlast, saved)
    dx = backend.stack_steps(steps, (3, 3, 1), np.dtype("float64"))[:, :, 0]
    # In reading order: the last step gets dlast + dh, every one before twice what came after, and its own.
    expected = [[4421, 2210, 1100], [2021, 1010, 0], [0, 0, 0]]
    if reverse:
        expected[0].reverse()
        expected[1][:2] = expected[1][1::-1]
    assert dx.tolist() == expected
    assert dstate[:, 0].tolist() == [2 * 4421, 2 * 2021, 1000]
    assert dcount[:, 0].tolist() == [5, 5, 5]


def test_without_lengths_or_gradients_of_outputs(backend: Backend) -> None:
    h, (state, _), saved = backend.scan_forward(add, X[:1], (START[0][:1], START[1][:1]), None)
    assert h[0, :, 0].tolist() == [21, 44, 91]
    assert state.tolist() == [[91]]
    steps, (dstate, _) = backend.scan_backward(add_backward, None, (np.ones((1, 1)), np.zeros((1, 1))), saved)
    assert [float(step[0, 0]) for step in steps] == [4, 2, 1]
    assert dstate.tolist() == [[8]]


def test_no_steps_hand_the_states_through(backend: Backend) -> None:
    h, states, saved = backend.scan_forward(add, np.zeros((3, 0, 1)), START, None)
    assert h.shape == (3, 0, 1)
    assert all(after is before for after, before in zip(states, START, strict=True))
    steps, dstates = backend.scan_backward(add_backward, h, START, saved)
    assert backend.stack_steps(steps, (3, 0, 1), h.dtype).shape == (3, 0, 1)
    assert all(after is before for after, before in zip(dstates, START, strict=True))


def test_initial_states_are_zeros_where_not_given(backend: Backend) -> None:
    given = np.ones((2, 3), "float32")
    one, two = backend.initial_states((None, given), (2, 3), np.dtype("float32"))
    assert (one.dtype, one.tolist()) == (np.float32, [[0] * 3] * 2)
    assert two is given
