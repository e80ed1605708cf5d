"""Which layers stream without a state; a class whose forward its stream does not match is refused."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.core.steps import require_steps_alone
from lamina.errors import StreamError
from lamina.layers import GRU, Dense


class Own(lamina.Layer):
    """A layer of a user's: y = x + 1, of any shape."""

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        return x + 1, None

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy


class Fixed(Own):
    def build(self, shape: Any) -> Any:
        self.size_of(shape, 1)
        return shape


class Says(Own):
    def output_lengths(self, lengths: Any) -> Any:
        return None


class Looks(Own):
    def forward(self, x: Any, lengths: Any = None) -> Any:
        return x + 1, None


class Holds(Own):
    def __init__(self) -> None:
        self.inner = Dense(3)

    def build(self, shape: Any) -> Any:
        return self.inner.build(shape)


def built(layer: Any, time: int | None = None) -> Any:
    layer.build((None, time, 3), dtype="float64", seed=0)
    return layer


def test_a_layer_that_takes_each_step_by_itself_streams() -> None:
    layer, x = built(Own()), np.random.default_rng(0).standard_normal((2, 4, 3))
    require_steps_alone(layer)
    stream = lamina.Stream(layer)
    np.testing.assert_array_equal(np.stack([stream(x[:, t]) for t in range(4)], 1), x + 1)


@pytest.mark.parametrize(
    ("layer", "time", "why"),
    [
        (Fixed(), 4, "needs a fixed time axis"),
        (Says(), None, "defines output_lengths, but no stream_state and stream"),
        (Looks(), None, "forward takes lengths, but it defines no stream_state and stream"),
        (Holds(), None, "defines no stream_state and stream for the layers in it"),
    ],
)
def test_any_other_is_refused_and_told_why(layer: Any, time: int | None, why: str) -> None:
    with pytest.raises(StreamError, match=why):
        lamina.Stream(built(layer, time))


@pytest.mark.parametrize("cls", [GRU, lamina.Sequential])
def test_a_forward_that_the_stream_does_not_match_is_refused_in_a_model_too(cls: Any) -> None:
    class Overrides(cls):  # type: ignore[misc]
        def forward(self, *inputs: Any, **options: Any) -> Any:
            y, saved = super().forward(*inputs, **options)
            return 2 * y, saved

    class Matches(Overrides):
        def stream(self, *inputs: Any, **options: Any) -> Any:
            y, state, saved = super().stream(*inputs, **options)
            return 2 * y, state, saved

    def make(one: Any) -> Any:
        return one(3, return_sequences=True) if cls is GRU else one(GRU(3, return_sequences=True))

    for model in (built(make(Overrides)), built(lamina.Sequential(Dense(3), make(Overrides)))):
        with pytest.raises(StreamError, match="it defines forward, but neither stream nor step to match"):
            lamina.Stream(model)
    model, x = built(make(Matches)), np.random.default_rng(0).standard_normal((2, 4, 3))
    stream = lamina.Stream(model)
    np.testing.assert_allclose(np.concatenate([stream(x[:, :1]), stream(x[:, 1:])], 1), model(x), rtol=1e-12)
