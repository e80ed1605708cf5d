"""Layers one after another."""

from typing import Any

import numpy as np
import pytest

from lamina import Layer, Sequential
from lamina.backends.numpy.backend import NumPyBackend
from lamina.errors import ArgumentError, SavedStateError
from lamina.layers import Dense, Flatten, LastStep, ReLU, SimpleRNN, Tanh


def dense(units: int = 1) -> Dense:
    return Dense(units, w_initializer="ones")


@pytest.mark.parametrize("arguments", [(), ([],), ((),)])
def test_at_least_one_layer_is_needed(arguments: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Sequential: expected at least one layer$"):
        Sequential(*arguments)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            (Dense,),
            "Sequential: expected a layer at position 0, got <class 'lamina.layers.dense.Dense'>: write Dense(...)",
        ),
        ((Tanh(), "tanh"), "Sequential: expected a layer at position 1, got 'tanh'"),
        ((Tanh(), None), "Sequential: expected a layer at position 1, got None"),
        (([Tanh(), 3],), "Sequential: expected a layer at position 1, got 3"),
        ((Tanh(), [Tanh()]), "Sequential: expected a layer at position 1, got [Tanh()]"),
    ],
)
def test_what_is_no_layer_is_named(layers: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Sequential(*layers)
    assert str(caught.value) == message


@pytest.mark.parametrize("wrap", [list, tuple])
def test_one_list_of_layers_does_as_well_and_is_copied(wrap: Any) -> None:
    layers = [Tanh(), ReLU()]
    model = Sequential(wrap(layers))
    layers.append(Tanh())
    assert (len(model), list(model)) == (2, layers[:2])
    assert (model[0], model[-1]) == (layers[0], layers[1])


def test_nested_models_have_nested_paths() -> None:
    model = Sequential(SimpleRNN(2, return_sequences=True), Sequential(Dense(3), Sequential(Dense(1))))
    assert model.build((None, None, 2), seed=0) == (None, None, 1)
    assert list(model.named_parameters()) == ["0.w_x", "0.w_h", "0.b", "1.0.w", "1.0.b", "1.1.0.w", "1.1.0.b"]


def test_forward_and_backward_by_hand() -> None:
    model = Sequential(dense(2), ReLU(), dense(1))
    model.build((None, 1), dtype="float64")
    model[0].w.data = [[2.0, -3.0]]  # type: ignore[attr-defined]
    x = np.array([[1.0], [-2.0]])
    y, saved = model.forward(x)
    assert y.tolist() == [[2], [6]]
    # x = 1 goes through 2, x = -2 through -3.
    assert model.backward(np.array([[1.0], [10.0]]), saved).tolist() == [[2], [-30]]
    assert model[0].w.grad.tolist() == [[1, -20]]  # type: ignore[attr-defined]
    assert model[0].b.grad.tolist() == [1, 10]  # type: ignore[attr-defined]
    assert model[2].w.grad.tolist() == [[2], [60]]  # type: ignore[attr-defined]


def test_a_layer_in_two_places_shares_weights_and_adds_up_gradients() -> None:
    shared = dense()
    model = Sequential(shared, shared)
    model.build((None, 1), dtype="float64")
    shared.w.data = [[3.0]]
    y, saved = model.forward(np.array([[2.0]]))
    assert (y.tolist(), model.parameter_count) == ([[18]], 2)
    assert list(model.named_parameters()) == ["0.w", "0.b"]
    assert model.backward(np.ones((1, 1)), saved).tolist() == [[9]]
    assert shared.w.grad.tolist() == [[6 + 3 * 2]]  # d (w (w x)) / dw = 2 w x
    assert shared.b.grad.tolist() == [1 + 3]


def test_two_forwards_before_backward_do_not_disturb_each_other() -> None:
    model = Sequential(dense(), Tanh())
    model.build((None, 1), dtype="float64")
    (_, first), (_, second) = model.forward(np.array([[0.5]])), model.forward(np.array([[-1.0]]))
    for saved, x in ((second, -1.0), (first, 0.5)):
        dx = model.backward(np.ones((1, 1)), saved)
        np.testing.assert_allclose(dx, [[1 / np.cosh(x) ** 2]], rtol=1e-14)


def test_each_saved_state_is_dropped_as_it_is_used() -> None:
    held: list[int] = []

    class Watch(Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            return x, self

        def backward(self, dy: Any, saved: Any) -> Any:
            held.append(len(content))
            return dy

    model = Sequential(Watch(), Watch(), Watch())
    model.build((None, 1))
    y, saved = model.forward(np.ones((1, 1), "float32"))
    content = saved._content
    model.backward(y, saved)
    assert held == [2, 1, 0]


def test_a_saved_state_of_an_inner_layer_is_not_the_models() -> None:
    model = Sequential(dense())
    model.build((None, 1))
    y, saved = model[0].forward(np.ones((1, 1), "float32"))
    with pytest.raises(SavedStateError, match=r"^Sequential: got the saved state of Dense '0'$"):
        model.backward(y, saved)


def test_all_outputs_go_to_the_next_layer() -> None:
    encode, decode = SimpleRNN(3, return_sequences=True, return_state=True), SimpleRNN(3, return_sequences=True)
    model = Sequential(encode, decode)
    assert model.build((None, None, 2), dtype="float64", seed=0) == (None, None, 3)
    x = np.random.default_rng(0).standard_normal((2, 4, 2))
    h, last = encode(x)
    assert (model(x) == decode(h, last)).all()
    y, saved = model.forward(x)
    assert model.backward(y, saved).shape == x.shape


def test_several_inputs_go_to_the_first_layer_and_come_back() -> None:
    model = Sequential(SimpleRNN(3), Dense(2))
    assert model.build((None, None, 2), (None, 3), dtype="float64", seed=0) == (None, 2)
    y, saved = model.forward(np.ones((2, 4, 2)), np.ones((2, 3)))
    dx, dstate = model.backward(y, saved)
    assert (dx.shape, dstate.shape) == ((2, 4, 2), (2, 3))


def test_lengths_go_as_far_as_the_time_axis() -> None:
    model = Sequential(SimpleRNN(3, return_sequences=True), Tanh(), LastStep(), Dense(2))
    model.build((None, None, 2), dtype="float64", seed=0)
    lengths = np.array([1, 3])
    assert model.output_lengths(lengths) is None
    assert Sequential(Tanh(), SimpleRNN(2, return_sequences=True)).output_lengths(lengths) is lengths
    assert Sequential(Tanh(), Flatten()).output_lengths(lengths) is None
    x = np.random.default_rng(0).standard_normal((2, 3, 2))
    ragged = model(x, lengths=[1, 3])
    np.testing.assert_allclose(ragged[0], model(x[:1, :1])[0], rtol=1e-13)
    np.testing.assert_allclose(ragged[1], model(x[1:])[0], rtol=1e-13)
    assert (ragged == model.forward(x, lengths=lengths)[0]).all()


def test_the_first_layer_decides_whether_integers_are_read() -> None:
    class Takes(Tanh):
        takes_integers = True

    assert Sequential(Takes(), Tanh()).reads_integers()
    assert not Sequential(Tanh(), Takes()).reads_integers()


def test_only_what_comes_first_is_told_that_no_input_gradient_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = NumPyBackend.dense_backward

    def spy(self: Any, dy: Any, saved: Any, w: Any, *, input_gradient: bool = True) -> Any:
        asked.append((w.shape, input_gradient))
        return real(self, dy, saved, w, input_gradient=input_gradient)

    monkeypatch.setattr(NumPyBackend, "dense_backward", spy)
    shared = Dense(2)
    model = Sequential(Sequential(shared, Dense(3)), Dense(2), shared)
    model.build((None, 2), seed=0, backend=NumPyBackend())
    y, saved = model.forward(np.ones((1, 2), "float32"))
    assert model.backward(y, saved, input_gradient=False) is None
    assert asked == [((2, 2), True), ((3, 2), True), ((2, 3), True), ((2, 2), False)]
