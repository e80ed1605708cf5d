"""Layers wired by hand."""

from typing import Any

import numpy as np
import pytest

from lamina import Composite, Concat, Sequential
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Dense, Embedding, LastStep, SimpleRNN, Tanh
from lamina.testing import check_gradients


class Siamese(Composite):
    """One encoder over two sequences."""

    def __init__(self) -> None:
        self.encoder, self.join, self.head = SimpleRNN(3), Concat(), Dense(1)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        return t(self.head, t(self.join, t(self.encoder, a), t(self.encoder, b)))


class Fan(Composite):
    """x goes to two layers; the outputs are given once, twice or not at all."""

    def __init__(self, outputs: str) -> None:
        self.outputs = outputs
        self.double, self.triple = Dense(1, w_initializer=2.0), Dense(1, w_initializer=3.0)

    def compose(self, t: Any, x: Any) -> Any:
        values = {"x": x, "d": t(self.double, x), "t": t(self.triple, x)}
        outputs = [values[name] for name in self.outputs]
        return outputs[0] if len(outputs) == 1 else outputs


def test_parameters_are_named_by_attribute_and_shared_weights_count_once() -> None:
    model = Siamese()
    assert model.build((None, None, 2), (None, None, 2), seed=0) == (None, 1)
    assert list(model.named_parameters()) == ["encoder.w_x", "encoder.w_h", "encoder.b", "head.w", "head.b"]


def test_shared_weights_and_several_inputs_with_lengths_of_their_own() -> None:
    model = Siamese()
    model.build((None, None, 2), (None, None, 2), dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 2)), rng.standard_normal((2, 6, 2))
    lengths = ([4, 2], [1, 6])
    y, saved = model.forward(a, b, lengths=lengths)
    assert (model(a, b, lengths=lengths) == y).all()

    # The same by hand, one row and one encoder call at a time.
    dy = np.array([[1.0], [-2.0]])
    w_head, b_head = model.head.w.data, model.head.b.data
    states, expected = [], {"a": np.zeros(a.shape), "b": np.zeros(b.shape)}
    for row in range(2):
        calls = [model.encoder.forward(x[row : row + 1, : own[row]]) for x, own in zip((a, b), lengths, strict=True)]
        joined = np.concatenate([h[0] for h, _ in calls])
        np.testing.assert_allclose(y[row], joined @ w_head + b_head, rtol=1e-12)
        states.append((calls, joined))
    for row, (calls, _) in enumerate(states):
        d_joined = dy[row] @ w_head.T
        for name, (_, own_saved), piece, own in zip("ab", calls, (d_joined[:3], d_joined[3:]), lengths, strict=True):
            expected[name][row, : own[row]] = model.encoder.backward(piece[None], own_saved)[0]
    wanted = {name: parameter.grad.copy() for name, parameter in model.encoder.named_parameters().items()}
    model.zero_grad()
    da, db = model.backward(dy, saved)
    np.testing.assert_allclose(da, expected["a"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(db, expected["b"], rtol=1e-12, atol=1e-15)
    for name, parameter in model.encoder.named_parameters().items():
        np.testing.assert_allclose(parameter.grad, wanted[name], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        model.head.w.grad, sum(np.outer(s[1], d) for s, d in zip(states, dy, strict=True)), rtol=1e-12
    )


def test_one_array_of_lengths_is_for_every_input() -> None:
    model = Siamese()
    model.build((None, None, 2), (None, None, 2), dtype="float64", seed=0)
    a, b = np.ones((2, 4, 2)), np.full((2, 6, 2), 0.5)
    both = [4, 2]
    assert (model(a, b, lengths=both) == model(a, b, lengths=(both, both))).all()
    assert (model(a, b, lengths=(None, both)) != model(a, b, lengths=(both, both))).any()


@pytest.mark.parametrize(
    ("outputs", "dy", "dx"),
    [
        ("d", (1.0,), 2.0),  # t is not used: it gets no gradient
        ("dt", (1.0, 10.0), 32.0),
        ("dd", (1.0, 10.0), 22.0),  # one value, given twice
        ("x", (7.0,), 7.0),  # an input, given on
        ("xdxt", (7.0, 1.0, 1.0, 10.0), 7 + 2 + 1 + 30.0),
    ],
)
def test_gradients_add_up_over_every_use(outputs: str, dy: tuple[float, ...], dx: float) -> None:
    model = Fan(outputs)
    model.build((None, 1), dtype="float64")
    y, saved = model.forward(np.array([[1.0]]))
    gradients = tuple(np.array([[value]]) for value in dy)
    for gradient in gradients:
        gradient.flags.writeable = False
    assert isinstance(y, tuple) == (len(outputs) > 1)
    assert model.backward(gradients if len(outputs) > 1 else gradients[0], saved).tolist() == [[dx]]
    double = sum(value for name, value in zip(outputs, dy, strict=True) if name == "d")
    assert model.double.w.grad.tolist() == [[double]]


def test_an_input_that_nothing_uses_gets_zeros() -> None:
    class First(Composite):
        def __init__(self) -> None:
            self.layer = Tanh()

        def compose(self, t: Any, a: Any, b: Any) -> Any:
            return t(self.layer, a)

    model = First()
    model.build((None, 2), (None, None, 3), dtype="float64")
    y, saved = model.forward(np.zeros((2, 2)), np.ones((2, 4, 3)))
    da, db = model.backward(np.ones(y.shape), saved)
    assert (da.tolist(), db.tolist()) == ([[1, 1]] * 2, np.zeros((2, 4, 3)).tolist())


def test_the_unused_one_of_two_outputs_counts_as_zero() -> None:
    class LastOnly(Composite):
        def __init__(self) -> None:
            self.rnn = SimpleRNN(2, return_sequences=True, return_state=True)

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.rnn, x)[1]

    model, plain = LastOnly(), SimpleRNN(2)
    for layer in (model, plain):
        layer.build((None, None, 2), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 3, 2))
    gradients = []
    for layer in (model, plain):
        y, saved = layer.forward(x)
        gradients.append(layer.backward(np.ones(y.shape), saved))
    np.testing.assert_allclose(*gradients, rtol=1e-13)


