"""The table of kernels: every forward and backward pair by name, filled in by the classes that define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ClassVar, NamedTuple, TypeVar

from lamina.backends.arrays import Array, ArrayOperations, Gradients

__all__ = ["Kernel", "KernelTable", "added", "adding", "takes_gradients"]

_Given = TypeVar("_Given")


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

    def add_gradients(self, gradients: Gradients | None, fresh: Sequence[Array | None]) -> Any:
        """Return the gradients of weights as a kernel's backward does: added to where they belong, or as they are.

        A backward that gives gradients of weights, after that of its input, takes ``gradients`` by keyword: None, or
        what says where they are added. It asks once, and as late as it can: from then on, until the layer's backward
        ends, no other thread adds to any gradient. What it is told is an array for each of them in the order in which
        they are returned, None for one that nobody wants; of those after the last nothing is said. It adds in place,
        whatever they hold, and returns these arrays in the places of new ones.

        Parameters
        ----------
        gradients : callable or None
            Returns a sequence of array or None.
        fresh : sequence of array or None
            What is to be added; it may have more after it.
        """
        return added(gradients, fresh)


def added(gradients: Gradients | None, fresh: Sequence[Array | None]) -> Any:
    """Return what `KernelTable.add_gradients` does, one addition after the other."""
    if gradients is None:
        return fresh
    targets = gradients()
    for target, one in zip(targets, fresh, strict=False):
        if target is not None:
            target += one
    return (*targets, *fresh[len(targets) :])


def adding(backward: Callable[..., _Given]) -> Callable[..., _Given]:
    """Return a kernel's backward, a method, that takes ``gradients``: it adds what the one given returns.

    What a backend can do better, such as a product that adds, takes ``gradients`` itself.
    """

    @wraps(backward)
    def wrapper(self: KernelTable, *arguments: Any, gradients: Gradients | None = None, **options: Any) -> Any:
        results: Any = backward(self, *arguments, **options)
        if gradients is None:
            return results
        dx, *fresh = results
        return (dx, *self.add_gradients(gradients, fresh))

    wrapper.takes_gradients = True  # type: ignore[attr-defined]
    return wrapper


def takes_gradients(backward: Callable[..., Any]) -> bool:
    """Tell whether a kernel's backward takes ``gradients``."""
    function = getattr(backward, "__func__", backward)
    if hasattr(function, "takes_gradients"):
        return True
    code = getattr(function, "__code__", None)
    return code is not None and "gradients" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


_ENDS = "_forward", "_backward"
