"""The public names: the page that lists them is true, and each is documented, named and written as the others are."""

import importlib.util
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.core.registry import Registry
from lamina.optimization.optimizer import General
from lamina.testing import cases
from lamina.testing.cases import examples

ROOT = Path(__file__).parent.parent


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE_API = script()
NAMES = [(module, name) for module in MAKE_API.MODULES for name in import_module(module).__all__]
VALUES = {f"{module}.{name}": MAKE_API.value_of(import_module(module), name) for module, name in NAMES}
VALUES = {path: value for path, value in VALUES.items() if not isinstance(value, SimpleNamespace)}  # not here
CALLABLE = {path: value for path, value in VALUES.items() if inspect.isclass(value) or inspect.isfunction(value)}


# The page.


def test_the_page_is_what_the_script_writes() -> None:
    assert MAKE_API.PAGE.read_text(encoding="utf-8") == MAKE_API.page(), f"run {MAKE_API.COMMAND}"


def test_the_page_names_what_is_public_and_nothing_else() -> None:
    modules = [name for name in MAKE_API.MODULES if name != "lamina"]
    listed = re.findall(r"^\| \[`(\w+)`\]", MAKE_API.PAGE.read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(name for module, name in NAMES if f"{module}.{name}" not in modules)


def test_every_public_module_has_its_part() -> None:
    modules = {f"lamina.{name}" for name in lamina.__all__ if inspect.ismodule(getattr(lamina, name))}
    assert modules | {"lamina"} == set(MAKE_API.MODULES)


def test_every_link_leads_to_a_file_that_defines_the_name() -> None:
    links = re.findall(r"^\| \[`(\w+)`\]\((\S+)\)", MAKE_API.PAGE.read_text(encoding="utf-8"), re.M)
    for name, path in links:
        text = (ROOT / "docs" / path).read_text(encoding="utf-8")
        assert re.search(rf"\b{name}\b", text) or path.endswith(f"{name}.py"), (name, path)


def test_check_finds_a_page_that_is_out_of_date(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(MAKE_API, "PAGE", tmp_path / "api.md")
    assert MAKE_API.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/api.md is out of date: run python docs/make_api.py\n"
    assert MAKE_API.main([]) == 0
    assert MAKE_API.main(["--check"]) == 0
    (tmp_path / "api.md").write_text(MAKE_API.page().replace("`Dense`", "`Dens`"), encoding="utf-8")
    assert MAKE_API.main(["--check"]) == 1


# The docstrings.


@pytest.mark.parametrize("path", CALLABLE)
def test_the_first_line_says_in_one_sentence_what_it_is(path: str) -> None:
    value = CALLABLE[path]
    first, _, rest = (inspect.getdoc(value) or "").partition("\n")
    assert value.__dict__.get("__doc__") or not inspect.isclass(value), "inherited"
    assert 8 <= len(first) <= 116
    assert first.endswith((".", "``.")), first
    assert not rest or rest.startswith("\n"), "expected an empty second line"


@pytest.mark.parametrize("path", CALLABLE)
def test_every_argument_is_documented(path: str) -> None:
    value = CALLABLE[path]
    if inspect.isclass(value) and "__init__" not in vars(value):
        return
    function = value.__init__ if inspect.isclass(value) else value
    decorated = {"cls"}  # what a decorator is put above
    taken = inspect.signature(function).parameters
    names = {name for name, one in taken.items() if one.kind is not one.VAR_KEYWORD}
    if "general" in taken:  # what every optimizer hands on to its base
        names |= set(General.__annotations__)
    for name in names - {"self", "args"} - decorated:
        assert re.search(rf"\b{name}\b", inspect.getdoc(value) or ""), name


@pytest.mark.parametrize("path", [path for path, value in CALLABLE.items() if inspect.isclass(value)])
def test_every_public_method_is_documented(path: str) -> None:
    for name, member in vars(CALLABLE[path]).items():
        public = not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
        assert not public or inspect.getdoc(getattr(CALLABLE[path], name)), name


@pytest.mark.parametrize("path", CALLABLE)
def test_headings_are_numpys(path: str) -> None:
    doc = inspect.getdoc(CALLABLE[path]) or ""
    known = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Examples", "Notes", "See Also", "Warns")
    headings = re.findall(r"^(.+)\n(-{3,})$", doc, re.M)
    assert all(title in known and len(line) == len(title) for title, line in headings), headings


@pytest.mark.parametrize("path", VALUES)
def test_classes_are_in_capitals_and_functions_in_small_letters(path: str) -> None:
    name = path.rpartition(".")[2]
    small = inspect.isfunction(VALUES[path]) or inspect.ismodule(VALUES[path])
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*" if small else r"[A-Z][A-Za-z0-9]*", name)


# What a configuration names is found by that name.

# To derive from, or, as the last one, made of a function that no file holds.
WITHOUT_A_NAME = {
    *("Activation", "Cell", "Composite", "Initializer", "Layer", "Loss", "Metric", "Optimizer", "RandomLayer"),
    *("RecurrentLayer", "Schedule", "FunctionMetric", "ElementwiseLoss"),
}
WITH_A_REGISTRY = {
    path: value for path, value in VALUES.items() if isinstance(getattr(value, "registry", None), Registry)
}


@pytest.mark.parametrize("path", WITH_A_REGISTRY)
def test_every_class_of_a_kind_with_a_registry_is_in_it(path: str) -> None:
    name, cls = path.rpartition(".")[2], WITH_A_REGISTRY[path]
    assert cls.registry.name_of(cls) == (None if name in WITHOUT_A_NAME else name)


# What is printed can be typed.


def namespace() -> dict[str, Any]:
    public = [vars(module) for module in (examples, lamina.initializers, lamina.metrics, lamina.losses, lamina.layers)]
    return {
        name: value
        for names in [*public, {n: getattr(lamina, n) for n in lamina.__all__}]
        for name, value in names.items()
    }


@pytest.mark.parametrize("case", [*cases.layer_cases(), *cases.loss_cases()], ids=lambda case: case.name)
def test_the_repr_of_a_layer_or_loss_makes_it_again(case: Any) -> None:
    text = repr(case.make())
    if "Sequential(" in text:  # a table of its layers
        return
    again = eval(text, namespace())
    assert type(again) is type(case.make())
    assert repr(again) == text


@pytest.mark.parametrize("case", cases.optimizer_cases(), ids=lambda case: case.name)
def test_the_repr_of_an_optimizer_names_its_settings(case: Any) -> None:
    model = lamina.layers.Dense(2)
    model.build((None, 2), seed=0)
    made = case.make(model.parameters())
    assert repr(made).startswith(f"{type(made).__name__}(")
    inner = text.index("(", 10) if (text := repr(made)).startswith("Lookahead") else 0
    text = text[:inner] + text[inner:].replace("(", "(model.parameters(), ", 1)
    again = eval(text, {**vars(lamina.optimizers), "model": model})
    assert repr(again) == repr(made)


ARGUMENTS = {"Constant": "(0.5)", "Side": "(['zeros', 'ones'])"}


def registered(registry: Registry[Any]) -> list[str]:
    return [name for name in registry.names() if registry.find(name).__module__.startswith("lamina")]


@pytest.mark.parametrize("name", registered(lamina.initializers.Initializer.registry))
def test_the_repr_of_an_initializer_makes_it_again(name: str) -> None:
    made = eval(name + ARGUMENTS.get(name, "()"), namespace())
    again = eval(repr(made), namespace())
    assert repr(again) == repr(made)
    values = [own((4, 6), np.random.default_rng(0)) for own in (made, again)]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("name", registered(lamina.metrics.Metric.registry))
def test_the_repr_of_a_metric_makes_it_again(name: str) -> None:
    made = lamina.metrics.Metric.registry.find(name)()
    assert repr(eval(repr(made), {**vars(lamina.metrics)})) == repr(made)
