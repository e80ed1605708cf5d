from typing import Any

import numpy as np
import pytest

from lamina.cli import recipes
from lamina.cli.standardize import Standardization, require_range
from lamina.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 7, 3)) * [1.0, 100.0, 0.01] + [0.0, 1000.0, -5.0]
LENGTHS = RNG.integers(0, 8, 20)
VALID = np.arange(7) < LENGTHS[:, None]


def test_valid_steps_get_mean_0_and_deviation_1() -> None:
    rubbish = np.where(VALID[:, :, None], X, np.nan)
    found = Standardization.measure(rubbish, LENGTHS, "float32")
    y = found.apply(rubbish, LENGTHS)
    assert np.allclose(y[VALID].mean(axis=0), 0, atol=1e-12) and np.allclose(y[VALID].std(axis=0), 1)
    assert not y[~VALID].any()
    assert found.facts() == {"feature_mean": found.mean.tolist(), "feature_scale": found.scale.tolist()}


def test_without_lengths_all_steps_count() -> None:
    found = Standardization.measure(X.astype(np.float32), None, "float32")
    assert found.mean.dtype == np.float64
    assert np.allclose(found.mean, X.mean(axis=(0, 1))) and np.allclose(found.scale, X.std(axis=(0, 1)))


def test_a_constant_feature_is_only_shifted() -> None:
    x = np.stack([np.full((4, 2), 0.1), np.full((4, 2), 3.0) + 1e-9 * np.arange(2)], axis=2)
    single, double = (Standardization.measure(x, None, dtype) for dtype in ("float32", "float64"))
    assert single.scale.tolist() == [1.0, 1.0]
    assert double.scale[0] == 1.0 and double.scale[1] == pytest.approx(5e-10, rel=1e-3)


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(DataError, match="all lengths are 0"):
        Standardization.measure(X, np.zeros(20, int), "float32")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", recipes.CELLS)
def test_folding_gives_the_same_for_raw_features(cell: str, layers: int, bidirectional: bool) -> None:
    found_cell = recipes.find_cell(cell)
    model: Any = recipes.build_stack(found_cell, 5, 2, layers=layers, bidirectional=bidirectional, dropout=0.5)
    model.build((None, None, 3), dtype="float64", seed=0)
    for parameter in model.parameters():
        parameter.data = RNG.normal(size=parameter.shape)
    found = Standardization.measure(X, LENGTHS, "float64")
    expected = model(found.apply(X, LENGTHS), lengths=LENGTHS)
    found.fold_into(model[0])
    assert np.allclose(model(X, lengths=LENGTHS), expected, rtol=1e-9, atol=1e-9)


def test_numbers_too_large_for_the_dtype_are_refused() -> None:
    x = np.full((1, 2, 1), -1e300)
    require_range(x, None, "float64", "f.npz")
    require_range(x, np.array([0]), "float32", "f.npz")
    with pytest.raises(DataError, match=r"'f\.npz': holds 1e[+]300, too large for float32"):
        require_range(x, np.array([1]), "float32", "f.npz")
