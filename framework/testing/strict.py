"""A backend over array-api-strict, which refuses NumPy: what runs on it runs on any array module."""

from __future__ import annotations

from importlib import import_module

from lamina.backends import Backend, get_backend, register_backend
from lamina.errors import BackendError

__all__ = ["StrictBackend", "register_strict_backend"]


class StrictBackend(Backend):
    """The generic kernels over ``array_api_strict``, the array API standard and nothing else.

    It proves, on a machine without a GPU, that no NumPy array and no function that only NumPy has leaks into
    the generic kernels, or into a layer. It is slow, and for tests.

    Raises
    ------
    BackendError
        If array-api-strict is not installed.
    """

    name = "array-api-strict"

    def __init__(self) -> None:
        try:
            self.xp = import_module("array_api_strict")
        except ImportError as error:
            raise BackendError(
                f"backend {self.name!r}: array-api-strict is not installed ({error}); pip install -e '.[test]'"
            ) from error
        self.array_type = type(self.xp.zeros(()))


def register_strict_backend() -> Backend:
    """Register `StrictBackend` as ``"array-api-strict"`` and return it.

    Raises
    ------
    BackendError
        If array-api-strict is not installed.
    """
    register_backend(StrictBackend.name, StrictBackend)
    return get_backend(StrictBackend.name)
