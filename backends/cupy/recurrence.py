"""What the recurrences share: one product for all inputs, then a product and a kernel for each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import NONE, THREADS, grid_over
from lamina.backends.cupy.products import Products

__all__ = ["Steps"]

_ALIGNED = 8  # elements: what tensor cores read at once


class Steps:
    """One batch on its way through a recurrence, or its gradient on the way back.

    Parameters
    ----------
    backend : Products
    file : str
        Where the recurrence's kernels are.
    x : (batch, time, features)
    lengths : (batch,) integers on the host, or None
    units, gates : int
    reverse : bool

    Attributes
    ----------
    joint : (batch * time, features + 1 + units)
        Of every step x, a 1 and the state before, as operands: what all weights of a step are multiplied with. What
        stands past a row's end is 0.
    """

    def __init__(
        self, backend: Products, file: str, x: Array, lengths: Any, units: int, gates: int, reverse: bool
    ) -> None:
        self.backend, self.file = backend, file
        self.batch, self.time, self.features = x.shape
        self.units, self.gates, self.reverse = units, gates, np.int32(reverse)
        self.dtype, self.operand = x.dtype, backend.operand_dtype(x.dtype)
        self.lengths = NONE if lengths is None else backend.constant(lengths, "int64")
        self.width = self.features + 1 + units
        self.stride = -(-self.width // _ALIGNED) * _ALIGNED
        padded = backend.empty((self.batch * self.time, self.stride), self.operand)
        self.joint = padded[:, : self.width]
        self.before = padded[:, self.features + 1 :]
        self._join(x, padded)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The outputs' shape (batch, time, units)."""
        return self.batch, self.time, self.units

    @property
    def sizes(self) -> tuple[np.int32, np.int32, np.int32]:
        """Batch, time and units as kernels take them."""
        return np.int32(self.batch), np.int32(self.time), np.int32(self.units)

    @property
    def stride_argument(self) -> np.int32:
        """How far apart the rows of ``joint`` lie, in elements, as kernels take it."""
        return np.int32(self.stride)

    def _join(self, x: Array, padded: Array) -> None:
        if x.strides[2] != x.itemsize and self.features > 1:
            x = self.backend.contiguous(x)
        row, step = (np.int64(stride // x.itemsize) for stride in x.strides[:2])
        elements = self.batch * self.time * (self.features + 1)
        if elements:
            sizes = (*self.sizes[:2], np.int32(self.features), np.int32(self.stride))
            self.kernel("join")(grid_over(elements), (THREADS,), (x, self.lengths, padded, row, step, *sizes))

    def kernel(self, name: str) -> Callable[..., None]:
        """Return one of the recurrence's kernels, for its dtypes."""
        return self.backend.kernel(name, self.file, self.dtype, self.operand)

    def for_steps(self, gates: int, *, operand: bool = False) -> Array:
        """Return memory for every step: (batch, time, gates units)."""
        shape = (self.batch, self.time, gates * self.units)
        return self.backend.empty(shape, self.operand if operand else self.dtype)

    def for_step(self, gates: int, *, operand: bool = False) -> Array:
        """Return memory for one step: (batch, gates units)."""
        return self.backend.empty((self.batch, gates * self.units), self.operand if operand else self.dtype)

    def state(self, given: Array | None) -> Array:
        """Return a state (batch, units) to be written into, from the one given, or zeros."""
        if given is None:
            return self.backend.zeros((self.batch, self.units), self.dtype)
        return given.copy()  # in C order

    def projected(self, w_x: Array) -> Array:
        """Return x w_x of every step: (batch, time, gates units)."""
        made = self.for_steps(self.gates)
        rows = self.backend.reshape(made, (-1, made.shape[2]))
        self.backend.product(self.joint[:, : self.features], w_x, rows)()
        return made

    def launch(self, name: str, arguments: tuple[Any, ...]) -> Callable[[int], None]:
        """Return a function that launches a kernel, a thread for each unit of each row, for the step it is given.

        The kernel's last parameter is the step.
        """
        elements = self.batch * self.units
        if not elements:
            return _nothing
        kernel, grid, block = self.kernel(name), grid_over(elements), (THREADS,)

        def launched(step: int) -> None:
            kernel(grid, block, (*arguments, np.int32(step)))

        return launched

    def upstream(self, dh: Array | None) -> tuple[Any, np.int64, np.int64]:
        """Return the outputs' gradient as kernels take it, and the strides of its rows and steps, in elements."""
        if dh is None:
            return NONE, np.int64(0), np.int64(0)
        if dh.strides[2] != dh.itemsize and self.units > 1:
            dh = self.backend.contiguous(dh)
        return dh, *(np.int64(stride // dh.itemsize) for stride in dh.strides[:2])

    def input_gradient(self, da: Array, w_x: Array) -> Array:
        """Return da w_x^T: (batch, time, features)."""
        made = self.backend.empty((self.batch, self.time, self.features), self.dtype)
        rows, back = (self.backend.reshape(one, (-1, one.shape[2])) for one in (da, made))
        self.backend.product(rows, w_x.T, back)()
        return made

    def weight_gradients(self, da: Array, columns: slice) -> Array:
        """Return joint^T da of some of joint's columns: (columns, gates units)."""
        rows = self.backend.reshape(da, (-1, da.shape[2]))
        return self.backend.multiply(self.joint[:, columns].T, rows, self.dtype)

    def parameters(self, of_joint: Array) -> tuple[Array, Array, Array]:
        """Return the parts of a gradient like ``joint``'s columns: of w_x, of the bias, and of w_h."""
        return of_joint[: self.features], of_joint[self.features], of_joint[self.features + 1 :]


def _nothing(step: int) -> None:
    """Launch nothing: there are no rows."""
