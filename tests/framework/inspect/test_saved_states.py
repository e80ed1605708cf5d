"""Whatever a layer saves for its backward, a dict, an object or nothing, every look inside a model goes through it.

The layer is y = 2 x (x + 1), whose gradient is 4 x + 2; what is right is written out for a model around it.
"""

import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from lamina import Layer, Sequential, Trainer
from lamina.compose.watched import watched
from lamina.inspect import UpdateRatios, activations, gradient_flow, profile, timing
from lamina.inspect.work import Retained
from lamina.layers import Dense, SimpleRNN
from lamina.losses import MeanSquaredError
from lamina.optimizers import SGD

ROWS, TIME, UNITS = 4, 6, 3
SIZE = ROWS * TIME * UNITS * 8  # of one array, in float64
X = np.random.default_rng(0).normal(size=(ROWS, TIME, 2))
Y = np.random.default_rng(1).normal(size=(ROWS, TIME, 1))


class Slots:
    __slots__ = ("a", "b", "empty")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


class MoreSlots(Slots):
    __slots__ = ("more",)

    def __init__(self, a: Any, b: Any) -> None:
        super().__init__(a, None)
        self.more = b


class Named(NamedTuple):
    a: Any
    b: Any


@dataclass(slots=True)
class Record:
    a: Any
    b: Any


@dataclass
class Open:
    a: Any
    inner: Any


class Circle:
    """One that knows itself."""

    def __init__(self, a: Any, b: Any) -> None:
        self.itself, self.pair = self, [a, b]


class Giving(Slots):
    def give(self) -> tuple[Any, Any]:
        return self.a, self.b


def unfinished(a: Any, b: Any) -> Callable[[], tuple[Any, Any]]:
    """Return a function one of whose variables has no value."""

    def give() -> tuple[Any, Any]:
        return (a, b) if a.size else never

    if not a.size:
        never = (a, b)
    return give


