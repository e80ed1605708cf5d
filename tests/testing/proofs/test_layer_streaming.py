"""The check of streams passes what is right and names what is not."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import StreamError
from lamina.layers import GRU, LSTM, Attention, Dense, Flatten
from lamina.testing import LayerCheckError, check_layer

SHAPE = (5, 4, 3)


class Positions(Dense):
    """Adds each step's place, which in a piece is another one; the default `stream` cannot know."""

    def forward(self, x: Any) -> Any:
        y, saved = super().forward(x)
        return y + np.arange(x.shape[1]).astype(y.dtype)[:, None], saved

    def backward(self, dy: Any, saved: Any) -> Any:
        return super().backward(dy, saved)


class Refusing(Positions):
    def stream_state(self, batch: int) -> Any:
        raise StreamError(f"{self.label}: counts steps")


class Amnesic(GRU):
    """Begins each piece anew."""

    def stream(self, *inputs: Any, state: Any = None, **options: Any) -> Any:
        return super().stream(*inputs, **options)


class HalfTrained(GRU):
    """Another output in training."""

    def stream(self, *inputs: Any, training: bool = False, **options: Any) -> Any:
        y, state, saved = super().stream(*inputs, training=training, **options)
        return (2 * y if training else y), state, saved


class ReadsPadding(Attention):
    """Attends to what is past the ends of keys that are given whole."""

    def begin_stream(self, *inputs: Any, lengths: Any = None) -> Any:
        return super().begin_stream(*inputs)


class StartsAtZero(LSTM):
    """Forgets the states that it is given at the start of a stream."""

    def begin_stream(self, *inputs: Any, lengths: Any = None) -> Any:
        return None, self.zero_states(inputs[1].shape[0])


def caught(layer: lamina.Layer, match: str) -> None:
    others = {"configuration", "saving", "generic kernel", "row alone"}
    with pytest.raises(LayerCheckError, match=match):
        check_layer(layer, SHAPE, skip=others)


def test_a_layer_whose_pieces_are_not_its_whole_is_caught() -> None:
    caught(Positions(4), r"streaming: output 0, in pieces: expected a difference of at most 1e-12")
    caught(Amnesic(4, return_sequences=True), r"streaming: output 0, in pieces: expected a difference")
    caught(Amnesic(4), r"streaming: output 0, in pieces: expected a difference")
    caught(HalfTrained(4), r"streaming: output 0, streamed in training: expected a difference")


def test_a_layer_that_loses_what_it_is_given_whole_is_caught() -> None:
    skip = {"configuration", "saving", "generic kernel", "row alone"}
    with pytest.raises(LayerCheckError, match=r"streaming: output 0, in pieces, inputs \(1,\) whole, ragged: expected"):
        check_layer(ReadsPadding(2, 4), SHAPE, SHAPE, skip=skip)
    with pytest.raises(LayerCheckError, match=r"streaming: output 0, in pieces, inputs \(1, 2\) whole: expected"):
        check_layer(StartsAtZero(2, return_sequences=True), SHAPE, state=[(5, 2), (5, 2)], skip=skip)
    assert "streaming" in check_layer(Attention(2, 4), SHAPE, SHAPE).passed


@pytest.mark.parametrize("layer", [Refusing(4), Flatten()], ids=["Refusing", "Flatten"])
def test_a_layer_that_refuses_passes(layer: lamina.Layer) -> None:
    assert "streaming" in check_layer(layer, SHAPE).passed


def test_without_a_time_axis_the_check_does_not_apply() -> None:
    assert check_layer(Dense(2), (5, 3)).skipped["streaming"] == "no time axis, or lengths=False"
    assert "streaming" in check_layer(GRU(2), SHAPE, state=(5, 2)).passed
