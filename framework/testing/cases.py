"""The registry of cases: every layer, loss and optimizer, in the configurations that cover its options.

A new class is added here, and with that it is proven on every backend; a test fails until it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.backends import Backend
from lamina.concat import Concat
from lamina.layer import Layer
from lamina.layers import Dense, Flatten, LastStep, ReLU, Sigmoid, SimpleRNN, Softmax, Tanh
from lamina.loss import Loss
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.optimizer import Optimizer
from lamina.optimizers import SGD, AdaGrad
from lamina.parameter import Parameter
from lamina.recurrent import Recurrent
from lamina.residual import Residual
from lamina.sequential import Sequential
from lamina.testing.examples import LeakyPair, Siblings
from lamina.testing.layers import check_layer
from lamina.testing.losses import check_loss
from lamina.testing.optimizers import check_optimizer
from lamina.testing.report import Report

__all__ = ["LayerCase", "LossCase", "OptimizerCase", "layer_cases", "loss_cases", "optimizer_cases"]


@dataclass(frozen=True)
class LayerCase:
    """A layer, and what `check_layer` is called with.

    Attributes
    ----------
    name : str
    make : callable
        Returns a new layer, not built.
    inputs : tuple of shapes or arrays
    options : dict
    """

    name: str
    make: Callable[[], Layer]
    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, backend: str | Backend | None = None) -> Report:
        """Run `check_layer` on a backend."""
        return check_layer(self.make(), *self.inputs, backend=backend, **self.options)


@dataclass(frozen=True)
class LossCase:
    """A loss, and what `check_loss` is called with.

    Attributes
    ----------
    name : str
    make : callable
        Returns a new loss.
    shape : tuple of int
        The prediction's.
    target : array or None
    """

    name: str
    make: Callable[[], Loss]
    shape: tuple[int, ...]
    target: Any = None

    def check(self, backend: str | Backend | None = None) -> Report:
        """Run `check_loss` on a backend."""
        return check_loss(self.make(), self.shape, self.target, backend=backend)


@dataclass(frozen=True)
class OptimizerCase:
    """What makes an optimizer from parameters.

    Attributes
    ----------
    name : str
    make : callable
    """

    name: str
    make: Callable[[Iterable[Parameter]], Optimizer]

    def check(self, backend: str | Backend | None = None) -> Report:
        """Run `check_optimizer` on a backend."""
        return check_optimizer(self.make, backend=backend)


def _layer(
    name: str, make: Callable[[], Layer], *inputs: Any, batch: int = 5, time: int = 4, **options: Any
) -> LayerCase:
    return LayerCase(name, make, inputs or ((batch, time, 3),), options)


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of all layers and containers."""
    rnn = SimpleRNN
    ignore: dict[str, Any] = {"ignores_padding": True}
    return (
        _layer("Dense", lambda: Dense(4)),
        _layer("Dense-rows", lambda: Dense(4, use_bias=False), (5, 3)),
        _layer("Dense-four-axes", lambda: Dense(2), (4, 3, 2, 5)),
        _layer("Flatten", Flatten),
        _layer("LastStep", LastStep),
        _layer("ReLU", ReLU),
        _layer("Sigmoid", Sigmoid),
        _layer("Softmax", Softmax),
        _layer("Softmax-rows", Softmax, (5, 7)),
        _layer("Tanh", Tanh),
        _layer("SimpleRNN", lambda: rnn(6)),
        _layer("SimpleRNN-one-step", lambda: rnn(6), time=1, state=(5, 6)),
        _layer("SimpleRNN-two-rows", lambda: rnn(2), batch=2, time=7),
        _layer("SimpleRNN-relu", lambda: rnn(6, activation="relu")),
        _layer("SimpleRNN-sequences", lambda: rnn(6, return_sequences=True)),
        _layer("SimpleRNN-sequences-relu", lambda: rnn(6, return_sequences=True, activation="relu")),
        _layer("SimpleRNN-no-bias", lambda: rnn(6, use_bias=False, return_sequences=True)),
        _layer("SimpleRNN-state", lambda: rnn(6, return_state=True)),
        _layer("SimpleRNN-initial-state", lambda: rnn(6), state=(5, 6)),
        _layer("SimpleRNN-backwards", lambda: rnn(6, go_backwards=True)),
        _layer("SimpleRNN-backwards-sequences", lambda: rnn(6, go_backwards=True, return_sequences=True)),
        _layer(
            "SimpleRNN-everything",
            lambda: rnn(6, return_sequences=True, return_state=True, go_backwards=True),
            state=(5, 6),
        ),
        _layer(
            "SimpleRNN-everything-relu",
            lambda: rnn(6, activation="relu", return_sequences=True, return_state=True),
            state=(5, 6),
        ),
        _layer("Cell", lambda: LeakyPair(6), (5, 3), (5, 6), (5, 6)),
        _layer("Recurrent", lambda: Recurrent(LeakyPair(6))),
        _layer("Recurrent-sequences", lambda: Recurrent(LeakyPair(6), return_sequences=True)),
        _layer(
            "Recurrent-everything",
            lambda: Recurrent(LeakyPair(6), return_sequences=True, return_state=True, go_backwards=True),
            state=[(5, 6), (5, 6)],
        ),
        _layer("Sequential", lambda: Sequential(rnn(4, return_sequences=True), Dense(3), ReLU(), rnn(5), Dense(2))),
        _layer(
            "Sequential-recurrent",
            lambda: Sequential(rnn(4, return_sequences=True, return_state=True), rnn(4, return_sequences=True)),
            **ignore,
        ),
        _layer("Sequential-shared", _shared),
        _layer("Sequential-flat", lambda: Sequential(rnn(4, return_sequences=True), Flatten(), Dense(2))),
        _layer("Residual", lambda: Residual(rnn(3, return_sequences=True))),
        _layer("Residual-deep", lambda: Residual(Residual(Sequential(Dense(3), Tanh())))),
        _layer("Concat", lambda: Concat(rnn(2, return_sequences=True), Dense(3), Tanh())),
        _layer("Concat-directions", lambda: Concat(rnn(3), rnn(3, go_backwards=True)), **ignore),
        _layer("Concat-time", lambda: Concat(Dense(2), Dense(2), axis=1), lengths=False),
        _layer("Concat-inputs", Concat, (5, 4, 3), (5, 4, 2), ignores_padding=False),
        _layer("Composite", lambda: Siblings(4), (5, 4, 3), (5, 4, 3)),
    )


