"""AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General
from lamina.optimizers.adam import Adam

__all__ = ["AdamW"]


@register
class AdamW(Adam):
    """Adam with decoupled weight decay: it shrinks the weights, and is not scaled as gradients are.

        parameter -= lr * weight_decay * parameter
        m = beta1 * m + (1 - beta1) * gradient          starting from m = 0
        v = beta2 * v + (1 - beta2) * gradient^2        starting from v = 0
        m_hat = m / (1 - beta1^t)
        v_hat = v / (1 - beta2^t)
        parameter -= lr * m_hat / (sqrt(v_hat) + epsilon)

    where t is `steps`, from 1. Epsilon stands outside the root, beside v_hat, as for `Adam`. The equations are
    PyTorch's; in the paper (Loshchilov and Hutter, 2019) the decay is multiplied by a schedule alone, not by lr.

    Parameters
    ----------
    parameters, lr, beta1, beta2, epsilon : as for `Adam`
    weight_decay : float
        Biases are often left out: ``groups={"*.b": {"weight_decay": 0.0}}``.
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.Dense(2))
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.AdamW(model.parameters(), lr=0.003, groups={"*.b": {"weight_decay": 0.0}})
    AdamW(lr=0.003, groups={'*.b': {'weight_decay': 0.0}})
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        **general: Unpack[General],
    ) -> None:
        super().__init__(
            parameters,
            lr,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            **general,
        )
