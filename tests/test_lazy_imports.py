"""Packages whose parts are imported when first asked for: their lists agree, with each other and with the files."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGES = {"layers": "Layer", "losses": "Loss", "optimizers": "Optimizer"}  # and the base class
# What is imported at once, beside the base class; and files of a package that are not one part each.
AT_ONCE = {"AMSGrad", "AdaDelta", "AdaGrad", "Adam", "AdamW", "RMSprop", "SGD", "clip_global_norm", "clip_value"}
SHARED = {"losses": {"kernel", "labels", "loss", "reading", "regression"}, "layers": set()}


def package_of(name: str) -> ModuleType:
    return import_module(f"lamina.{name}")


def imports(nodes: list[ast.stmt], package: ModuleType) -> dict[str, str]:
    """Return what is imported from the package's own modules: by name, the module."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package.__name__}."):
            module = str(node.module).removeprefix(f"{package.__name__}.")
            found.update({alias.asname or alias.name: module for alias in node.names})
    return found


def written(package: ModuleType) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a package's file imports at once, and what it imports for type checkers."""
    body = ast.parse(Path(str(package.__file__)).read_text()).body
    guarded = [node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return imports(body, package), imports([own for node in guarded for own in node.body], package)


@pytest.mark.parametrize("name", PACKAGES)
def test_type_checkers_see_what_is_imported_later(name: str) -> None:
    package = package_of(name)
    _, guarded = written(package)
    guarded = {own: module for own, module in guarded.items() if module != "schedules"}
    assert guarded == package._MODULES


@pytest.mark.parametrize("name", PACKAGES)
def test_all_names_every_part_once(name: str) -> None:
    package = package_of(name)
    at_once, guarded = written(package)
    assert len(set(package.__all__)) == len(package.__all__)
    further = {"schedules"} if name == "optimizers" else set()
    assert set(package.__all__) == set(guarded) | (AT_ONCE & set(at_once)) | further
    assert set(at_once) - AT_ONCE <= {"Loss"}
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("name", SHARED)
def test_every_file_is_listed(name: str) -> None:
    package = package_of(name)
    files = {path.stem for path in Path(str(package.__file__)).parent.glob("*.py")} - {"__init__"}
    assert files - SHARED[name] == set(package._MODULES.values())
    assert SHARED[name] < files or not SHARED[name]
    assert len(set(package._MODULES.values())) == len(package._MODULES)


@pytest.mark.parametrize("name", PACKAGES)
def test_each_module_has_the_class_of_its_name(name: str) -> None:
    package = package_of(name)
    for own, module in package._MODULES.items():
        cls: Any = getattr(package, own)
        assert (cls.__name__, cls.__module__) == (own, f"{package.__name__}.{module}")
        assert import_module(cls.__module__).__all__ == [own]
        assert vars(package)[own] is cls  # found without a search from now on


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_not_there_is_no_attribute(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        _ = package_of(name).nothing_of_the_kind
    assert str(caught.value) == f"module 'lamina.{name}' has no attribute 'nothing_of_the_kind'"


@pytest.mark.parametrize("name", PACKAGES)
def test_names_are_known_before_their_modules_are_imported(name: str) -> None:
    program = f"""
import sys, lamina
package = lamina.{name}
registry = lamina.{PACKAGES[name]}.registry
later = {{own: module for own, module in package._MODULES.items() if own != "ElementwiseLoss"}}
listed = registry.names()
assert set(later) <= set(listed), set(later) - set(listed)
early = [own for own in later if f"lamina.{name}.{{later[own]}}" in sys.modules]
assert len(early) < len(later) / 2, early
for own in later:
    assert registry.find(own) is getattr(package, own)
assert registry.names() == listed
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
