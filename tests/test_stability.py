"""The promise of docs/stability.md: nothing public is gone, or called otherwise, without a warning before."""

import importlib.util
import json
import sys
import types
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("public_names", ROOT / "docs" / "public_names.py")
assert spec is not None and spec.loader is not None
NAMES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(NAMES)


def test_what_was_public_still_is() -> None:
    before = json.loads(NAMES.FILE.read_text(encoding="utf-8"))
    if importlib.util.find_spec("sklearn") is None:
        before = {path: taken for path, taken in before.items() if not path.startswith("lamina.sklearn")}
    assert len(before) > 300
    assert NAMES.broken(before, NAMES.public()) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (["x", "*lr="], ["x", "*lr=", "*decay="], []),
        (["x", "y="], ["x", "y=", "z="], []),
        (["x", "*lr="], ["x"], ["f: no longer takes lr"]),
        (["x"], ["x", "y"], ["f: needs y now"]),
        (["x"], ["x", "*y"], ["f: needs y now"]),
        (["x=", "y="], ["y=", "x="], ["f: takes y, x by place, and not x, y"]),
        (["x", "y="], ["x", "*y="], ["f: takes x by place, and not x, y"]),
        (["x="], ["x"], ["f: no longer takes x as optional"]),
        (None, ["x"], []),
    ],
)
def test_what_breaks_a_call_is_told(old: list[str] | None, new: list[str], told: list[str]) -> None:
    assert NAMES.broken({"f": old}, {"f": new}) == told


def test_a_name_may_go_only_after_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def old_name(name: str) -> int:
        if name != "renamed":
            raise AttributeError(name)
        warnings.warn("renamed is deprecated since Lamina 0.2: write new_name", DeprecationWarning, stacklevel=2)
        return 1

    module = types.ModuleType("a_room")
    module.__getattr__ = old_name  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "a_room", module)
    assert NAMES.broken({"a_room.renamed": None}, {}) == []
    assert NAMES.broken({"a_room.dropped": None}, {}) == [
        "a_room.dropped: is gone, without a DeprecationWarning before"
    ]


def test_arguments_are_told_by_how_they_are_given() -> None:
    def function(x: int, y: int = 1, *rest: int, z: int, w: int = 2, **more: int) -> None: ...

    assert NAMES.arguments_of(function) == ["x", "y=", "rest=", "*z", "*w=", "more="]
    assert NAMES.arguments_of(3) is None
