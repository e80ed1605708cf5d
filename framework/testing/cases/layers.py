"""The cases of the first layers and of the containers."""

from __future__ import annotations

from typing import Any

from lamina.compose.concat import Concat
from lamina.compose.residual import Residual
from lamina.compose.sequential import Sequential
from lamina.core.layer import Layer
from lamina.kinds.cell import Recurrent
from lamina.layers import Dense, Flatten, LastStep, ReLU, Sigmoid, SimpleRNN, Softmax, Tanh
from lamina.testing.cases.case import LayerCase, layer_case
from lamina.testing.cases.examples import LeakyPair, Siblings

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of all layers and containers."""
    rnn = SimpleRNN
    ignore: dict[str, Any] = {"ignores_padding": True}
    return (
        layer_case("Dense", lambda: Dense(4)),
        layer_case("Dense-rows", lambda: Dense(4, use_bias=False), (5, 3)),
        layer_case("Dense-four-axes", lambda: Dense(2), (4, 3, 2, 5)),
        layer_case("Flatten", Flatten),
        layer_case("LastStep", LastStep),
        layer_case("ReLU", ReLU),
        layer_case("Sigmoid", Sigmoid),
        layer_case("Softmax", Softmax),
        layer_case("Softmax-rows", Softmax, (5, 7)),
        layer_case("Tanh", Tanh),
        layer_case("SimpleRNN", lambda: rnn(6)),
        layer_case("SimpleRNN-one-step", lambda: rnn(6), time=1, state=(5, 6)),
        layer_case("SimpleRNN-two-rows", lambda: rnn(2), batch=2, time=7),
        layer_case("SimpleRNN-relu", lambda: rnn(6, activation="relu")),
        layer_case("SimpleRNN-sequences", lambda: rnn(6, return_sequences=True)),
        layer_case("SimpleRNN-sequences-relu", lambda: rnn(6, return_sequences=True, activation="relu")),
        layer_case("SimpleRNN-no-bias", lambda: rnn(6, use_bias=False, return_sequences=True)),
        layer_case("SimpleRNN-state", lambda: rnn(6, return_state=True)),
        layer_case("SimpleRNN-initial-state", lambda: rnn(6), state=(5, 6)),
        layer_case("SimpleRNN-backwards", lambda: rnn(6, go_backwards=True)),
        layer_case("SimpleRNN-backwards-sequences", lambda: rnn(6, go_backwards=True, return_sequences=True)),
        layer_case(
            "SimpleRNN-everything",
            lambda: rnn(6, return_sequences=True, return_state=True, go_backwards=True),
            state=(5, 6),
        ),
        layer_case(
            "SimpleRNN-everything-relu",
            lambda: rnn(6, activation="relu", return_sequences=True, return_state=True),
            state=(5, 6),
        ),
        layer_case("Cell", lambda: LeakyPair(6), (5, 3), (5, 6), (5, 6)),
        layer_case("Recurrent", lambda: Recurrent(LeakyPair(6))),
        layer_case("Recurrent-sequences", lambda: Recurrent(LeakyPair(6), return_sequences=True)),
        layer_case(
            "Recurrent-everything",
            lambda: Recurrent(LeakyPair(6), return_sequences=True, return_state=True, go_backwards=True),
            state=[(5, 6), (5, 6)],
        ),
        layer_case("Sequential", lambda: Sequential(rnn(4, return_sequences=True), Dense(3), ReLU(), rnn(5), Dense(2))),
        layer_case(
            "Sequential-recurrent",
            lambda: Sequential(rnn(4, return_sequences=True, return_state=True), rnn(4, return_sequences=True)),
            **ignore,
        ),
        layer_case("Sequential-shared", _shared),
        layer_case("Sequential-flat", lambda: Sequential(rnn(4, return_sequences=True), Flatten(), Dense(2))),
        layer_case("Residual", lambda: Residual(rnn(3, return_sequences=True))),
        layer_case("Residual-deep", lambda: Residual(Residual(Sequential(Dense(3), Tanh())))),
        layer_case("Concat", lambda: Concat(rnn(2, return_sequences=True), Dense(3), Tanh())),
        layer_case("Concat-directions", lambda: Concat(rnn(3), rnn(3, go_backwards=True)), **ignore),
        layer_case("Concat-time", lambda: Concat(Dense(2), Dense(2), axis=1), lengths=False),
        layer_case("Concat-inputs", Concat, (5, 4, 3), (5, 4, 2), ignores_padding=False),
        layer_case("Composite", lambda: Siblings(4), (5, 4, 3), (5, 4, 3)),
    )


def _shared() -> Layer:
    layer = Dense(3)
    return Sequential(layer, Tanh(), layer, SimpleRNN(3, return_sequences=True), layer)
