"""What activations share: forward leaves the slope, and dx = dy times it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate
from lamina.backends.numba.engine.room import Task

__all__ = ["ACTIVATION", "ActivationForm", "activation_at", "count_of"]

#: ``chosen`` is 1 where the gradient goes on or not, so that it is 0 where the slope is, whatever comes; ``which`` is
#: the activation's place among those of its file.
ACTIVATION = "chosen which"
activation_at = record_at(fields(f"{MAP} {ACTIVATION}"))


class ActivationForm(MapForm):
    """A function of single numbers; its file's ``forward`` writes y and the slope.

    Attributes
    ----------
    kernels : tuple of str
        Those of its file.
    """

    further = ACTIVATION
    kernels: tuple[str, ...] = ()

    def settings(self) -> dict[str, int]:
        """Return which activation it is."""
        return {"which": self.kernels.index(self.call.kernel), "chosen": self.call.kernel == "relu"}

    def kept(self) -> int:
        """Return how many slopes there are."""
        return self.most * self.call.inputs[0].features

    def backward(self) -> list[Task]:
        """Return the one task, which all activations share."""
        return [Task("forms.activation", f"backward_{self.room.dtype}", one.record) for one in super().backward()]


@compiled
def count_of(p: Any) -> Any:
    """Return how many numbers there are."""
    return rows_of(p) * p.features


@compiled
def _slope(count: Any, chosen: Any, dy: Any, slope: Any, dx: Any) -> None:
    separate()
    if chosen:
        for k in range(count):
            dx[k] = dy[k] if slope[k] > 0 else slope[k]
    else:
        for k in range(count):
            dx[k] = dy[k] * slope[k]


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = activation_at(address)
    count = count_of(p)
    dy, slope, dx = array_at(p.dy, count, dtype), array_at(p.kept, count, dtype), array_at(p.dx, count, dtype)
    _slope(count, p.chosen != 0, dy, slope, dx)


def backward_float32(address: Any) -> None:
    """Write the gradient of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Write the gradient of the input."""
    _backward(address, np.float64)
