"""What the NumPy backend does itself, and how it lays out memory."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend

numpy = get_backend("numpy")


@pytest.mark.parametrize(
    ("kernel", "options", "source"),
    [
        ("dense", {}, "numpy"),
        ("tanh", {}, "numpy"),
        ("sigmoid", {}, "generic"),
        ("simple_rnn", {"activation": "tanh"}, "numpy"),
        ("simple_rnn", {"activation": "relu"}, "numpy"),
        ("softmax_cross_entropy", {"probabilities": False, "class_weight": False, "smoothing": False}, "numpy"),
        ("softmax_cross_entropy", {"probabilities": True, "class_weight": False, "smoothing": False}, "generic"),
        ("softmax_cross_entropy", {"probabilities": False, "class_weight": True, "smoothing": False}, "generic"),
        ("softmax_cross_entropy", {"probabilities": False, "class_weight": False, "smoothing": True}, "generic"),
        ("mean_squared_error", {}, "generic"),
    ],
)
def test_whose_kernel_runs(kernel: str, options: dict[str, Any], source: str) -> None:
    assert numpy.select(kernel, **options).source == source


def test_dtypes_are_instances() -> None:
    assert isinstance(numpy.dtype("float32"), np.dtype)


def test_dense_takes_and_gives_a_recurrent_layers_layout_without_a_copy() -> None:
    slab = np.random.default_rng(0).standard_normal((5, 3, 4))
    x, w = slab.transpose(1, 0, 2), np.random.default_rng(1).standard_normal((4, 2))
    y, saved = numpy.dense_forward(x, w, np.ones(2))
    assert np.shares_memory(saved[0], slab)
    assert y.transpose(1, 0, 2).flags.c_contiguous
    dx, _, _ = numpy.dense_backward(y, saved, w)
    assert dx.transpose(1, 0, 2).flags.c_contiguous


@pytest.mark.parametrize(
    "layout",
    [
        np.ascontiguousarray,
        np.asfortranarray,
        lambda x: np.ascontiguousarray(x.transpose(1, 0, 2)).transpose(1, 0, 2),
        lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
        lambda x: np.repeat(x, 2, axis=0)[::2],
    ],
)
def test_the_layout_of_input_and_gradient_changes_no_number(layout: Any) -> None:
    rng = np.random.default_rng(2)
    x, w, b = rng.integers(-9, 9, (3, 5, 4)) * 1.0, rng.integers(-9, 9, (4, 2)) * 1.0, np.array([1.0, 2.0])
    dy = rng.integers(-9, 9, (3, 5, 2)) * 1.0
    y, saved = numpy.dense_forward(layout(x), w, b)
    dx, dw, db = numpy.dense_backward(layout(dy), saved, w)
    assert y.tolist() == (np.einsum("bti,ij->btj", x, w) + b).tolist()
    assert dx.tolist() == np.einsum("btj,ij->bti", dy, w).tolist()
    assert dw.tolist() == np.einsum("bti,btj->ij", x, dy).tolist()
    assert db.tolist() == dy.sum(axis=(0, 1)).tolist()


def test_a_broadcast_gradient_is_taken_as_it_is() -> None:
    y, saved = numpy.dense_forward(np.ones((2, 3, 4)), np.ones((4, 2)), None)
    dx, dw, db = numpy.dense_backward(np.broadcast_to(1.0, y.shape), saved, np.ones((4, 2)))
    assert dx.tolist() == np.full((2, 3, 4), 2.0).tolist()
    assert dw.tolist() == np.full((4, 2), 6.0).tolist()
    assert db.tolist() == [6, 6]