def _shared() -> Layer:
    layer = Dense(3)
    return Sequential(layer, Tanh(), layer, SimpleRNN(3, return_sequences=True), layer)


def loss_cases() -> tuple[LossCase, ...]:
    """Return the cases of all losses."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (5, 4))
    some = np.where(rng.random((5, 4)) < 0.3, -1, labels)
    probabilities = rng.random((5, 4, 3))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    cross, weight = SoftmaxCrossEntropy, [0.5, 1.0, 2.0]
    steps = (5, 4, 3)
    return (
        LossCase("MeanSquaredError", MeanSquaredError, steps),
        LossCase("MeanSquaredError-rows", MeanSquaredError, (5, 3)),
        LossCase("MeanSquaredError-four-axes", MeanSquaredError, (5, 2, 2, 3)),
        LossCase("SoftmaxCrossEntropy", cross, steps, labels),
        LossCase("SoftmaxCrossEntropy-rows", cross, (5, 3), labels[:, 0]),
        LossCase("SoftmaxCrossEntropy-narrow", cross, steps, labels.astype(np.uint8)),
        LossCase("SoftmaxCrossEntropy-ignore", lambda: cross(ignore_index=-1), steps, some),
        LossCase("SoftmaxCrossEntropy-smoothing", lambda: cross(label_smoothing=0.2), steps, labels),
        LossCase("SoftmaxCrossEntropy-weights", lambda: cross(class_weight=weight), steps, labels),
        LossCase("SoftmaxCrossEntropy-probabilities", cross, steps, probabilities),
        LossCase(
            "SoftmaxCrossEntropy-everything",
            lambda: cross(ignore_index=-1, class_weight=weight, label_smoothing=0.1),
            steps,
            some,
        ),
        LossCase(
            "SoftmaxCrossEntropy-probabilities-everything",
            lambda: cross(class_weight=weight, label_smoothing=0.1),
            steps,
            probabilities,
        ),
    )


def optimizer_cases() -> tuple[OptimizerCase, ...]:
    """Return the cases of all optimizers."""
    return (
        OptimizerCase("SGD", SGD),
        OptimizerCase("SGD-weight-decay", lambda p: SGD(p, lr=0.1, weight_decay=0.01)),
        OptimizerCase("SGD-momentum", lambda p: SGD(p, lr=0.1, momentum=0.9)),
        OptimizerCase("SGD-nesterov", lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
        OptimizerCase("SGD-clipped", lambda p: SGD(p, lr=0.1, clip_norm=1.0, clip_value=0.5)),
        OptimizerCase("AdaGrad", AdaGrad),
        OptimizerCase("AdaGrad-options", lambda p: AdaGrad(p, lr=0.1, initial_accumulator=0.1, weight_decay=0.01)),
        OptimizerCase("AdaGrad-clipped", lambda p: AdaGrad(p, lr=0.1, epsilon=1e-8, clip_norm=1.0)),
    )
