"""What NumPy's own recurrent kernels promise of memory; their numbers are proven in test_recurrent."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lamina.backends import get_backend
from lamina.backends.backend import Kernel


@pytest.fixture
def kernel() -> Kernel:
    kernel = get_backend("numpy").select("simple_rnn", activation="tanh")
    assert kernel.source == "numpy"
    return kernel


@pytest.fixture
def weights() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4)


def time_major(*shape: int) -> np.ndarray:
    """Return a (batch, time, features) view of a time-major slab."""
    batch, time, features = shape
    return np.random.default_rng(1).standard_normal((time, batch, features)).transpose(1, 0, 2)


def test_the_output_is_a_transposed_view_that_the_next_layer_takes_without_a_copy(kernel: Kernel, weights) -> None:
    x = np.random.default_rng(1).standard_normal((3, 5, 4))
    h, _, _ = kernel.forward(x, *weights, None, None)
    assert h.transpose(1, 0, 2).flags.c_contiguous
    _, _, (_, inputs, *_) = get_backend("numpy").simple_rnn_forward(h, *weights, None, None)
    assert np.shares_memory(inputs, h)


@pytest.mark.parametrize("lengths", [None, [2, 5, 1]])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_layout_of_the_input_changes_no_bit(kernel: Kernel, weights, lengths, reverse: bool) -> None:
    x = time_major(3, 5, 4)
    lengths = None if lengths is None else np.array(lengths)
    results = [
        kernel.forward(layout, *weights, None, lengths, reverse=reverse)[:2]
        for layout in (x, np.ascontiguousarray(x), np.asfortranarray(x))
    ]
    for h, last in results[1:]:
        assert (h == results[0][0]).all()
        assert (last == results[0][1]).all()


def test_the_last_state_is_a_copy_and_the_initial_state_is_left_alone(kernel: Kernel, weights) -> None:
    state = np.full((3, 4), 0.5)
    h, last, _ = kernel.forward(time_major(3, 5, 4), *weights, state, None)
    assert not np.shares_memory(last, h)
    last[...] = 9
    assert (np.abs(h) <= 1).all()
    assert (state == 0.5).all()


def test_gradients_share_no_memory_with_what_came_in(kernel: Kernel, weights) -> None:
    x, dh, dlast = time_major(3, 5, 4), time_major(3, 5, 4), np.ones((3, 4))
    h, _, saved = kernel.forward(x, *weights, None, None)
    gradients = kernel.backward(dh, dlast, saved, *weights[:2])
    for gradient in gradients:
        assert not any(np.shares_memory(gradient, other) for other in (x, h, dh, dlast))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_keeps_the_dtype(kernel: Kernel, weights, dtype: str) -> None:
    x, state = time_major(3, 5, 4).astype(dtype), np.ones((3, 4), dtype)
    w_x, w_h, b = (weight.astype(dtype) for weight in weights)
    h, last, saved = kernel.forward(x, w_x, w_h, b, state, np.array([5, 0, 2]))
    gradients = kernel.backward(h, last, saved, w_x, w_h)
    assert {array.dtype for array in (h, last, *gradients)} == {np.dtype(dtype)}


def test_calls_in_several_threads_do_not_meet(kernel: Kernel, weights) -> None:
    inputs = [np.random.default_rng(seed).standard_normal((8, 20, 4)) for seed in range(8)]
    lengths = np.arange(8) + 3

    def run(x: np.ndarray) -> list[np.ndarray]:
        h, last, saved = kernel.forward(x, *weights, None, lengths)
        return [h, last, *kernel.backward(h, last, saved, *weights[:2])]

    alone = [run(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, inputs))
    for one, other in zip(alone, together, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
