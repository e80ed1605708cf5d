"""What the interface refuses around forward and backward."""

from typing import Any

import numpy as np
import pytest

from lamina import Composite, Concat, Layer, Parameter, Residual, Sequential
from lamina.core.inputs import named_inputs
from lamina.core.saved_state import SavedState
from lamina.errors import BackendError, DTypeError, SavedStateError, ShapeError
from lamina.layers import Dense, Flatten, LastStep, Multiply, SimpleRNN, Tanh


class Doubled(Composite):
    def __init__(self) -> None:
        self.inner = Dense(3)

    def compose(self, t: Any, x: Any) -> Any:
        return t(self.inner, x)


def built(layer: Layer, *shapes: Any, **settings: Any) -> Layer:
    layer.build(*shapes, **{"seed": 0, **settings})
    return layer


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


EVERY = [
    (lambda: Dense(3), (2, 3)),
    (lambda: Tanh(), (2, 3)),
    (lambda: SimpleRNN(3), (2, 4, 3)),
    (lambda: LastStep(), (2, 4, 3)),
    (lambda: Flatten(), (2, 4, 3)),
    (lambda: Sequential(Dense(3), Tanh()), (2, 3)),
    (lambda: Residual(Dense(3)), (2, 3)),
    (lambda: Concat(Dense(3), Dense(2)), (2, 3)),
    (lambda: Concat(), (2, 3)),
    (lambda: Doubled(), (2, 3)),
]


@pytest.mark.parametrize(("make", "shape"), EVERY)
def test_backward_takes_a_saved_state_once_and_only_its_own(make: Any, shape: tuple[int, ...]) -> None:
    layer, twin = (built(make(), shape) for _ in range(2))
    name = type(layer).__name__
    y, saved = layer.forward(ones(*shape))
    with pytest.raises(SavedStateError) as caught:
        twin.backward(y, saved)
    assert str(caught.value) == f"{name}: got the saved state of {name}"
    with pytest.raises(ShapeError) as wrong:
        layer.backward(ones(1, *y.shape), saved)
    assert str(wrong.value) == f"{name}: expected a gradient of shape {y.shape}, got {(1, *y.shape)}"
    layer.backward(y, saved)
    with pytest.raises(SavedStateError) as twice:
        layer.backward(y, saved)
    assert str(twice.value) == f"{name}: this saved state is used up: backward may run once for each forward"


@pytest.mark.parametrize(("make", "shape"), EVERY)
@pytest.mark.parametrize("saved", [None, (), {}, [SavedState(None, None)]])
def test_backward_refuses_what_no_forward_gave(make: Any, shape: tuple[int, ...], saved: Any) -> None:
    layer = built(make(), shape)
    with pytest.raises(SavedStateError) as caught:
        layer.backward(layer.forward(ones(*shape))[0], saved)
    kind = type(saved).__name__
    assert str(caught.value) == f"{type(layer).__name__}: expected the saved state of a forward call, got {kind}"


@pytest.mark.parametrize(("make", "shape"), EVERY)
def test_backward_refuses_no_gradient(make: Any, shape: tuple[int, ...]) -> None:
    layer = built(make(), shape)
    y, saved = layer.forward(ones(*shape))
    with pytest.raises(ShapeError, match=r": expected a gradient of shape \(.*\), got None$"):
        layer.backward(None, saved)
    layer.backward(y, saved)


