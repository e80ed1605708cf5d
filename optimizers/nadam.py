"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General
from lamina.optimization.rule import one_kernel
from lamina.optimizers.adam import Adam

__all__ = ["NAdam"]


@register
class NAdam(Adam):
    """Adam with Nesterov's momentum: the step looks ahead along the momentum that the next one will have.

        g = gradient + weight_decay * parameter
        mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        p_t = mu_1 * ... * mu_t
        m = beta1 * m + (1 - beta1) * g                 starting from m = 0
        v = beta2 * v + (1 - beta2) * g^2               starting from v = 0
        d = (1 - mu_t) / (1 - p_t) * g + mu_{t+1} / (1 - p_{t+1}) * m
        parameter -= lr * d / (sqrt(v / (1 - beta2^t)) + epsilon)

    where t is `steps`, from 1. Epsilon stands outside the root, beside the corrected v. The equations are PyTorch's,
    which keeps p_t in float32; in the paper (Dozat, 2016) m is a mean by mu_t, whose correction p_t is.

    Parameters
    ----------
    parameters, lr, beta1, beta2, epsilon : as for `Adam`
    momentum_decay : float
        The paper's and PyTorch's psi: how slowly the momentum rises from about half of beta1 to beta1.
    weight_decay : float
    decoupled : bool
        Whether the decay shrinks the weights by ``lr * weight_decay``, as `AdamW`'s does, instead of being added to
        the gradient.
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Attributes
    ----------
    counted : int
        Up to which step there is the product of the momenta.
    momentum_product : float
        p_t of that step; it is in the state.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.NAdam(model.parameters(), lr=0.003)
    NAdam(lr=0.003)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.002,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        **general: Unpack[General],
    ) -> None:
        self.momentum_decay = number(self, "momentum_decay", momentum_decay, least=0)
        self.decoupled = flag(self, "decoupled", decoupled)
        self.counted, self.momentum_product = 0, 1.0
        super().__init__(
            parameters, lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay, **general
        )

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        while self.counted < self.steps:
            self.counted += 1
            self.momentum_product *= self._momentum(self.counted)
        now, then = self._momentum(self.steps), self._momentum(self.steps + 1)
        product = self.momentum_product
        backend.nadam_update(
            data,
            grad,
            state["mean"],
            state["square"],
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            step=self.steps,
            shares=((1 - now) / (1 - product), then / (1 - product * then)),
            weight_decay=self.weight_decay,
            decoupled=self.decoupled,
        )

    def _momentum(self, step: int) -> float:
        return float(self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay)))
