"""The reference names all that is public, and shows docstrings as they are meant."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lamina

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("reference")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def modules(reference: ModuleType) -> list[str]:
    def is_there(name: str) -> bool:
        return name != "lamina.sklearn" or importlib.util.find_spec("sklearn") is not None

    return [name for name in reference.make_api.MODULES if is_there(name)]


def test_every_public_name_is_shown(reference: ModuleType, modules: list[str]) -> None:
    for module in modules:
        shown = re.findall(r"^\.\. (?:py:data|auto\w+):: (\S+)$", reference.page(module), re.M)
        assert {f"{module}.{name}" for name in reference.names_of(module)} <= set(shown), module


def test_a_class_with_two_names_is_described_once(reference: ModuleType) -> None:
    pages = [reference.page(module) for module in ("lamina", "lamina.optimizers")]
    assert sum(len(re.findall(r"autoclass:: \S+\.Optimizer$", page, re.M)) for page in pages) == 1


def test_the_index_leads_from_each_name_to_its_place(reference: ModuleType) -> None:
    text = "## lamina.layers\n\n| [`GRU`](../layers/gru.py) | The gated recurrent unit. |\n"
    assert "| {py:obj}`GRU <lamina.layers.GRU>` | The gated" in reference.linked(text)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["h_ and x_t, *args and |x|"], [r"h\_ and x_t, \*args and \|x\|"]),
        (["`h_` and ``*args``"], ["`h_` and ``*args``"]),
        ([">>> a_ * b"], [">>> a_ * b"]),
        (["Text.", "", "    y = x * w_", "", "More *x."], ["Text.", "", "::", "", "    y = x * w_", "", r"More \*x."]),
        (["Use::", "", "    f(*a)", "", "x*"], ["Use::", "", "    f(*a)", "", r"x\*"]),
        (["- one", "", "  more"], ["- one", "", "  more"]),
        (["x : int", "    Of h_.", "", "    More."], ["x : int", r"    Of h\_.", "", "    More."]),
    ],
)
def test_equations_and_stars_are_text(reference: ModuleType, lines: list[str], expected: list[str]) -> None:
    assert reference.escaped(lines) == expected


def test_the_nearest_public_base_is_named(reference: ModuleType) -> None:
    assert reference.public_bases(lamina.layers.GRU) == [lamina.RecurrentLayer]
    assert reference.public_bases(lamina.Layer) == []


def test_a_member_is_found_in_its_class(reference: ModuleType) -> None:
    assert reference.owner_of(lamina.Trainer.fit).__name__ == "Trainer"
    assert reference.owner_of(lamina.pad) is None
