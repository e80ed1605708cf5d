"""Layers wired by hand: shared weights, fan-out and several inputs without writing a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import zip_longest
from typing import Any

from lamina.backends import Array
from lamina.compose.arithmetic import Derived
from lamina.compose.building import Building
from lamina.compose.recording import Recording, Streaming
from lamina.compose.tape import Inferring, Measuring, Opening, Tape, Value
from lamina.compose.whole import begin_parts, open_parts, stream_parts
from lamina.core.calls import input_names
from lamina.core.layer import Layer
from lamina.core.lengths import is_timed
from lamina.core.lowering import Lowering, lowers
from lamina.core.lowering import Value as Planned
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Shapes, as_tuple
from lamina.errors import ArgumentError, ShapeError

__all__ = ["Composite"]


class Composite(Layer):
    """The base class of models that say how values flow between their layers.

    A model keeps its layers as attributes and defines ``compose(self, t, *inputs)``, where ``t(layer, value)``
    calls a layer, and ``t.add``, ``t.multiply``, ``t.average`` and ``t.concatenate`` join values. It gets a backward
    pass from that: gradients add up where a value goes to several layers, and a layer called twice shares its
    weights. ``compose`` runs at every call, so it must call the same layers whatever the values are.

    Values are also combined as arrays are, with each other and with numbers: ``a + b``, ``a * b``, ``1 - z``,
    ``a / b``, ``-a``, ``a ** 2``; (batch, features) is taken for every step of (batch, time, features), and features
    of size 1 for every feature. Slices follow the lengths: ``h[:, -1]`` is each row's last valid step, ``h[:, 1:]``
    one step less of each row, ``h[..., :4]`` the first features. Each is done by a parameter-free layer, such as
    `lamina.layers.Slice`, which stands below the model as others do.

    Examples
    --------
    Two sequences through one encoder, compared by a Dense layer:

    >>> import numpy as np
    >>> from lamina import Concat
    >>> from lamina.layers import Dense, SimpleRNN
    >>> class Compare(Composite):
    ...     def __init__(self, units):
    ...         self.units = units
    ...         self.encoder, self.join, self.head = SimpleRNN(units), Concat(), Dense(1)
    ...     def compose(self, t, a, b):
    ...         return t(self.head, t(self.join, t(self.encoder, a), t(self.encoder, b)))
    >>> model = Compare(4)
    >>> model.build((None, None, 3), (None, None, 3), seed=0)
    (None, 1)
    >>> model(np.ones((2, 5, 3)), np.ones((2, 7, 3))).shape
    (2, 1)

    What of each step is left of a sequence, and by how much its last valid step is above its first:

    >>> class Growth(Composite):
    ...     def compose(self, t, x):
    ...         return 1 - x / 4, x[:, -1] - x[:, 0]
    >>> model = Growth()
    >>> model.build((None, None, 1))
    ((None, None, 1), (None, 1))
    >>> left, growth = model([[[1.0], [2.0], [4.0]], [[1.0], [2.0], [0.0]]], lengths=[3, 2])
    >>> left.tolist(), growth.tolist()
    ([[[0.75], [0.5], [0.0]], [[0.75], [0.5], [0.0]]], [[3.0], [1.0]])
    """

    _derived = Derived()  # of one that is not built

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "compose" in vars(cls):
            cls._input_names = input_names(vars(cls)["compose"])[1:]  # but for the tape
        if "children" in vars(cls):
            cls.children = _with_derived(vars(cls)["children"])  # type: ignore[method-assign]

    def children(self) -> dict[str, Layer]:
        """Return the layers directly below this one, those that operators came to need last."""
        return super().children() | dict(self._derived.named())

    # Typed so that a compose with named inputs overrides it.
    def compose(self, t: Tape, *inputs: Any, **options: Any) -> Any:
        """Call layers through ``t`` and return a value, or a tuple of values."""
        raise NotImplementedError(f"{type(self).__name__} does not define compose")

    def build(self, *shapes: Any, **options: Any) -> Shapes:
        """Build the layers in the order in which compose calls them."""
        if self.binding is None:
            self._derived = Derived()
        tape = Building(self)
        values = [Value(shape) for shape in shapes]
        outputs = self._compose(tape, values)
        self._integer_inputs = tuple(tape.may_be_integers(value) for value in values)
        built: Shapes = _contents(outputs)
        return built

    def reads_integers(self, index: int | None = None) -> bool:
        """Tell whether a layer that takes integers gets that input."""
        known: tuple[bool, ...] | None = getattr(self, "_integer_inputs", None)
        if known is None:  # not built: any of them may
            return super().reads_integers()
        return any(known) if index is None else index < len(known) and known[index]

    def output_lengths(self, lengths: Any) -> Any:
        """Return the output's lengths; a tuple for several outputs."""
        tape, count = Measuring(self), max(len(self.input_shapes), 1)  # also of one that is not built
        outputs = self._compose(tape, self._inputs((None,) * count, lengths))
        return tuple(value.lengths for value in outputs) if isinstance(outputs, tuple) else outputs.lengths

    def forward(self, *inputs: Array, lengths: Any = None) -> tuple[Any, Any]:
        """Return what compose returns.

        Parameters
        ----------
        *inputs : arrays
        lengths : (batch,) integers, optional
            Those of every input; where they differ, a tuple of one (batch,) array, or None, for each input.
        """
        return self._run(Recording(self), inputs, lengths)

    def stream_state(self, batch: int) -> tuple[Any, ...]:
        """Return a state for each call of a layer."""
        tape = Opening(self, batch)
        self._compose(tape, self._inputs((None,) * len(self.input_shapes), None))
        return tuple(tape.states)

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Return which of what compose returns is whole, and a state for each call of a layer."""
        return open_parts(self, self._compose, batch, whole)

    def begin_stream(self, *inputs: Array | None, lengths: Any = None) -> tuple[Any, tuple[Any, ...]]:
        """Return what of compose's is whole, and a state for each call; layers fed by whole values alone run now."""
        return begin_parts(self, self._compose, inputs, lengths)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Any = None, training: bool = False
    ) -> tuple[Any, tuple[Any, ...], Any]:
        """Return what compose returns for the next steps."""
        if inputs[0] is None or (len(inputs) > 1 and any(x is None for x in inputs)):
            return stream_parts(self, self._compose, inputs, state, lengths, training)
        tape = Streaming(self, state, training)
        outputs, content = self._run(tape, inputs, lengths)
        return outputs, tuple(tape.states), SavedState(self, content, outputs) if training else None

    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        """Return the gradient of the input, or a tuple of them; None in place of one not given, or of integers."""
        tape, taken, given = saved
        if isinstance(dy, tuple):
            for value, gradient in zip(given, dy, strict=True):
                value.gradient = gradient if value.gradient is None else value.gradient + gradient
        else:
            given.gradient = dy
        unwanted = () if input_gradient else self.data_inputs(taken)
        tape.backward(unwanted)
        if len(taken) == 1:
            return None if unwanted else self._dx(tape, taken[0], 0)
        dx = tuple(
            [None if one.content is None or one in unwanted else self._dx(tape, one, i) for i, one in enumerate(taken)]
        )
        return dx if any(value.content is not None for value in taken[1:]) else dx[0]

    def _dx(self, tape: Recording, value: Value, index: int) -> Array | None:
        """Return an input's gradient; None of integers, which have none."""
        if value.gradient is None and self.reads_integers(index):
            return None
        return tape.gradient(value)

    def data_inputs(self, inputs: Sequence[Value]) -> Sequence[Value]:
        """Return those of the inputs whose gradient is left out with ``input_gradient=False``: all of them."""
        return inputs

    def infer(self, *inputs: Array, lengths: Any = None) -> Any:
        """Return what compose returns, keeping nothing."""
        tape = Inferring(self)
        return _contents(self._compose(tape, self._inputs(inputs, lengths)))

    @lowers(unless=("forward", "backward", "infer", "_run", "_inputs", "_compose", "_dx"))
    def lower(self, lowering: Lowering, *values: Planned) -> Any:
        """Add what compose does with values to a program."""
        from lamina.compose.planning import Planning

        try:
            outputs = self._compose(Planning(self, lowering), [Value(value) for value in values])
        except (AttributeError, TypeError) as error:  # of a value that is no array
            raise lowering.refuse(self, f"does more than calling layers: {error}") from error
        return _contents(outputs)

    def _run(self, tape: Recording, inputs: Sequence[Array | None], lengths: Any) -> tuple[Any, Any]:
        """Return what compose returns, and what `backward` needs."""
        values = self._inputs(inputs, lengths)
        outputs = self._compose(tape, values)
        contents = _contents(outputs)
        tape.release(values)
        return contents, (tape, values, outputs)

    def _inputs(self, inputs: Sequence[Array | None], lengths: Any) -> list[Value]:
        if isinstance(lengths, tuple):
            return [Value(x, own) for x, own in zip(inputs, lengths, strict=True)]
        if lengths is None or len(inputs) == 1:
            return [Value(x, lengths) for x in inputs]
        ranks = [x.ndim if x is not None else len(shape) for x, shape in zip_longest(inputs, self.input_shapes)]
        return [Value(x, lengths if is_timed(self, i, ranks[i]) else None) for i, x in enumerate(inputs)]

    def _compose(self, tape: Tape, values: list[Value]) -> Any:
        for value in values:
            value.tape = tape
        try:
            outputs = self.compose(tape, *values)
        except TypeError as error:
            if "compose()" in str(error):
                raise ShapeError(f"{self.label}: {error}") from error
            raise
        if type(outputs) is Value:
            return outputs
        outputs = tuple(outputs) if isinstance(outputs, list) else outputs
        for value in as_tuple(outputs):
            if not isinstance(value, Value):
                raise ArgumentError(f"{self.label}: compose must return values of t, got {value!r}")
        return outputs


def _with_derived(children: Callable[..., dict[str, Layer]]) -> Callable[..., dict[str, Layer]]:
    """Wrap a composite's own children: the layers that operators came to need are below it too."""

    @wraps(children)
    def wrapper(self: Composite) -> dict[str, Layer]:
        found = children(self)
        return found | dict(self._derived.named()) if len(self._derived) else found

    return wrapper


def _contents(outputs: Any) -> Any:
    return tuple(value.content for value in outputs) if isinstance(outputs, tuple) else outputs.content
