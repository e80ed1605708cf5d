"""Names of classes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import lamina
from lamina.core.registry import Registry, register
from lamina.errors import ArgumentError, UnknownNameError


class Base:
    registry: ClassVar[Registry["Base"]]


@pytest.fixture
def registry() -> Registry[Base]:
    Base.registry = Registry("part")
    return Base.registry


@pytest.mark.parametrize("name", ["TwoWords", "two_words", "two-words", "TWOWORDS", "twowords"])
def test_a_class_is_found_however_its_name_is_spelled(registry: Registry[Base], name: str) -> None:
    class TwoWords(Base):
        pass

    registry.add(TwoWords)
    assert registry.find(name) is TwoWords
    assert isinstance(registry.create(name), TwoWords)


def test_create_hands_arguments_on_and_objects_through(registry: Registry[Base]) -> None:
    class WithSize(Base):
        def __init__(self, size: int = 1) -> None:
            self.size = size

    registry.add(WithSize)
    assert registry.create("with_size", size=3).size == 3  # type: ignore[attr-defined]
    part = WithSize(5)
    assert registry.create(part) is part


@pytest.mark.parametrize("name", ["dence", None, 3, ["dense"]])
def test_an_unknown_name_is_refused(registry: Registry[Base], name: str) -> None:
    registry.add(Base, "Dense")
    hint = "did you mean 'Dense'? " if name == "dence" or name == ["dense"] else ""
    with pytest.raises(UnknownNameError) as caught:
        registry.find(name)
    assert str(caught.value) == f"unknown part {name!r}: {hint}Known: Dense"


def test_a_name_is_taken_once_but_defining_the_same_class_again_replaces_it(registry: Registry[Base]) -> None:
    def define() -> type[Base]:
        class Again(Base):
            pass

        return Again

    first, second = define(), define()
    registry.add(first)
    registry.add(second)
    assert registry.find("again") is second
    with pytest.raises(ArgumentError, match=r"^part name 'again' is taken by .*define\.<locals>\.Again$"):
        registry.add(Base, "again")
    assert registry.find("again") is second


def test_names_are_listed_sorted_and_found_by_class(registry: Registry[Base]) -> None:
    class B(Base):
        pass

    class A(Base):
        pass

    registry.add(B)
    registry.add(A, "first_letter")
    assert registry.names() == ("B", "first_letter")
    assert registry.name_of(A) == "first_letter"
    assert registry.name_of(Base) is None


def test_register_is_a_decorator_with_or_without_a_name(registry: Registry[Base]) -> None:
    @register
    class Plain(Base):
        pass

    @register(name="other")
    class Named(Base):
        pass

    assert registry.find("plain") is Plain
    assert registry.find("other") is Named
    with pytest.raises(UnknownNameError):
        registry.find("named")


@pytest.mark.parametrize("wrong", [int, "name", 3])
def test_register_refuses_what_is_no_part(wrong: object) -> None:
    with pytest.raises(ArgumentError) as caught:
        register(wrong)  # type: ignore[call-overload]
    assert str(caught.value) == (
        f"register: expected a layer, loss, optimizer, metric or initializer class, got {wrong!r}"
    )


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("Layer", "simplernm", "SimpleRNN"),
        ("Loss", "softmax_crossentropi", "SoftmaxCrossEntropy"),
        ("Optimizer", "adagradd", "AdaGrad"),
    ],
)
def test_each_kind_of_part_suggests_its_own_names(kind: str, wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"^unknown {kind.lower()} '{wrong}': did you mean '{right}'\? Known: "):
        getattr(lamina, kind).registry.find(wrong)


@pytest.mark.parametrize("package", ["layers", "losses", "optimizers"])
def test_every_public_class_is_registered_under_its_own_name(package: str) -> None:
    module = getattr(lamina, package)
    for name in module.__all__:
        cls = getattr(module, name)
        is_base = cls is lamina.losses.ElementwiseLoss or "registry" in vars(cls)  # the latter keeps one
        if isinstance(cls, type) and not is_base:
            assert cls.registry.find(name) is cls


def test_a_class_whose_module_is_not_imported_yet_is_found_by_its_aliases() -> None:
    program = """
import sys, lamina
from lamina.losses import _ALIASES, _MODULES
early = [name for name in _MODULES.values() if f"lamina.losses.{name}" in sys.modules]
found = {alias: lamina.Loss.registry.find(alias) for alias in _ALIASES}
assert not early, early
assert {alias: cls.__module__ for alias, cls in found.items()} == {
    alias: f"lamina.losses.{module}" for alias, module in _ALIASES.items()
}
for name in lamina.losses.__all__:
    getattr(lamina.losses, name)
missed = {alias for alias in lamina.Loss.registry._aliases if alias not in {one.replace("_", "") for one in _ALIASES}}
assert not missed, missed
@lamina.register(name="mse", aliases=["loss of mine"])
class Mine(lamina.Loss):
    pass
assert lamina.Loss.registry.find("MSE") is Mine
try:
    lamina.register(aliases=["focal"])(type("Other", (lamina.Loss,), {}))
