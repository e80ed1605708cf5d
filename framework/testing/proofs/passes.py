"""What a pass of a layer, or of a model, gave: copied to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths
from lamina.core.parameter import Parameter
from lamina.core.shapes import as_tuple
from lamina.losses.loss import Loss
from lamina.testing.proofs.arrays import HostArray, as_list, to_host

__all__ = ["Outcome", "hosts", "loss_terms", "parameter_gradients"]


class Outcome(NamedTuple):
    """What a forward and a backward pass gave, copied to the host."""

    outputs: list[HostArray]
    dx: list[HostArray | None]
    gradients: dict[str, HostArray]

    @property
    def scale(self) -> float:
        """The largest gradient: where terms cancel, the rounding of others is what is left."""
        arrays = [array for array in (*self.dx, *self.gradients.values()) if array is not None]
        return max([0.01, *[float(np.abs(array).max(initial=0.0)) for array in arrays]])

    def named(self, quote: str = "") -> dict[str, HostArray]:
        """Return all arrays by a name for messages, parameters' paths in quotes."""
        arrays = {f"output {index}": array for index, array in enumerate(self.outputs)}
        arrays |= {f"dx {index}": array for index, array in enumerate(self.dx) if array is not None}
        return arrays | {f"gradient of {quote}{name}{quote}": array for name, array in self.gradients.items()}


def hosts(layer: Layer, arrays: Any) -> list[Any]:
    """Return arrays, one or several, copied to the host; None in place of one that is missing."""
    return [None if one is None else to_host(layer.backend, one) for one in as_list(arrays)]


def parameter_gradients(layer: Layer, parameters: Sequence[Parameter] | None = None) -> dict[str, HostArray]:
    """Return copies of the trainable parameters' gradients, on the host; those to look at may have been looked for."""
    known = layer.parameters() if parameters is None else parameters
    return {one.name: to_host(layer.backend, one.grad) for one in known if one.trainable}


def loss_terms(
    loss: Any, target: Any, lengths: Any, mask: Any, count: int
) -> list[tuple[int, Loss, Any, dict[str, Any]]]:
    """Return the outputs that have a loss: their places, losses, targets, and the options of the loss."""
    ends = each_lengths(lengths, count)
    goals = as_tuple(target) if isinstance(loss, tuple) else (target,)
    common = {} if mask is None else {"mask": mask}
    each = enumerate(zip(as_tuple(loss), goals, ends, strict=True))
    return [
        (i, one, goal, common | ({} if own is None else {"lengths": own}))
        for i, (one, goal, own) in each
        if one is not None
    ]
