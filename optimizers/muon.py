"""Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar, Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, number, one_of, whole
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.stretch import neighbours
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.pieces import Run
from lamina.optimization.rule import Rule, one_kernel

__all__ = ["Muon"]


@register
class Muon(Optimizer):
    """Momentum whose step is orthogonalized, so that it moves all directions of a matrix alike; AdamW for the rest.

    Of a matrix, a parameter with two axes::

        m = momentum * m + (1 - momentum) * gradient    starting from m = 0
        d = (1 - momentum) * gradient + momentum * m    with nesterov; else d = m
        x = d / max(norm of d, 1e-7)
        x = a x + (b x x' + c (x x')^2) x               iterations times
        parameter -= lr * weight_decay * parameter
        parameter -= lr * f * x

    with a, b, c = 3.4445, -4.775, 2.0315, a Newton-Schulz iteration that brings all singular values near 1, and f of
    ``adjust``. A matrix is (inputs, outputs) here. The equations are PyTorch's (Jordan et al., 2024), which iterates in
    bfloat16 where this does in the parameters' dtype; its default f is "original".

    What has no two axes, such as a bias, and tables of which rows are updated alone, `Embedding`'s, follow `AdamW`,
    with the same rate and decay, by beta1, beta2 and epsilon, which stands outside the root. So can any matrix of a
    group, as is advised for a model's last: ``groups={"2.w": {"orthogonalize": False}}``. The gates of an `LSTM` or a
    `GRU`, side by side in one matrix, are orthogonalized together.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    momentum : float
        From 0 up to but not including 1.
    nesterov : bool
    iterations : int
    adjust : str
        How f goes by the shape. ``"match_rms_adamw"``: 0.2 sqrt(max(inputs, outputs)), by which steps are about as
        large as AdamW's, so that one rate and one decay fit both (Liu et al., 2025). ``"original"``:
        sqrt(max(1, outputs / inputs)).
    orthogonalize : bool
        Whether matrices are; False for `AdamW`.
    beta1, beta2, epsilon : float
        As for `AdamW`.
    weight_decay : float
        Decoupled.
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> optimizer = lamina.optimizers.Muon(model.parameters())
    >>> {path: list(arrays) for path, arrays in optimizer.state_dict()["parameters"].items()}
    {'w': ['momentum'], 'b': ['mean', 'square']}
    """

    elementwise: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        iterations: int = 5,
        adjust: str = "match_rms_adamw",
        orthogonalize: bool = True,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.1,
        **general: Unpack[General],
    ) -> None:
        self.momentum = number(self, "momentum", momentum, least=0, below=1)
        self.nesterov = flag(self, "nesterov", nesterov)
        self.iterations = whole(self, "iterations", iterations)
        self.adjust = one_of(self, "adjust", adjust, ("match_rms_adamw", "original"))
        self.orthogonalize = flag(self, "orthogonalize", orthogonalize)
        self.beta1 = number(self, "beta1", beta1, least=0, below=1)
        self.beta2 = number(self, "beta2", beta2, least=0, below=1)
        self.epsilon = number(self, "epsilon", epsilon, above=0)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        self._others = _Others(self)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running mean of a matrix's gradients."""
        return {"momentum": backend.zeros(data.shape, data.dtype)}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step a matrix."""
        inputs, outputs = data.shape
        original = self.adjust == "original"
        backend.muon_update(
            data,
            grad,
            state["momentum"],
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            iterations=self.iterations,
            factor=math.sqrt(max(1, outputs / inputs)) if original else 0.2 * math.sqrt(max(inputs, outputs)),
            weight_decay=self.weight_decay,
        )

    def _make_runs(self) -> list[Run]:
        matrices = [one for one in self._ungrouped if self.orthogonalize and len(one.shape) == 2 and not one.row_wise]
        kept = set(map(id, matrices))
        others = [one for one in self._ungrouped if id(one) not in kept]
        runs = [Run(self, parameters) for parameters in neighbours(matrices, merge=False)]
        runs += [Run(self._others, parameters) for parameters in neighbours(others)]
        return runs + [run for member in self._members for run in member._make_runs()]


class _Others(Rule):
    """AdamW, at a Muon's settings, for its parameters that are no matrices."""

    def __init__(self, whole: Muon) -> None:
        self.whole = whole

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running means of gradients and of their squares."""
        return {name: backend.zeros(data.shape, data.dtype) for name in ("mean", "square")}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        whole = self.whole
        backend.adam_update(
            data,
            grad,
            state["mean"],
            state["square"],
            None,
            lr=whole.lr,
            beta1=whole.beta1,
            beta2=whole.beta2,
            epsilon=whole.epsilon,
            step=whole.steps,
            weight_decay=whole.weight_decay,
            decoupled=True,
        )
