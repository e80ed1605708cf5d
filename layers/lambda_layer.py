"""A function as a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.backends import Array
from lamina.core.layer import Layer
from lamina.core.lengths import require_one_length
from lamina.core.registry import register
from lamina.core.shapes import Shape, as_tuple, show
from lamina.errors import CheckpointError, ShapeError, StreamError
from lamina.kinds.elementwise import ones_past
from lamina.kinds.functions import Function, find_function, name_of_function, register_function

__all__ = ["Lambda"]


@register
class Lambda(Layer):
    """y = function(x), with a gradient that is given too: of a function of one's own, without parameters.

    Functions get arrays of the model's backend and, where they have parameters so called, ``xp``, its array module,
    and ``lengths``, as a layer's ``forward`` does. One without ``lengths`` is taken to work step by step, if its
    output has the input's steps: past a row's end the output is 0, and so is the gradient. An elementwise function
    gets ones there, so that it may divide, or take logarithms.

    Parameters
    ----------
    function : callable or str
        Of one input or several, to an array, or a tuple of them; or the name of a registered one.
    gradient : callable, optional
        ``gradient(dy, *inputs)`` gives the gradient of the input, or a tuple of them.
    derivative : callable, optional
        In its place, of an elementwise function of one input: ``derivative(x)`` of x's shape.
    shape : sequence of int or None, or callable, optional
        The output's shape without the batch, or a function of the inputs' shapes that gives all of it; if not given,
        the shape is the first input's.

    Raises
    ------
    ArgumentError
        If neither gradient nor derivative is given, or both.
    UnknownNameError
        If no function has that name.
    ShapeError
        If a function gives another shape than it must; where rows differ in length, if a function that takes no
        lengths does not keep the steps.
    StreamError
        In a `Stream`, if the function takes lengths, or does not keep the steps.
    CheckpointError
        When the model is saved, if the function is not registered.

    Examples
    --------
    >>> Lambda.register("square", lambda x: x * x, derivative=lambda x: 2 * x)
    >>> layer = Lambda("square")
    >>> layer.build((None, 2))
    (None, 2)
    >>> y, saved = layer.forward(layer.as_input([[3.0, -0.5]]))
    >>> y.tolist(), layer.backward(layer.as_input([[1.0, 1.0]]), saved).tolist()
    ([[9.0, 0.25]], [[6.0, -1.0]])
    """

    def __init__(
        self,
        function: Callable[..., Any] | str,
        *,
        gradient: Callable[..., Any] | None = None,
        derivative: Callable[..., Any] | None = None,
        shape: Sequence[int | None] | Callable[..., Any] | None = None,
    ) -> None:
        alone = gradient is None and derivative is None and shape is None
        name = name_of_function(function) if alone and not isinstance(function, str) else None
        self.function = function if name is None else name
        self.gradient, self.derivative = gradient, derivative
        self.shape = tuple(shape) if isinstance(shape, list) else shape
        if isinstance(self.function, str):
            find_function(self.function)
            self._own = None  # found by its name, so that a layer can be pickled whatever its function is
        else:
            self._own = Function(self.function, gradient, derivative, self.shape)  # type: ignore[arg-type]

    @staticmethod
    def register(
        name: str,
        function: Callable[..., Any],
        *,
        gradient: Callable[..., Any] | None = None,
        derivative: Callable[..., Any] | None = None,
        shape: Sequence[int | None] | Callable[..., Any] | None = None,
    ) -> None:
        """Name a function, so that a model with ``Lambda(name)`` can be saved, and loaded where it is named too.

        Parameters
        ----------
        name : str
        function, gradient, derivative, shape
            As `Lambda` takes them.

        Raises
        ------
        ArgumentError
            If another function has the name.
        """
        register_function(name, Function(function, gradient, derivative, shape))  # type: ignore[arg-type]

    def config(self) -> dict[str, Any]:
        """Return the function's name; raise `CheckpointError` where it has none."""
        if not isinstance(self.function, str):
            raise CheckpointError(
                f"{self.label}: cannot save a function: name it with Lambda.register('name', function, ...), "
                "and write Lambda('name')"
            )
        return {"function": self.function}

    def build(self, *shapes: Shape) -> Any:
        """Return the output's shape, or a tuple of them."""
        return self._known().output_shape(*shapes)

    def output_lengths(self, lengths: Any) -> Any:
        """Return the first input's lengths where the steps stay, otherwise None; a tuple for several outputs."""
        first = next((own for own in lengths if own is not None), None) if isinstance(lengths, tuple) else lengths
        shapes = _shapes(self.output_shape)
        each = tuple(first if self._keeps_steps(shape) else None for shape in shapes)
        return each if len(each) > 1 else each[0]

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state, where each step is surely taken by itself; otherwise raise `StreamError`."""
        if self._known().takes_lengths:
            raise StreamError(f"{self.label}: cannot stream: its function takes lengths")
        output, inputs = _shapes(self.output_shape), self.input_shapes
        if any(len(shape) > 2 for shape in (*inputs, *output)) and not all(map(self._keeps_steps, (*inputs, *output))):
            raise StreamError(f"{self.label}: cannot stream: it makes {show(output)} of {show(inputs)}")
        return ()

    def forward(self, *inputs: Array, lengths: Any = None) -> tuple[Any, Any]:
        """Return what the function gives."""
        known, own = self._known(), lengths
        if lengths is not None and not known.takes_lengths:
            timed = [index for index, x in enumerate(inputs) if x.ndim > 2]
            each = tuple(lengths[index] for index in timed) if isinstance(lengths, tuple) else lengths
            own = require_one_length(self.label, each, [inputs[index].shape[1] for index in timed])
            if known.derivative is not None:
                inputs = (ones_past(self.backend, inputs[0], own),)
        given = known.call("function", *inputs, backend=self.backend, lengths=own)
        if known.shape is None:
            wanted: Sequence[Shape | None] = (inputs[0].shape,)
        else:
            wanted = _shapes(self.output_shape) if len(self.places) < 2 else (None,) * len(as_tuple(given))
        if len(wanted) != len(as_tuple(given)):
            raise ShapeError(f"{self.label}: expected {len(wanted)} outputs, got {len(as_tuple(given))}")
        pairs = zip(as_tuple(given), wanted, strict=True)
        outputs = tuple([self._checked(y, shape, inputs, own, known.takes_lengths) for y, shape in pairs])
        return outputs if isinstance(given, tuple) else outputs[0], (inputs, own)

    def backward(self, dy: Any, saved: Any) -> Any:
        """Return what the gradient gives, or dy times the derivative."""
        known, (inputs, lengths) = self._known(), saved
        options = {"backend": self.backend, "lengths": lengths}
        if known.derivative is not None:
            found: tuple[Any, ...] = (dy * known.call("derivative", *inputs, **options),)
        else:
            found = as_tuple(known.call("gradient", dy, *inputs, **options))
        if len(found) != len(inputs):
            raise ShapeError(f"{self.label}: expected a gradient of each of {len(inputs)} inputs, got {len(found)}")
        gradients = []
        for index, (dx, x) in enumerate(zip(found, inputs, strict=True)):
            if tuple(dx.shape) != tuple(x.shape):
                raise ShapeError(
                    f"{self.label}: expected the gradient of input {index} as {tuple(x.shape)}, got {tuple(dx.shape)}"
                )
            own = lengths[index] if isinstance(lengths, tuple) else lengths
            dx = self.backend.astype(dx, x.dtype) if dx.dtype != x.dtype else dx
            gradients.append(dx if own is None or x.ndim < 3 else self.backend.zero_past(dx, own))
        return tuple(gradients) if len(gradients) > 1 else gradients[0]

    def _known(self) -> Function:
        return self._own or find_function(self.function)  # type: ignore[arg-type]

    def _checked(self, y: Array, shape: Shape | None, inputs: Sequence[Array], lengths: Any, knows: bool) -> Array:
        """Return an output in the model's dtype, 0 past the ends, or raise where it is not what was built."""
        got = tuple(y.shape)
        fits = shape is None or (
            len(got) == len(shape) and all(size in (None, own) for size, own in zip(shape, got, strict=True))
        )
        if not fits or got[:1] != tuple(inputs[0].shape[:1]):
            raise ShapeError(f"{self.label}: expected {show(shape)} of its function, got {got}: say so with shape=")
        if y.dtype != inputs[0].dtype:
            y = self.backend.astype(y, inputs[0].dtype)
        if lengths is None or knows:
            return y
        steps = next(x.shape[1] for x in inputs if x.ndim > 2)
        if y.ndim > 2 and y.shape[1] == steps:
            return self.backend.zero_past(y, lengths)
        if (lengths < steps).any():
            raise ShapeError(
                f"{self.label}: its function takes no lengths, and makes {got} of rows that differ in length: "
                "give it a parameter lengths"
            )
        return y

    def _keeps_steps(self, shape: Shape) -> bool:
        """Tell whether a shape has the steps of the first input that has some."""
        steps = next((own[1] for own in self.input_shapes if len(own) > 2), 0)
        return len(shape) > 2 and shape[1] == steps


def _shapes(shape: Any) -> tuple[Shape, ...]:
    """Return one shape, or several, as a tuple of them."""
    return shape if shape and isinstance(shape[0], tuple) else (shape,)
