"""Groups: parameters that an optimizer gives settings of their own, chosen by patterns of their names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from lamina.core.config import arguments_of
from lamina.core.parameter import Parameter
from lamina.errors import ArgumentError, unknown
from lamina.optimization.rule import Rule

__all__ = ["Groups", "make_groups", "read_groups"]

Groups = Mapping[str, Mapping[str, Any]]

R = TypeVar("R", bound=Rule)

# What concerns all gradients together, or is no setting.
_GENERAL = ("parameters", "clip_norm", "clip_value", "groups")
_SHOWN = 8


def read_groups(optimizer: Rule, groups: Groups) -> dict[str, dict[str, Any]]:
    """Return a copy of the options by pattern, or raise where they are none.

    Raises
    ------
    ArgumentError
        If it is not patterns with options, or a pattern matches no parameter.
    UnknownNameError
        If the optimizer takes no such option.
    """
    if not isinstance(groups, Mapping) or not all(isinstance(options, Mapping) for options in groups.values()):
        expected = "a dict of options by pattern, such as {'*.b': {'lr': 0.001}}"
        raise ArgumentError(f"{optimizer.label}: expected groups to be {expected}, got {groups!r}")
    names, known = [parameter.name for parameter in optimizer.parameters], _options(type(optimizer))
    for pattern, options in groups.items():
        if not isinstance(pattern, str) or not any(fnmatchcase(name, pattern) for name in names):
            shown = ", ".join(names[:_SHOWN] + ["..."] * (len(names) > _SHOWN))
            raise ArgumentError(f"{optimizer.label}: no parameter's name matches {pattern!r} in groups: {shown}")
        for name in options:
            if name not in known:
                raise unknown(f"option of {optimizer.label} in groups", name, known)
    return {pattern: dict(options) for pattern, options in groups.items()}


def make_groups(optimizer: R, groups: Mapping[str, dict[str, Any]]) -> tuple[list[Parameter], list[R]]:
    """Return the parameters that no pattern matches, and an optimizer for each set of options of the others.

    That one is of the same class, made with the same settings but for the options: so the class itself checks
    them, and its update finds them where it finds its own.
    """
    ungrouped: list[Parameter] = []
    found: dict[str, tuple[dict[str, Any], list[Parameter]]] = {}
    for parameter in optimizer.parameters:
        matching = [options for pattern, options in groups.items() if fnmatchcase(parameter.name, pattern)]
        merged = {name: value for options in matching for name, value in options.items()}
        if merged:
            found.setdefault(repr(sorted(merged.items())), (merged, []))[1].append(parameter)
        else:
            ungrouped.append(parameter)
    return ungrouped, [_make_group(optimizer, parameters, options) for options, parameters in found.values()]


def _make_group(optimizer: R, parameters: list[Parameter], options: dict[str, Any]) -> R:
    settings: dict[str, Any] = {}
    for name in _options(type(optimizer)):
        if not hasattr(optimizer, name):
            raise ArgumentError(f"{optimizer.label}: groups need the argument {name!r} as self.{name}, before super()")
        settings[name] = getattr(optimizer, name)
    make: Any = type(optimizer)
    try:
        member: R = make(parameters, **(settings | options))
    except ArgumentError as error:
        raise ArgumentError(f"{error}, in groups for {parameters[0].name!r}") from error
    return member


def _options(cls: type[Rule]) -> list[str]:
    """Return the arguments that a group can set: those of a class, and of its bases where it hands others on."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [name for name, one in arguments_of(cls).items() if one.kind not in several and name not in _GENERAL]
