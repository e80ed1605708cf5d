"""Windows that are drawn: each gives what its piece says, in every setting that there is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import StreamError
from lamina.layers import AveragePool1D, Conv1D, Conv1DTranspose, MaxPool1D
from lamina.testing.random_models.fragment import Fragment
from lamina.testing.random_models.windows import draw_resampling, draw_windows

SCOPE = {"AveragePool1D": AveragePool1D, "Conv1D": Conv1D, "Conv1DTranspose": Conv1DTranspose, "MaxPool1D": MaxPool1D}


class Drawn:
    """Choices drawn by NumPy."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.number(0, len(options) - 1)]

    def number(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most, endpoint=True))

    def one_in(self, count: int) -> bool:
        return self.number(1, count) == 1


def built(fragment: Fragment, features: int) -> Any:
    layer = eval(fragment.code, dict(SCOPE))
    assert layer.build((None, None, features), dtype="float64", seed=0) == (None, None, fragment.features)
    return layer


@pytest.mark.parametrize("features", [2, 3])
def test_an_output_for_each_step_and_a_stream_where_it_is_not_flagged(features: int) -> None:
    for seed in range(200):
        fragment = draw_windows(Drawn(seed), features, 4)
        layer = built(fragment, features)
        assert layer(np.ones((2, 5, features)), lengths=[5, 3]).shape == (2, 5, fragment.features)
        assert layer.output_lengths(np.array([5, 3, 0])).tolist() == [5, 3, 0], fragment
        try:
            lamina.Stream(layer)
        except StreamError:
            assert fragment.flags == {"whole"}, fragment


def test_other_steps_but_never_none_for_two() -> None:
    numbers = set()
    for seed in range(200):
        layer = built(draw_resampling(Drawn(seed), 4, 4), 4)
        lengths = layer.output_lengths(np.arange(7))
        assert lengths[0] == 0
        assert lengths[2:].min() > 0, layer
        numbers.add(tuple(lengths))
    assert len(numbers) > 10


def test_every_setting_occurs() -> None:
    text = "\n".join(draw(Drawn(seed), 4, 4).code for draw in (draw_windows, draw_resampling) for seed in range(200))
    for what in ("groups=4", "ceil=True", "count_padding=True", "output_padding=1", "dilation=2", "padding=(", *SCOPE):
        assert what in text, what
