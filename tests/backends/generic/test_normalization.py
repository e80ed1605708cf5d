"""The normalization kernels, by hand, on both backends over NumPy."""

from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


def frozen(values: Any) -> np.ndarray:
    array = np.array(values, "float64")
    array.flags.writeable = False
    return array


def test_layer_norm_by_hand(backend: Backend) -> None:
    # Mean 4, variance 16 + 9 = 25 with epsilon 9: divided by 5.
    kernel = backend.select("layer_norm")
    scale, shift = frozen([5.0, 10.0]), frozen([1.0, 2.0])
    y, saved = kernel.forward(frozen([[0.0, 8.0]]), scale, shift, epsilon=9.0)
    assert y.tolist() == [[-4 + 1, 8 + 2]]
    dx, dscale, dshift = kernel.backward(frozen([[1.0, 0.0]]), saved, scale)
    np.testing.assert_allclose(dscale, [-0.8, 0], rtol=1e-15)
    assert dshift.tolist() == [1, 0]
    # dn = (5, 0), its mean 2.5, mean(dn n) = -2: (5 - 2.5 - 0.8 * 2, -2.5 + 0.8 * 2) / 5
    np.testing.assert_allclose(dx, [[0.18, -0.18]], rtol=1e-14)


def test_layer_norm_of_one_feature_is_its_shift(backend: Backend) -> None:
    kernel = backend.select("layer_norm")
    y, saved = kernel.forward(frozen([[7.0], [1.0]]), None, frozen([3.0]), epsilon=1e-5)
    assert y.tolist() == [[3], [3]]
    assert kernel.backward(frozen([[1.0], [2.0]]), saved, None)[0].tolist() == [[0], [0]]


def test_batch_norm_by_hand(backend: Backend) -> None:
    kernel = backend.select("batch_norm")
    scale, shift = frozen([5.0]), frozen([1.0])
    y, (mean, variance, count), saved = kernel.forward(frozen([[0.0], [8.0]]), scale, shift, None, epsilon=9.0)
    assert (y.tolist(), mean.tolist(), variance.tolist(), count) == ([[-3], [5]], [4], [16], 2)
    dx, dscale, dshift = kernel.backward(frozen([[1.0], [0.0]]), saved, scale)
    np.testing.assert_allclose(dscale, [-0.8], rtol=1e-15)
    assert dshift.tolist() == [1]
    np.testing.assert_allclose(dx, [[0.18], [-0.18]], rtol=1e-14)


def test_batch_norm_counts_valid_steps_alone(backend: Backend) -> None:
    kernel = backend.select("batch_norm")
    x = frozen([[[0.0], [8.0], [np.nan]], [[np.nan]] * 3])
    y, (mean, variance, count), saved = kernel.forward(x, None, frozen([1.0]), np.array([2, 0]), epsilon=9.0)
    np.testing.assert_allclose(y, [[[0.2], [1.8], [0]], [[0]] * 3], rtol=1e-15)
    assert (mean.tolist(), variance.tolist(), count) == ([4], [16], 2)
    dx, dscale, dshift = kernel.backward(frozen([[[5.0], [0.0], [np.nan]], [[np.nan]] * 3]), saved, None)
    np.testing.assert_allclose(dx, [[[0.18], [-0.18], [0]], [[0]] * 3], rtol=1e-14)
    assert (dscale.tolist(), dshift.tolist()) == ([-4], [5])


def test_batch_norm_of_no_step_and_of_one(backend: Backend) -> None:
    kernel = backend.select("batch_norm")
    x = frozen([[[7.0, 8.0], [9.0, 9.0]]])
    for length in (0, 1):
        y, (_, variance, count), saved = kernel.forward(x, None, None, np.array([length]), epsilon=1e-5)
        dx, _, dshift = kernel.backward(frozen(np.ones((1, 2, 2))), saved, None)
        assert (y.tolist(), dx.tolist()) == (np.zeros((1, 2, 2)).tolist(),) * 2
        assert (variance.tolist(), count, dshift.tolist()) == ([0, 0], length, [length, length])


def test_inference_uses_what_it_is_given(backend: Backend) -> None:
    x = frozen([[[2.0], [np.nan]]])
    y = backend.batch_norm_infer(
        x, frozen([1.0]), frozen([16.0]), frozen([10.0]), frozen([3.0]), np.array([1]), epsilon=9.0
    )
    assert y.tolist() == [[[5], [0]]]


def test_standardize_by_hand(backend: Backend) -> None:
    kernel = backend.select("standardize")
    statistics = frozen([2.0, 10.0]), frozen([1.0, 0.0]), frozen([4.0, 0.5])
    y, saved = kernel.forward(frozen([[[7.0, 11.0], [5.0, 5.0]]]), *statistics, np.array([1]))
    assert y.tolist() == [[[1, 2], [0, 0]]]
    assert kernel.backward(frozen([[[4.0, 4.0], [4.0, 4.0]]]), saved).tolist() == [[[1, 8], [0, 0]]]
    y, saved = kernel.forward(frozen([[3.0, 10.5]]), *statistics, None)
    assert y.tolist() == [[0, 1]]
    assert kernel.backward(frozen([[4.0, 4.0]]), saved).tolist() == [[1, 8]]
