"""What a backend can plan: kernels in a row over values of known size, as one training step.

A program knows no layer. It says which kernels run one after another, on which values, with which weights; then the
losses, and how the weights are updated. `Backend.plan` makes a `lamina.backends.step.Step` of it that is run again and
again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lamina.backends.arrays import Array

__all__ = ["Call", "Frame", "Given", "Program", "Update", "Value", "Weights"]


@dataclass(frozen=True, slots=True)
class Value:
    """What goes from kernel to kernel.

    Attributes
    ----------
    index : int
        Its place among the values of the program.
    features : int
        The size of the last axis.
    frame : int or None
        Which lengths it has: an index of ``Program.frames``; None for one row of features a row of the batch.
    integers : bool
        Whether it holds whole numbers: (batch,), or (batch, time).
    """

    index: int
    features: int
    frame: int | None = None
    integers: bool = False


class Weights(NamedTuple):
    """An array that a kernel reads, and where its gradient is added.

    Attributes
    ----------
    data : array
    grad : array or None
        None where no gradient is wanted.
    """

    data: Array
    grad: Array | None


class Call(NamedTuple):
    """A kernel, what it takes and what it gives.

    Attributes
    ----------
    kernel : str
        Its name, without ``_forward`` and ``_backward``.
    inputs, outputs : tuple of Value
    weights : dict of str to Weights or None
    options : dict of str to value
    """

    kernel: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: Mapping[str, Weights | None]
    options: Mapping[str, Any]


class Update(NamedTuple):
    """An update kernel over a stretch of weights, or one that clips gradients before.

    Attributes
    ----------
    kernel : str
        The method's name, such as ``"sgd_update"``.
    arrays : tuple of array or None
        What it takes by position: parameter, gradient, state. Of a kernel that clips, all gradients.
    settings : sequence of str
        The names of what it takes by keyword.
    """

    kernel: str
    arrays: tuple[Array | None, ...]
    settings: tuple[str, ...]


class Frame(NamedTuple):
    """Lengths that values have in common.

    Attributes
    ----------
    steps : int
        The most that a row can have.
    source : int or None
        Of which other frame's lengths these are made; None for those that are given.
    options : dict
        How: see `Program.derive`.
    """

    steps: int
    source: int | None
    options: Mapping[str, int]


@dataclass
class Program:
    """Kernels in a row, for batches of at most so many rows and steps.

    Attributes
    ----------
    dtype : str
    rows, steps : int
    frames : list of Frame
        The first is that of the inputs.
    inputs : list of Value
    targets : list of Value
        What the loss takes beside the prediction.
    calls : list of Call
    losses : list of Call
        The inputs of each are a prediction, its target and, where there are any, the weights of rows or steps.
    outputs : list of Value
        What is handed back.
    gradients : list of array
        All that a step sets to 0 before it adds to them.
    updates : list of Update
    tables : int
        How many calls hand out the gradients of a table by rows, see `Step.table`: those with the option ``table``,
        the number of each.
    draws : int
        How many calls draw random numbers, see `Step.draw`: those with the option ``draw``, the number of each.
    alone : bool
        Whether a kernel looks at all rows of a batch together, so that they cannot be dealt to threads.
    states : list of (Value, Value, array)
        What goes from run to run: what a kernel reads, what one writes, and where both lie, (rows, features); None
        for a place of the step's own, in which rows stand as they like.
    bounds : dict of int to (int, int or None)
        For values of whole numbers, by their index: they are from 0 to below the first, or the second, where given.
    """

    dtype: str
    rows: int
    steps: int
    frames: list[Frame] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    targets: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    losses: list[Call] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    gradients: list[Array] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    states: list[tuple[Value, Value, Array | None]] = field(default_factory=list)
    bounds: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    tables: int = 0
    draws: int = 0
    alone: bool = False
    count: int = 0

    @property
    def loss(self) -> Call | None:
        """The first loss; set, it is the only one."""
        return self.losses[0] if self.losses else None

    @loss.setter
    def loss(self, call: Call | None) -> None:
        self.losses = [] if call is None else [call]

    def value(self, features: int, frame: int | None = None, integers: bool = False) -> Value:
        """Return a new value."""
        self.count += 1
        return Value(self.count - 1, features, frame, integers)

    def derive(self, source: int, steps: int, **options: int) -> int:
        """Return the frame of lengths (length + before - size) // stride + 1, at least 0; 0 stays 0.

        ``before`` may be negative. They keep the order of those they are made of. With ``fixed=1`` all have all steps.
        """
        for index, frame in enumerate(self.frames):
            if frame == (steps, source, options):
                return index
        self.frames.append(Frame(steps, source, options))
        return len(self.frames) - 1

    def call(
        self,
        kernel: str,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        weights: Mapping[str, Weights | None] | None = None,
        **options: Any,
    ) -> None:
        """Add a kernel."""
        self.calls.append(Call(kernel, tuple(inputs), tuple(outputs), weights or {}, options))


class Given(NamedTuple):
    """What a step is run on: arrays, and which of their rows.

    Attributes
    ----------
    inputs, targets : tuple of array
        C-contiguous, of the program's dtype or int64; (rows, ...) each.
    lengths : (rows,) int64 array or None
    """

    inputs: tuple[Array, ...]
    targets: tuple[Array, ...]
    lengths: Array | None = None
