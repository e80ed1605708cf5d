"""Every default of a constructor is written out once more, in the part's own tests: a slip in one does not pass unseen.

There the values stand as literals, with where they come from; here it is seen that none is left out.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina.callbacks import Callback
from lamina.initializers import Initializer
from lamina.optimizers import Schedule

TESTS = Path(__file__).resolve().parent


def own_tests(module: str) -> Path:
    """Return the file of tests of a module."""
    _, first, *rest = module.split(".")
    folder, rest = (first, rest) if first in ("layers", "optimizers", "backends") else ("framework", [first, *rest])
    return TESTS.joinpath(folder, *rest[:-1], f"test_{rest[-1]}.py")


def below(cls: type) -> Iterator[type]:
    yield cls
    for derived in cls.__subclasses__():
        yield from below(derived)


def parts() -> dict[str, Any]:
    """Return what must be written out, by name: classes, and functions with settings."""
    registries = [one.registry for one in (lamina.Layer, lamina.Loss, lamina.Optimizer, Schedule, Initializer)]
    registries.append(lamina.metrics.Metric.registry)
    found: list[Any] = [registry.find(name) for registry in registries for name in registry.names()]
    found += [cls for base in (Callback, lamina.metrics.Metric) for cls in below(base)]
    found += [one for name in lamina.__all__ if isinstance(one := getattr(lamina, name), type)]
    for package in (lamina.inspect, lamina.datasets, lamina.decoding):
        found += [one for name in package.__all__ if callable(one := getattr(package, name))]
    found += [lamina.Trainer.fit, lamina.Trainer.evaluate, lamina.Trainer.predict, lamina.pad, lamina.compact]
    ours = [one for one in found if one.__module__.startswith("lamina.") and "testing" not in one.__module__]
    return {f"{one.__module__}.{one.__qualname__}": one for one in ours if not one.__name__.startswith("_")}


PARTS = parts()


@cache
def written_out(path: Path) -> dict[str, Any]:
    """Return what a file's tests compare ``defaults(...)`` with, where that is written out there."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Compare(ast.Call(ast.Name("defaults"), [of]), [ast.Eq()], [ast.Dict() as table]):
                found[ast.unparse(of)] = ast.literal_eval(table)  # raises where it is no literal
    return found


@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_the_defaults_of_each_part_stand_in_its_own_tests(part: Any, defaults: Callable[[Any], dict[str, Any]]) -> None:
    expected = defaults(part)
    if not expected:
        return
    path = own_tests(part.__module__)
    assert path.exists(), f"write tests of {part.__qualname__} to {path}"
    found = written_out(path)
    name = part.__qualname__
    tables = [table for key, table in found.items() if key == name or key.endswith(f".{name}")]
    assert tables == [expected], f"write out defaults({name}) in {path}"


def test_there_is_something_to_write_out(defaults: Callable[[Any], dict[str, Any]]) -> None:
    assert sum(bool(defaults(part)) for part in PARTS.values()) > 50
    assert {"lamina.layers.dense.Dense", "lamina.callbacks.SaveBest", "lamina.train.trainer.Trainer.fit"} <= set(PARTS)


def test_names_of_tests_follow_those_of_modules() -> None:
    assert own_tests("lamina.layers.dense") == TESTS / "layers" / "test_dense.py"
    assert own_tests("lamina.callbacks") == TESTS / "framework" / "test_callbacks.py"
    assert own_tests("lamina.core.parameter") == TESTS / "framework" / "core" / "test_parameter.py"


@pytest.mark.parametrize(
    ("line", "table"),
    [
        ("", {}),
        ("assert defaults(Dense) == table", {}),
        ("defaults(Dense)", {}),
        ("assert defaults(lamina.layers.Dense) == {'use_bias': True}", {"lamina.layers.Dense": {"use_bias": True}}),
    ],
)
def test_a_table_that_is_not_written_out_is_missed(line: str, table: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "test_dense.py"
    path.write_text(line)
    assert written_out(path) == table
