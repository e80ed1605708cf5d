"""AMSGrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General
from lamina.optimizers.adam import Adam

__all__ = ["AMSGrad"]


@register
class AMSGrad(Adam):
    """Adam whose rates never rise again: it divides by the largest running mean of squares so far.

        g = gradient + weight_decay * parameter
        m = beta1 * m + (1 - beta1) * g                 starting from m = 0
        v = beta2 * v + (1 - beta2) * g^2               starting from v = 0
        u = max(u, v)                                   starting from u = 0
        parameter -= lr * (m / (1 - beta1^t)) / (sqrt(u / (1 - beta2^t)) + epsilon)

    where t is `steps`, from 1. Epsilon stands outside the root, beside the corrected u. The equations are those
    of PyTorch's ``Adam(amsgrad=True)``, decoupled of ``AdamW(amsgrad=True)``; the paper (Reddi et al., 2018)
    corrects no bias and has no epsilon.

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
    >>> lamina.optimizers.AMSGrad(model.parameters(), lr=0.003)
    AMSGrad(lr=0.003)
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

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running means of gradients and of their squares, and the largest of these so far."""
        return {**super().create_state(backend, data), "largest": backend.zeros(data.shape, data.dtype)}
