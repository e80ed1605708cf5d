"""The tape: what a compose may do with its values, and what it may not."""

import operator
from typing import Any

import numpy as np
import pytest

from lamina import Composite, Concat, Layer, Sequential
from lamina.compose.recording import Recording
from lamina.compose.tape import Value
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import GRU, Add, Dense, SimpleRNN, Tanh


def composite(compose: Any, **layers: Any) -> Composite:
    class Model(Composite):
        def __init__(self) -> None:
            for name, layer in layers.items():
                setattr(self, name, layer)

        def compose(self, t: Any, *inputs: Any) -> Any:
            return compose(self, t, *inputs)

    return Model()


@pytest.mark.parametrize("operation", [operator.matmul, lambda a, b: 2 @ a], ids=["a @ b", "2 @ a"])
def test_values_are_not_matrices_and_say_what_to_do_instead(operation: Any) -> None:
    model = composite(lambda self, t, a, b: operation(a, b))
    with pytest.raises(ArgumentError) as caught:
        model.build((None, 2), (None, 2))
    assert str(caught.value) == (
        "compose: values are combined where the tape sees it: by a layer, t(self.layer, a, b), or by t.add(a, b), "
        "t.multiply, t.average or t.concatenate"
    )
    assert not model.is_built


def test_a_layer_that_is_no_attribute_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        composite(lambda self, t, a: t(Dense(2), a)).build((None, 2))
    assert str(caught.value) == "compose: keep Dense as an attribute, in Model.__init__"


def test_layers_in_lists_and_below_attributes_are_attributes_too() -> None:
    model = composite(
        lambda self, t, a: t(self.rest[1], t(self.inner[0], a)), rest=[Tanh(), Tanh()], inner=Sequential(Dense(3))
    )
    assert model.build((None, 2)) == (None, 3)


@pytest.mark.parametrize(
    ("call", "got"),
    [
        (lambda self, t, a: t(self.dense), "t(Dense)"),
        (lambda self, t, a: t(a, self.dense), "t(Value, Dense)"),
        (lambda self, t, a: t(self.dense, np.ones((2, 2))), "t(Dense, ndarray)"),
        (lambda self, t, a: t(self.dense, a.content), "t(Dense, tuple)"),
        (lambda self, t, a: t(Dense, a), "t(type, Value)"),
        (lambda self, t, a: t(self.dense, a, None), "t(Dense, Value, NoneType)"),
    ],
)
def test_a_call_takes_a_layer_and_values(call: Any, got: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        composite(call, dense=Dense(2)).build((None, 2))
    assert str(caught.value) == f"compose: expected t(layer, value, ...), got {got}"


def test_gradients_add_up_where_a_value_fans_out_and_skip_what_nothing_needs() -> None:
    class Times(Layer):
        def __init__(self, factor: float) -> None:
            self.factor = factor
            self.calls = 0

        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            return x * self.factor, None

        def backward(self, dy: Any, saved: Any) -> Any:
            self.calls += 1
            return dy * self.factor

    owner = Sequential(Times(2.0), Times(3.0), Times(5.0))
    owner.build((None, 1), dtype="float64")
    double, triple, unused = owner.layers
    tape = Recording(owner)
    x = Value(np.array([[1.0]]))
    y = tape(double, x)
    z = tape(triple, y)
    tape(unused, y)
    assert (y.content.tolist(), z.content.tolist()) == ([[2]], [[6]])
    # d (y + z) / dx = 2 + 6, from gradients 1 and 10.
    one, ten = np.array([[1.0]]), np.array([[10.0]])
    one.flags.writeable = ten.flags.writeable = False
    tape.release([x])
    assert {value.content for value in (x, y, z)} == {(1, 1)}  # nothing keeps the arrays
    y.gradient, z.gradient = one, ten
    tape.backward()
    assert x.gradient.tolist() == [[2 + 60]]
    assert (double.calls, triple.calls, unused.calls) == (1, 1, 0)  # type: ignore[attr-defined]


def test_values_carry_their_own_lengths() -> None:
    seen: list[Any] = []

    class Look(Layer):
        def build(self, *shapes: Any) -> Any:
            return shapes[0]

        def forward(self, *inputs: Any, lengths: Any = None) -> Any:
            seen.append(None if lengths is None else lengths.tolist())
            return inputs[0], len(inputs)

        def backward(self, dy: Any, saved: Any) -> Any:
            return (dy,) * saved if saved > 1 else dy

    def compose(self: Any, t: Any, a: Any, b: Any) -> Any:
        h, last = t(self.rnn, a)
        t(self.look, b)  # those of the input
        t(self.look, h)  # unchanged by the layer
        t(self.look, last)  # a last state has no time axis
        t(self.look, b, a)  # of several inputs, the first one's
        return t(self.last, h)

    rnn = SimpleRNN(2, return_sequences=True, return_state=True)
    model = composite(compose, rnn=rnn, look=Look(), last=SimpleRNN(2))
    model.build((None, None, 2), (None, None, 2), seed=0)
    a, b = np.ones((2, 3, 2), "float32"), np.ones((2, 5, 2), "float32")
    expected = [[5, 4], [3, 0], None, [5, 4]]
    model(a, b, lengths=([3, 0], [5, 4]))
    assert seen == expected
    seen.clear()
    model.forward(a, b, lengths=([3, 0], [5, 4]))
    assert seen == expected


def test_a_last_state_may_go_into_a_container_whatever_the_lengths() -> None:
    def compose(self: Any, t: Any, a: Any) -> Any:
        _, last = t(self.rnn, a)
        return t(self.head, last)

    rnn = SimpleRNN(2, return_sequences=True, return_state=True)
    model = composite(compose, rnn=rnn, head=Sequential(Concat(Dense(2)), Tanh()))
    model.build((None, None, 3), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 9, 3))
    y, _ = model.forward(x, lengths=np.array([9, 4]))
    np.testing.assert_allclose(y[1], model(x[1:, :4])[0], rtol=1e-13)


