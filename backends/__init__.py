"""Arrays and kernels: the `Backend` base class, NumPy and CuPy, and the registry that finds others."""

if __name__ != "lamina.backends":
    raise ImportError("import lamina.backends, not backends")

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.registry import available_backends, backend_of, get_backend, register_backend, use_backend

__all__ = [
    "Array",
    "Backend",
    "available_backends",
    "backend_of",
    "get_backend",
    "register_backend",
    "use_backend",
]
