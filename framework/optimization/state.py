"""What of an optimizer's state is no array: its rates, those of its groups, and what a class keeps beside them."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.arguments import number
from lamina.core.config import arguments_of
from lamina.errors import ArgumentError
from lamina.optimization.rule import Rule

__all__ = ["fitting_kept", "fitting_rates", "kept_by", "rates_of", "read_numbers"]


def rates_of(members: Sequence[Rule]) -> dict[str, float]:
    """Return the first rate of each parameter that is in a group, by path."""
    return {parameter.name: member._first_lr for member in members for parameter in member.parameters}


def kept_by(rule: Rule, own: Sequence[str]) -> dict[str, Any]:
    """Return what a rule keeps beside arrays: attributes that are no arguments, and that JSON can hold.

    Parameters
    ----------
    rule : Rule
    own : sequence of str
        Attributes to leave out.
    """
    known = {*own, *arguments_of(type(rule))}
    return {key: copy.deepcopy(value) for key, value in vars(rule).items() if key not in known and _is_plain(value)}


def read_numbers(state: Mapping[str, Any], defaults: Mapping[str, float], problems: list[str]) -> dict[str, float]:
    """Return the steps and the rates of a state; what an older one lacks is the default's.

    What is no such number is a problem.
    """
    read = dict(defaults)
    if not {"steps", "lr"} <= set(state):
        problems.append("no steps or lr")
        return read
    for name in ("steps", "lr", *defaults):
        if name in state:
            read[name] = _number(name, state[name], problems, of=read.get(name, 0.0))
    if read["steps"] % 1:
        problems.append(f"expected steps to be a whole number, got {read['steps']}")
    return read


def _number(name: str, value: Any, problems: list[str], of: float) -> float:
    """Return a rate or a count of a state, or note the problem and return what there was."""
    may_be_0 = name in ("steps", "lr", "lr_factor")  # not what others are in proportion to
    try:
        return number("state", name, value, least=0) if may_be_0 else number("state", name, value, above=0)
    except ArgumentError as error:
        problems.append(str(error).removeprefix("state: "))
        return of


def fitting_rates(rule: Rule, first_lr: float, rates: Mapping[str, float] | None, problems: list[str]) -> list[float]:
    """Return the first rate of each group here, from those by path in a state; without them those that there are.

    A parameter that a state gives a rate which its group here cannot have is a problem.
    """
    if rates is None:
        return [member._first_lr for member in rule._members]
    wanted = {path: _number(f"the rate of {path}", rate, problems, of=first_lr) for path, rate in rates.items()}
    found: list[float] = []
    for parameters, expected in [(rule._ungrouped, first_lr), *((one.parameters, math.nan) for one in rule._members)]:
        for parameter in parameters:
            rate = wanted.get(parameter.name, first_lr)
            expected = rate if math.isnan(expected) else expected
            if rate != expected:
                here = "it is in no group" if parameters is rule._ungrouped else f"its group's is {expected:g}"
                problems.append(f"{parameter.name}: its first rate was {rate:g}, but here {here} beside {first_lr:g}")
        found.append(expected)
    return found[1:]


def fitting_kept(
    rules: Mapping[str, Rule], kept: Mapping[str, Mapping[str, Any]], own: Sequence[str], problems: list[str]
) -> dict[str, dict[str, Any]]:
    """Return copies of what a state keeps for the rules; what is no such thing, or for another rule, is a problem."""
    for key, attributes in kept.items():
        if key not in rules and attributes:
            problems.append(f"unexpected group of {key}")
        for name, value in attributes.items() if key in rules else ():
            cls = type(rules[key])
            taken = name in own or name in arguments_of(cls) or callable(getattr(cls, name, None))
            if taken or not _is_plain(value):
                problems.append(f"unexpected {name} in kept")
    return copy.deepcopy({key: dict(attributes) for key, attributes in kept.items()})


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