@pytest.mark.parametrize("several", [False, True])
def test_a_call_that_nothing_depends_on_leaves_those_before_it_their_gradients(several: bool) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 4, 2))

    def compose(self: Any, t: Any, x: Any) -> Any:
        a = t(self.first, x)
        t(self.unused, a)
        return t(self.last, a)

    def gradients(unused: bool) -> Any:
        first, last, cell = Dense(3), Dense(2), SimpleRNN(2, return_sequences=True, return_state=several)
        if unused:
            model: Layer = composite(compose, first=first, unused=cell, last=last)
        else:
            model = Sequential(first, last)
        model.build((None, None, 3), dtype="float64", seed=0)
        for layer, value in ((first, 0.5), (last, 0.25)):
            layer.w.data = np.full(layer.w.shape, value)
        _, saved = model.forward(x)
        return model.backward(dy, saved), first.w.grad, last.w.grad

    for with_it, without in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_array_equal(with_it, without)


def test_a_value_that_is_gone_leaves_nothing_to_one_made_after_it() -> None:
    # Python gives the place of an object that is gone, and so its id, to the next: a sum is not what the layer made.
    def compose(self: Any, t: Any, a: Any, b: Any) -> Any:
        for _ in range(20):
            t(self.rnn, a)
        sums = [t.add(b, b) for _ in range(20)]
        for value in sums:
            with pytest.raises(ShapeError) as caught:
                t(self.gru, value)
            assert str(caught.value) == "GRU 'gru': expected (batch, time, features), got (batch, 3)"
        return t(self.gru, t(self.rnn, a))

    model = composite(compose, rnn=SimpleRNN(2), gru=GRU(2))
    # Of what the layer did make, it is said.
    with pytest.raises(ShapeError, match="SimpleRNN 'rnn' gives the last step alone, unless return_sequences=True"):
        model.build((None, None, 3), (None, 3))


@pytest.mark.parametrize("first", [True, False])
def test_what_a_layer_makes_of_several_inputs_came_through_the_layers_of_the_first(first: bool) -> None:
    def compose(self: Any, t: Any, a: Any, b: Any) -> Any:
        last = t(self.rnn, a)
        return t(self.gru, t(self.add, last, b) if first else t(self.add, b, last))

    model = composite(compose, rnn=SimpleRNN(3), add=Add(), gru=GRU(2))
    with pytest.raises(ShapeError) as caught:
        model.build((None, None, 2), (None, 3))
    hint = ": SimpleRNN 'rnn' gives the last step alone, unless return_sequences=True"
    assert str(caught.value) == "GRU 'gru': expected (batch, time, features), got (batch, 3)" + hint * first
