"""Dropout; its kernel is proven in backends/generic/test_dropout, its masks in framework/kinds/test_random."""

import numpy as np
import pytest

from lamina.errors import ArgumentError
from lamina.layers import Dropout


def built(rate: float, shape=(None, 1000), **settings) -> Dropout:
    layer = Dropout(rate)
    layer.build(shape, **{"dtype": "float64", "seed": 0, **settings})
    return layer


def test_the_mask_of_forward_is_that_of_backward() -> None:
    layer = built(0.75)
    y, saved = layer.forward(np.ones((4, 1000)))
    assert set(y.ravel().tolist()) == {0, 4}
    dx = layer.backward(np.full((4, 1000), 2.0), saved)
    assert dx.tolist() == (2 * y).tolist()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_rate_is_kept_and_the_mean_stays(rate: float) -> None:
    y, _ = built(rate).forward(np.ones((100, 1000)))
    # The standard deviation of a share of 1e5 draws is at most 0.0016.
    assert abs((y == 0).mean() - rate) < 0.006
    assert abs(y.mean() - 1) < 0.006 / (1 - rate)


def test_a_rate_of_0_drops_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(3, 1000))
    y, _ = built(0).forward(x)
    assert y.tolist() == x.tolist()


def test_inference_is_the_identity_and_draws_nothing() -> None:
    first, second = built(0.5), built(0.5)
    x = np.ones((2, 1000))
    assert first(x).tolist() == x.tolist() == first(x, lengths=None).tolist()
    assert first.forward(x)[0].tolist() == second.forward(x)[0].tolist()


def test_masks_of_elements_rows_and_calls_are_independent() -> None:
    layer = built(0.5)
    masks = np.concatenate([layer.forward(np.ones((5, 1000)))[0] != 0 for _ in range(4)])
    together = np.corrcoef(masks)
    # Of 1000 draws, a correlation's standard deviation is 0.03.
    assert np.abs(together - np.eye(20)).max() < 0.15


def test_more_padding_changes_no_mask() -> None:
    short, long = (built(0.5, (None, None, 20)).forward(np.ones((3, time, 20)))[0] for time in (4, 9))
    assert short.tolist() == long[:, :4].tolist()


@pytest.mark.parametrize("rate", [1, 1.5, -0.1, "0.5", None, float("nan")])
def test_a_rate_that_means_nothing_is_refused(rate) -> None:
    with pytest.raises(ArgumentError) as caught:
        Dropout(rate)
    assert str(caught.value) == f"Dropout: expected rate to be a number of at least 0 and below 1, got {rate!r}"
