"""Attention and positions, by hand and by loops, on both backends over NumPy."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.generic.attention import sinusoids


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def numbers(*shape: int, seed: int = 0) -> Any:
    array = np.random.default_rng((seed, *shape)).standard_normal(shape)
    array.flags.writeable = False
    return array


def by_loops(q: Any, k: Any, v: Any, lengths: Any, heads: int, causal: bool) -> Any:
    batch, time, units = q.shape
    size = units // heads
    y = np.zeros(q.shape)
    for row in range(batch):
        length = time if lengths is None else int(lengths[row])
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            for t in range(length):
                keys = range(t + 1 if causal else length)
                scores = [math.exp(q[row, t, own] @ k[row, s, own] / math.sqrt(size)) for s in keys]
                y[row, t, own] = sum(score * v[row, s, own] for score, s in zip(scores, keys, strict=True))
                y[row, t, own] /= sum(scores)
    return y


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [None, np.array([5, 0, 2])], ids=["full", "ragged"])
def test_by_loops_and_differences(backend: Backend, heads: int, causal: bool, lengths: Any) -> None:
    q, k, v, dy = (numbers(3, 5, 4, seed=seed) for seed in range(4))
    kernel = backend.select("attention", heads=heads, causal=causal)
    y, saved = kernel.forward(q, k, v, lengths, heads=heads, causal=causal)
    np.testing.assert_allclose(y, by_loops(q, k, v, lengths, heads, causal), rtol=1e-12, atol=1e-14)
    gradients = kernel.backward(dy, saved)
    step = 1e-6
    for index, gradient in enumerate(gradients):
        direction = numbers(3, 5, 4, seed=9)
        sides = []
        for sign in (step, -step):
            moved = [array + sign * direction if i == index else array for i, array in enumerate((q, k, v))]
            sides.append((by_loops(*moved, lengths, heads, causal) * dy).sum())
        np.testing.assert_allclose((gradient * direction).sum(), (sides[0] - sides[1]) / (2 * step), rtol=1e-7)


def test_equal_keys_give_the_average_of_the_values(backend: Backend) -> None:
    v = np.array([[[1.0], [2.0], [6.0]]])
    same = np.ones((1, 3, 1))
    assert backend.attention_forward(same, same, v, None, heads=1)[0][0, :, 0].tolist() == [3, 3, 3]
    causal, _ = backend.attention_forward(same, same, v, None, heads=1, causal=True)
    np.testing.assert_allclose(causal[0, :, 0], [1, 1.5, 3], rtol=1e-15)
    ragged, _ = backend.attention_forward(same, same, v, np.array([2]), heads=1)
    assert ragged[0, :, 0].tolist() == [1.5, 1.5, 0]


def test_large_scores_do_not_overflow(backend: Backend) -> None:
    q = np.array([[[1e4], [-1e4]]], "f")
    y, saved = backend.attention_forward(q, q, np.array([[[1.0], [2.0]]], "f"), None, heads=1)
    assert y[0, :, 0].tolist() == [1, 2]
    assert all(np.isfinite(array).all() for array in backend.attention_backward(np.ones((1, 2, 1), "f"), saved))


@pytest.mark.parametrize("causal", [False, True])
def test_no_step_and_no_row(backend: Backend, causal: bool) -> None:
    for shape in ((2, 0, 4), (0, 3, 4)):
        for lengths in (None, np.zeros(shape[0], np.int64)):
            x = np.zeros(shape)
            y, saved = backend.attention_forward(x, x, x, lengths, heads=2, causal=causal)
            assert [array.shape for array in (y, *backend.attention_backward(x, saved))] == [shape] * 4


def test_sinusoids_by_the_equation() -> None:
    for features in (1, 4, 5):
        table = sinusoids(7, features)
        for t in range(7):
            for i in range(features):
                angle = t / 10000 ** (2 * (i // 2) / features)
                assert table[t, i] == pytest.approx(math.cos(angle) if i % 2 else math.sin(angle), rel=1e-14, abs=1e-15)
    assert not sinusoids(7, 4).flags.writeable
    assert sinusoids(0, 4).shape == (0, 4)


def test_positions_are_added(backend: Backend) -> None:
    x, dy = numbers(2, 3, 4), numbers(2, 3, 4, seed=1)
    kernel = backend.select("positional_encoding")
    y, saved = kernel.forward(x)
    np.testing.assert_allclose(y - x, np.broadcast_to(sinusoids(3, 4), x.shape), rtol=1e-12, atol=1e-15)
    assert (kernel.backward(dy, saved) == dy).all()


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("before", [[0, 0, 0], [2, 2, 2], [3, 0, 1]])
@pytest.mark.parametrize("lengths", [None, np.array([3, 0, 2]), np.array([0, 0, 0])], ids=["full", "ragged", "none"])
@pytest.mark.parametrize("time", [1, 3])
def test_next_steps_attend_to_those_before(backend: Backend, time: int, lengths: Any, before: Any, heads: int) -> None:
    """By loops over each whole row; gradients by differences in what the next steps alone put in."""
    lengths = None if lengths is None else np.minimum(lengths, time)
    arrays = [numbers(3, time, 4, seed=seed) for seed in range(3)]
    dy = numbers(3, time, 4, seed=3)
    kept = [numbers(3, 3, 4, seed=seed) for seed in (4, 5)]
    starts, kernel = np.array(before), backend.select("cached_attention", heads=heads)

    def expected(q: Any, k: Any, v: Any) -> Any:
        y = np.zeros(q.shape)
        for row, start in enumerate(starts):
            end = time if lengths is None else int(lengths[row])
            whole = [
                np.concatenate([old[row, :start], new[row, :end]])[None] for old, new in zip(kept, (k, v), strict=True)
            ]
            queries = np.concatenate([np.zeros((start, 4)), q[row, :end]])[None]
            y[row, :end] = by_loops(queries, *whole, None, heads, True)[0, start:]
        return y

    keys, values = (backend.append_steps(old, starts, new, lengths) for old, new in zip(kept, arrays[1:], strict=True))
    y, saved = kernel.forward(arrays[0], keys, values, lengths, starts, heads=heads)
    np.testing.assert_allclose(y, expected(*arrays), rtol=1e-12, atol=1e-14)
    for index, gradient in enumerate(kernel.backward(dy, saved)):
        direction, sides = numbers(3, time, 4, seed=9), []
        for sign in (1e-6, -1e-6):
            moved = [array + sign * direction if i == index else array for i, array in enumerate(arrays)]
            sides.append((expected(*moved) * dy).sum())
        assert gradient.shape == (3, time, 4)
        np.testing.assert_allclose((gradient * direction).sum(), (sides[0] - sides[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def test_positions_go_on_from_those_before(backend: Backend) -> None:
    x, table = np.zeros((3, 4, 5)), sinusoids(40, 5)
    for before in ([0, 7, 36], [3, 3, 3]):
        y = backend.select("positional_encoding").forward(x, np.array(before))[0]
        for row, start in enumerate(before):
            assert np.array_equal(y[row], table[start : start + 4])
