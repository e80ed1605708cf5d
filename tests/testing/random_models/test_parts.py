"""The parts of random models are right themselves: each is proven alone, as any layer is."""

import numpy as np
import pytest

import lamina
from lamina import Composite, Recurrent, Sequential
from lamina.layers import GRU, Dense, Dropout, Embedding, Tanh
from lamina.optimizers import SGD
from lamina.testing import check_gradients, check_layer
from lamina.testing.random_models.parts import (
    Averaging,
    DecoratedMean,
    Doubled,
    DoubledGRU,
    Graph,
    KeywordDense,
    KeywordGRU,
    KeywordLSTM,
    LoggedDense,
    LoggedGRU,
    Mixing,
    Noise,
    Remembering,
    every_second,
    frozen,
)

SHAPE = (5, 4, 3)
MASKS = ("batch order", "inference", "row alone")


@pytest.mark.parametrize(
    ("make", "skip"),
    [
        (lambda: Recurrent(Averaging(Dense(2), 2), return_sequences=True), ()),
        (lambda: Recurrent(Mixing(Dense(2), Dense(2), 2), return_sequences=True), ()),
        (lambda: Recurrent(Remembering(Dense(2), 2), return_sequences=True), ()),
        (DecoratedMean, ()),
        (lambda: Doubled(2), ()),
        (lambda: DoubledGRU(2), ()),
        (lambda: KeywordDense(3, use_bias=False), ()),
        (lambda: KeywordGRU(3, return_sequences=True), ()),
        (lambda: KeywordLSTM(3, go_backwards=True), ()),
        (lambda: LoggedDense(2), ()),
        (lambda: LoggedGRU(2, return_sequences=True), ()),
        (Noise, MASKS),
        (lambda: Graph([Dense(3), Tanh()], [(0, 0), (1, 1), ("add", 0, 1, 2)], [3]), ()),
    ],
)
def test_each_part_is_proven_as_a_layer(make, skip) -> None:
    report = check_layer(make(), SHAPE, skip=skip)
    assert {"gradients", "padding", "saving"} <= set(report.passed)


def test_the_mean_of_no_steps_is_0_in_every_way() -> None:
    layer = DecoratedMean()
    layer.build((None, None, 3), dtype="float64")
    for lengths in (None, [0, 0]):
        y, saved = layer.forward(np.ones((2, 0, 3)), lengths=lengths)
        assert y.tolist() == np.zeros((2, 3)).tolist()
        assert layer.backward(np.ones((2, 3)), saved).shape == (2, 0, 3)


def test_twice_is_twice() -> None:
    x = np.ones((2, 4, 3))
    for doubled, plain in ((Doubled(2), Dense(2)), (DoubledGRU(2), GRU(2, return_sequences=True))):
        for layer in (doubled, plain):
            layer.build((None, None, 3), dtype="float64", seed=0)
        assert (doubled(x) == 2 * plain(x)).all()


def test_a_graph_is_what_a_composite_of_ones_own_is() -> None:
    class Own(Composite):
        def __init__(self) -> None:
            self.layers = [GRU(3, return_sequences=True, return_state=True), Dense(3), GRU(3)]

        def compose(self, t, a, b):
            encoder, dense, decoder = self.layers
            y, state = t(encoder, a)
            z = t.multiply(t(dense, y), y)
            return t(decoder, b, state), z

    own = Own()
    graph = Graph(Own().layers, [(0, 0), (1, 2), ("multiply", 4, 2), (2, 1, 3)], [6, 5])
    values = np.ones((2, 4, 3)), np.ones((2, 6, 3))
    for model in (own, graph):
        model.build((None, None, 3), (None, None, 3), dtype="float64", seed=0)
    for got, expected in zip(
        graph(*values, lengths=([4, 2], [1, 6])), own(*values, lengths=([4, 2], [1, 6])), strict=True
    ):
        assert (got == expected).all()
    assert check_gradients(graph, *values, lengths=([4, 2], [1, 6])) < 1e-6


def test_ties_and_shared_layers_are_one_parameter(tmp_path) -> None:
    tied = Graph([Embedding(5, 3), Embedding(5, 3)], [(0, 0), (1, 0), ("add", 1, 2)], [3], ties=[(0, "w", 1, "w")])
    tied.build((None, None), dtype="float64", seed=0)
    assert tied.layers[0].w is tied.layers[1].w
    assert len(tied.parameters()) == 1
    ids = np.array([[0, 1]])
    assert (tied(ids) == 2 * tied.layers[0](ids)).all()
    tied.save(tmp_path / "model.safetensors")
    loaded = lamina.load(tmp_path / "model.safetensors")
    assert loaded.layers[0].w is loaded.layers[1].w


def test_groups_and_frozen_layers() -> None:
    model = Sequential(Dense(2), frozen(Dense(2)), Dropout(0.5))
    model.build((None, 3), seed=0)
    assert [one.trainable for one in model.parameters()] == [True, True, False, False]
    groups = every_second(model.parameters(), lr=0.5)
    assert groups == {"0.w": {"lr": 0.5}, "1.w": {"lr": 0.5}}
    SGD(model.parameters(), groups=groups)
