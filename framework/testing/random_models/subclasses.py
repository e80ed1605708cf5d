"""Layers as users write them: subclasses that hand settings on, extended and decorated methods, masks of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.kinds.random import RandomLayer
from lamina.layers import GRU, LSTM, Dense

__all__ = [
    "DecoratedMean",
    "Doubled",
    "DoubledGRU",
    "KeywordDense",
    "KeywordGRU",
    "KeywordLSTM",
    "LoggedDense",
    "LoggedGRU",
    "Noise",
]


@register
class KeywordGRU(GRU):
    """A GRU that hands its settings on by ``**settings``, and has one of its own."""

    def __init__(self, units: int, scale: float = 1.0, **settings: Any) -> None:
        super().__init__(units, **settings)
        self.scale = scale


@register
class KeywordLSTM(LSTM):
    """An LSTM that hands on whatever it gets."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)


@register
class KeywordDense(Dense):
    """A Dense that always has units, and hands the rest on."""

    def __init__(self, units: int = 2, **settings: Any) -> None:
        super().__init__(units, **settings)


@register
class Doubled(Dense):
    """A Dense whose ``forward`` and ``backward`` are extended: y = 2 (x w + b)."""

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return twice what Dense gives."""
        y, saved = super().forward(x)
        return 2 * y, saved

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        """Hand twice the gradient on."""
        return super().backward(2 * dy, saved, input_gradient=input_gradient)


@register
class DoubledGRU(GRU):
    """A GRU whose ``forward`` and ``backward`` are extended: twice its outputs at every step."""

    def __init__(self, units: int) -> None:
        super().__init__(units, return_sequences=True)

    def forward(  # type: ignore[override]
        self, x: Array, state: Array | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Any]:
        """Return twice what GRU gives."""
        y, saved = super().forward(x, state, lengths)
        return 2 * y, saved

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        """Hand twice the gradient on."""
        return super().backward(2 * dy, saved, input_gradient=input_gradient)


def _logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function as loggers and profilers do, named as it is."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **settings: Any) -> Any:
        return function(*arguments, **settings)

    return wrapper


def _timed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method in a function that says nothing of what it wraps."""

    def wrapper(self: Any, *arguments: Any, **settings: Any) -> Any:
        return function(self, *arguments, **settings)

    return wrapper


@register
class LoggedDense(Dense):
    """A Dense whose ``forward`` is decorated."""

    forward = _logged(Dense.forward)


@register
class LoggedGRU(GRU):
    """A GRU with ``forward`` decorated after the class was made, as a profiler does it, and ``backward`` in it."""

    @_timed
    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        """Backpropagate through time."""
        return super().backward(dy, saved, input_gradient=input_gradient)


LoggedGRU.forward = _logged(LoggedGRU.forward)  # type: ignore[method-assign]


@register
class DecoratedMean(Layer):
    """The mean over each row's valid steps, in a decorated ``forward``; an empty row's is 0."""

    def build(self, shape: Shape) -> Shape:
        """Return (batch, features)."""
        return (shape[0], shape[2])

    def output_lengths(self, lengths: Any) -> Any:
        """Return None: there is no time axis left."""
        return None

    @_timed
    def forward(self, x: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return the mean (batch, features) of x (batch, time, features)."""
        backend = self.backend
        if lengths is None:
            weights = backend.full((x.shape[0], x.shape[1], 1), 1 / max(x.shape[1], 1), x.dtype)
        else:
            counts = backend.asarray([[[1 / max(int(own), 1)]] for own in lengths], self.dtype)
            valid = backend.astype(backend.valid_steps(lengths, x.shape[1]), x.dtype)
            weights = valid[:, :, None] * counts
        return backend.xp.sum(
            backend.zero_past(x, lengths) * weights if lengths is not None else x * weights, axis=1
        ), (
            weights,
            x.shape,
        )

    def backward(self, dy: Any, saved: Any) -> Array:
        """Return each step's share of dy."""
        weights, shape = saved
        return self.backend.zeros(shape, dy.dtype) + dy[:, None, :] * weights


@register
class Noise(RandomLayer):
    """Noise of one's own in training: y = x s, with s 1 or 1/2 at even odds, by a mask as Dropout has it."""

    def __init__(self) -> None:
        self.level = 0.5

    def build(self, shape: Shape) -> Shape:
        """Create the scale of what is kept."""
        self.scale = Parameter((shape[-1],), "ones")  # type: ignore[arg-type]
        return shape

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return x with noise."""
        keep = self.keep_mask(tuple(x.shape), 0.5)
        factor = 0.5 + 0.5 * self.backend.astype(keep, x.dtype)
        return x * factor * self.scale.data, (x, factor)

    def backward(self, dy: Any, saved: Any) -> Array:
        """Return dx, and add the scale's gradient."""
        x, factor = saved
        axes = tuple(range(x.ndim - 1))
        self.scale.grad += self.backend.xp.sum(dy * x * factor, axis=axes)
        return dy * factor * self.scale.data

    def infer(self, x: Array) -> Array:
        """Return x scaled, without noise."""
        return x * self.scale.data