def test_composites_nest_and_hand_lengths_on() -> None:
    class Encode(Composite):
        def __init__(self, units: int, sequences: bool) -> None:
            self.units, self.sequences = units, sequences
            self.rnn, self.act = SimpleRNN(units, return_sequences=sequences), Tanh()

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.act, t(self.rnn, x))

    nested = Sequential(Encode(3, True), Encode(2, True), LastStep(), Dense(1))
    plain = Sequential(
        SimpleRNN(3, return_sequences=True), Tanh(), SimpleRNN(2, return_sequences=True), Tanh(), LastStep(), Dense(1)
    )
    for model in (nested, plain):
        model.build((None, None, 2), dtype="float64", seed=4)
    assert list(nested.named_parameters())[:4] == ["0.rnn.w_x", "0.rnn.w_h", "0.rnn.b", "1.rnn.w_x"]
    x, lengths = np.random.default_rng(0).standard_normal((3, 5, 2)), np.array([5, 0, 3])
    assert (nested(x, lengths=lengths) == plain(x, lengths=lengths)).all()
    results = []
    for model in (nested, plain):
        y, saved = model.forward(x, lengths=lengths)
        results.append((model.backward(np.ones(y.shape), saved), [p.grad for p in model.parameters()]))
    assert (results[0][0] == results[1][0]).all()
    assert all((one == other).all() for one, other in zip(results[0][1], results[1][1], strict=True))
    assert nested[0].output_lengths(lengths) is lengths
    alone = Encode(3, False)
    alone.build((None, None, 2))
    assert alone.output_lengths(lengths) is None


def test_each_output_has_lengths_of_its_own() -> None:
    class Two(Composite):
        def __init__(self) -> None:
            self.rnn, self.act = SimpleRNN(2), Tanh()

        def compose(self, t: Any, a: Any, b: Any) -> Any:
            return t(self.act, b), t(self.rnn, a)

    model = Two()
    model.build((None, None, 2), (None, None, 2))
    first, second = np.array([1]), np.array([2])
    after = model.output_lengths((first, second))
    assert (len(after), after[0] is second, after[1]) == (2, True, None)


@pytest.mark.parametrize("given", [None, 3, np.zeros(2), ("value", None)])
def test_compose_must_return_values(given: Any) -> None:
    class Wrong(Composite):
        def compose(self, t: Any, x: Any) -> Any:
            return given

    got = given[0] if isinstance(given, tuple) else given
    with pytest.raises(ArgumentError) as caught:
        Wrong().build((None, 2))
    assert str(caught.value) == f"Wrong: compose must return values of t, got {got!r}"


def test_a_wrong_number_of_inputs_is_a_shape_error() -> None:
    with pytest.raises(ShapeError, match=r"^Siamese: .*compose\(\) missing 1 required positional argument: 'b'$"):
        Siamese().build((None, None, 2))


