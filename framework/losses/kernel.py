"""What losses that run a kernel of the backend share: the reduction, and the way back."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import one_of
from lamina.losses.loss import Loss

__all__ = ["EACH", "PLAIN", "KernelLoss"]

# How a kernel is asked for each row's term, and how for their sum.
EACH: dict[str, Any] = {"each": True}
PLAIN: dict[str, Any] = {}


class KernelLoss(Loss):
    """The base class of losses over a kernel: their forward saves it, and the way back is here.

    What forward saves is (backend, kernel, content, shape, narrow): the prediction's shape, and its dtype where that is
    narrower than float32. A kernel gets the rows' or steps' shares of the mean, or their weights, from `step_weights`,
    and gives each one's term for ``reduction="none"``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        See `Loss`.

    Raises
    ------
    UnknownNameError
        If there is no such reduction.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = one_of(self, "reduction", reduction, ("mean", "sum", "none"))

    def backward(self, saved: Any, dloss: Any = None) -> Array:
        """Return the gradient of the prediction, of its shape.

        Parameters
        ----------
        saved
            Of one `forward` call.
        dloss : (batch,) or (batch, time), optional
            With ``reduction="none"``, the gradient of what `forward` gave.
        """
        backend, kernel, content, shape, narrow = saved
        gradient = kernel.backward(content)
        if gradient.shape != shape:
            gradient = backend.reshape(gradient, shape)
        if dloss is not None:
            # A row's loss depends on its own prediction alone. What does not count stays 0, whatever dloss has there.
            dloss = backend.reshape(backend.asarray(dloss), (*dloss.shape, *(1,) * (len(shape) - len(dloss.shape))))
            gradient = backend.xp.where(gradient == 0, gradient, gradient * dloss)
        return gradient if narrow is None else backend.astype(gradient, narrow)
