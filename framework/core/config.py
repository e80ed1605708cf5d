"""Objects described by their constructor's arguments, so that a file can hold them and rebuild them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, ClassVar, NamedTuple

from lamina.core.arguments import is_whole
from lamina.core.registry import Registry
from lamina.core.reserved import is_reserved, refuse_reserved
from lamina.core.signatures import parameters_of
from lamina.errors import CheckpointError, LaminaError, shown

__all__ = ["Configured", "Taken", "arguments_of", "describe", "make", "rebuild"]


Argument = inspect.Parameter
_NOT_KEPT, _KEPT = "not kept", "kept as an attribute"


class Taken(NamedTuple):
    """An argument of a constructor: how it is taken, and its default, as `inspect.Parameter` has them.

    Attributes
    ----------
    kind, default : object
    is_own : bool
        Whether it stands in the class's own signature; otherwise it is a base's, which takes what is handed on.
    """

    kind: Any
    default: Any
    is_own: bool = True


# What came by ``**kwargs`` and is no argument of a base.
_UNNAMED = Taken(Argument.KEYWORD_ONLY, Argument.empty, False)


class Configured:
    """A part whose constructor keeps every argument as an attribute of the same name.

    That convention is all it takes for a part to be printed, saved and rebuilt. A class that cannot keep it
    overrides `config`.
    """

    registry: ClassVar[Registry[Any]]
    _kept: ClassVar[tuple[str, ...]] = ("registry",)  # attributes that no argument may have the name of
    _transient: ClassVar[tuple[str, ...]] = ()  # arguments that no file can hold
    _copies: ClassVar[int] = 1  # how many of each part among its arguments it holds
    _refuses_at_build: ClassVar[bool] = False  # names that came by ``**kwargs``; otherwise when it is made

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls).get("__init__")
        if own is not None:
            refuse_reserved(cls, [one.name for one in parameters_of(own)[1:]])
        if own is not None and _takes_any(own):
            cls.__init__ = _noting(own)  # type: ignore[method-assign]

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments by name: those of the signature as they were kept, the others as they were given."""
        given: dict[str, Any] = self.__dict__.get("_given", {})
        found: dict[str, Any] = {}
        for name, argument in arguments_of(type(self)).items():
            if name in self._transient or argument.kind is Argument.VAR_KEYWORD:
                continue
            if argument.is_own or name in given:
                kept = given.get(name, _NOT_KEPT)
                found[name] = getattr(self, name, _NOT_KEPT if kept is _KEPT else kept)
        if not given:
            return found
        return found | {name: getattr(self, name, value) for name, value in given.items() if name not in found}

    def config(self) -> dict[str, Any]:
        """Return the arguments that would make this object again.

        Raises
        ------
        CheckpointError
            If the constructor did not keep an argument under its own name.
        """
        arguments = self._arguments()
        for name, value in arguments.items():
            if value is _NOT_KEPT:
                raise CheckpointError(
                    f"{type(self).__name__}: keep the argument {name!r} as self.{name}, or define config()"
                )
        return arguments

    def __repr__(self) -> str:
        parts: list[str] = []
        taken = arguments_of(type(self))
        for name, value in self._arguments().items():
            argument = taken.get(name, _UNNAMED)
            if value is _NOT_KEPT:
                continue
            if argument.kind is Argument.VAR_POSITIONAL:
                parts.extend(map(repr, value))
            elif argument.default is Argument.empty and argument.kind is not Argument.KEYWORD_ONLY:
                parts.append(repr(value))
            elif not (value is argument.default or _same(value, argument.default)):
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _takes_any(function: Any) -> bool:
    """Tell whether a function takes ``*args`` or ``**kwargs``."""
    code = getattr(function, "__code__", None)
    return code is None or bool(code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))


def _noting(constructor: Callable[..., None]) -> Callable[..., None]:
    """Wrap a constructor that takes ``*args`` or ``**kwargs``: what comes in that way is noted, to make it again."""

    @wraps(constructor)
    def wrapper(self: Any, *positional: Any, **named: Any) -> None:
        constructor(self, *positional, **named)
        if type(self).__init__ is not wrapper:
            return  # by super(): a subclass's arguments are what counts
        taken = arguments_of(type(self))
        own = [name for name, one in taken.items() if one.is_own]
        given = {name: value for name, value in named.items() if name not in own}
        for place, name in enumerate(own):
            if taken[name].kind is Argument.VAR_POSITIONAL:
                given[name] = positional[place:]
        if not self._refuses_at_build:
            refuse_reserved(type(self), given)
        # What is kept as an attribute is not held here too.
        self.__dict__["_given"] = {
            name: _KEPT if not is_reserved(type(self), name) and hasattr(self, name) else value
            for name, value in given.items()
        }

    return wrapper


