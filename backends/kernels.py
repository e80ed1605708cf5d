"""The table of kernels: every forward and backward pair by name, filled in by the classes that define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from lamina.backends.arrays import ArrayOperations

__all__ = ["Kernel", "KernelTable", "Pair"]


class Pair(NamedTuple):
    """A kernel's two functions as a class defines them; they take the backend as their first argument."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]


class Kernel(NamedTuple):
    """A forward and backward pair that handles the options it was selected for.

    Attributes
    ----------
    name : str
        Such as ``"simple_rnn"``.
    source : str
        Whose it is: a backend's name, or ``"generic"`` for the base class's.
    forward, backward : callable
    """

    name: str
    source: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]


class KernelTable(ArrayOperations):
    """The base class of whatever has kernels.

    A class that defines ``NAME_forward`` or ``NAME_backward`` fills in the pair ``NAME`` of ``kernels``, for itself
    and for those derived from it; what it does not define of a pair it takes from its bases.

    Attributes
    ----------
    kernels : mapping of str to Pair
        All kernels of a class, its bases' included.
    """

    kernels: ClassVar[Mapping[str, Pair]] = {}
    _own_kernels: ClassVar[Mapping[str, Pair]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = {
            name.removesuffix(end): None
            for name in vars(cls)
            for end in ("_forward", "_backward")
            if name.endswith(end) and not name.startswith("_")
        }
        cls._own_kernels = {
            name: Pair(forward, backward)
            for name in names
            if (forward := getattr(cls, f"{name}_forward", None))
            and (backward := getattr(cls, f"{name}_backward", None))
        }
        table: dict[str, Pair] = {}
        for base in reversed(cls.__mro__):
            table.update(vars(base).get("_own_kernels", {}))
        cls.kernels = table
