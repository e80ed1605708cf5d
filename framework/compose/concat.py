"""Joining along an axis."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import whole
from lamina.core.layer import Layer, require_layers
from lamina.core.registry import register
from lamina.core.saved_state import SavedState
from lamina.core.shapes import Lengths, Shape, show
from lamina.errors import ShapeError, StreamError

__all__ = ["Concat"]


@register
class Concat(Layer):
    """Branches over one input, their outputs joined; without branches, several inputs joined as they are.

    Parameters
    ----------
    *branches : Layer
    axis : int
        The axis along which to join; not the batch's.

    Raises
    ------
    ShapeError
        When built, if the outputs differ in more than that axis.

    Examples
    --------
    >>> from lamina.layers import Dense
    >>> Concat(Dense(2), Dense(3)).build((None, 4))
    (None, 5)
    >>> Concat().build((None, 4), (None, 6))
    (None, 10)
    """

    def __init__(self, *branches: Layer, axis: int = -1) -> None:
        self.branches = require_layers("Concat", branches)
        self.axis = whole(self, "axis", axis, least=None)

    def children(self) -> dict[str, Layer]:
        """Return the branches by position."""
        return {str(index): branch for index, branch in enumerate(self.branches)}

    def build(self, *shapes: Shape) -> Shape:
        """Build the branches; return the joined shape."""
        if self.branches and len(shapes) != 1:
            raise ShapeError(f"{self.label}: expected one input for its branches, got {len(shapes)}")
        parts: Any = [branch.build(shapes[0]) for branch in self.branches] or list(shapes)
        if any(isinstance(part[0], tuple) for part in parts):
            raise ShapeError(f"{self.label}: expected branches with one output each, got {', '.join(map(show, parts))}")
        first = parts[0]
        if not -len(first) <= self.axis < len(first):
            raise ShapeError(f"{self.label}: there is no axis {self.axis} in {show(first)}")
        axis = self.axis % len(first)
        alike = all(
            len(part) == len(first) and all(part[i] == first[i] for i in range(len(first)) if i != axis)
            for part in parts
        )
        got = ", ".join(map(show, parts))
        if axis == 0:
            raise ShapeError(f"{self.label}: expected an axis after the batch, got axis {self.axis} of {got}")
        if not alike:
            raise ShapeError(f"{self.label}: expected shapes that differ only in axis {axis}, got {got}")
        if any(part[axis] is None for part in parts):
            raise ShapeError(f"{self.label}: expected fixed sizes of axis {axis}, got {got}")
        return (*first[:axis], sum(part[axis] for part in parts), *first[axis + 1 :])

    def output_lengths(self, lengths: Lengths | None) -> Lengths | None:
        """Return the first branch's."""
        return self.branches[0].output_lengths(lengths) if self.branches else lengths

    def forward(self, *inputs: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return the joined outputs."""
        self._require_full(lengths)
        if not self.branches:
            return self._join(inputs), ([x.shape[self.axis] for x in inputs], None)
        results = [branch.forward(inputs[0], lengths=lengths) for branch in self.branches]
        parts = [y for y, _ in results]
        return self._join(parts), ([y.shape[self.axis] for y in parts], [saved for _, saved in results])

    def backward(self, dy: Array, saved: Any, *, input_gradient: bool = True) -> Any:
        """Return the sum of the branches' dx; without branches, a dx for each input."""
        sizes, states = saved
        parts: list[Any] = self.backend.split(dy, sizes, self.axis)
        if states is None:
            parts = parts if input_gradient else [None] * len(parts)
            return tuple(parts) if len(parts) > 1 else parts[0]
        dx = None
        for branch, part in zip(reversed(self.branches), reversed(parts), strict=True):
            own = branch.backward(part, states.pop(), input_gradient=input_gradient)
            dx = own if dx is None else dx + own
        return dx

    def infer(self, *inputs: Array, lengths: Lengths | None = None) -> Array:
        """Return the joined outputs, keeping nothing."""
        self._require_full(lengths)
        if not self.branches:
            return self._join(inputs)
        return self._join([branch.infer(inputs[0], lengths=lengths) for branch in self.branches])

    def _require_full(self, lengths: Lengths | None) -> None:
        """Raise where rows of unequal length would be joined along time: the padding of one would lie within."""
        rank = len(self.output_shape or ())
        if lengths is not None and rank > 2 and self.axis % rank == 1:
            raise ShapeError(f"{self.label}: cannot join along time rows that differ in length: lengths were given")

    def stream_state(self, batch: int) -> tuple[Any, ...]:
        """Return the branches' states."""
        rank = len(self.output_shape or ())
        if rank > 2 and self.axis % rank == 1:
            raise StreamError(f"{self.label}: cannot stream what it joins along the time axis")
        return tuple(branch.stream_state(batch) for branch in self.branches)

    def stream(
        self, *inputs: Array, state: Any = None, lengths: Lengths | None = None, training: bool = False
    ) -> tuple[Array, tuple[Any, ...], Any]:
        """Return the joined outputs for the next steps."""
        if not self.branches:
            return super().stream(*inputs, lengths=lengths, training=training)
        results = [
            branch.stream(inputs[0], state=before, lengths=lengths, training=training)
            for branch, before in zip(self.branches, state or (None,) * len(self.branches), strict=True)
        ]
        parts, after, kept = (list(each) for each in zip(*results, strict=True))
        y = self._join(parts)
        content = [part.shape[self.axis] for part in parts], kept
        return y, tuple(after), SavedState(self, content, y) if training else None

    def _join(self, parts: Any) -> Array:
        return self.backend.concatenate(parts, self.axis)