def test_a_mistake_inside_compose_comes_through_as_it_is() -> None:
    class Wrong(Composite):
        def compose(self, t: Any, x: Any) -> Any:
            return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="object of type 'int' has no len"):
        Wrong().build((None, 2))
    with pytest.raises(NotImplementedError, match=r"^Composite does not define compose$"):
        Composite().build((None, 2))


def test_integers_are_read_where_a_layer_takes_them() -> None:
    class Lookup(Tanh):
        takes_integers = True

    class Model(Composite):
        def __init__(self) -> None:
            self.lookup, self.act, self.join = Lookup(), Tanh(), Concat()

        def compose(self, t: Any, tokens: Any, x: Any) -> Any:
            return t(self.join, t(self.lookup, tokens), t(self.act, x))

    model = Model()
    assert model.reads_integers()
    model.build((None, 2), (None, 2))
    assert [model.reads_integers(index) for index in (None, 0, 1, 2)] == [True, True, False, False]
    assert [model.as_input([[1, 2]], index).dtype.kind for index in (0, 1)] == ["i", "f"]


def test_layers_over_the_inputs_alone_are_told_that_no_input_gradient_is_wanted() -> None:
    told = {}

    class Told(Dense):
        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
            told[self.path] = input_gradient
            return super().backward(dy, saved, input_gradient=input_gradient)

    class Model(Composite):
        def __init__(self) -> None:
            self.first, self.second, self.third, self.join = Told(2), Told(2), Told(2), Concat()

        def compose(self, t: Any, a: Any, b: Any) -> Any:
            left = t(self.first, a)
            return t(self.third, t(self.join, left, t(self.second, left), b)), a

    model = Model()
    model.build((None, 2), (None, 2), seed=0, dtype="float64")
    x = np.ones((1, 2))
    y, saved = model.forward(x, x)
    expected = model.backward(y, saved)
    gradients = [parameter.grad.copy() for parameter in model.parameters()]
    assert told == {"first": True, "second": True, "third": True}
    assert [own.shape for own in expected] == [(1, 2), (1, 2)]
    model.zero_grad()
    assert model.backward(y, model.forward(x, x)[1], input_gradient=False) == (None, None)
    assert told == {"first": False, "second": True, "third": True}
    for parameter, other in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, other)


class Wired(Composite):
    """Integers and numbers, in an order, with the integers used once, twice or not at all."""

    def __init__(self, order: str, uses: int) -> None:
        self.order, self.uses = order, uses
        self.table, self.other, self.dense = Embedding(5, 3), Embedding(5, 3), Dense(3)

    def compose(self, t: Any, *inputs: Any) -> Any:
        numbers = t(self.dense, inputs[self.order.index("x")])
        ids = inputs[self.order.index("i")] if "i" in self.order else None
        looked_up = [t(table, ids) for table in (self.table, self.other)[: self.uses]]
        return t.add(numbers, *looked_up) if looked_up else numbers


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("order", ["ix", "xi"])
@pytest.mark.parametrize("uses", [1, 2])
@pytest.mark.parametrize("nested", [False, True])
def test_integers_have_no_gradient(backend: str, order: str, uses: int, nested: bool) -> None:
    values = {"i": np.array([[0, 1], [2, 4]]), "x": np.ones((2, 2, 2))}
    model = Wired(order, uses)
    model = Sequential(model, Dense(2)) if nested else model  # type: ignore[assignment]
    shapes = [(None, None) if one == "i" else (None, None, 2) for one in order]
    model.build(*shapes, dtype="float64", backend=backend, seed=0)
    y, saved = model.forward(*[values[one] for one in order])
    dx = model.backward(np.ones(y.shape), saved)
    assert dx[order.index("i")] is None
    assert dx[order.index("x")].shape == (2, 2, 2)
    assert check_gradients(model, *[values[one] for one in order]) < 1e-6


def test_numbers_that_nothing_depends_on_have_a_gradient_of_zeros() -> None:
    class Unused(Composite):
        def __init__(self) -> None:
            self.dense = Dense(3)

        def compose(self, t: Any, a: Any, b: Any) -> Any:
            return t(self.dense, a)

    model = Unused()
    model.build((None, 2), (None, 4), dtype="float64", seed=0)
    y, saved = model.forward(np.ones((3, 2)), np.ones((3, 4)))
    _, unused = model.backward(np.ones(y.shape), saved)
    assert unused.shape == (3, 4) and not unused.any()
