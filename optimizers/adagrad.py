"""AdaGrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["AdaGrad"]


@register
class AdaGrad(Optimizer):
    """Adaptive gradient: every weight has a rate of its own, which falls with its past gradients.

        g = gradient + weight_decay * parameter
        a = a + g^2                                     starting from a = initial_accumulator
        parameter -= lr * g / (sqrt(a) + epsilon)

    Epsilon stands outside the root. The equations are PyTorch's (Duchi et al., 2011).

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    epsilon : float
    initial_accumulator : float
    weight_decay : float
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.AdaGrad(model.parameters(), lr=0.05)
    AdaGrad(lr=0.05)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.01,
        *,
        epsilon: float = 1e-10,
        initial_accumulator: float = 0.0,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.epsilon = number(self, "epsilon", epsilon, above=0)
        self.initial_accumulator = number(self, "initial_accumulator", initial_accumulator, least=0)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the accumulator of squared gradients."""
        return {"accumulator": backend.full(data.shape, self.initial_accumulator, data.dtype)}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.adagrad_update(
            data,
            grad,
            state["accumulator"],
            lr=self.lr,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
        )
