"""Options of a class, as in ``class Mine(Loss, colour=1)``, go where Python takes them, whichever of ours is a base.

A base of ours that swallowed them would hide a slip of the pen, and break what a user's own base, or mixin, is told.
"""

import importlib
import pkgutil
from typing import Any, is_typeddict

import pytest

import lamina
from lamina import backends, layers, optimizers


def classes() -> dict[str, type]:
    """Return every class of ours that one may derive from."""
    found = {}
    for package in (lamina, layers, optimizers, backends):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name == "lamina.__main__":
                continue
            try:
                loaded = importlib.import_module(module.name)
            except ImportError:  # of an extra
                continue
            for name, cls in vars(loaded).items():
                if isinstance(cls, type) and cls.__module__ == module.name and not is_typeddict(cls):
                    found[f"{module.name}.{name}"] = cls
    return found


CLASSES = classes()
each_class = pytest.mark.parametrize("base", CLASSES.values(), ids=list(CLASSES))


@each_class
def test_a_class_of_ones_own_takes_options_from_those_derived_from_it(base: Any) -> None:
    class Own(base):
        colour: Any = None

        def __init_subclass__(cls, *, colour: Any = 0, **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.colour = colour

    class Mine(Own, colour=1):
        pass

    class Plain(Own):
        pass

    assert (Own.colour, Mine.colour, Plain.colour) == (None, 1, 0)


@each_class
def test_options_are_handed_on_to_the_bases_after_ours(base: Any) -> None:
    class Mixin:
        colours: Any = None

        def __init_subclass__(cls, *, colour: Any, shade: Any = 0, **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.colours = colour, shade

    class Mine(base, Mixin, colour=1, shade=2):
        pass

    class Other(Mixin, base, colour=3):
        pass

    assert (Mine.colours, Other.colours) == ((1, 2), (3, 0))


@each_class
def test_an_option_that_nobody_takes_is_an_error_as_anywhere_in_python(base: Any) -> None:
    with pytest.raises(TypeError):
        type(base)("Mine", (base,), {}, colour=1)


def test_what_users_derive_from_is_among_them() -> None:
    public = {value for name in lamina.__all__ if isinstance(value := getattr(lamina, name), type)}
    further = {lamina.callbacks.Callback, optimizers.Schedule, lamina.initializers.Initializer, backends.Backend}
    assert public | further <= set(CLASSES.values())
    # Those that have a say when a class is derived, and so could swallow an option.
    own = {cls.__name__ for cls in CLASSES.values() if "__init_subclass__" in vars(cls)}
    assert {"Layer", "RecurrentLayer", "Composite", "Loss", "Metric", "Configured", "KernelTable"} <= own
