"""AdaDelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["AdaDelta"]


@register
class AdaDelta(Optimizer):
    """AdaDelta: steps in the proportion of past steps to past gradients, so that no rate need be chosen.

        g = gradient + weight_decay * parameter
        a = decay * a + (1 - decay) * g^2               starting from a = 0
        d = sqrt(s + epsilon) / sqrt(a + epsilon) * g
        s = decay * s + (1 - decay) * d^2               starting from s = 0
        parameter -= lr * d

    Epsilon stands inside both roots, as in the paper (Zeiler, 2012), where lr is 1. The equations are PyTorch's.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    decay : float
        From 0 up to but not including 1; the paper's and PyTorch's rho.
    epsilon : float
        The square of the first steps' size, roughly: a larger one starts faster.
    weight_decay : float
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.AdaDelta(model.parameters(), decay=0.95)
    AdaDelta(decay=0.95)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1.0,
        *,
        decay: float = 0.9,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.decay = number(self, "decay", decay, least=0, below=1)
        self.epsilon = number(self, "epsilon", epsilon, above=0)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running means of squared gradients and of squared steps."""
        return {name: backend.zeros(data.shape, data.dtype) for name in ("square", "change")}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.adadelta_update(
            data,
            grad,
            state["square"],
            state["change"],
            lr=self.lr,
            decay=self.decay,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
        )
