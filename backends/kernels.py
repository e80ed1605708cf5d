"""The table of kernels: every forward and backward pair by name, filled in by the classes that define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from lamina.backends.arrays import ArrayOperations

__all__ = ["Kernel", "KernelTable"]


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

    A class that defines ``NAME_forward`` or ``NAME_backward`` fills in ``NAME`` in the table ``kernels``, for itself
    and for those derived from it; what it does not define of a pair it takes from its bases.

    Attributes
    ----------
    kernels : mapping of str to type
        The name of every kernel that a class has, its bases' included, and the class that defines it.

    Examples
    --------
    >>> import lamina
    >>> lamina.get_backend("numpy").kernels["lstm"].__module__
    'lamina.backends.numpy.lstm'
    """

    kernels: ClassVar[Mapping[str, type]] = {}
    _own_kernels: ClassVar[Mapping[str, type]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = {name.removesuffix(end) for name in vars(cls) for end in _ENDS if name.endswith(end)}
        cls._own_kernels = {name: cls for name in sorted(names) if all(hasattr(cls, name + end) for end in _ENDS)}
        table: dict[str, type] = {}
        for base in reversed(cls.__mro__):
            table.update(vars(base).get("_own_kernels", {}))
        cls.kernels = table

    def pair(self, kernel: str, cls: type | None = None) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the forward and the backward function of a kernel that is in the table, bound to this backend.

        Parameters
        ----------
        kernel : str
        cls : type, optional
            Whose functions; its own class's if not given.
        """
        forward, backward = (getattr(cls or type(self), kernel + end).__get__(self) for end in _ENDS)
        return forward, backward


_ENDS = "_forward", "_backward"
