"""Updates of weights, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Update

__all__ = ["SGDForm", "UpdateForm"]

_SETTINGS = 12

#: ``settings`` is the address of the float64 that are set before a run; ``states`` are addresses of what is kept, or 0.
UPDATE = np.dtype(
    [(name, np.int64) for name in ("size", "parameter", "gradient", "first", "second", "third", "settings")]
)
_update_at = record_at(UPDATE)


class UpdateForm:
    """An update kernel over one stretch of weights.

    Attributes
    ----------
    settings : (12,) float64 array
        What the kernel takes by keyword, in the order that the function reads.
    """

    name = ""

    def __init__(self, update: Update, room: Room) -> None:
        parameter, gradient, *states = update.arrays
        places = [0 if state is None else address_of_array(state) for state in states]
        self.settings = room.take(_SETTINGS, np.float64)
        self.room = room
        self.record = room.record(
            UPDATE,
            size=parameter.size,  # type: ignore[union-attr]
            parameter=address_of_array(parameter),
            gradient=address_of_array(gradient),
            settings=address_of_array(self.settings),
            **dict(zip(("first", "second", "third"), places, strict=False)),
        )

    def tasks(self) -> list[Task]:
        """Return the one task."""
        return [Task("forms.updates", f"{self.name}_{self.room.dtype}", self.record)]


class SGDForm(UpdateForm):
    """Reads lr, momentum, nesterov, weight_decay."""

    name = "sgd"


@compiled
def _sgd(address: Any, dtype: Any) -> None:
    p = _update_at(address)
    settings = array_at(p.settings, _SETTINGS, np.float64)
    rate, momentum, nesterov, decay = dtype(settings[0]), dtype(settings[1]), settings[2] != 0, dtype(settings[3])
    weights, gradient = array_at(p.parameter, p.size, dtype), array_at(p.gradient, p.size, dtype)
    if p.first == 0:
        _sgd_plain(p.size, rate, decay, weights, gradient)
    else:
        _sgd_momentum(p.size, rate, momentum, nesterov, decay, weights, gradient, array_at(p.first, p.size, dtype))


@compiled
def _sgd_plain(size: Any, rate: Any, decay: Any, weights: Any, gradient: Any) -> None:
    separate()
    for k in range(size):
        weights[k] -= rate * (gradient[k] + decay * weights[k] if decay != 0 else gradient[k])


@compiled
def _sgd_momentum(
    size: Any, rate: Any, momentum: Any, nesterov: Any, decay: Any, weights: Any, gradient: Any, velocity: Any
) -> None:
    separate()
    for k in range(size):
        own = gradient[k] + decay * weights[k] if decay != 0 else gradient[k]
        velocity[k] = momentum * velocity[k] + own
        weights[k] -= rate * (own + momentum * velocity[k] if nesterov else velocity[k])


def sgd_float32(address: Any) -> None:
    """Step."""
    _sgd(address, np.float32)


def sgd_float64(address: Any) -> None:
    """Step."""
    _sgd(address, np.float64)
