"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["Adamax"]


@register
class Adamax(Optimizer):
    """Adam with a fading maximum in place of the mean of squares, so that no step is much larger than the rate.

        g = gradient + weight_decay * parameter
        m = beta1 * m + (1 - beta1) * g                 starting from m = 0
        u = max(beta2 * u, abs(g) + epsilon)            starting from u = 0
        parameter -= lr / (1 - beta1^t) * m / u

    where t is `steps`, from 1. Epsilon stands beside the gradient's size, inside the maximum. The equations are
    PyTorch's; Algorithm 2 of the paper (Kingma and Ba, 2015) has no epsilon.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    beta1, beta2 : float
        From 0 up to but not including 1.
    epsilon : float
    weight_decay : float
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.Adamax(model.parameters(), lr=0.01)
    Adamax(lr=0.01)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.002,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.beta1 = number(self, "beta1", beta1, least=0, below=1)
        self.beta2 = number(self, "beta2", beta2, least=0, below=1)
        self.epsilon = number(self, "epsilon", epsilon, above=0)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running mean of gradients and the fading maximum of their sizes."""
        return {name: backend.zeros(data.shape, data.dtype) for name in ("mean", "largest")}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.adamax_update(
            data,
            grad,
            state["mean"],
            state["largest"],
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            step=self.steps,
            weight_decay=self.weight_decay,
        )
