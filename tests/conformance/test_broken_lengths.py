"""The suite proves itself: a layer that gets lengths wrong is caught."""

import numpy as np
import pytest

import lamina
from lamina.layers import LastStep, Tanh
from lamina.testing import LayerCheckError, check_layer

SHAPE = (5, 4, 3)


def caught(match, layer, **options):
    with pytest.raises(LayerCheckError) as info:
        check_layer(layer, SHAPE, **options)
    assert str(info.value).startswith(f"{type(layer).__name__}(): {match}")


class LastOfAll(LastStep):
    """Takes lengths, and does not heed them."""

    def forward(self, x, lengths=None):
        return x[:, -1], x.shape

    def backward(self, dy, saved):
        dx = np.zeros(saved, dy.dtype)
        dx[:, -1] = dy
        return dx


def test_lengths_that_are_not_heeded():
    caught("padding: dx 0: expected 0 past each row's end", LastOfAll())
    caught("row alone", LastOfAll(), skip=set(check_layer(LastStep(), SHAPE).passed) - {"row alone"})


class Neighbours(lamina.Layer):
    """Looks one step ahead, and leaves lengths to others."""

    def build(self, shape):
        return shape

    def forward(self, x):
        y = x.copy()
        y[:, :-1] += x[:, 1:]
        return y, None

    def backward(self, dy, saved):
        dx = dy.copy()
        dx[:, 1:] += dy[:, :-1]
        return dx


def test_padding_that_reaches_a_neighbour():
    caught("padding: dx 0: expected 0 past each row's end", Neighbours())
    assert "padding" in check_layer(Neighbours(), SHAPE, lengths=False).skipped


class Mean(lamina.Layer):
    """The mean over the time axis: over the valid steps where ``counts`` says so."""

    def __init__(self, counts="valid"):
        self.counts = counts

    def build(self, shape):
        return (None, shape[2])

    def output_lengths(self, lengths):
        return None

    def forward(self, x, lengths=None):
        time = x.shape[1]
        count = np.full(len(x), time) if lengths is None or self.counts == "all" else np.maximum(lengths, 1)
        y = self.backend.zero_past(x, lengths).sum(axis=1) / count[:, None].astype(x.dtype)
        return y, (count, lengths, x.shape)

    def backward(self, dy, saved):
        count, lengths, shape = saved
        dx = np.broadcast_to((dy / count[:, None].astype(dy.dtype))[:, None], shape)
        return dx if self.counts == "leaks" else self.backend.zero_past(dx, lengths)


def test_mean():
    check_layer(Mean(), SHAPE)
    with pytest.raises(LayerCheckError, match="row alone: output 0 of row 0, 2 steps long"):
        check_layer(Mean("all"), SHAPE)
    with pytest.raises(LayerCheckError, match="gradients, ragged: gradient of input"):
        check_layer(Mean("leaks"), SHAPE)


class KeepsPadding(Tanh):
    """Takes lengths, and lets the output past a row's end be what it is."""

    def forward(self, x, lengths=None):
        y = np.tanh(x)
        return y, y

    def backward(self, dy, y):
        return dy * (1 - y * y)


def test_output_past_the_end():
    caught("padding: output 0: expected 0 past each row's end", KeepsPadding())
    check_layer(KeepsPadding(), SHAPE, ignores_padding=False)


class KeepingTheRagged(lamina.Layer):
    """Keeps its input on itself where it gets lengths."""

    def build(self, shape):
        return shape

    def forward(self, x, lengths=None):
        if lengths is not None:
            self.last = x
        return x + 1, None

    def backward(self, dy, saved):
        return dy.copy()


def test_what_is_kept_of_a_batch_with_lengths_alone():
    caught("nothing kept: inference: expected nothing kept on the layer, got ", KeepingTheRagged())
