"""From a name to what it stands for; both registries that go by names are tested where they are."""

import pytest

from lamina.backends.errors import BackendError, UnknownNameError
from lamina.backends.plug_ins import factory_of, plug_ins


class Point:
    def load(self):
        raise ImportError("no libodd")


def found(name, points=None):
    built_in = {"numpy": "lamina.backends.numpy.backend:NumPyBackend"}
    return factory_of("backend", name, built_in, lambda: points or {}, lambda: ("numpy", "odd"), BackendError)


def test_a_built_in_one_is_imported_and_no_entry_point_is_asked():
    assert found("numpy").__name__ == "NumPyBackend"
    assert factory_of("x", "one", {"one": "math:sqrt"}, None, None, BackendError)(4.0) == 2.0


@pytest.mark.parametrize("name", ["nunpy", 3, ["numpy"]], ids=str)
def test_what_is_not_known_is_refused(name):
    with pytest.raises(UnknownNameError, match="unknown backend"):
        found(name)


def test_a_package_that_cannot_be_imported_is_said():
    with pytest.raises(BackendError, match=r"backend 'odd': its package cannot be imported \(no libodd\)"):
        found("odd", {"odd": Point()})


def test_entry_points_are_those_of_a_group():
    assert "lamina" in plug_ins("console_scripts")
    assert plug_ins("a group that nobody has") == {}
