"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["Adam"]


@register
class Adam(Optimizer):
    """Adam: momentum, and a rate for every weight, from running means of gradients and their squares.

        g = gradient + weight_decay * parameter
        m = beta1 * m + (1 - beta1) * g                 starting from m = 0
        v = beta2 * v + (1 - beta2) * g^2               starting from v = 0
        m_hat = m / (1 - beta1^t)
        v_hat = v / (1 - beta2^t)
        parameter -= lr * m_hat / (sqrt(v_hat) + epsilon)

    where t is `steps`, from 1. Epsilon stands outside the root, beside the corrected v_hat: Algorithm 1 of the
    paper (Kingma and Ba, 2015), and PyTorch; TensorFlow's and Keras's stands beside sqrt(v), the paper's
    "epsilon hat". The weight decay is part of the gradient, as in PyTorch: `AdamW` has the other kind.

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
    >>> lamina.optimizers.Adam(model.parameters(), lr=0.003)
    Adam(lr=0.003)
    """

    #: Whether the decay shrinks the weights instead of being added to the gradient.
    decoupled: bool = False

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.001,
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
        """Return the running means of gradients and of their squares."""
        return {name: backend.zeros(data.shape, data.dtype) for name in ("mean", "square")}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.adam_update(
            data,
            grad,
            state["mean"],
            state["square"],
            state.get("largest"),
            lr=self.lr,
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            step=self.steps,
            weight_decay=self.weight_decay,
            decoupled=self.decoupled,
        )
