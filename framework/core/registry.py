"""Names for the parts that a file or a command line refers to: layers, losses, optimizers, initializers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar, overload

from lamina.errors import ArgumentError, unknown

__all__ = ["Registry", "part_of", "register"]

T = TypeVar("T")
C = TypeVar("C", bound=type)


def _key(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


class Registry(Generic[T]):
    """Classes by name; ``"softmax_cross_entropy"`` and ``"SoftmaxCrossEntropy"`` are the same name.

    A class may have aliases besides, such as ``"mse"``, by which it is found: they are not listed, and no file holds
    one. A name goes before an alias, so that a class of one's own may have any that is only an alias so far.

    Parameters
    ----------
    kind : str
        What is registered, for the messages: ``"layer"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[T]] = {}
        self._names: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._expected: dict[str, tuple[str, str]] = {}  # by key: the name, and the module that registers it
        self._short: dict[str, str] = {}  # by an alias's key: the module that registers it

    def expect(self, modules: Mapping[str, str], aliases: Mapping[str, str] | None = None) -> None:
        """Make names known whose classes are registered by a module that is imported when they are first asked for.

        Parameters
        ----------
        modules : mapping of str to str
            By name: the module.
        aliases : mapping of str to str, optional
            By alias: the module of the class that has it.
        """
        self._short.update({_key(alias): module for alias, module in (aliases or {}).items()})
        self._expected.update({_key(name): (name, module) for name, module in modules.items()})

    def add(self, cls: type[T], name: str | None = None, aliases: Iterable[str] = ()) -> None:
        """Register a class under a name, its own by default, and aliases.

        Raises
        ------
        ArgumentError
            If another class has the name, or an alias is another's name or alias. Defining the same class again, as
            a notebook does, replaces it.
        """
        name = name or cls.__name__
        key, short = _key(name), [_key(alias) for alias in aliases]
        if self._expected.get(key, ("", ""))[1] == cls.__module__:
            del self._expected[key]
        for own in (key, *short):
            self._import(own)  # whose name it is
        for alias in short:
            owner = alias if alias in self._classes else self._aliases.get(alias, key)
            if owner != key:
                raise ArgumentError(f"{self.kind} name {alias!r} is taken by {self._names[owner]}")
        known = self._classes.get(key)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ArgumentError(f"{self.kind} name {name!r} is taken by {known.__module__}.{known.__qualname__}")
        self._classes[key] = cls
        self._names[key] = name
        self._aliases.update(dict.fromkeys(short, key))

    def find(self, name: str) -> type[T]:
        """Return the class of that name, or alias.

        Raises
        ------
        UnknownNameError
            If there is none; the message gives the nearest match.
        """
        key = _key(name) if isinstance(name, str) else ""
        self._import(key)
        if key not in self._classes:
            key = self._aliases.get(key, "")
        if key not in self._classes:
            raise unknown(self.kind, name, self.names())
        return self._classes[key]

    def name_of(self, cls: type) -> str | None:
        """Return the name a class is registered under, or None."""
        return next((self._names[key] for key, known in self._classes.items() if known is cls), None)

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted; no aliases."""
        return tuple(sorted([*self._names.values(), *(name for name, _ in self._expected.values())]))

    def _import(self, key: str) -> None:
        """Import the module that registers a name, where it is expected to."""
        if key in self._expected:
            import_module(self._expected[key][1])
        elif key in self._short and key not in self._aliases:
            import_module(self._short[key])

    def create(self, spec: str | T, **arguments: Any) -> T:
        """Return the object itself, or a new one of the class with that name."""
        return self.find(spec)(**arguments) if isinstance(spec, str) else spec


def part_of(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Return a package's class, or module, by its name: it is imported when it is first asked for.

    Parameters
    ----------
    package : str
    modules : mapping of str to str
        By class: the module in the package.
    name : str

    Raises
    ------
    AttributeError
        If there is neither of that name.
    """
    if name in modules:
        found = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found
    if name in modules.values():
        return import_module(f"{package}.{name}")
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


@overload
def register(cls: C) -> C: ...
@overload
def register(*, name: str | None = None, aliases: Iterable[str] = ()) -> Callable[[C], C]: ...
def register(cls: C | None = None, *, name: str | None = None, aliases: Iterable[str] = ()) -> C | Callable[[C], C]:
    """Class decorator: make a layer, loss, optimizer, metric or initializer known by name.

    A model that holds a layer of yours can be saved, and loaded again, once the layer's class is registered.

    Parameters
    ----------
    name : str, optional
        The class's own name by default.
    aliases : iterable of str
        Other names by which it is found, such as those that other libraries have for it.

    Examples
    --------
    >>> import lamina
    >>> @lamina.register
    ... class Double(lamina.Layer):
    ...     def build(self, shape):
    ...         return shape
    ...     def forward(self, x):
    ...         return 2 * x, None
    ...     def backward(self, dy, saved):
    ...         return 2 * dy
    >>> lamina.Layer.registry.find("double")()
    Double()
    """

    def add(cls: C) -> C:
        registry = getattr(cls, "registry", None)
        if not isinstance(registry, Registry):
            raise ArgumentError(
                f"register: expected a layer, loss, optimizer, metric or initializer class, got {cls!r}"
            )
        registry.add(cls, name, aliases)
        return cls

    return add if cls is None else add(cls)