# How two arrays are saved, how they are found again, and how many bytes that keeps.
Case = tuple[Callable[[Any, Any], Any], Callable[[Any], tuple[Any, Any]], int]
CASES: dict[str, Case] = {
    "an array": (lambda a, b: a, lambda s: (s, s / 2 + 1), SIZE),
    "a tuple": (lambda a, b: (a, b), lambda s: (s[0], s[1]), 2 * SIZE),
    "a list": (lambda a, b: [a, b], lambda s: (s[0], s[1]), 2 * SIZE),
    "a dict": (lambda a, b: {"a": a, 7: b}, lambda s: (s["a"], s[7]), 2 * SIZE),
    "a dict of one": (lambda a, b: {"b": b}, lambda s: (2 * (s["b"] - 1), s["b"]), SIZE),
    "an ordered dict": (lambda a, b: OrderedDict(a=a, b=b), lambda s: (s["a"], s["b"]), 2 * SIZE),
    "a deque": (lambda a, b: deque([a, b]), lambda s: (s[0], s[1]), 2 * SIZE),
    "a named tuple": (Named, lambda s: (s.a, s.b), 2 * SIZE),
    "an object": (lambda a, b: SimpleNamespace(a=a, b=b), lambda s: (s.a, s.b), 2 * SIZE),
    "an object with slots": (Slots, lambda s: (s.a, s.b), 2 * SIZE),
    "an object with slots of two classes": (MoreSlots, lambda s: (s.a, s.more), 2 * SIZE),
    "a dataclass with slots": (Record, lambda s: (s.a, s.b), 2 * SIZE),
    "an object that knows itself": (Circle, lambda s: (s.pair[0], s.itself.pair[1]), 2 * SIZE),
    "nested": (
        lambda a, b: {"x": [({"y": a},), None, "text", 3], "z": {"w": (b, True)}},
        lambda s: (s["x"][0][0]["y"], s["z"]["w"][0]),
        2 * SIZE,
    ),
    "an object in a dict in a list": (
        lambda a, b: [{"open": Open(a, Slots(b, None))}],
        lambda s: (s[0]["open"].a, s[0]["open"].inner.a),
        2 * SIZE,
    ),
    "a function": (lambda a, b: lambda: (a, b), lambda s: s(), 2 * SIZE),
    "a function that is not whole yet": (unfinished, lambda s: s(), 2 * SIZE),
    "a partial function": (lambda a, b: partial(Named, a, b=b), lambda s: s()[:], 2 * SIZE),
    "a method": (lambda a, b: Giving(a, b).give, lambda s: s(), 2 * SIZE),
    "a module beside it": (
        lambda a, b: SimpleNamespace(xp=np, here=sys.modules[__name__], a=a, b=b),
        lambda s: (s.a, s.b),
        2 * SIZE,
    ),
    "twice the same": (lambda a, b: {"a": a, "again": [a, a[:, 1:]]}, lambda s: (s["a"], s["a"] / 2 + 1), SIZE),
    "a part of a larger array": (
        lambda a, b: {"a": np.concatenate([a, b], 2)[:, :, :UNITS]},
        lambda s: (s["a"], s["a"] / 2 + 1),
        2 * SIZE,
    ),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


class Saving(Layer):
    """y = a b with a = 2 x and b = x + 1."""

    def __init__(self, case: Case) -> None:
        self.pack, self.unpack, _ = case

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        a, b = 2 * x, x + 1
        return a * b, self.pack(a, b)

    def backward(self, dy: Any, saved: Any) -> Any:
        a, b = self.unpack(saved)
        return dy * (a + 2 * b)


def made(layer: Layer) -> Sequential:
    """Return a model around the layer, whose recurrent one carries nothing: its steps are each other's equals."""
    model = Sequential(SimpleRNN(UNITS, return_sequences=True), layer, Dense(1))
    model.build((None, None, 2), seed=0, dtype="float64")
    model[0].w_h.data[...] = 0  # type: ignore[attr-defined]
    return model


def by_hand(model: Any) -> tuple[Any, Any, Any, Any]:
    """Return h, y, the gradient that reaches h, and that of the last weights, for the mean of squares."""
    rnn, _, dense = model
    h = np.tanh(X @ rnn.w_x.data + rnn.b.data)
    y = 2 * h * (h + 1)
    dz = 2 * (y @ dense.w.data + dense.b.data - Y) / Y.size
    dw = y.reshape(-1, UNITS).T @ dz.reshape(-1, 1)
    return h, y, (dz @ dense.w.data.T) * (4 * h + 2), dw


@pytest.fixture(autouse=True)
def no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's peak is of no interest here."""
    monkeypatch.setattr(timing, "gemm_peak", lambda *_: 1e9)


@each_case
def test_a_profile_counts_what_is_kept(case: Case) -> None:
    found = profile(made(Saving(case)), X, repeat=1)
    assert found["1"].retained == case[2] / 1e6
    assert found["1"].output == f"({ROWS}, {TIME}, {UNITS})"
    assert found["2"].retained == SIZE / 1e6  # what the layer gave
    assert found.retained == pytest.approx(sum(one.retained for one in found.layers))
    assert found["0"].retained >= SIZE / 1e6


@each_case
def test_a_profile_adds_up_what_calls_of_one_layer_keep_and_leaves_the_models_input_out(case: Case) -> None:
    shared = Saving(case)
    model = Sequential(Dense(UNITS), shared, shared)
    model.build((None, None, 2), seed=0, dtype="float64")
    found = profile(model, X, repeat=1)
    assert (found["0"].retained, found["1"].retained) == (0, 2 * case[2] / 1e6)


@each_case
def test_activations_go_through(case: Case) -> None:
    model = made(Saving(case))
    found = activations(model, X)
    h, y, _, _ = by_hand(model)
    np.testing.assert_allclose(found["0"], h, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found["1"], y, rtol=1e-12, atol=1e-14)


@each_case
def test_gradients_over_time_go_through(case: Case) -> None:
    model = made(Saving(case))
    found = gradient_flow(model, X, Y, MeanSquaredError())
    np.testing.assert_allclose(found.rows["0"], np.linalg.norm(by_hand(model)[2], axis=2), rtol=1e-12)


@each_case
def test_the_speed_of_the_weights_is_measured(case: Case) -> None:
    model = made(Saving(case))
    weights, (*_, dw) = model[2].w.data.copy(), by_hand(model)  # type: ignore[attr-defined]
    ratios = UpdateRatios(every=1)
    trainer = Trainer(model, "mean_squared_error", lambda p: SGD(p, lr=0.25), callbacks=ratios)
    trainer.fit(X, Y, epochs=1, batch_size=ROWS, verbose=False)
    expected = 0.25 * np.linalg.norm(dw) / np.linalg.norm(weights)
    assert ratios.ratios["2.w"] == [pytest.approx(expected, rel=1e-10)]


@each_case
def test_a_watched_copy_goes_through(case: Case) -> None:
    model, seen = made(Saving(case)), []

    def watch(layer: Any, method: Any, dy: Any, saved: Any, **options: Any) -> Any:
        if isinstance(layer, Saving):
            seen.append(saved)
        return method(dy, saved, **options)

    twin = watched(model, backward=watch)
    y, saved = twin.forward(X)
    twin.backward(2 * (y - Y) / Y.size, saved)
    np.testing.assert_allclose(twin[2].w.grad, by_hand(model)[3], rtol=1e-12)
    assert len(seen) == 1
    assert not model[2].w.grad.any()  # type: ignore[attr-defined]


class Forgetting(Saving):
    """y = 2 x, which needs nothing saved."""

    def forward(self, x: Any) -> Any:
        return 2 * x, self.pack(x, x)

    def backward(self, dy: Any, saved: Any) -> Any:
        return 2 * dy


NOTHING: dict[str, Callable[[Any, Any], Any]] = {
    "None": lambda a, b: None,
    "an empty tuple": lambda a, b: (),
    "an empty list": lambda a, b: [],
    "an empty dict": lambda a, b: {},
    "an empty object": lambda a, b: SimpleNamespace(),
    "an object with empty slots": lambda a, b: object.__new__(Slots),
    "no arrays": lambda a, b: {"shape": a.shape, "text": ["x" * 99], "number": 2.5, "type": int, "call": print},
}


@pytest.mark.parametrize("pack", NOTHING.values(), ids=list(NOTHING))
def test_a_layer_that_keeps_no_array_keeps_no_bytes(pack: Callable[[Any, Any], Any]) -> None:
    model = made(Forgetting((pack, lambda saved: saved, 0)))
    found = profile(model, X, repeat=1)
    assert found["1"].retained == 0
    rnn, _, dense = model
    h = np.tanh(X @ rnn.w_x.data + rnn.b.data)  # type: ignore[attr-defined]
    np.testing.assert_allclose(activations(model, X)["1"], 2 * h, rtol=1e-12)
    dz = 2 * (2 * h @ dense.w.data + dense.b.data - Y) / Y.size  # type: ignore[attr-defined]
    expected = np.linalg.norm(2 * dz @ dense.w.data.T, axis=2)  # type: ignore[attr-defined]
    np.testing.assert_allclose(gradient_flow(model, X, Y, "mean_squared_error").rows["0"], expected, rtol=1e-12)


def test_an_array_over_memory_of_something_else_counts_as_it_is() -> None:
    model = made(Dense(UNITS))
    array = np.frombuffer(bytes(SIZE), "float64")
    assert Retained(model.backend, model, ()).count((array, array[3:])) == SIZE


def test_an_array_or_a_range_is_not_gone_through_one_by_one() -> None:
    class Silent:
        """An array of another library."""

        def __len__(self) -> int:
            return 9

        def __contains__(self, value: object) -> bool:
            return False

        def __iter__(self) -> Any:
            raise AssertionError("it was gone through")

    model = made(Dense(UNITS))
    assert Retained(model.backend, model, ()).count({"range": range(10**15), "other": Silent()}) == 0


@pytest.mark.parametrize("name", ["a tuple", "a list", "a dict", "an object", "an object with slots", "nested"])
def test_inputs_weights_and_what_was_counted_do_not_count(name: str) -> None:
    model = made(Dense(UNITS))
    pack, _, size = CASES[name]
    dense: Any = model[1]
    x, a, b = (np.ones((ROWS, TIME, UNITS)) for _ in range(3))
    counted = Retained(model.backend, model, (x,))
    assert counted.count(pack(x, x[:, ::2])) == 0
    assert counted.count(pack(dense.w.data, dense.w.grad.T)) == 0
    assert counted.count(pack(a, x)) == size // 2
    assert counted.count(pack(a[1:], b)) == size // 2
    assert counted.count(pack(b, a)) == 0
