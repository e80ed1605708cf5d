"""What layers share that combine inputs element by element: which shapes go together, and their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lamina.backends import Array, Backend
from lamina.core.arguments import flag
from lamina.core.layer import Layer
from lamina.core.lengths import require_one_length
from lamina.core.shapes import Lengths, Shape, require_alike, show
from lamina.errors import ShapeError, StreamError

__all__ = ["Elementwise", "ones_past"]


class Elementwise(Layer):
    """The base class of layers that combine two or more inputs element by element.

    They define ``combine`` and ``gradients``, for arrays whose axes stand over each other.

    Parameters
    ----------
    broadcast : bool
        Whether (batch, features) is taken for every step of (batch, time, features), and features of size 1 for
        every feature. Nothing else is broadcast: not the batch, nor one step for several.
    """

    #: Whether it takes two inputs, not more.
    pairs: ClassVar[bool] = False

    def __init__(self, *, broadcast: bool = False) -> None:
        self.broadcast = flag(self, "broadcast", broadcast)

    def build(self, *shapes: Shape) -> Shape:
        """Return the shape of what they make together."""
        return self._shape(shapes)

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: each step is taken by itself; raise where an input has no steps, beside one that has."""
        for shapes in self.places:
            if len({len(shape) for shape in shapes}) > 1:
                got = ", ".join(map(show, shapes))
                raise StreamError(f"{self.label}: cannot stream: it makes steps of what has none, of {got}")
        return ()

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> tuple[bool, tuple[Array, ...]]:
        """Return zeros in place of what is given whole; raise where that has a time axis, as steps do not."""
        for shapes in self.places:
            given = [shape for shape, own in zip(shapes, whole, strict=False) if own]
            if any(len(shape) > 2 for shape in given):
                got = ", ".join(map(show, given))
                raise StreamError(f"{self.label}: cannot stream: it takes step by step what is given whole, {got}")
            if len({len(shape) for shape, own in zip(shapes, whole, strict=False) if not own}) > 1:
                self.stream_state(batch)
        bound, sizes = self.bound(), [set[int]() for _ in whole]
        for shapes in self.places:
            for known, shape in zip(sizes, shapes, strict=False):
                known.add(shape[-1] or 0)
        open_sizes = [known.pop() if len(known) == 1 else 0 for known, own in zip(sizes, whole, strict=True) if own]
        return False, tuple(bound.backend.zeros((batch, size), bound.dtype_object) for size in open_sizes)

    def forward(self, *inputs: Array, lengths: Any = None) -> tuple[Array, Any]:
        """Return what the inputs make together, of their shape."""
        shapes = [x.shape for x in inputs]
        if lengths is not None:
            lengths = self._one_length(inputs, lengths)
        if len(shapes) == 2 and shapes[0] == shapes[1]:  # as nearly always
            y, saved = self.combine(inputs, lengths)
            return y, (saved, None)
        arrays, rank = list(inputs), len(self._shape(shapes))
        for index, x in enumerate(inputs):
            if x.ndim < rank:
                arrays[index] = self.backend.reshape(x, (x.shape[0], *(1,) * (rank - 2), x.shape[-1]))
        y, saved = self.combine(arrays, lengths)
        return y, (saved, [(x.shape, array.shape) for x, array in zip(inputs, arrays, strict=True)])

    def backward(self, dy: Array, saved: Any) -> tuple[Array, ...]:
        """Return the gradient of each input, summed over what it was broadcast along."""
        content, shapes = saved
        if shapes is None:
            return tuple(self.gradients(dy, content))
        found = []
        for gradient, (shape, aligned) in zip(self.gradients(dy, content), shapes, strict=True):
            if gradient.shape != aligned:
                gradient = self.backend.sum_to(gradient, aligned)
            found.append(gradient if shape == aligned else self.backend.reshape(gradient, shape))
        return tuple(found)

    def combine(self, arrays: Sequence[Array], lengths: Lengths | None) -> tuple[Array, Any]:
        """Return y, and what `gradients` needs."""
        raise NotImplementedError(f"{type(self).__name__} does not define combine")

    def gradients(self, dy: Array, saved: Any) -> Sequence[Array]:
        """Return the gradient of each input, in its own shape or in dy's."""
        raise NotImplementedError(f"{type(self).__name__} does not define gradients")

    def _shape(self, shapes: Sequence[Shape]) -> Shape:
        if self.pairs and len(shapes) != 2:
            raise ShapeError(f"{self.label}: expected two inputs, got {', '.join(map(show, shapes))}")
        if not self.broadcast or len(shapes) < 2 or all(shape == shapes[0] for shape in shapes):
            return require_alike(self.label, shapes)
        rank = max(map(len, shapes))
        whole = next(shape for shape in shapes if len(shape) == rank)
        features = next((shape[-1] for shape in shapes if shape[-1] != 1), 1)
        for shape in shapes:
            fits = shape[:-1] == whole[:-1] if len(shape) == rank else len(shape) == 2 and shape[0] == whole[0]
            if not fits or shape[-1] not in (1, features):
                got = ", ".join(map(show, shapes))
                raise ShapeError(
                    f"{self.label}: expected inputs of one shape, or some of (batch, features), or of one feature, "
                    f"got {got}"
                )
        return (*whole[:-1], features)

    def _one_length(self, inputs: Sequence[Array], lengths: Any) -> Lengths | None:
        timed = [index for index, x in enumerate(inputs) if x.ndim > 2]
        if isinstance(lengths, tuple):
            lengths = tuple(lengths[index] for index in timed)
        found: Lengths | None = require_one_length(self.label, lengths, [inputs[index].shape[1] for index in timed])
        return found


def ones_past(backend: Backend, x: Array, lengths: Lengths | None) -> Array:
    """Return x (batch, time, ...) with ones past each row's end, by which anything can be divided; else itself."""
    if lengths is None or x.ndim < 3:
        return x
    valid = backend.valid_steps(lengths, x.shape[1])
    valid = backend.reshape(valid, (*valid.shape, *(1,) * (x.ndim - 2)))
    return backend.xp.where(valid, x, backend.full((), 1.0, x.dtype))
