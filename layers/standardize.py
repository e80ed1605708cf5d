"""Features brought to mean 0 and deviation 1."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.kinds.standardizing import StandardizingLayer

__all__ = ["Standardize"]


@register
class Standardize(StandardizingLayer):
    """y = (x - mean) / deviation, with those of each feature over the valid steps of the training data.

    They are measured once, and are no batch's: by `adapt`, before or after building, or else by the first
    `Trainer.fit`, from its training rows, wherever in the model the layer stands. Until then y = x. They are measured
    in float64, saved with the model, and stay as they are when it is trained further, until `adapt` is called again.
    A feature that varies by less than the model's dtype can tell apart is constant, and is only shifted.

    Past a row's end y is 0.

    Attributes
    ----------
    mean, mean_rest : Parameter (features,)
        Not trained; the mean is their sum: ``mean_rest`` is what the model's dtype leaves out of it.
    deviation : Parameter (features,)
        Not trained; divided by the number of steps.
    steps : Parameter ()
        Not trained; over how many steps they were measured, 0 before.

    Raises
    ------
    ShapeError
        If built for a last axis of open size, or for another one than it was adapted to.

    Examples
    --------
    >>> layer = Standardize().adapt([[[1.0], [3.0], [99.0]], [[5.0], [7.0], [99.0]]], lengths=[2, 2])
    >>> layer.build((None, None, 1), dtype="float64")
    (None, None, 1)
    >>> layer.mean.data.tolist(), (layer.deviation.data**2).round(6).tolist()
    ([4.0], [5.0])
    >>> layer([[[4.0], [9.0]]]).round(4).tolist()
    [[[0.0], [2.2361]]]
    """

    kernel_name = "standardize"

    def build(self, shape: Shape) -> Shape:
        """Create what is measured for (..., features); return the same shape."""
        features = self.size_of(shape, -1)
        self.require_features(features)
        for name, initializer in self.initializers().items():
            one = Parameter(() if name == "steps" else (features,), initializer, trainable=False)
            setattr(self, name, one)
        return shape

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: each step is standardized alone."""
        return ()

    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y of x's shape, 0 past each row's end."""
        self.show(x, lengths)
        kernel = self.kernel
        statistics = self.mean.data, self.mean_rest.data, self.deviation.data
        y, content = kernel.forward(x, *statistics, lengths)
        return y, (kernel, content)

    def backward(self, dy: Array, saved: Any) -> Array:
        """Return dx = dy / deviation, 0 past each row's end."""
        kernel, content = saved
        return kernel.backward(dy, content)

    def lower(self, lowering: Lowering, x: Value) -> Value:
        """Add the kernel to a program."""
        weights = {"mean": self.mean, "rest": self.mean_rest, "deviation": self.deviation}
        own = {name: lowering.fixed(parameter) for name, parameter in weights.items()}
        return lowering.apply("standardize", x, weights=own)
