"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.errors import ArgumentError
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["SGD"]


@register
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov momentum and weight decay where asked for.

        g = gradient + weight_decay * parameter
        v = momentum * v + g                            starting from v = 0
        parameter -= lr * g                             without momentum
        parameter -= lr * v                             with momentum (Polyak, 1964)
        parameter -= lr * (g + momentum * v)            with nesterov (Sutskever et al., 2013)

    There is no epsilon. The equations are PyTorch's.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    momentum : float
        From 0 up to but not including 1.
    nesterov : bool
        Needs momentum.
    weight_decay : float
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.SGD(model.parameters(), lr=0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.momentum = number(self, "momentum", momentum, least=0, below=1)
        self.nesterov = flag(self, "nesterov", nesterov)
        if self.nesterov and not self.momentum:
            raise ArgumentError(f"{self.label}: nesterov needs a momentum above 0")
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the velocity, where there is momentum."""
        return {"velocity": backend.zeros(data.shape, data.dtype)} if self.momentum else {}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.sgd_update(
            data,
            grad,
            state.get("velocity"),
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )
