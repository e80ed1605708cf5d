"""Standardize; what it measures is proven in framework/kinds/test_standardizing, the trainer's part in train."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import DataError, ShapeError
from lamina.layers import Dense, Standardize

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 7, 3)) * [1.0, 100.0, 0.01] + [0.0, 1000.0, -5.0]
LENGTHS = RNG.integers(0, 8, 20)
VALID = np.arange(7) < LENGTHS[:, None]


def test_forward_and_backward_by_hand() -> None:
    # Valid are 2 and 10, and twice 3: mean 6 and deviation 4; a constant is only shifted.
    layer = Standardize().adapt(np.array([[[2.0, 3.0], [99.0, 9.0]], [[10.0, 3.0], [99.0, 9.0]]]), lengths=[1, 1])
    assert layer.build((None, None, 2), dtype="float64") == (None, None, 2)
    y, saved = layer.forward(np.array([[[2.0, 4.0], [5.0, 5.0]]]), lengths=np.array([1]))
    assert y.tolist() == [[[-1, 1], [0, 0]]]
    assert layer.backward(np.array([[[8.0, 8.0], [8.0, 8.0]]]), saved).tolist() == [[[2, 8], [0, 0]]]
    assert layer.steps.data.item() == 2


def test_until_it_is_adapted_nothing_changes() -> None:
    layer = Standardize()
    layer.build((None, None, 3), dtype="float64")
    assert not layer.is_adapted
    np.testing.assert_array_equal(layer(X), X)


@pytest.mark.parametrize("built_before", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_valid_steps_get_mean_0_and_deviation_1(dtype: str, built_before: bool) -> None:
    layer, rubbish = Standardize(), np.where(VALID[:, :, None], X, np.nan)
    if built_before:
        layer.build((None, None, 3), dtype=dtype)
    assert layer.adapt(rubbish, LENGTHS) is layer
    if not built_before:
        assert layer.is_adapted
        layer.build((None, None, 3), dtype=dtype)
    assert layer.is_adapted
    y = layer(rubbish, lengths=LENGTHS)
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(y[VALID].mean(axis=0), 0, atol=tolerance)
    np.testing.assert_allclose(y[VALID].std(axis=0), 1, rtol=tolerance)
    assert not y[~VALID].any()
    found = layer.mean.numpy().astype(float) + layer.mean_rest.numpy()
    np.testing.assert_allclose(found, X[VALID].mean(axis=0), rtol=1e-12)
    assert layer.steps.data.item() == LENGTHS.sum()


def test_in_float32_the_mean_keeps_its_digits() -> None:
    """A mean of one float32 would be off by 0.3 of a deviation here: every output would be."""
    x = 2.0**24 + np.array([[0.0], [1.0], [2.0], [4.0], [6.0], [8.0]])
    layer = Standardize().adapt(x)
    layer.build((None, 1))
    exact = (x - x.mean()) / x.std()
    held = x.astype(np.float32).astype(float)
    np.testing.assert_allclose(layer(x), (held - x.mean()) / x.std(), atol=1e-6)
    assert abs((held - float(np.float32(x.mean()))) / x.std() - exact).max() > 0.1


def test_it_is_saved_copied_and_moved_with_the_model(tmp_path: Path) -> None:
    model = lamina.Sequential(Standardize().adapt(X, LENGTHS), Dense(2))
    model.build((None, None, 3), seed=0)
    expected = model(X, lengths=LENGTHS)
    model.save(tmp_path / "model.safetensors")
    loaded = lamina.load(tmp_path / "model.safetensors")
    fresh = lamina.Sequential(Standardize(), Dense(2))
    fresh.build((None, None, 3), seed=1)
    fresh.load_weights(tmp_path / "model.safetensors")
    others = [loaded, fresh, copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    others.append(copy.deepcopy(model).to("reference"))
    for other in others:
        assert other[0].is_adapted
        np.testing.assert_allclose(other(X, lengths=LENGTHS), expected, rtol=1e-6, atol=1e-6)


def test_adapted_before_it_is_built_it_can_be_copied() -> None:
    layer = Standardize().adapt(X)
    for one in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        one.build((None, None, 3), dtype="float64")
        np.testing.assert_allclose(one.mean.data, X.mean(axis=(0, 1)), rtol=1e-12)


def test_it_is_not_trained() -> None:
    layer = Standardize()
    layer.build((None, 3))
    assert not any(parameter.trainable for parameter in layer.parameters())


def test_it_streams() -> None:
    layer = Standardize().adapt(X)
    layer.build((None, None, 3), dtype="float64")
    stream = lamina.Stream(layer)
    np.testing.assert_array_equal(np.concatenate([stream(X[:, :3]), stream(X[:, 3:])], axis=1), layer(X))


def test_what_does_not_fit_is_refused() -> None:
    layer = Standardize()
    with pytest.raises(DataError, match=r"^Standardize: expected a step to adapt to, got none: every row is empty$"):
        layer.adapt(X, np.zeros(20, int))
    with pytest.raises(ShapeError, match=r"^Standardize: adapted to 3 features, got 2$"):
        Standardize().adapt(X).build((None, 2))
    with pytest.raises(ShapeError, match=r"^Standardize: expected a fixed size of axis 1, got \(batch, \?\)$"):
        layer.build((None, None))
    layer.build((None, 2), dtype="float64")
    layer.adapt([[1.0, 1.0], [3.0, 5.0]])
    before = layer.state_dict()
    with pytest.raises(ShapeError, match=r"^Standardize: expected 2 features, got 3$"):
        layer.adapt(X)
    after = layer.state_dict()
    assert all(np.array_equal(after[name], array) for name, array in before.items())


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e200])
def test_of_any_size(scale: float) -> None:
    x: Any = np.array([[1.0], [3.0]]) * scale
    layer = Standardize().adapt(x)
    layer.build((None, 1), dtype="float64")
    np.testing.assert_allclose(layer(x), [[-1], [1]], rtol=1e-12)
