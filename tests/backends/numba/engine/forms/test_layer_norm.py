"""LayerNorm and RMSNorm beside the generic kernels."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import BOUNDS, CASES, DTYPES, apart, check_model, run_kernel

SIZES = [(1, 2), (9, 7), (3, 64), (70, 33)]


def check(kernel, x, epsilon=1e-5):
    rng, features = np.random.default_rng(1), x.shape[1]
    names = ("scale", "shift") if kernel == "layer_norm" else ("scale",)
    weights = {name: rng.normal(size=features).astype(x.dtype) for name in names}
    passed = run_kernel(kernel, x, weights=weights, epsilon=epsilon)
    generic = lamina.get_backend("reference").select(kernel)
    with np.errstate(all="ignore"):
        y, saved = generic.forward(x, *weights.values(), epsilon=epsilon)
        dx, *gradients = generic.backward(passed.dy, saved, weights["scale"])
    bound = BOUNDS[str(x.dtype)]
    assert apart(passed.y, y) < bound
    assert apart(passed.dx, dx) < bound
    for name, gradient in zip(names, gradients, strict=True):
        assert apart(passed.gradients[name], gradient) < bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", ["layer_norm", "rms_norm"])
def test_output_and_gradients_are_the_generic_kernels(kernel, size, dtype):
    check(kernel, np.random.default_rng(0).normal(2, 3, size=size).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", ["layer_norm", "rms_norm"])
def test_neither_large_numbers_nor_small_ones_are_lost(kernel, dtype):
    most = float(np.finfo(dtype).max)
    x = np.random.default_rng(0).normal(size=(5, 8))
    for scale in (most / 100, most**0.5, 1e-12):
        check(kernel, (x * scale).astype(dtype))
    check(kernel, (x * most**-0.4).astype(dtype), epsilon=float(np.finfo(dtype).tiny) ** 0.9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_are_seen_in_their_rows_alone(dtype):
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(dtype)
    x[1, 2], x[2, 0] = np.nan, np.inf
    y = run_kernel("layer_norm", x, weights={"scale": np.ones(5), "shift": np.zeros(5)}, epsilon=1e-5).y
    assert np.isnan(y[1:3]).any(axis=1).all()
    assert np.isfinite(y[[0, 3]]).all()


def test_a_mean_far_from_0_is_taken_off_whole():
    x = (1e4 + np.random.default_rng(0).normal(size=(6, 16))).astype("float32")
    exact = x.astype("float64") - x.astype("float64").mean(1, keepdims=True)
    exact /= np.sqrt((exact**2).mean(1, keepdims=True) + 1e-5)
    y = run_kernel("layer_norm", x, weights={"scale": np.ones(16), "shift": np.zeros(16)}, epsilon=1e-5).y
    np.testing.assert_allclose(y, exact, atol=2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("norm", [layers.LayerNorm, lambda: layers.LayerNorm(use_scale=False), layers.RMSNorm])
def test_models_have_their_own_values(norm, case, dtype):
    check_model(
        lambda: lamina.Sequential(norm(), layers.Dense(6), norm(), layers.Dense(3), layers.LastStep()), dtype, **case
    )


def test_frozen_weights_get_no_gradient_and_the_input_does():
    def make():
        model = lamina.Sequential(layers.Dense(6), layers.LayerNorm(), layers.Dense(3), layers.LastStep())
        model.layers[1].trainable = False
        return model

    check_model(make, "float64", ragged=True)
