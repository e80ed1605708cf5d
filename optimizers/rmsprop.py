"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["RMSprop"]


@register
class RMSprop(Optimizer):
    """RMSprop: each gradient is divided by a running root mean square of its past ones.

        g = gradient + weight_decay * parameter
        a = decay * a + (1 - decay) * g^2               starting from a = 0
        m = decay * m + (1 - decay) * g                 starting from m = 0, where centered; else m = 0
        d = g / (sqrt(a - m^2) + epsilon)
        v = momentum * v + d                            starting from v = 0
        parameter -= lr * v                             without momentum, v is d

    Epsilon stands outside the root. The equations are PyTorch's (Hinton, 2012; centered: Graves, 2013, who has
    epsilon inside the root).

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    decay : float
        From 0 up to but not including 1; PyTorch's alpha.
    epsilon : float
    centered : bool
        Whether to divide by the running standard deviation instead.
    momentum : float
        From 0 up to but not including 1.
    weight_decay : float
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(2)
    >>> model.build((None, 3), seed=0)
    (None, 2)
    >>> lamina.optimizers.RMSprop(model.parameters(), lr=0.001, centered=True)
    RMSprop(lr=0.001, centered=True)
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.01,
        *,
        decay: float = 0.99,
        epsilon: float = 1e-8,
        centered: bool = False,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.decay = number(self, "decay", decay, least=0, below=1)
        self.epsilon = number(self, "epsilon", epsilon, above=0)
        self.centered = flag(self, "centered", centered)
        self.momentum = number(self, "momentum", momentum, least=0, below=1)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the running mean of squares; of gradients where centered; and the velocity where there is momentum."""
        names = ["square", *["mean"] * bool(self.centered), *["velocity"] * bool(self.momentum)]
        return {name: backend.zeros(data.shape, data.dtype) for name in names}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.rmsprop_update(
            data,
            grad,
            state["square"],
            state.get("mean"),
            state.get("velocity"),
            lr=self.lr,
            decay=self.decay,
            epsilon=self.epsilon,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
