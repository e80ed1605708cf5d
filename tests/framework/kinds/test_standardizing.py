"""What is measured becomes numbers of the model's dtype."""

from typing import Any

import numpy as np
import pytest

from lamina.layers import Standardize


@pytest.mark.parametrize("built_before", [False, True])
def test_a_constant_feature_is_only_shifted(built_before: bool) -> None:
    """What is constant depends on the dtype; so does the second feature, which varies by 1e-9."""
    x = np.stack([np.full((4, 2), 0.1), np.full((4, 2), 3.0) + 1e-9 * np.arange(2)], axis=2)
    found: dict[str, Any] = {}
    for dtype in ("float32", "float64"):
        layer = Standardize() if built_before else Standardize().adapt(x)
        layer.build((None, None, 2), dtype=dtype)
        if built_before:
            layer.adapt(x)
        found[dtype] = layer.deviation.data.tolist()
    assert found["float32"] == [1, 1]
    assert found["float64"][0] == 1 and found["float64"][1] == pytest.approx(5e-10, rel=1e-3)


def test_a_deviation_that_the_dtype_does_not_hold_counts_as_none() -> None:
    layer = Standardize().adapt(np.array([[0.0], [1e-60]]))
    layer.build((None, 1))
    assert layer.deviation.data.tolist() == [1]
    assert np.isfinite(layer([[1.0]])).all()


def test_mean_and_rest_are_the_mean() -> None:
    layer = Standardize().adapt(np.array([[1 / 3], [1 / 3 + 1]]))
    layer.build((None, 1))
    assert layer.mean.data.dtype == layer.mean_rest.data.dtype == np.float32
    assert layer.mean.data.item() == np.float32(1 / 3 + 0.5)
    assert abs(float(layer.mean.data.item()) + float(layer.mean_rest.data.item()) - (1 / 3 + 0.5)) < 1e-14


def test_adapting_again_forgets_what_was_before() -> None:
    layer = Standardize().adapt(np.array([[1.0], [3.0]])).adapt(np.array([[10.0], [14.0]]))
    layer.build((None, 1), dtype="float64")
    assert (layer.mean.data.tolist(), layer.deviation.data.tolist()) == ([12], [2])
    layer.adapt(np.array([[0.0], [2.0]]))
    assert (layer.mean.data.tolist(), layer.deviation.data.tolist()) == ([1], [1])
