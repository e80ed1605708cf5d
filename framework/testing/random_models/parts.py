"""What users write and a random model is made of: wiring by hand, cells with layers in them, subclasses, decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamina.backends import Array
from lamina.compose.composite import Composite
from lamina.compose.tape import Tape, Value
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape, Shapes, as_tuple
from lamina.kinds.random import RandomLayer
from lamina.kinds.recurrent import Cell
from lamina.layers import GRU, LSTM, Dense, Tanh

__all__ = [
    "Averaging",
    "DecoratedMean",
    "Doubled",
    "DoubledGRU",
    "Graph",
    "KeywordDense",
    "KeywordGRU",
    "KeywordLSTM",
    "LoggedDense",
    "LoggedGRU",
    "Mixing",
    "Noise",
    "Remembering",
    "every_second",
    "frozen",
]


@register
class Graph(Composite):
    """Layers and joins, wired by numbers: the inputs come first, then what each step gives, a number for each output.

    Parameters
    ----------
    layers : list of Layer
    steps : list
        Of each, what is called, a place in ``layers`` or ``"add"``, ``"multiply"``, ``"average"``, ``"concatenate"``, then
        the numbers of the values that it takes.
    outputs : list of int
        The numbers of the values that are given: one, or a tuple of several.
    ties : list
        Of each, a place in ``layers``, a parameter's name, and the place and name of the one that takes its stead.
    """

    def __init__(self, layers: list[Layer], steps: list[Any], outputs: list[int], ties: Sequence[Any] = ()) -> None:
        self.layers = layers
        self.steps = steps
        self.outputs = outputs
        self.ties = ties

    def build(self, *shapes: Any, **options: Any) -> Shapes:
        """Build the layers, and tie parameters."""
        output = super().build(*shapes, **options)
        for place, name, further, other in self.ties:
            setattr(self.layers[further], other, getattr(self.layers[place], name))
        return output

    def compose(self, t: Tape, *inputs: Value) -> Any:
        """Take the steps."""
        values = list(inputs)
        for what, *numbers in self.steps:
            taken = [values[number] for number in numbers]
            given = getattr(t, what)(*taken) if isinstance(what, str) else t(self.layers[what], *taken)
            values.extend(as_tuple(given))
        given = tuple(values[number] for number in self.outputs)
        return given if len(given) > 1 else given[0]


@register
class Averaging(Cell):
    """A cell with a layer in it: h' = (h + inner(x)) / 2."""

    def __init__(self, inner: Layer, units: int) -> None:
        self.inner = inner
        self.units = units

    def build(self, *shapes: Shape) -> Shapes:
        """Build the layer within."""
        self.inner.build(shapes[0])
        return shapes[1]

    def forward(self, x: Array, h: Array) -> tuple[Any, Any]:
        """Return the state after the step."""
        y, saved = self.inner.forward(x)
        return (h + y) / 2, saved

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array]:
        """Return the gradients of x and of the state before."""
        return self.inner.backward(dy / 2, saved), dy / 2


@register
class Mixing(Cell):
    """A cell with a layer on its state: h' = tanh(first(x) + second(h))."""

    def __init__(self, first: Layer, second: Layer, units: int) -> None:
        self.first, self.second, self.units = first, second, units
        self.activation = Tanh()

    def build(self, *shapes: Shape) -> Shapes:
        """Build the layers within."""
        x, h = shapes
        self.first.build(x)
        self.second.build(h)
        self.activation.build(h)
        return h

    def forward(self, x: Array, h: Array) -> tuple[Any, Any]:
        """Return the state after the step."""
        a, first = self.first.forward(x)
        b, second = self.second.forward(h)
        y, last = self.activation.forward(a + b)
        return y, {"layers": (first, second), "last": last}

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array]:
        """Return the gradients of x and of the state before."""
        both = self.activation.backward(dy, saved["last"])
        first, second = saved["layers"]
        return self.first.backward(both, first), self.second.backward(both, second)


@register
class Remembering(Cell):
    """A cell of two states: c' = (c + inner(x)) / 2, h' = tanh(c') + h / 2."""

    def __init__(self, inner: Layer, units: int) -> None:
        self.inner, self.units = inner, units
        self.activation = Tanh()

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h and c."""
        return self.units, self.units

    def build(self, *shapes: Shape) -> Shapes:
        """Build the layers within."""
        x, h, c = shapes
        self.inner.build(x)
        self.activation.build(c)
        return h, c

    def forward(self, x: Array, h: Array, c: Array) -> tuple[Any, Any]:
        """Return both states after the step."""
        y, inner = self.inner.forward(x)
        after = (c + y) / 2
        z, last = self.activation.forward(after)
        return (z + h / 2, after), (inner, last)

    def backward(self, dy: Any, saved: Any) -> tuple[Array, Array, Array]:
        """Return the gradients of x and of both states before."""
        dh, dc = dy
        inner, last = saved
        total = (dc + self.activation.backward(dh, last)) / 2
        return self.inner.backward(total, inner), dh / 2, total


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

    def forward(self, x: Array, *states: Any, lengths: Lengths | None = None) -> tuple[Any, Any]:
        """Return twice what GRU gives."""
        y, saved = super().forward(x, *states, lengths=lengths)
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
            weights = backend.full((x.shape[0], x.shape[1], 1), 1 / x.shape[1], x.dtype)
        else:
            counts = backend.asarray([[[1 / max(int(own), 1)]] for own in lengths], self.dtype)
            valid = backend.astype(backend.valid_steps(lengths, x.shape[1]), x.dtype)
            weights = valid[:, :, None] * counts
        return backend.xp.sum(backend.zero_past(x, lengths) * weights if lengths is not None else x * weights, axis=1), (
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
        keep = self.keep_mask(tuple(x.shape), 0.5)  # type: ignore[attr-defined]
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


def every_second(parameters: Sequence[Parameter], **options: Any) -> dict[str, dict[str, Any]]:
    """Return groups of an optimizer: options for every second parameter."""
    return {parameter.name: options for parameter in list(parameters)[::2]}


def frozen(layer: Layer) -> Layer:
    """Return a layer with ``trainable`` set to False."""
    layer.trainable = False
    return layer
