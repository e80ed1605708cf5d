"""Arithmetic and kept bytes, by hand."""

from typing import Any

import numpy as np
import pytest

from lamina import Sequential
from lamina.inspect.work import Retained, flops_of
from lamina.layers import (
    GRU,
    LRU,
    LSTM,
    SLSTM,
    Dense,
    IndRNN,
    LayerNormGRU,
    LayerNormLSTM,
    MinGRU,
    MinLSTM,
    SimpleRNN,
    Tanh,
)

X = np.zeros((4, 6, 3), "float32")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Dense(5), 2 * 24 * 15),
        (SimpleRNN(5), 2 * 24 * (15 + 25)),
        (LSTM(5), 2 * 24 * 4 * (15 + 25)),
        (GRU(5), 2 * 24 * 3 * (15 + 25)),
        (LSTM(5, projection=2), 2 * 24 * (4 * 5 * (3 + 2) + 5 * 2)),
        (LayerNormLSTM(5), 2 * 24 * 4 * (15 + 25)),
        (LayerNormGRU(5), 2 * 24 * 3 * (15 + 25)),
        (MinGRU(5), 2 * 24 * 2 * 15),
        (MinLSTM(5), 2 * 24 * 3 * 15),
        (IndRNN(5), 2 * 24 * 15),
        (SLSTM(5), 2 * 24 * 4 * (15 + 25)),
        (LRU(5), 2 * 24 * (2 * 15 + 2 * 25 + 15)),
        (Tanh(), None),
    ],
)
def test_two_for_each_multiplication(layer: Any, expected: float | None) -> None:
    layer.build((None, None, 3), seed=0)
    assert flops_of(layer, (X,), None, None) == expected


def test_padding_costs_a_recurrent_layer_nothing() -> None:
    for layer, steps in ((SimpleRNN(5), 9), (Dense(5), 24)):
        layer.build((None, None, 3), seed=0)
        size = sum(one.size for one in layer.parameters() if len(one.shape) == 2)
        assert flops_of(layer, (X,), None, np.array([6, 0, 1, 2])) == 2 * steps * size  # type: ignore[arg-type]


def test_each_buffer_counts_once_and_inputs_and_weights_do_not() -> None:
    model = Sequential(Dense(3), Tanh(), Dense(2))
    model.build((None, None, 3), seed=0)
    y, saved = model.forward(X)
    counted = Retained(model.backend, model, (X,))
    kept = saved._content
    assert counted.count(saved) == 0  # the layers keep it, not the container
    assert [counted.count(own) for own in kept] == [0, 4 * 24 * 3, 0]  # tanh's output is the second Dense's input
    assert y.shape == (4, 6, 2)
