"""Matrix products by cuBLAS: into memory that is there, of matrices cut out of others, in the precision asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.cupy.compiled import THREADS, CompiledKernels, grid_over

__all__ = ["Products"]

# What cuBLAS multiplies a product by, and what is in the place that it goes to, read by address.
_SCALARS = {char: (np.ones(1, char), np.zeros(1, char)) for char in "fd"}
_BFLOAT16 = "uint16"  # its bits


class Products(CompiledKernels):
    """Products of matrices.

    In ``"tf32"`` the operands of float32 products are rounded to 10 bits after the point, in ``"bf16"`` to 7; sums are
    float32 in both, and so is all else. Products of float64 stay what they are.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32", "tf32", "bf16")

    _working: threading.local

    @property
    def precision(self) -> str:
        """In what this thread's products are computed."""
        found: str = getattr(self.__dict__.get("_working"), "precision", "fp32")
        return found

    @contextmanager
    def products_in(self, precision: str) -> Iterator[None]:
        """Set the precision of this thread's products as long as the context is open."""
        working = self.__dict__.setdefault("_working", threading.local())
        before = self.precision
        working.precision = precision
        try:
            yield
        finally:
            working.precision = before

    def operand_dtype(self, dtype: Any) -> Any:
        """Return the dtype of what products take, for values of a dtype."""
        return np.dtype(_BFLOAT16) if self.precision == "bf16" and dtype == np.float32 else np.dtype(dtype)

    def as_operand(self, values: Array) -> Array:
        """Return an array as products take it: itself, or rounded to bfloat16."""
        operand = self.operand_dtype(values.dtype)
        if operand == values.dtype:
            return values
        values = self.contiguous(values)
        rounded = self.empty(values.shape, operand)
        if values.size:
            kernel = self.kernel("as_operand", "products.cu", values.dtype, operand)
            kernel(grid_over(values.size), (THREADS,), (values, rounded, np.int64(values.size)))
        return rounded

    def product(self, a: Array, b: Array, out: Array, *, add: bool = False) -> Callable[[], None]:
        """Return a function that computes out = a b, or out += a b, of what then lies in the arrays.

        Called for every step of a loop over the same memory, it has nothing left to prepare. The arrays must live as
        long as it does.

        Parameters
        ----------
        a : (m, k) operand; b : (k, n) operand
            Their rows or their columns must be contiguous.
        out : (m, n)
            Its rows must be.
        add : bool
        """
        (m, k), n = a.shape, b.shape[1]
        if not m or not n:
            return _nothing
        if not k:
            return _nothing if add else partial(out.fill, 0)
        cuda = self.xp.cuda
        cublas, runtime = cuda.cublas, cuda.runtime
        char = out.dtype.char
        one, zero = (scalar.ctypes.data for scalar in _SCALARS[char])
        kinds = {"f": runtime.CUDA_R_32F, "d": runtime.CUDA_R_64F, "H": runtime.CUDA_R_16BF}
        compute = cublas.CUBLAS_COMPUTE_64F if char == "d" else cublas.CUBLAS_COMPUTE_32F
        if char == "f" and a.dtype.char == "f" and self.precision == "tf32":
            compute = cublas.CUBLAS_COMPUTE_32F_FAST_TF32
        a_turned, a_leading = _layout(a)
        b_turned, b_leading = _layout(b)
        out_turned, out_leading = _layout(out)
        if out_turned:
            raise ValueError(f"expected an output whose rows are contiguous, got strides {out.strides}")
        # cuBLAS counts along columns: to it, rows that are contiguous are columns, and the product's order turns round.
        return partial(
            cublas.gemmEx, cuda.get_cublas_handle(), b_turned, a_turned, n, m, k,
            one, b.data.ptr, kinds[b.dtype.char], b_leading, a.data.ptr, kinds[a.dtype.char], a_leading,
            one if add else zero, out.data.ptr, kinds[char], out_leading, compute, cublas.CUBLAS_GEMM_DEFAULT,
        )  # fmt: skip

    def multiply(self, a: Array, b: Array, dtype: Any, out: Array | None = None) -> Array:
        """Return the product of two operands as a new array of a dtype, or as ``out``."""
        if out is None:
            out = self.empty((a.shape[0], b.shape[1]), dtype)
        self.product(a, b, out)()
        return out

    def matmul(self, a: Array, b: Array) -> Array:
        """Return the product a b over the last two axes, in the precision asked for."""
        if self.precision == "fp32" or a.dtype != np.float32 or b.dtype != np.float32:
            return self.xp.matmul(a, b)
        if a.ndim == b.ndim == 2:
            a, b = (one if _lies_well(one) else self.contiguous(one) for one in (a, b))
            return self.multiply(self.as_operand(a), self.as_operand(b), a.dtype)
        if a.shape[:-2] != b.shape[:-2]:
            return self.xp.matmul(a, b)
        rows, columns = a.shape[-2], b.shape[-1]
        made = self.empty((*a.shape[:-2], rows, columns), a.dtype)
        a, b, out = (self.reshape(one, (-1, *one.shape[-2:])) for one in (a, b, made))
        self._batched(self.as_operand(self.contiguous(a)), self.as_operand(self.contiguous(b)), out)
        return made

    def _batched(self, a: Array, b: Array, out: Array) -> None:
        """Compute out[i] = a[i] b[i] of float32 matrices (count, m, k) and (count, k, n), or of operands."""
        (count, m, k), n = a.shape, b.shape[2]
        if not out.size or not k:
            out.fill(0)
            return
        cuda = self.xp.cuda
        cublas, runtime = cuda.cublas, cuda.runtime
        one, zero = (scalar.ctypes.data for scalar in _SCALARS["f"])
        kind = runtime.CUDA_R_32F if a.dtype.char == "f" else runtime.CUDA_R_16BF
        compute = cublas.CUBLAS_COMPUTE_32F if a.dtype.char != "f" else cublas.CUBLAS_COMPUTE_32F_FAST_TF32
        cublas.gemmStridedBatchedEx(
            cuda.get_cublas_handle(), 0, 0, n, m, k, one, b.data.ptr, kind, n, k * n, a.data.ptr, kind, k, m * k,
            zero, out.data.ptr, runtime.CUDA_R_32F, n, m * n, count, compute, cublas.CUBLAS_GEMM_DEFAULT,
        )  # fmt: skip


def _nothing() -> None:
    """Compute a product that has no elements, or adds none."""


def _lies_well(matrix: Array) -> bool:
    """Tell whether cuBLAS can read a matrix where it lies."""
    item = matrix.itemsize
    return bool(item in matrix.strides and min(matrix.strides) > 0)


def _layout(matrix: Array) -> tuple[int, int]:
    """Return whether a matrix's columns are contiguous instead of its rows, and how far apart its lines lie."""
    item, (rows, columns), (down, across) = matrix.itemsize, matrix.shape, matrix.strides
    if across == item or columns == 1:
        return 0, max(down // item, columns)
    if down == item or rows == 1:
        return 1, max(across // item, rows)
    raise ValueError(f"expected a matrix whose rows or columns are contiguous, got strides {matrix.strides}")
