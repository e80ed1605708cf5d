"""Operators and slices in a compose: what they make, what they refuse; gradients are in parity/test_arithmetic."""

import copy
import gc
import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Composite, Sequential
from lamina.compose.arithmetic import Spec
from lamina.errors import ArgumentError, LaminaError, NotBuiltError, ShapeError, StreamError
from lamina.layers import GRU, Add, Dense, Divide, Multiply, Power, Rescaling, Select, Slice, Subtract

RNG = np.random.default_rng(0)
X, V = RNG.standard_normal((3, 5, 4)), RNG.standard_normal((3, 4))


class Said(Composite):
    """What a function says of values."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def compose(self, t: Any, *inputs: Any) -> Any:
        return self.function(*inputs)


@lamina.register(name="Mixed, in a test")
class Mixed(Composite):
    """Part of a GRU, by factors that may change, under a gate."""

    def __init__(self, units: int, factor: float = 0.5, stop: int = 2) -> None:
        self.units, self.factor, self.stop = units, factor, stop
        self.cell, self.gate = GRU(units, return_sequences=True), Dense(units)

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.cell, x)
        return ((1 - self.factor * t(self.gate, x)) * h + h**2)[..., : self.stop]


def mixed(**options: Any) -> Mixed:
    model = Mixed(3, **options)
    model.build((None, None, 4), dtype="float64", seed=0)
    return model


# Each way to write it, as NumPy has it, and the layers that do it.
WAYS: dict[str, tuple[Any, list[str]]] = {
    "a + b": (lambda a, b: a + b, ["Add(broadcast=True)"]),
    "a - b": (lambda a, b: a - b, ["Subtract(broadcast=True)"]),
    "a * b": (lambda a, b: a * b, ["Multiply(broadcast=True)"]),
    "a / b": (lambda a, b: a / b, ["Divide(broadcast=True)"]),
    "a + 2": (lambda a, b: a + 2, ["Rescaling(offset=2.0)"]),
    "2 + a": (lambda a, b: 2 + a, ["Rescaling(offset=2.0)"]),
    "a - 2": (lambda a, b: a - 2, ["Rescaling(offset=-2.0)"]),
    "2 - a": (lambda a, b: 2 - a, ["Rescaling(scale=-1.0, offset=2.0)"]),
    "a * 2": (lambda a, b: a * np.float64(2), ["Rescaling(scale=2.0)"]),
    "2 * a": (lambda a, b: np.float32(2) * a, ["Rescaling(scale=2.0)"]),
    "a / 2": (lambda a, b: a / 2, ["Rescaling(scale=0.5)"]),
    "2 / a": (lambda a, b: 2 / a, ["Power(-1.0)", "Rescaling(scale=2.0)"]),
    "-a": (lambda a, b: -a, ["Rescaling(scale=-1.0)"]),
    "a ** 3": (lambda a, b: a**3, ["Power(3.0)"]),
    "a[:, -1]": (lambda a, b: a[:, -1], ["Select(-1)"]),
    "a[:, 1:]": (lambda a, b: a[:, 1:], ["Slice(start=1)"]),
    "a[:, np.int64(1)::2]": (lambda a, b: a[:, np.int64(1) :: 2], ["Slice(start=1, step=2)"]),
    "a[..., :2]": (lambda a, b: a[..., :2], ["Slice(stop=2, axis=-1)"]),
    "a[:, :, 1:]": (lambda a, b: a[:, :, 1:], ["Slice(start=1, axis=2)"]),
    "a[:, 1:, ::2]": (lambda a, b: a[:, 1:, ::2], ["Slice(step=2, axis=2)", "Slice(start=1)"]),
    "a[:, 0, 1:]": (lambda a, b: a[:, 0, 1:], ["Slice(start=1, axis=2)", "Select(0)"]),
    "a[..., 1:, 0]": (lambda a, b: a[..., 1:, 0], ["Select(0, axis=-1)", "Slice(start=1, axis=-1)"]),
    "a[:, ..., 1:]": (lambda a, b: a[:, ..., 1:], ["Slice(start=1, axis=-1)"]),
    "a[:]": (lambda a, b: a[:], ["Rescaling()"]),
    "a[...]": (lambda a, b: a[...], ["Rescaling()"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_is_a_layer_and_means_what_it_means_of_arrays(way: str) -> None:
    function, layers = WAYS[way]
    model = Said(function)
    model.build((None, 5, 4), (None, 5, 4), dtype="float64")
    inputs = X, X[::-1].copy()
    np.testing.assert_allclose(model(*inputs), function(*inputs), rtol=1e-15)
    assert [repr(layer) for layer in model.children().values()] == layers
    assert model.output_shape is not None and model.output_shape[1:] == function(*inputs).shape[1:]


def test_layers_stand_below_the_model_by_what_they_are_and_where() -> None:
    model = Sequential(mixed())
    model.build((None, None, 4), dtype="float64", seed=0)
    assert [path for path, _ in model.walk()][4:] == [
        "0.rescaling_0",
        "0.rescaling_1",
        "0.multiply_2",
        "0.power_3",
        "0.add_4",
        "0.slice_5",
    ]
    layer = model.layers[0].children()["slice_5"]
    assert (layer.path, layer.label) == ("0.slice_5", "Slice '0.slice_5'")
    assert "  0.multiply_2 Multiply" in model.summary()
    assert sum(parameter.size for parameter in model.parameters()) == model.parameter_count
    assert repr(model.layers[0]) == "Mixed(3)"


def test_a_model_is_saved_copied_pickled_and_moved(tmp_path: Path) -> None:
    model = mixed()
    model.save(tmp_path / "model.safetensors")
    expected = model(X)
    for again in (
        lamina.load(tmp_path / "model.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model).to("reference"),
    ):
        np.testing.assert_allclose(again(X), expected, rtol=1e-13)
        assert all(layer.backend is again.backend for _, layer in again.walk())
    assert model.to("numpy", "float32")(X).dtype == "float32"


def test_it_streams_and_trains() -> None:
    model, stream = mixed(), lamina.Stream(mixed())
    np.testing.assert_allclose(np.concatenate([stream(X[:, :2]), stream(X[:, 2:])], 1), model(X), rtol=1e-13)
    trainer = lamina.Trainer(model, "mse", lamina.optimizers.Adam(model.parameters(), lr=0.05))
    history = trainer.fit(X, np.zeros((3, 5, 2)), epochs=20, verbose=False)
    assert history["loss"][-1] < history["loss"][0] / 4


def test_what_cannot_stream_says_so() -> None:
    model = Said(lambda x: x[:, 1:])
    model.build((None, None, 4))
    with pytest.raises(StreamError, match=r"^Slice 'slice_0': cannot stream: it takes \[1:\] of the time axis$"):
        lamina.Stream(model)


def test_numbers_and_bounds_may_change_between_calls_and_what_is_done_may_not() -> None:
    model, other = mixed(), mixed(factor=0.25, stop=1)
    y, saved = model.forward(X)
    model.factor, model.stop = 0.25, 1
    np.testing.assert_array_equal(model(X), other(X))
    assert len(model.children()) == len(other.children())
    assert {layer.label for layer in model.children().values()} == {one.label for one in other.children().values()}
    model.backward(np.ones_like(y), saved)  # as it was when it went forward
    expected = mixed()
    y, saved = expected.forward(X)
    expected.backward(np.ones_like(y), saved)
    np.testing.assert_array_equal(model.gate.w.grad, expected.gate.w.grad)

    flag = {"plus": True}
    model = Said(lambda a: a + a if flag["plus"] else a * a)  # type: ignore[assignment]
    model.build((None, 2))
    for plus, function in ((False, None), (True, lambda a: a[:, :1] + a[:, :1] + 1)):
        flag["plus"] = plus
        model.function = function or model.function  # type: ignore[attr-defined]
        with pytest.raises(ArgumentError) as caught:
            model(np.ones((1, 2)))
        assert str(caught.value) == (
            "Said: compose did something else with its values when it was built: it must do the same at every call"
        )


def test_it_may_stand_in_two_places() -> None:
    # One model over sequences and over vectors, as a Dense layer may be.
    part = Said(lambda a: (1 - a)[..., :2] * 3)

    class Both(Composite):
        def __init__(self) -> None:
            self.part = part

        def compose(self, t: Any, x: Any, v: Any) -> Any:
            return t(self.part, x), t(self.part, v)

    model = Both()
    model.build((None, None, 4), (None, 4), dtype="float64")
    first, second = model(X, V, lengths=([5, 1, 0], None))
    np.testing.assert_array_equal(first[1, :1], 3 * (1 - X[1, :1, :2]))
    assert not first[1, 1:].any() and not first[2].any()
    np.testing.assert_array_equal(second, 3 * (1 - V[:, :2]))
    part.function = lambda a: (2 - a)[..., :2] * 3
    np.testing.assert_array_equal(model(X, V)[1], 3 * (2 - V[:, :2]))
    np.testing.assert_array_equal(model(X, V)[0], 3 * (2 - X[..., :2]))


def test_a_build_that_fails_leaves_nothing_behind() -> None:
    model = Said(lambda a, b: (1 - a) * b)
    with pytest.raises(ShapeError, match=r"^Multiply 'multiply_1': expected inputs of one shape, or some of "):
        model.build((None, 3), (None, 2))
    assert not model.is_built
    assert model.build((None, None, 3), (None, 3)) == (None, None, 3)


def test_children_of_ones_own_leave_the_operators_theirs() -> None:
    class Own(Said):
        def children(self) -> Any:
            return {"only": self.dense}

    model = Own(lambda a: 1 - a)
    model.dense = Dense(2)  # type: ignore[attr-defined]
    model.build((None, 2), dtype="float64")
    assert list(model.children()) == ["only", "rescaling_0"]
    assert model.to("reference")(V[:, :2]).tolist() == (1 - V[:, :2]).tolist()


def test_a_recording_that_nobody_keeps_is_gone_at_once() -> None:
    # Values know their tape, which holds them: in a circle they would wait for the garbage collector, and so would
    # every array between forward and backward.
    model = mixed()
    gc.disable()
    try:
        y, saved = model.forward(X)
        tape = weakref.ref(saved._content[0])
        del y, saved
        assert tape() is None
    finally:
        gc.enable()


def test_a_value_ends_with_its_compose() -> None:
    kept: list[Any] = []
    model = Said(lambda a: kept.append(a) or a + 1)
    model.build((None, 2))
    kept.clear()
    model.forward(np.ones((1, 2), "float32"))
    with pytest.raises(ArgumentError, match=r"^compose: a value is at an end with the compose that it came from$"):
        kept[0] + 1


def test_lengths_of_a_model_that_is_not_built() -> None:
    with pytest.raises(NotBuiltError, match="Said is not built"):
        Said(lambda a: 1 - a).output_lengths(np.array([1]))


COMBINED = (
    "compose: a value is combined with values and with numbers, got {}: an array is an input of the model's, and a "
    "Parameter belongs into a layer"
)
INDEX = "compose: expected whole numbers, slices of them and ... as an index, got {}"
WHOLE = "compose: the batch stays whole: write h[:, {0}], not h[{0}]"


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (lambda a, b: np.ones(2) + a, ArgumentError, COMBINED.format("ndarray")),
        (lambda a, b: a * np.ones((2, 2)), ArgumentError, COMBINED.format("ndarray")),
        (lambda a, b: a + None, ArgumentError, COMBINED.format("NoneType")),
        (lambda a, b: True + a, ArgumentError, COMBINED.format("bool")),
        (lambda a, b: a + "1", ArgumentError, COMBINED.format("str")),
        (lambda a, b: 2**a, TypeError, None),
        (lambda a, b: a**b, ArgumentError, COMBINED.format("Value")),
        (lambda a, b: a + Dense(2), ArgumentError, COMBINED.format("Dense")),
        (
            lambda a, b: a * float("nan"),
            ArgumentError,
            "compose: expected a number beside a value to be a number that is finite, got nan",
        ),
        (lambda a, b: a / 0, ArgumentError, "compose: expected a number other than 0 to divide by, got 0"),
        (
            lambda a, b: [*a],
            ArgumentError,
            "compose: a value is one, not several: take parts of its features, h[..., :4], or call a Split",
        ),
        (lambda a, b: a[0], ArgumentError, WHOLE.format("0")),
        (lambda a, b: a[-1], ArgumentError, WHOLE.format("-1")),
        (lambda a, b: a[1:], ArgumentError, WHOLE.format("1:")),
        (lambda a, b: a[:2:2, 1], ArgumentError, WHOLE.format(":2:2")),
        (lambda a, b: a[:, None], ArgumentError, INDEX.format("None")),
        (lambda a, b: a[:, [0, 1]], ArgumentError, INDEX.format("[0, 1]")),
        (lambda a, b: a[:, True], ArgumentError, INDEX.format("True")),
        (lambda a, b: a[:, 1.5:], ArgumentError, INDEX.format("slice(1.5, None, None)")),
        (lambda a, b: a[..., ..., 1], ArgumentError, INDEX.format("Ellipsis")),
        (lambda a, b: a[:, ::0], ArgumentError, "Slice: expected step to be a whole number other than 0, got 0"),
        (
            lambda a, b: a[:, 0, 0, 0],
            ShapeError,
            "compose: expected an index of at most 3 axes of (batch, time, 4), got 4",
        ),
        (
            lambda a, b: a[..., 0, 0, 0],
            ShapeError,
            "compose: the batch stays whole: got an index of every axis of (batch, time, 4)",
        ),
        (
            lambda a, b: b[:, 0],
            ShapeError,
            "Select 'select_0': expected three axes or more, got (batch, 4): a slice, 0:1, keeps its axis",
        ),
        (
            lambda a, b: a[:, -1] + a[:, 1:, :2],
            ShapeError,
            "Add 'add_2': expected inputs of one shape, or some of (batch, features), or of one feature, got "
            "(batch, 4), (batch, time, 2)",
        ),
    ],
)
def test_what_a_value_does_not_do_is_refused(operation: Any, error: Any, message: str | None) -> None:
    model = Said(operation)
    with pytest.raises(error) as caught:
        model.build((None, None, 4), (None, 4))
    if message is not None:
        assert isinstance(caught.value, LaminaError) and str(caught.value) == message
    assert not model.is_built


def test_a_last_step_that_lacks_its_steps_says_where_they_went() -> None:
    class Model(Composite):
        def __init__(self) -> None:
            self.cell, self.next = GRU(4), GRU(2)

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.next, 1 - t(self.cell, x))

    with pytest.raises(ShapeError, match="GRU 'cell' gives the last step alone, unless return_sequences=True"):
        Model().build((None, None, 4))


def test_specs() -> None:
    for cls in (Add, Subtract, Multiply, Divide):
        (layer,) = Spec(cls, ()).made((None, 2))
        assert type(layer) is cls and layer.broadcast  # type: ignore[attr-defined]
    assert [type(one) for one in Spec(None, ((None, None, 1), 0, (1, None, 1))).made((None, 3, 4))] == [Slice, Select]
    assert repr(Spec(Rescaling, (2.0, 1.0)).made((None, 2))[0]) == "Rescaling(scale=2.0, offset=1.0)"
    assert repr(Spec(Power, (2.0,)).made((None, 2))[0]) == "Power(2.0)"
