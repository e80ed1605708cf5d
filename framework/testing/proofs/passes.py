"""What a pass of a model gave, copied to the host."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.testing.proofs.arrays import HostArray, to_host

__all__ = ["Pass", "gradients", "hosts"]


class Pass(NamedTuple):
    """What a forward and a backward pass gave, on the host; gradients by parameter."""

    outputs: list[HostArray]
    dx: list[HostArray | None]
    gradients: dict[str, HostArray]

    @property
    def scale(self) -> float:
        """The largest gradient: where terms cancel, the rounding of others is what is left."""
        arrays = [array for array in (*self.dx, *self.gradients.values()) if array is not None]
        return max([0.01, *[float(np.abs(array).max(initial=0.0)) for array in arrays]])

    def named(self) -> dict[str, HostArray]:
        """Return all arrays by a name for messages."""
        arrays = {f"output {index}": array for index, array in enumerate(self.outputs)}
        arrays |= {f"dx {index}": array for index, array in enumerate(self.dx) if array is not None}
        return arrays | {f"gradient of {name!r}": array for name, array in self.gradients.items()}


def hosts(model: Layer, outputs: Any) -> list[HostArray]:
    """Return outputs, one or a tuple, copied to the host."""
    return [to_host(model.backend, one) for one in as_tuple(outputs)]


def gradients(model: Layer) -> dict[str, HostArray]:
    """Return copies of the gradients of what is trained."""
    return {one.name: to_host(model.backend, one.grad) for one in model.parameters() if one.trainable}
