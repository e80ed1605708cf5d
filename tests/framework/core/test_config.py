"""Parts described by their arguments."""

import json
from typing import Any, ClassVar

import numpy as np
import pytest

from lamina import Concat, Layer, Residual, Sequential
from lamina.core.config import Configured, describe, rebuild
from lamina.core.registry import Registry, register
from lamina.errors import CheckpointError, UnknownNameError
from lamina.initializers import Initializer, Normal
from lamina.layers import Dense, SimpleRNN
from lamina.optimizers import SGD


class Part(Configured):
    registry: ClassVar[Registry["Part"]] = Registry("part")


@register
class Keeps(Part):
    def __init__(self, a: Any, *rest: Any, b: Any = 2, **ignored: Any) -> None:
        self.a, self.rest, self.b = a, rest, b


@register
class Nothing(Part):
    pass


@register
class Wrapper(Part):
    """Makes its argument anew whenever it is described."""

    def config(self) -> dict[str, Any]:
        return {"a": Nothing()}


REGISTRIES = {"part": Part.registry, "layer": Layer.registry, "initializer": Initializer.registry}


def again(value: Any) -> Any:
    return rebuild(json.loads(json.dumps(describe(value))), REGISTRIES)


def test_config_is_the_constructors_arguments() -> None:
    assert Keeps(1, 5, 6, b=None, other=7).config() == {"a": 1, "rest": (5, 6), "b": None, "other": 7}
    assert Nothing().config() == {}


def test_what_a_subclass_hands_on_is_described_where_it_was_given_and_not_what_it_sets_itself() -> None:
    @register
    class SevenUnits(Dense):
        def __init__(self, **options: Any) -> None:
            super().__init__(7, **options)

    assert SevenUnits(use_bias=False).config() == {"use_bias": False}
    assert SevenUnits().config() == {}
    made = again(SevenUnits(use_bias=False))
    assert (type(made), made.units, made.use_bias) == (SevenUnits, 7, False)


def test_an_argument_that_is_not_kept_is_named() -> None:
    class Forgets(Part):
        def __init__(self, size: int) -> None:
            self.units = size

    with pytest.raises(CheckpointError) as caught:
        Forgets(1).config()
    assert str(caught.value) == "Forgets: keep the argument 'size' as self.size, or define config()"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (Nothing(), "Nothing()"),
        (Keeps(1), "Keeps(1)"),
        (Keeps("x", 5, 6, b=3), "Keeps('x', 5, 6, b=3)"),
        (Dense(3), "Dense(3)"),
        (Dense(3, w_initializer="glorot_uniform", b_initializer=0.5), "Dense(3, b_initializer=Constant(0.5))"),
        (SimpleRNN(4, activation="relu", use_bias=False), "SimpleRNN(4, activation='relu', use_bias=False)"),
        (Concat(Dense(2), Dense(3), axis=1), "Concat(Dense(2), Dense(3), axis=1)"),
        (Concat(), "Concat()"),
        (Residual(Dense(2)), "Residual(Dense(2))"),
        (
            Sequential(Dense(2), Sequential(Dense(3))),
            "Sequential(\n  0: Dense(2)\n  1: Sequential(\n    0: Dense(3)\n  )\n)",
        ),
    ],
)
def test_a_part_prints_as_the_call_that_makes_it(part: Configured, text: str) -> None:
    assert repr(part) == text


def test_arguments_that_no_file_can_hold_are_not_printed() -> None:
    layer = Dense(1)
    layer.build((None, 1))
    assert repr(SGD(layer.parameters(), 0.5, momentum=0.9)) == "SGD(lr=0.5, momentum=0.9)"


@pytest.mark.parametrize("value", [None, True, 3, 0.1, "text", [1, [2.5, None]], {"a": [1], "b": {"c": "d"}}])
def test_plain_values_come_back_equal(value: Any) -> None:
    assert again(value) == value


def test_tuples_come_back_as_lists_and_numpys_scalars_as_pythons() -> None:
    assert again((1, (2, 3))) == [1, [2, 3]]
    got = again([np.float32(0.5), np.int64(3), np.bool_(True), np.array(7)])
    assert got == [0.5, 3, True, 7]
    assert [type(value) for value in got] == [float, int, bool, int]


def test_parts_come_back_with_their_arguments() -> None:
    part = again(Keeps({"inner": Keeps(1, 2, b="x")}, Nothing(), b=[Nothing()]))
    assert (part.a["inner"].a, part.a["inner"].rest, part.a["inner"].b) == (1, (2,), "x")
    assert isinstance(part.rest[0], Nothing)
    assert isinstance(part.b[0], Nothing)


def test_a_part_that_occurs_twice_stays_one_part() -> None:
    shared, normal = Nothing(), Normal(0.5)
    part = again(Keeps(shared, Nothing(), shared, b=[normal, Keeps(normal), shared]))
    assert part.rest[1] is part.a is part.b[2]
    assert part.rest[0] is not part.a
    assert part.b[1].a is part.b[0]
    layers = again(Sequential(Dense(3, w_initializer=normal), Dense(3, w_initializer=normal)))
    assert layers[0].w_initializer is layers[1].w_initializer
    assert layers[0].w_initializer.deviation == 0.5


def test_parts_made_while_describing_are_never_taken_for_one_another() -> None:
    described = describe([Wrapper() for _ in range(20)])
    fresh = {"part": "Nothing", "config": {}}
    assert described == [{"part": "Wrapper", "config": {"a": fresh}}] * 20


@pytest.mark.parametrize("value", [b"bytes", object(), {1: 2}, np.zeros(2), {"a": lambda: None}, {1, 2}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(CheckpointError, match=r"^cannot write \w+ .* into a model file$"):
        describe(Keeps(value))


def test_an_unregistered_class_is_refused_with_the_remedy() -> None:
    class Unknown(Part):
        pass

    with pytest.raises(CheckpointError) as caught:
        describe(Unknown())
    assert str(caught.value) == "Unknown cannot be saved: decorate its class with @lamina.register"


NOTHING = {"part": "Nothing", "config": {}}


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"part": "Keeps"}, "expected the description of a part, got keys ['part']"),
        ({"part": "Keeps", "config": 3}, "expected the description of a part, got keys ['config', 'part']"),
        ({"what": "Keeps", "config": {}}, "expected the description of a part, got keys ['config', 'what']"),
        ({}, "expected the description of a part, got keys []"),
        ({"dict": 3}, "expected the description of a part, got keys ['dict']"),
        ([NOTHING, {"same": 1}], "expected the number of a part described before, got 1"),
        ([NOTHING, {"same": -1}], "expected the number of a part described before, got -1"),
        ([NOTHING, {"same": "0"}], "expected the number of a part described before, got '0'"),
        ({"part": "Keeps", "config": {"a": {"same": 0}}}, "expected the number of a part described before, got 0"),
    ],
)
def test_what_is_no_description_is_refused(description: Any, message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        rebuild(description, REGISTRIES)
    assert str(caught.value) == message


def test_arguments_that_the_class_does_not_take_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"^part 'Keeps': .*missing 1 required positional argument: 'a'"):
        rebuild({"part": "Keeps", "config": {}}, REGISTRIES)


def test_an_unknown_class_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown part 'Nothin': did you mean 'Nothing'\?"):
        rebuild({"part": "Nothin", "config": {}}, REGISTRIES)
