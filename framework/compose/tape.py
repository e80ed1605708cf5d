"""The tape of a `Composite`: it records calls of layers, not operations on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from lamina.backends import Array, Backend
from lamina.core.layer import Layer
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, as_tuple
from lamina.errors import ArgumentError

__all__ = ["Tape", "Value"]


class Value:
    """A place on the tape: what a layer gave, and what another may take. It has no arithmetic of its own."""

    __slots__ = ("content", "index", "lengths")

    def __init__(self, content: Any, lengths: Lengths | None, index: int) -> None:
        self.content = content  # an array; while building, a shape
        self.lengths = lengths
        self.index = index

    def _refuse(self, *_: Any) -> NoReturn:
        raise ArgumentError(
            "compose: values are combined by layers alone, so that the tape sees it: keep one such as Concat() as "
            "an attribute and call t(self.concat, a, b)"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _refuse
    __truediv__ = __rtruediv__ = __neg__ = __pow__ = __getitem__ = _refuse


class Tape:
    """Runs the layers that a ``compose`` calls, in one of several ways, and can run backward afterwards.

    Parameters
    ----------
    owner : Layer
        The composite; only layers that are kept on it may be called.
    mode : str
        ``"build"`` (values hold shapes), ``"lengths"`` (values hold lengths alone), ``"infer"`` or ``"forward"``;
        ``"state"`` (like "lengths") and ``"stream"`` keep each call's state in ``states``.
    before : sequence of states, optional
        To stream from, one for each call.
    training : bool
        Whether streaming keeps what `backward` needs.
    batch : int
        For how many rows initial states are asked.
    """

    def __init__(
        self, owner: Layer, mode: str, before: Sequence[Any] | None = None, training: bool = False, batch: int = 0
    ) -> None:
        self._mode = mode
        self._owner = owner
        self.states: list[Any] = []
        self._before, self._training, self._batch = before, training, batch
        self._known = {id(layer) for _, layer in owner.walk()} if mode == "build" else None
        self._values = 0
        self._integers: set[int] = set()  # while building: the values that go where integers may
        # For each call: the layer, the values it took and gave, the shapes of those given, what it saved.
        self._calls: list[tuple[Layer, list[int], list[int], list[Any], SavedState]] = []

    def value(self, content: Any, lengths: Lengths | None) -> Value:
        """Return a new place on the tape."""
        self._values += 1
        return Value(content, lengths, self._values - 1)

    def __call__(self, layer: Layer, *inputs: Value) -> Any:
        """Call a layer on values; return a value, or a tuple of them where it has several outputs.

        Each value carries its own lengths; a layer gets those of its first input. Of several outputs, those with
        a time axis get the layer's; a last state has none.
        """
        if not isinstance(layer, Layer) or not inputs or not all(isinstance(value, Value) for value in inputs):
            got = ", ".join(type(value).__name__ for value in (layer, *inputs))
            raise ArgumentError(f"compose: expected t(layer, value, ...), got t({got})")
        if self._known is not None and id(layer) not in self._known:
            owner = type(self._owner).__name__
            raise ArgumentError(f"compose: keep {type(layer).__name__} as an attribute, in {owner}.__init__")
        lengths = inputs[0].lengths
        contents = [value.content for value in inputs]
        saved = None
        if self._mode == "build":
            outputs = layer.build(*contents)
            self._integers.update(v.index for place, v in enumerate(inputs) if layer.reads_integers(place))
            several = isinstance(outputs[0], tuple)
        elif self._mode in ("lengths", "state"):
            if self._mode == "state":
                self.states.append(layer.stream_state(self._batch))
            outputs, several = None, isinstance((layer.output_shape or ((),))[0], tuple)
            outputs = (None,) * len(layer.output_shape or ()) if several else None
        else:
            if self._mode == "infer":
                outputs = layer.infer(*contents, lengths=lengths)
            elif self._mode == "stream":
                before = self._before[len(self.states)] if self._before else None
                outputs, own_state, saved = layer.stream(
                    *contents, state=before, lengths=lengths, training=self._training
                )
                self.states.append(own_state)
            else:
                outputs, saved = layer.forward(*contents, lengths=lengths)
            several = isinstance(outputs, tuple)
        after = layer.output_lengths(lengths) if self._mode != "build" else None
        if several:
            built: Any = layer.output_shape
            own = [after if len(shape) > 2 else None for shape in built]
            values = tuple(self.value(content, each) for content, each in zip(outputs, own, strict=True))
        else:
            values = (self.value(outputs, after),)
        if saved is not None:
            taken, given = [value.index for value in inputs], [value.index for value in values]
            shapes = [value.content.shape for value in values]
            self._calls.append((layer, taken, given, shapes, saved))
        return values if several else values[0]

    def may_be_integers(self, value: Value) -> bool:
        """Tell whether a layer that takes integers gets this value; known once built."""
        return value.index in self._integers

    def backward(
        self, backend: Backend, dtype: Any, gradients: dict[int, Array], unwanted: Sequence[int] = ()
    ) -> dict[int, Array]:
        """Run all calls backward, dropping each as it is used.

        Parameters
        ----------
        backend : Backend
        dtype : dtype of the gradients
        gradients : dict
            The gradients of the outputs by value index. Where a value went to several layers, theirs add up.
        unwanted : sequence of int
            Values that get no gradient: a layer that takes no others is not asked for its inputs'.

        Returns
        -------
        dict
            The gradients of all values that got one.
        """
        while self._calls:
            layer, taken, given, shapes, saved = self._calls.pop()
            if not any(index in gradients for index in given):
                continue  # nothing depends on this call
            dy = tuple(
                gradients.pop(index) if index in gradients else backend.zeros(shape, dtype)
                for index, shape in zip(given, shapes, strict=True)
            )
            wanted = any(index not in unwanted for index in taken)
            dx = as_tuple(layer.backward(dy if len(dy) > 1 else dy[0], saved, input_gradient=wanted))
            for index, gradient in zip(taken, dx, strict=True):
                if gradient is not None and index not in unwanted:
                    # Not in place: the array may be another layer's dy too.
                    gradients[index] = gradients[index] + gradient if index in gradients else gradient
        return gradients