def _arguments_of(cls: Any) -> Mapping[str, Taken]:
    """Return a class's arguments; where it takes any by keyword and hands them on, those of its bases too."""
    if cls.__init__ is object.__init__:
        return {}
    _, *own = parameters_of(cls.__init__)
    found = {one.name: Taken(one.kind, one.default) for one in own}
    handed_on = any(one.kind is Argument.VAR_KEYWORD for one in found.values())
    definers = [base for base in cls.__mro__ if "__init__" in vars(base) and base is not object]
    for base in definers[1:] if handed_on else ():
        _, *inherited = parameters_of(vars(base)["__init__"])
        for one in inherited:
            if one.kind in (Argument.POSITIONAL_OR_KEYWORD, Argument.KEYWORD_ONLY):
                found.setdefault(one.name, Taken(Argument.KEYWORD_ONLY, one.default, False))
        if not any(one.kind is Argument.VAR_KEYWORD for one in inherited):
            break
    return found


# Each class is asked several times a fit. Typed, as lru_cache takes a metaclass's hash for one that is none.
arguments_of: Callable[[Any], Mapping[str, Taken]] = lru_cache(maxsize=256)(_arguments_of)


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, Configured):
        default = type(value).registry.create(default) if isinstance(default, str) else default
        return repr(value) == repr(default)
    return isinstance(value, (str, int, float, bool, tuple)) and bool(value == default)


def describe(value: Any, seen: dict[int, tuple[int, Any]] | None = None) -> Any:
    """Return a value as JSON can hold it; parts become ``{"layer": name, "config": {...}}``.

    A part that occurs again becomes ``{"same": n}``, the n-th described, so shared weights stay shared.

    Raises
    ------
    CheckpointError
        If a part's class is not registered or an argument cannot be written as JSON.
    """
    seen = {} if seen is None else seen
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [describe(item, seen) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: describe(item, seen) for key, item in value.items()}}
    if isinstance(value, Configured):
        if id(value) in seen:
            return {"same": seen[id(value)][0]}
        seen[id(value)] = len(seen), value  # kept, so that no later part can have its id
        name = value.registry.name_of(type(value))
        if name is None:
            raise CheckpointError(f"{type(value).__name__} cannot be saved: decorate its class with @lamina.register")
        config = {key: describe(item, seen) for key, item in value.config().items()}
        return {value.registry.kind: name, "config": config}
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a NumPy scalar
        return value.item()
    raise CheckpointError(f"cannot write {type(value).__name__} {value!r} into a model file")


def rebuild(description: Any, registries: dict[str, Registry[Any]], made: list[Any] | None = None) -> Any:
    """Return what `describe` described.

    Parameters
    ----------
    description : JSON
    registries : dict
        By kind: where the names are looked up.

    Raises
    ------
    UnknownNameError
        If a name is not registered.
    CheckpointError
        If the description is not one, or a class does not take the arguments found.
    """
    made = [] if made is None else made
    if isinstance(description, list):
        return [rebuild(item, registries, made) for item in description]
    if not isinstance(description, dict):
        return description
    if set(description) == {"dict"} and isinstance(description["dict"], dict):
        return {key: rebuild(item, registries, made) for key, item in description["dict"].items()}
    if set(description) == {"same"}:
        number = description["same"]
        if not is_whole(number) or not 0 <= number < len(made) or made[number] is None:
            raise CheckpointError(f"expected the number of a part described before, got {shown(number)}")
        return made[number]
    kind = next((key for key in description if key in registries), None)
    if kind is None or set(description) != {kind, "config"} or not isinstance(description["config"], dict):
        raise CheckpointError(f"expected the description of a part, got keys {shown(sorted(description))}")
    cls = registries[kind].find(description[kind])
    position = len(made)
    made.append(None)  # numbered as described: the outer part first
    config = {key: rebuild(item, registries, made) for key, item in description["config"].items()}
    try:
        made[position] = make(cls, config)
    except LaminaError as error:
        raise CheckpointError(str(error)) from error
    except TypeError as error:  # of arguments that the class does not take
        raise CheckpointError(f"{kind} {description[kind]!r}: {error}") from error
    return made[position]


def make(cls: Any, arguments: Mapping[str, Any]) -> Any:
    """Return an object of a class, made with arguments as `Configured.config` gives them: ``*args`` is one of them."""
    taken, named = arguments_of(cls), dict(arguments)
    rest = next((name for name, argument in taken.items() if argument.kind is Argument.VAR_POSITIONAL), None)
    if rest is None or rest not in named:
        return cls(**named)
    before = list(taken)[: list(taken).index(rest)]  # they must then go by position too
    return cls(*(named.pop(name) for name in before if name in named), *named.pop(rest), **named)