@pytest.mark.parametrize(
    ("make", "shape", "given", "message"),
    [
        (lambda: Dense(3), (None, 4), (2, 5), "Dense: expected last axis 4, got (2, 5)"),
        (lambda: Dense(3), (None, 4), (2, 3, 4), "Dense: expected (batch, 4), got (2, 3, 4)"),
        (lambda: Dense(3), (None, None, 4), (2, 4), "Dense: expected (batch, time, 4), got (2, 4)"),
        (lambda: SimpleRNN(3), (None, None, 2), (5, 2), "SimpleRNN: expected (batch, time, 2), got (5, 2)"),
        (lambda: SimpleRNN(3), (None, None, 2), (1, 5, 3), "SimpleRNN: expected last axis 2, got (1, 5, 3)"),
        (lambda: Flatten(), (None, 3, 2), (5, 2, 2), "Flatten: expected (batch, 3, 2), got (5, 2, 2)"),
        (lambda: Tanh(), (None, 3), (5, 2), "Tanh: expected last axis 3, got (5, 2)"),
        (lambda: Sequential(Tanh(), Dense(2)), (None, 3), (5, 2), "Sequential: expected last axis 3, got (5, 2)"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_by_call_and_forward(
    make: Any, shape: Any, given: tuple[int, ...], message: str
) -> None:
    layer = built(make(), shape)
    uses = [lambda: layer.forward(ones(*given))]
    if not isinstance(layer, Sequential):  # in a container that is called, it is the inner layer that refuses
        uses.append(lambda: layer(ones(*given)))
    for use in uses:
        with pytest.raises(ShapeError) as caught:
            use()
        assert str(caught.value) == message


def test_the_message_names_the_path_of_the_layer() -> None:
    model = built(Sequential(Tanh(), Sequential(Tanh(), Dense(2))), (None, 3))
    with pytest.raises(ShapeError) as caught:
        model[1][1].forward(ones(32, 64))  # type: ignore[index]
    assert str(caught.value) == "Dense '1.1': expected last axis 3, got (32, 64)"


def test_forward_converts_nothing() -> None:
    layer = built(Dense(2), (None, 3))
    for value, error, message in (
        ([[1.0, 2, 3]], BackendError, "Dense: expected an array of backend 'numpy', got list"),
        (None, BackendError, "Dense: expected an array of backend 'numpy', got NoneType"),
        (np.ones((1, 3)), DTypeError, "got float64: convert the input, or call the layer, which converts"),
        (np.ones((1, 3), int), DTypeError, "Dense: expected float32, got int64: convert the input"),
        (np.ones((1, 3), "float16"), DTypeError, "Dense: expected float32, got float16: convert the input"),
    ):
        with pytest.raises(error) as caught:
            layer.forward(value)
        assert type(caught.value) is error
        assert message in str(caught.value)


def test_a_missing_input_is_refused() -> None:
    layer = built(Concat(), (None, 2), (None, 3))
    with pytest.raises(ShapeError, match=r"^Concat: expected 2 inputs, got 1$"):
        layer.forward(ones(1, 2))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_an_optional_input_is_checked_as_the_others_are(backend: str) -> None:
    layer = built(SimpleRNN(2), (None, None, 2), backend=backend)
    x = ones(1, 3, 2)
    assert layer.forward(x, None)[0].dtype == np.float32
    assert layer.forward(x, ones(1, 2))[0].dtype == np.float32
    with pytest.raises(DTypeError, match=r"^SimpleRNN: expected float32, got float64"):
        layer.forward(x, np.ones((1, 2)))
    with pytest.raises(BackendError, match=f"^SimpleRNN: expected an array of backend '{backend}', got list$"):
        layer.forward(x, [[1.0, 2.0]])
    with pytest.raises(ShapeError, match=r"^SimpleRNN: expected an initial state \(1, 2\), got \(2, 2\)$"):
        layer.forward(x, ones(2, 2))


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([5, 2], ShapeError, "SimpleRNN: expected lengths from 0 to 4, got 5 at row 0"),
        ([4, -2], ShapeError, "SimpleRNN: expected lengths from 0 to 4, got -2 at row 1"),
        ([4], ShapeError, "SimpleRNN: expected 2 lengths, one for each row, got shape (1,)"),
        ([4.0, 2.0], DTypeError, "SimpleRNN: expected whole numbers as lengths, got float64"),
    ],
)
def test_lengths_that_do_not_fit_are_refused_by_call_and_forward(lengths: Any, error: Any, message: str) -> None:
    layer = built(SimpleRNN(2), (None, None, 2))
    x = ones(2, 4, 2)
    uses = (
        lambda: layer(x, lengths=lengths),
        lambda: layer.forward(x, lengths=lengths),
        lambda: layer.forward(x, None, lengths),
        lambda: layer.infer(x, lengths=lengths),
    )
    for use in uses:
        with pytest.raises(error) as caught:
            use()
        assert str(caught.value) == message


def test_lengths_may_be_given_by_position() -> None:
    x, dropped = ones(2, 4, 2), np.array([1, 3])
    layer = built(SimpleRNN(2), (None, None, 2))
    assert (layer.forward(x, None, [1, 3])[0] == layer(x, lengths=dropped)).all()
    last = built(LastStep(), (None, None, 2))
    assert (last.forward(x, dropped)[0] == last(x, lengths=[1, 3])).all()


def test_a_layer_that_takes_no_lengths_gives_zeros_past_them() -> None:
    layer = built(Dense(2), (None, None, 2))
    expected = np.array(layer(ones(2, 4, 2)))
    expected[0, 1:] = expected[1, 2:] = 0
    assert (layer(ones(2, 4, 2), lengths=[1, 2]) == expected).all()


def test_a_layer_in_several_places_takes_what_it_was_built_for_in_each() -> None:
    act = Tanh()
    model = built(Sequential(Dense(3), act, Dense(5), act), (None, 2), dtype="float64")
    y, saved = model.forward(np.ones((1, 2)))
    assert (y.shape, model.backward(y, saved).shape) == ((1, 5), (1, 2))
    assert act.places == (((None, 3),), ((None, 5),))  # type: ignore[attr-defined]
    with pytest.raises(ShapeError, match=r"^Tanh '1': expected last axis 3, got \(1, 4\)$"):
        act.forward(np.ones((1, 4)))


def test_a_layer_may_be_shared_by_sequences_and_rows_and_called_with_and_without_a_state() -> None:
    class Shares(Composite):
        def __init__(self) -> None:
            self.rnn, self.dense = SimpleRNN(3, return_state=True), Dense(3)

        def compose(self, t: Any, x: Any, start: Any) -> Any:
            first, _ = t(self.rnn, x, start)
            second, _ = t(self.rnn, x)
            return t(self.dense, first), t(self.dense, x), second

    model = built(Shares(), (None, None, 3), (None, 3), dtype="float64")
    y, saved = model.forward(np.ones((2, 4, 3)), np.ones((2, 3)))
    assert [part.shape for part in y] == [(2, 3), (2, 4, 3), (2, 3)]
    assert [gradient.shape for gradient in model.backward(y, saved)] == [(2, 4, 3), (2, 3)]


def test_asking_for_the_shape_of_other_inputs_lets_none_of_them_in() -> None:
    layer = built(Flatten(), (None, 3, 2))
    assert layer.build((None, 4, 2)) == (None, 8)
    with pytest.raises(ShapeError, match=r"^Flatten: expected \(batch, 3, 2\), got \(1, 4, 2\)$"):
        layer.forward(ones(1, 4, 2))


def test_a_model_that_fails_to_build_gives_a_built_layer_no_further_place() -> None:
    layer = built(Tanh(), (None, 3))
    with pytest.raises(ShapeError):
        Sequential(Dense(4), layer, SimpleRNN(2)).build((None, 2))
    assert layer.places == (((None, 3),),)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_inputs_may_be_given_by_name(backend: str) -> None:
    layer = built(SimpleRNN(2), (None, None, 2), backend=backend)
    x, state = ones(1, 3, 2), [[0.5, -0.5]]
    expected = layer(x, state)
    assert expected.dtype == np.float32
    assert (layer(x, state=state) == expected).all()
    assert (layer(x, state=np.array(state), lengths=[3]) == expected).all()
    assert (layer(state=state, x=x) == expected).all()
    assert (layer.forward(x, state=np.array(state, "float32"))[0] == expected).all()
    assert (layer(x, state=None) == layer(x)).all()
    with pytest.raises(DTypeError, match=r"^SimpleRNN: expected float32, got float64"):
        layer.forward(x, state=np.array(state))
    with pytest.raises(ShapeError, match=r"^SimpleRNN: expected an initial state \(1, 2\), got \(1, 1\)$"):
        layer(x, state=[[1]])
    with pytest.raises(TypeError, match="unexpected keyword argument 'stat'"):
        layer(x, stat=state)


def test_inputs_by_name_stand_where_they_belong_and_no_others_beside_them() -> None:
    names = ("x", "a", "b", "c")
    for inputs, options, expected, left in (
        ((1,), {"a": 2}, (1, 2), {}),
        ((1,), {"b": 3}, (1, None, 3), {}),
        ((1, 2), {"c": 4, "further": 5}, (1, 2, None, 4), {"further": 5}),
        ((), {"b": 3, "x": 1}, (1, None, 3), {}),
        ((1,), {"further": 5}, (1,), {"further": 5}),
        ((1, 2), {"a": 9}, (1, 2), {"a": 9}),  # twice: the layer's own signature refuses it
    ):
        assert (named_inputs(names, inputs, options), options) == (expected, left)


class Plain(Layer):
    """A layer whose backward takes no ``input_gradient``."""

    def build(self, shape: Any) -> Any:
        self.factor = Parameter(shape[-1:], "ones")
        return shape

    def forward(self, x: Any) -> Any:
        return x * self.factor.data, x

    def backward(self, dy: Any, saved: Any) -> Any:
        self.factor.grad += (dy * saved).sum(axis=0)
        return dy * self.factor.data


class Plainer(Plain):
    def backward(self, dy: Any, saved: Any) -> Any:
        return super().backward(dy, saved)


class Later(Plain):
    def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
        return super().backward(dy, saved, input_gradient=input_gradient)


@pytest.mark.parametrize("make", [Plain, Plainer, Later, lambda: Dense(3)])
def test_the_gradient_of_the_input_may_be_left_out(make: Any) -> None:
    layer = built(make(), (None, 3))
    y, saved = layer.forward(ones(2, 3))
    assert layer.backward(y, saved).shape == (2, 3)
    expected = [parameter.grad.copy() for parameter in layer.parameters()]
    layer.zero_grad()
    assert layer.backward(y, layer.forward(ones(2, 3))[1], input_gradient=False) is None
    for parameter, other in zip(layer.parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.grad, other)


def test_a_layer_that_computes_the_gradients_of_several_inputs_anyway_gives_none_of_them() -> None:
    layer = built(Multiply(), (None, 3), (None, 3))
    y, saved = layer.forward(ones(2, 3), ones(2, 3))
    assert layer.backward(y, saved, input_gradient=False) == (None, None)


@pytest.mark.parametrize("make", [Plain, lambda: Dense(3), lambda: Sequential(Dense(3))])
def test_whether_the_input_gradient_is_wanted_is_said_by_name_alone(make: Any) -> None:
    layer = built(make(), (None, 3))
    y, saved = layer.forward(ones(2, 3))
    with pytest.raises(TypeError, match=r"backward\(\) takes 3 positional arguments but 4 were given"):
        layer.backward(y, saved, False)
    with pytest.raises(TypeError, match=r"backward\(\) got an unexpected keyword argument 'input_gradients'"):
        layer.backward(y, saved, input_gradients=False)
    layer.backward(y, saved)


class Needing(Layer):
    """A sum over valid steps, of a layer all of whose methods must be told the lengths, be there any or not."""

    def build(self, shape: Any) -> Any:
        return (shape[0], shape[2])

    def output_lengths(self, lengths: Any) -> Any:
        return None

    def forward(self, x: Any, lengths: Any) -> Any:  # type: ignore[override]
        inside = np.ones(x.shape[:2]) if lengths is None else np.arange(x.shape[1]) < lengths[:, None]
        return (x * inside[..., None]).sum(1).astype(x.dtype), (inside, x.shape[1])

    def backward(self, dy: Any, saved: Any) -> Any:
        inside, steps = saved
        return (np.repeat(dy[:, None], steps, 1) * inside[..., None]).astype(dy.dtype)


class NeedingMore(Needing):
    def forward(self, x: Any, lengths: Any) -> Any:  # type: ignore[override]
        return super().forward(x, lengths=lengths)


class NeedingAside(Needing):
    def infer(self, x: Any, lengths: Any) -> Any:  # type: ignore[override]
        return self.forward(x, lengths=lengths)[0]


@pytest.mark.parametrize("make", [Needing, NeedingMore, NeedingAside, lambda: Sequential(Tanh(), NeedingMore())])
def test_a_layer_that_must_be_told_the_lengths_is_told_that_there_are_none(make: Any) -> None:
    layer, x = built(make(), (None, None, 2)), ones(2, 3, 2)
    inner = np.tanh(x) if isinstance(layer, Sequential) else x
    for lengths, steps in ((None, [3, 3]), (np.array([1, 3]), [1, 3])):
        expected = [inner[row, :count].sum(0) for row, count in enumerate(steps)]
        options = {} if lengths is None else {"lengths": lengths}
        y, saved = layer.forward(x, **options)
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        np.testing.assert_allclose(layer(x, **options), expected, rtol=1e-6)
        dx = layer.backward(ones(2, 2), saved)
        for row, count in enumerate(steps):
            assert dx[row, :count].all()
            assert not dx[row, count:].any()
    with pytest.raises(TypeError, match="lengths_"):
        layer.forward(x, lengths_=None)
