"""Adafactor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Unpack

from lamina.backends import Array, Backend
from lamina.core.arguments import flag, number
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.optimization.optimizer import General, Optimizer
from lamina.optimization.rule import one_kernel

__all__ = ["Adafactor"]


@register
class Adafactor(Optimizer):
    """Adam's second moments in the memory of a vector: of a matrix only the means of rows and of columns are kept.

        s = t^-decay_power                              t is `steps`, from 1
        a = max(epsilon_step, rms(parameter)) * min(lr, 1 / sqrt(t))    with relative_step; else a = lr
        parameter -= lr * weight_decay * parameter
        r = (1 - s) r + s * mean of gradient^2 over the last axis       of matrices
        c = (1 - s) c + s * mean of gradient^2 over the last axis but one
        v = r c / max(mean of r, epsilon)
        v = (1 - s) v + s * gradient^2                  of what has fewer than two axes
        u = gradient / sqrt(max(v, epsilon^2))
        u = u / max(1, rms(u) / clip_threshold)         where there is one
        m = beta1 * m + (1 - beta1) * a u               starting from m = 0; without beta1, m = a u
        parameter -= m

    with rms(x) = sqrt(mean of x^2). Epsilon is a floor, squared under the root, as in PyTorch, whose equations these
    are where there is no first moment; in the paper (Shazeer and Stern, 2018) epsilon is added to gradient^2. A
    stack of matrices has factors for each. The factors of an `Embedding`'s table are over all of its rows, so
    all of it is updated in every step.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    decay_power : float
        Above 0: 1 - s, the decay of the second moments, rises towards 1 with it; PyTorch's ``beta2_decay`` is its
        negative.
    epsilon : float, optional
        That of the dtype if not given: the distance from 1 to the next larger number.
    epsilon_step : float
        The least that a parameter's size counts as.
    relative_step : bool
        Whether the step is in proportion to the parameter's size, and falls with time.
    clip_threshold : float, optional
        How large the root mean square of a step is at most, before the rate; any, if None.
    beta1 : float
        From 0 up to but not including 1. Above 0 a first moment is kept, of the parameter's size.
    weight_decay : float
        Decoupled.
    clip_norm, clip_value, groups : optional
        See `Optimizer`.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.layers.Dense(20)
    >>> model.build((None, 30), seed=0)
    (None, 20)
    >>> optimizer = lamina.optimizers.Adafactor(model.parameters())
    >>> {name: array.shape for name, array in optimizer.state_dict()["parameters"]["w"].items()}
    {'rows': (30, 1), 'columns': (1, 20)}
    """

    elementwise: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 0.01,
        *,
        decay_power: float = 0.8,
        epsilon: float | None = None,
        epsilon_step: float = 1e-3,
        relative_step: bool = True,
        clip_threshold: float | None = 1.0,
        beta1: float = 0.0,
        weight_decay: float = 0.0,
        **general: Unpack[General],
    ) -> None:
        self.decay_power = number(self, "decay_power", decay_power, above=0)
        self.epsilon = None if epsilon is None else number(self, "epsilon", epsilon, above=0)
        self.epsilon_step = number(self, "epsilon_step", epsilon_step, above=0)
        self.relative_step = flag(self, "relative_step", relative_step)
        self.clip_threshold = (
            None if clip_threshold is None else number(self, "clip_threshold", clip_threshold, above=0)
        )
        self.beta1 = number(self, "beta1", beta1, least=0, below=1)
        self.weight_decay = number(self, "weight_decay", weight_decay, least=0)
        super().__init__(parameters, lr, **general)

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return the means of squares: of a matrix's rows and columns, else of each; and the first moment, if any."""
        shape = tuple(data.shape)
        shapes = {"square": shape}
        if len(shape) > 1:
            shapes = {"rows": (*shape[:-1], 1), "columns": (*shape[:-2], 1, shape[-1])}
        if self.beta1:
            shapes["mean"] = shape
        return {name: backend.zeros(own, data.dtype) for name, own in shapes.items()}

    @one_kernel
    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step the parameters."""
        backend.adafactor_update(
            data,
            grad,
            state.get("rows"),
            state.get("columns"),
            state.get("square"),
            state.get("mean"),
            lr=self.lr,
            decay_power=self.decay_power,
            epsilon=self.epsilon,
            epsilon_step=self.epsilon_step if self.relative_step else None,
            clip_threshold=self.clip_threshold,
            step=self.steps,
            beta1=self.beta1,
            weight_decay=self.weight_decay,
        )
