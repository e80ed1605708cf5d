"""Which backends exist, which one is the default, and how one of another package is found."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType

from lamina.backends.backend import Backend
from lamina.backends.errors import BackendError, unknown
from lamina.backends.forking import after_fork
from lamina.backends.plug_ins import factory_of, plug_ins

__all__ = ["available_backends", "backend_of", "get_backend", "register_backend", "use_backend"]

_BUILT_IN = {
    "numpy": "lamina.backends.numpy.backend:NumPyBackend",
    "numba": "lamina.backends.numba.backend:NumbaBackend",
    "cupy": "lamina.backends.cupy.backend:CuPyBackend",
    "reference": "lamina.backends.reference:ReferenceBackend",
}
_factories: dict[str, Callable[[], Backend]] = {}
_instances: dict[str, Backend] = {}
_default: list[str | None] = [None]
_lock = threading.RLock()


_plug_ins = partial(plug_ins, "lamina.backends")


def register_backend(name: str, factory: Callable[[], Backend]) -> None:
    """Make a backend known by name in this process.

    A package does the same for every process with an entry point in the group ``lamina.backends``.

    Parameters
    ----------
    name : str
    factory : callable
        Called without arguments, once, when the backend is first asked for; a class will do.
    """
    with _lock:
        _factories[name] = factory
        _instances.pop(name, None)


def available_backends() -> tuple[str, ...]:
    """Return the names of all registered backends, whether or not they can run on this machine."""
    return tuple(sorted({*_BUILT_IN, *_factories, *_plug_ins()}))


def get_backend(backend: str | Backend | None = None) -> Backend:
    """Return a backend by name, or the default one.

    Parameters
    ----------
    backend : str, Backend or None
        None is the default: what `use_backend` set, else the environment's ``LAMINA_BACKEND``, else NumPy.

    Raises
    ------
    UnknownNameError
        If no backend has that name.
    BackendError
        If the backend cannot run here; the message says what to install.
    """
    if isinstance(backend, Backend):
        return backend
    name = backend or _default[0] or os.environ.get("LAMINA_BACKEND") or "numpy"
    if not isinstance(name, str):
        raise unknown("backend", name, available_backends())
    opened = _instances.get(name)
    if opened is not None:
        return opened
    with _lock:
        if name not in _instances:
            instance = _create(name)
            instance.require_available()
            _instances[name] = instance
        return _instances[name]


@after_fork
def _renew() -> None:
    global _lock
    _lock = threading.RLock()


Backend.open_by_name = staticmethod(get_backend)


def _create(name: str) -> Backend:
    if name in _factories:
        created: object = _factories[name]()
    else:
        created = factory_of("backend", name, _BUILT_IN, _plug_ins, available_backends, BackendError)()
    if not isinstance(created, Backend):
        raise BackendError(f"backend {name!r}: expected a lamina.backends.Backend, got {type(created).__name__}")
    return created


class _Default:
    """What `use_backend` returns: nothing to do, or a context that restores the earlier default."""

    def __init__(self, backend: Backend, previous: str | None) -> None:
        self.backend = backend
        self._previous = previous

    def __enter__(self) -> Backend:
        return self.backend

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _default[0] = self._previous


def use_backend(name: str) -> _Default:
    """Make a backend the default of this process; as a context manager, only inside the block.

    Models already built stay where they are.

    Parameters
    ----------
    name : str
        Such as ``"numpy"`` or ``"cupy"``; see `available_backends`.

    Raises
    ------
    UnknownNameError
        If no backend has the name.
    BackendError
        If it cannot run on this machine; the message says what to install.

    Examples
    --------
    >>> import lamina
    >>> with lamina.use_backend("numpy") as backend:
    ...     backend
    <Backend 'numpy'>
    """
    backend = get_backend(name)
    previous, _default[0] = _default[0], name
    return _Default(backend, previous)


def backend_of(array: object) -> Backend:
    """Return the loaded backend whose array this is, the default one first.

    Raises
    ------
    BackendError
        If no loaded backend makes such arrays.
    """
    default = get_backend()
    if default.is_array(array):
        return default
    for backend in (*_instances.values(), get_backend("numpy")):
        if backend.is_array(array):
            return backend
    raise BackendError(f"expected an array of a loaded backend, got {type(array).__name__}")
