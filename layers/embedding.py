"""The embedding: a learned row for each of a set of ids."""

from __future__ import annotations

from typing import Any

from lamina.backends import Array
from lamina.core.arguments import extent, flag
from lamina.core.initializers import InitializerLike, Normal, find_initializer
from lamina.core.labels import read_ids
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, Value
from lamina.core.parameter import Parameter
from lamina.core.registry import register
from lamina.core.shapes import Lengths, Shape
from lamina.errors import DTypeError

__all__ = ["Embedding"]

_START = Normal(0.5)


@register
class Embedding(Layer):
    """y = w[ids]: integers (batch, ...) become vectors (batch, ..., units).

    Past a row's end ids are not looked at, the output is 0, and no gradient flows: lengths say what is padding, no
    id is set apart for it.

    The gradient touches the rows used alone, and so does the optimizer's update: a step's cost does not grow with
    the number of rows. For plain SGD and AdaGrad that is what the whole table's update would give; momentum, moving
    averages and weight decay act on a row only in the steps that use it (as PyTorch's SparseAdam does). A row is used
    where an id before its row's end names it and a gradient comes back, be it 0, or where another layer that shares the
    table gives it a gradient other than 0.

    Parameters
    ----------
    rows : int
        How many ids there are: 0 to rows - 1.
    units : int
    row_wise : bool
        False updates all rows at every step.
    w_initializer : str, float or Initializer
        Normal with a deviation of 0.5. Of six starts it was best or next to it in most of three tasks, three seeds each
        and two optimizers (``benchmarks/results/embedding-start.txt``): Keras's, uniform from -0.05 to 0.05, learns
        more slowly, and PyTorch's, normal with 1, is best for characters and worst for images read as ids.

    Attributes
    ----------
    w : Parameter (rows, units)

    Raises
    ------
    ArgumentError
        If rows or units is not a positive whole number.
    DTypeError
        In ``forward``, if ids are no integers.
    DataError
        If an id before its row's end lies outside the table.

    Notes
    -----
    Ids are looked at on the host. Those that a call, a `Stream` or a `Trainer` is given there are known there; ids that
    ``forward`` is given on a device are copied back, which waits for it.

    Examples
    --------
    >>> layer = Embedding(10, 4)
    >>> layer.build((None, None), seed=0)
    (None, None, 4)
    >>> layer([[3, 1, 9]], lengths=[2]).shape
    (1, 3, 4)
    """

    takes_integers = True

    def __init__(
        self, rows: int, units: int, *, row_wise: bool = True, w_initializer: InitializerLike = _START
    ) -> None:
        self.rows = extent(self, "rows", rows)
        self.units = extent(self, "units", units)
        self.row_wise = flag(self, "row_wise", row_wise)
        self.w_initializer = find_initializer(w_initializer)

    def build(self, shape: Shape) -> Shape:
        """Create the table for ids (batch, ...); return (batch, ..., units)."""
        self.w = Parameter((self.rows, self.units), self.w_initializer, row_wise=self.row_wise)
        return (*shape, self.units)

    def check_input(self, index: int, array: Array, shape: Shape) -> None:
        """Raise `ShapeError` unless the rank is as built; any size is."""
        super().check_input(index, array, (*shape[:-1], None) if len(shape) > 1 else shape)

    def stream_state(self, batch: int) -> tuple[()]:
        """Return no state: each id is looked up alone."""
        return ()

    def forward(self, ids: Array, lengths: Lengths | None = None) -> tuple[Array, Any]:
        """Return y (batch, ..., units) for ids (batch, ...) and lengths (batch,)."""
        backend = self.backend
        if not backend.is_integer(ids):
            raise DTypeError(f"{self.label}: expected integers, got {ids.dtype}")
        known = read_ids(self.label, ids, self.rows, lengths)
        rows = backend.take_rows(self.w.data, backend.zero_past(ids, lengths))
        return backend.zero_past(rows, lengths), (known, lengths)

    def backward(self, dy: Array, saved: Any) -> None:
        """Add dy to the gradient's rows; integers have no gradient."""
        ids, lengths = saved
        self.w.add_rows(ids, dy, lengths)  # what stands past an end uses no row, not even with a gradient of 0

    def lower(self, lowering: Lowering, ids: Value) -> Value:
        """Add the kernel to a program; the gradient of a table by rows is handed out by the step."""
        if not ids.integers:
            raise lowering.refuse(self, "is given no integers")
        lowering.bound(ids, self.rows)
        weights = {"w": lowering.fixed(self.w) if self.row_wise else self.w}
        return lowering.apply("embedding", ids, self.units, weights=weights, **lowering.table(self.w))
