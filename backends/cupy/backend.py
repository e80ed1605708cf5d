"""The CuPy backend: arrays and kernels on an NVIDIA GPU."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.cupy.clipping import CuPyClippingKernels
from lamina.backends.cupy.constants import CuPyConstants
from lamina.backends.cupy.dense import CuPyDenseKernels
from lamina.backends.cupy.dropout import CuPyDropoutKernels
from lamina.backends.cupy.gru import CuPyGRUKernels
from lamina.backends.cupy.losses import CuPyLossKernels
from lamina.backends.cupy.lstm import CuPyLSTMKernels
from lamina.backends.cupy.normalization import CuPyNormalizationKernels
from lamina.backends.cupy.padding import CuPyPadding
from lamina.backends.cupy.random import CuPyRandom
from lamina.backends.cupy.rows import CuPyRows
from lamina.backends.cupy.simple_rnn import ACTIVATIONS, CuPySimpleRNNKernels
from lamina.backends.cupy.updates import CuPyUpdateKernels
from lamina.backends.cupy.uploads import CuPyUploads
from lamina.backends.errors import BackendError

__all__ = ["CuPyBackend"]

_INSTALL = "pip install -e '.[cuda12x]' (CUDA 12) or pip install -e '.[cuda13x]' (CUDA 13)"


class CuPyBackend(
    CuPySimpleRNNKernels,
    CuPyLSTMKernels,
    CuPyGRUKernels,
    CuPyDenseKernels,
    CuPyLossKernels,
    CuPyNormalizationKernels,
    CuPyDropoutKernels,
    CuPyUpdateKernels,
    CuPyClippingKernels,
    CuPyRows,
    CuPyRandom,
    CuPyPadding,
    CuPyConstants,
    CuPyUploads,
    Backend,
):
    """CuPy, with kernels of its own for what takes many small steps; all else runs through the generic ones.

    These are the recurrent layers, Dense, softmax cross-entropy, normalization, dropout and its masks.

    Raises
    ------
    BackendError
        If CuPy is not installed, or finds no CUDA device.
    """

    name = "cupy"
    on_host = False

    def __init__(self) -> None:
        CuPyConstants.__init__(self)
        CuPyUploads.__init__(self)
        try:
            self.xp = import_module("cupy")
        except ImportError as error:
            raise BackendError(f"backend 'cupy': CuPy is not installed ({error}); {_INSTALL}") from error
        self.array_type = self.xp.ndarray

    def require_available(self) -> None:
        """Raise `BackendError` where CuPy finds no CUDA device."""
        runtime = self.xp.cuda.runtime
        try:
            count = int(runtime.getDeviceCount())
        except runtime.CUDARuntimeError as error:
            raise BackendError(
                f"backend 'cupy': CuPy {self.xp.__version__} finds no usable CUDA device ({error}); install "
                "the NVIDIA driver (check with: nvidia-smi) or use backend 'numpy'"
            ) from error
        if count == 0:
            raise BackendError(f"backend 'cupy': CuPy {self.xp.__version__} finds no CUDA device; use backend 'numpy'")

    def supports(self, kernel: str, **options: Any) -> bool:
        """Tell whether this backend's own kernel handles the options."""
        if kernel == "softmax_cross_entropy":
            return not options.get("each", False)
        return kernel != "simple_rnn" or options.get("activation", "tanh") in ACTIVATIONS

    def is_float(self, array: Array) -> bool:
        """Tell whether the array holds real floating-point numbers."""
        return bool(array.dtype.kind == "f")

    def is_integer(self, array: Array) -> bool:
        """Tell whether the array holds whole numbers."""
        return bool(array.dtype.kind in "iu")

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        """Return the array copied to the host."""
        host: np.ndarray[Any, Any] = self.xp.asnumpy(array)
        return host

    def copy(self, array: Array) -> Array:
        """Return a copy that shares no memory with the array."""
        return self.xp.array(array, copy=True)

    def astype(self, array: Array, dtype: Any) -> Array:
        """Return the array converted to a dtype of the array module."""
        return array.astype(dtype, copy=False)

    def synchronize(self) -> None:
        """Wait until the current stream is done."""
        self.xp.cuda.get_current_stream().synchronize()

    def devices(self) -> list[str]:
        """Return the name, memory and compute capability of each CUDA device."""
        runtime = self.xp.cuda.runtime
        lines = []
        for index in range(runtime.getDeviceCount()):
            facts = runtime.getDeviceProperties(index)
            memory = facts["totalGlobalMem"] / 2**30
            lines.append(
                f"GPU {index}: {facts['name'].decode()}, {memory:.0f} GiB, sm_{facts['major']}{facts['minor']}"
            )
        return lines
