"""``cupy.cuda.cublas``: products of matrices as cuBLAS takes them, by address and column by column."""

import ctypes

import numpy as np

from tests.stand_in.counting import ledger
from tests.stand_in.jitter import jitter

__all__ = ["CUDA_TYPES", "cublas", "get_cublas_handle"]

_HANDLE = 1
# As CUDA numbers them.
CUDA_TYPES = {"CUDA_R_32F": 0, "CUDA_R_64F": 1, "CUDA_R_16BF": 14}
_TYPES = {0: np.float32, 1: np.float64, 14: np.uint16}


class CUBLASError(RuntimeError):
    """Stands for ``cupy_backends.cuda.libs.cublas.CUBLASError``."""


class Cublas:
    """The functions and constants that are used of it."""

    CUBLASError = CUBLASError
    CUBLAS_OP_N = 0
    CUBLAS_OP_T = 1
    CUBLAS_COMPUTE_32F = 68
    CUBLAS_COMPUTE_64F = 70
    CUBLAS_COMPUTE_32F_FAST_TF32 = 77
    CUBLAS_GEMM_DEFAULT = -1

    # Type and computation that go together, of those that this package uses.
    _KNOWN = frozenset({(0, 0, 68), (0, 0, 77), (14, 0, 68), (1, 1, 70)})

    def gemmEx(
        self, handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc, computeType,
        algo,
    ):  # fmt: skip
        """C = alpha op(A) op(B) + beta C, op(A) being (m, k) and op(B) (k, n)."""
        self.gemmStridedBatchedEx(
            handle, transa, transb, m, n, k, alpha, A, Atype, lda, 0, B, Btype, ldb, 0, beta, C, Ctype, ldc, 0, 1,
            computeType, algo,
        )  # fmt: skip

    def gemmStridedBatchedEx(
        self, handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB, beta, C, Ctype,
        ldc, strideC, batchCount, computeType, algo,
    ):  # fmt: skip
        """The same of several matrices that lie a stride apart."""
        for one in (handle, transa, transb, m, n, k, alpha, A, lda, strideA, B, ldb, strideB, beta, C, ldc, strideC):
            if not isinstance(one, int):
                raise TypeError(f"an integer is required, got {type(one)}")
        if handle != _HANDLE or algo != self.CUBLAS_GEMM_DEFAULT:
            raise CUBLASError("CUBLAS_STATUS_NOT_INITIALIZED" if handle != _HANDLE else "CUBLAS_STATUS_NOT_SUPPORTED")
        if Atype != Btype or (Atype, Ctype, computeType) not in self._KNOWN:
            raise CUBLASError("CUBLAS_STATUS_NOT_SUPPORTED")
        rows_a, rows_b = (k if transa else m), (n if transb else k)
        if min(m, n, k) < 0 or lda < max(1, rows_a) or ldb < max(1, rows_b) or ldc < max(1, m):
            raise CUBLASError("CUBLAS_STATUS_INVALID_VALUE")
        if not m or not n or not batchCount:
            return
        kind = np.float64 if computeType == self.CUBLAS_COMPUTE_64F else np.float32
        by, keep = (float(_memory(one, 1, kind)[0]) for one in (alpha, beta))
        ledger.note("launch", "product" if batchCount == 1 else "batched product")
        for place in range(batchCount):
            one, other = (
                _read(start, stride * place, sizes, ld, code, computeType == self.CUBLAS_COMPUTE_32F_FAST_TF32)
                for start, stride, sizes, ld, code in (
                    (A, strideA, (k, m) if transa else (m, k), lda, Atype),
                    (B, strideB, (n, k) if transb else (k, n), ldb, Btype),
                )
            )
            into = _matrix(C, strideC * place, (m, n), ldc, Ctype)
            one, other = one.T if transa else one, other.T if transb else other
            with np.errstate(all="ignore"):
                # As a row-major product, which rounds as NumPy's own does.
                made = jitter.product(other.T, one.T).T * into.dtype.type(by) if k else np.zeros((m, n), into.dtype)
                into[...] = made + into * into.dtype.type(keep) if keep else made

    def getPointerMode(self, handle):
        """Scalars lie on the host."""
        return 0


def _memory(address, count, dtype):
    buffer = (ctypes.c_char * (count * np.dtype(dtype).itemsize)).from_address(address)
    return np.frombuffer(buffer, dtype)


def _matrix(start, offset, sizes, ld, code):
    """Return a matrix, column by column in memory, as a view."""
    rows, columns = sizes
    dtype = np.dtype(_TYPES[code])
    if not rows or not columns:
        return np.zeros(sizes, dtype)
    flat = _memory(start + offset * dtype.itemsize, (columns - 1) * ld + rows, dtype)
    return np.lib.stride_tricks.as_strided(flat, sizes, (dtype.itemsize, ld * dtype.itemsize))


def _read(start, offset, sizes, ld, code, tf32):
    """Return a matrix as what its products are computed in."""
    found = _matrix(start, offset, sizes, ld, code)
    if code == CUDA_TYPES["CUDA_R_16BF"]:
        return (found.astype(np.uint32) << 16).view(np.float32)
    if not tf32:
        return found
    # Ten bits after the point, to nearest.
    return ((np.ascontiguousarray(found).view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


cublas = Cublas()


def get_cublas_handle():
    """Return the handle of the current device."""
    return _HANDLE
