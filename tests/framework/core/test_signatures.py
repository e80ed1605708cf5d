"""What a function takes, read from its code, is what `inspect` says: every function of the package, and odd ones."""

import doctest
import functools
import importlib
import importlib.util
import inspect
import pkgutil
from typing import Any

import pytest

import lamina
from lamina.core import signatures
from lamina.core.signatures import parameters_of


def plain(a, b=1): ...
def several(self, x, *states, lengths=None, **options): ...
def by_name(*, a, b=2): ...
def by_place(a, b, /, c, d=4, *, e=5): ...
def nothing(): ...
def typed(a: int, b: "str" = "x", *rest: Any) -> None: ...


@functools.wraps(several)
def decorated(*args, **kwargs): ...


class Callable:
    def __call__(self, x, y=2): ...

    @classmethod
    def made(cls, x): ...

    @staticmethod
    def free(x): ...


ODD = [plain, several, by_name, by_place, nothing, typed, decorated, lambda x, *y: x]
ODD += [Callable(), Callable.__call__, Callable.free, functools.partial(plain, 1), len]


def expected(function: Any) -> list[tuple[Any, ...]]:
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("function", ODD, ids=lambda one: getattr(one, "__name__", type(one).__name__))
def test_odd_functions(function: Any) -> None:
    assert [tuple(one) for one in parameters_of(function)] == expected(function)


def test_every_function_of_the_package() -> None:
    seen = 0
    for module in pkgutil.walk_packages(lamina.__path__, "lamina."):
        if "cupy" in module.name or "numba" in module.name or module.name.endswith("__main__"):
            continue
        if module.name.startswith("lamina.sklearn") and importlib.util.find_spec("sklearn") is None:
            continue
        for _, holder in inspect.getmembers(importlib.import_module(module.name)):
            members = [*vars(holder).values(), holder] if inspect.isclass(holder) else [holder]
            for function in members:
                if inspect.isfunction(function):
                    assert [tuple(one) for one in parameters_of(function)] == expected(function), function
                    seen += 1
    assert seen > 1000


def test_the_example() -> None:
    assert not doctest.testmod(signatures).failed
