"""Lion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["Lion"]


@register
class Lion(Optimizer):
    """Lion: every weight moves by the rate, in the direction of the sign of its momentum; one array is all it keeps.

        c = beta1 * m + (1 - beta1) * gradient          starting from m = 0
        parameter -= lr * (sign(c) + weight_decay * parameter)
        m = beta2 * m + (1 - beta2) * gradient

    There is no epsilon. The equations are the paper's (Chen et al., 2023), Algorithm 2. As every step is of full size,
    the rate is to be 3 to 10 times less than `AdamW`'s, and the decay as many times more.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    beta1, beta2 : float
        From 0 up to but not including 1: for the step, and for the momentum.
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
    >>> lamina.optimizers.Lion(model.parameters(), lr=0.0003)
    Lion(lr=0.0003)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.0001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.beta1 = number(self, "beta1", beta1, least=0, below=1)
        self.beta2 = number(self, "beta2", beta2, least=0, below=1)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running mean of gradients."""
        return {"mean": backend.zeros(data.shape, data.dtype)}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.lion_update(
            data,
            grad,
            state["mean"],
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
        )