except lamina.errors.ArgumentError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "loss name 'focal' is taken by SoftmaxFocalCrossEntropy\n"


@pytest.fixture
def expecting(registry: Registry[Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Base]]:
    """Return a registry that expects LateOne, also as ``"late"``, and one more, of modules yet to import."""
    for module, name in (("late_module", "LateOne"), ("other_module", "Another")):
        text = f"from {__name__} import Base\nfrom lamina.core.registry import register\n"
        text += f"@register(aliases=('late',))\nclass {name}(Base): pass\n" if name == "LateOne" else ""
        (tmp_path / f"{module}.py").write_text(text)
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    registry.expect({"LateOne": "late_module", "Another": "other_module"}, {"late": "late_module"})
    yield registry
    for module in ("late_module", "other_module"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize("name", ["LateOne", "late_one", "late-one", "LATEONE", "late", "Late"])
def test_what_is_expected_is_listed_and_imported_when_asked_for(expecting: Registry[Base], name: str) -> None:
    assert expecting.names() == ("Another", "LateOne")
    with pytest.raises(UnknownNameError):
        expecting.find("neither")
    assert "late_module" not in sys.modules
    found = expecting.find(name)
    assert (found.__name__, found.__module__) == ("LateOne", "late_module")
    assert "other_module" not in sys.modules
    assert expecting.names() == ("Another", "LateOne")
    assert expecting.name_of(found) == "LateOne"


def test_an_expected_name_is_its_modules(expecting: Registry[Base]) -> None:
    class LateOne(Base):
        pass

    with pytest.raises(ArgumentError, match=r"^part name 'LateOne' is taken by late_module\.LateOne$"):
        expecting.add(LateOne)
    with pytest.raises(ArgumentError, match=r"^part name 'late' is taken by LateOne$"):
        expecting.add(Base, "Own", aliases=["late"])
    assert expecting.find("late_one").__module__ == "late_module"


def test_an_expected_alias_may_be_the_name_of_a_class_of_ones_own(expecting: Registry[Base]) -> None:
    class Late(Base):
        pass

    expecting.add(Late)
    assert expecting.find("late") is Late
    assert expecting.find("late_one").__name__ == "LateOne"
    assert expecting.find("late") is Late


def test_a_module_that_does_not_register_what_is_expected_leaves_it_unknown(expecting: Registry[Base]) -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown part 'another'"):
        expecting.find("another")
    assert "other_module" in sys.modules


def test_what_is_expected_again_replaces_the_module(expecting: Registry[Base]) -> None:
    expecting.expect({"Another": "late_module"})
    assert expecting.names() == ("Another", "LateOne")
    with pytest.raises(UnknownNameError):
        expecting.find("Another")
    assert "other_module" not in sys.modules
    assert "late_module" in sys.modules


def test_an_alias_is_found_and_not_listed(registry: Registry[Base]) -> None:
    @register(aliases=("two", "second-one"))
    class Two(Base):
        pass

    for name in ("two", "Two", "secondone", "SECOND_ONE"):
        assert registry.find(name) is Two
    assert isinstance(registry.create("second_one"), Two)
    assert (registry.names(), registry.name_of(Two)) == (("Two",), "Two")
    with pytest.raises(UnknownNameError) as caught:
        registry.find("tow")
    assert str(caught.value) == "unknown part 'tow': did you mean 'Two'? Known: Two"


def test_a_name_goes_before_an_alias_and_an_alias_is_taken_once(registry: Registry[Base]) -> None:
    class Long(Base):
        pass

    class Other(Base):
        pass

    registry.add(Long, aliases=["short"])
    registry.add(Long, aliases=["short"])  # again, as a notebook does
    for aliases in (["short"], ["long"]):
        with pytest.raises(ArgumentError, match=rf"^part name '{aliases[0]}' is taken by Long$"):
            registry.add(Other, aliases=aliases)
    assert registry.names() == ("Long",)
    registry.add(Other, "short")
    assert registry.find("short") is Other
    assert registry.find("long") is Long


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mse", "MeanSquaredError"),
        ("MSELoss", "MeanSquaredError"),
        ("mae", "MeanAbsoluteError"),
        ("L1Loss", "MeanAbsoluteError"),
        ("cross_entropy", "SoftmaxCrossEntropy"),
        ("categorical_crossentropy", "SoftmaxCrossEntropy"),
        ("sparse_categorical_crossentropy", "SoftmaxCrossEntropy"),
        ("binary_crossentropy", "BinaryCrossEntropy"),
        ("bce", "BinaryCrossEntropy"),
        ("nll", "NegativeLogLikelihood"),
        ("nll_loss", "NegativeLogLikelihood"),
        ("ctc_loss", "CTC"),
        ("huber_loss", "Huber"),
    ],
)
def test_losses_are_found_by_the_names_of_other_libraries(alias: str, name: str) -> None:
    found = lamina.Loss.registry.find(alias)
    assert (found.__name__, lamina.Loss.registry.name_of(found)) == (name, name)
    assert alias not in lamina.Loss.registry.names()
