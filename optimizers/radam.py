"""RAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General
from lamina.optimization.rule import one_kernel
from lamina.optimizers.adam import Adam

__all__ = ["RAdam"]


@register
class RAdam(Adam):
    """Rectified Adam: the first steps, whose mean of squares says little yet, are made without it, the next ones small.

        g = gradient + weight_decay * parameter
        m = beta1 * m + (1 - beta1) * g                 starting from m = 0
        v = beta2 * v + (1 - beta2) * g^2               starting from v = 0
        m_hat = m / (1 - beta1^t)
        n_max = 2 / (1 - beta2) - 1
        n = n_max - 2 t beta2^t / (1 - beta2^t)
        r = sqrt((n - 4) (n - 2) n_max / ((n_max - 4) (n_max - 2) n))
        parameter -= lr * m_hat                         where n is at most 5
        parameter -= lr * r * m_hat * sqrt(1 - beta2^t) / (sqrt(v) + epsilon)

    where t is `steps`, from 1. Epsilon stands outside the root, beside v before its correction: unlike that of `Adam`.
    The equations are PyTorch's; the paper (Liu et al., 2020) has no epsilon, and takes v in where n is above 4.

    Parameters
    ----------
    parameters, lr, beta1, beta2, epsilon, weight_decay : as for `Adam`
    decoupled : bool
        Whether the decay shrinks the weights by ``lr * weight_decay``, as `AdamW`'s does, instead of being added to
        the gradient.
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.RAdam(model.parameters(), weight_decay=0.01, decoupled=True)
    RAdam(weight_decay=0.01, decoupled=True)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        **general: Unpack[General],
    ) -> None:
        self.decoupled = flag(self, "decoupled", decoupled)
        super().__init__(
            parameters, lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay, **general
        )

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.radam_update(
            data,
            grad,
            state["mean"],
            state["square"],
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            step=self.steps,
            rectified=self._rectified(),
            weight_decay=self.weight_decay,
            decoupled=self.decoupled,
        )

    def _rectified(self) -> float:
        """Return r, or 0 where the mean of squares is over too few steps."""
        most = 2 / (1 - self.beta2) - 1
        decayed = self.beta2**self.steps
        length = most - 2 * self.steps * decayed / (1 - decayed)
        if length <= 5:
            return 0.0
        return math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
