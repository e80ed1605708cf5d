"""What every layer has: paths, parameters, inputs of any kind, copies."""

import copy
import pickle
import threading
from typing import Any, ClassVar

import numpy as np
import pytest

import lamina
from lamina import Layer, Parameter, Sequential
from lamina.errors import ArgumentError, DTypeError, NotBuiltError, ShapeError
from lamina.layers import Dense, SimpleRNN, Tanh


class Stack(Layer):
    """Keeps parameters and layers as attributes, in lists and in tuples."""

    takes_integers: ClassVar[bool] = False

    def __init__(self) -> None:
        self.first = Dense(2)
        self.rest = [Dense(2), "no layer", Sequential(Dense(2), Tanh())]
        self.fixed = (Dense(2),)
        self.scales: list[Parameter] = []

    def build(self, shape: Any) -> Any:
        self.scales = [Parameter((1,), "ones"), Parameter((2,), "ones", trainable=False)]
        for layer in (self.first, self.rest[0], self.rest[2], self.fixed[0]):
            shape = layer.build(shape)  # type: ignore[union-attr]
        return shape


class Scale(Layer):
    """As written by a user: ten lines."""

    def build(self, shape: Any) -> Any:
        self.scale = Parameter(shape[-1:], "ones")
        return shape

    def forward(self, x: Any) -> Any:
        return x * self.scale.data, x

    def backward(self, dy: Any, saved: Any) -> Any:
        self.scale.grad += self.backend.sum_to(dy * saved, self.scale.shape)
        return dy * self.scale.data


@pytest.fixture
def stack() -> Stack:
    stack = Stack()
    stack.build((None, 2), seed=0)
    return stack


def test_parameters_have_stable_paths_in_the_order_of_assignment(stack: Stack) -> None:
    names = [
        "scales.0", "scales.1", "first.w", "first.b", "rest.0.w", "rest.0.b", "rest.2.0.w", "rest.2.0.b", "fixed.0.w",
        "fixed.0.b",
    ]  # fmt: skip
    assert list(stack.named_parameters()) == names
    assert [parameter.name for parameter in stack.parameters()] == names
    assert list(stack.state_dict()) == names
    assert [path for path, _ in stack.walk()] == ["", "first", "rest.0", "rest.2", "rest.2.0", "rest.2.1", "fixed.0"]
    assert stack.parameter_count == 1 + 2 + 4 * 6
    assert stack.rest[2][0].label == "Dense 'rest.2.0'"  # type: ignore[index]
    assert stack.label == "Stack"


def test_a_parameter_reached_by_two_paths_counts_once_under_the_first(stack: Stack) -> None:
    stack.rest[0].w = stack.first.w  # type: ignore[union-attr]
    assert "rest.0.w" not in stack.named_parameters()
    assert stack.parameter_count == 1 + 2 + 4 * 6 - 4


def test_a_layer_of_ones_own_in_ten_lines() -> None:
    model = Sequential(Scale(), Dense(1, w_initializer="ones"))
    assert model.build((None, 2), dtype="float64") == (None, 1)
    y, saved = model.forward(np.array([[3.0, 4.0]]))
    assert y.tolist() == [[7]]
    assert model.backward(np.array([[2.0]]), saved).tolist() == [[2, 2]]
    assert model[0].scale.grad.tolist() == [6, 8]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "use",
    [
        lambda layer: layer(np.ones((1, 2))),
        lambda layer: layer.forward(np.ones((1, 2), "float32")),
        lambda layer: layer.parameters(),
        lambda layer: layer.zero_grad(),
        lambda layer: layer.state_dict(),
        lambda layer: layer.to("numpy"),
        lambda layer: layer.summary(),
        lambda layer: layer.save("never.safetensors"),
        lambda layer: layer.backend,
        lambda layer: layer.dtype,
        lambda layer: layer.kernel,
    ],
)
@pytest.mark.parametrize("make", [lambda: Dense(2), lambda: Sequential(Dense(2))])
def test_use_before_build_is_refused(use: Any, make: Any) -> None:
    layer = make()
    assert not layer.is_built
    with pytest.raises(NotBuiltError) as caught:
        use(layer)
    assert str(caught.value) == f"{type(layer).__name__} is not built: call build(shape) first"


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2]],
        ((1.0, 2.0),),
        np.array([[1, 2]]),
        np.array([[1, 2]], "float16"),
        np.array([[1, 2]], "uint8"),
        np.array([[1.0, 2.0]])[:, ::1],
        [[True, 2]],
    ],
)
def test_a_call_takes_numbers_of_any_kind(value: Any) -> None:
    layer = Dense(1, w_initializer="ones")
    layer.build((None, 2))
    y = layer(value)
    assert (y.dtype, y.tolist()) == (np.float32, [[3]])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.array([[1, 2.5]], dtype=object), "object"),
        ([[1, None]], "object"),
        (np.array([["1", "2"]]), "<U1"),
        ([["1", "2"]], "<U1"),
        (np.array([[1j, 2]]), "complex128"),
        (np.array([[0, 0]], "datetime64[s]"), "datetime64[s]"),
    ],
)
def test_a_call_refuses_what_holds_no_numbers(value: Any, kind: str) -> None:
    layer = Dense(1)
    layer.build((None, 2))
    with pytest.raises(DTypeError) as caught:
        layer(value)
    assert str(caught.value) == f"Dense: expected numbers, got an array of {kind}"


def test_a_call_refuses_rows_of_unequal_length_and_says_how_to_pad() -> None:
    layer = SimpleRNN(2)
    layer.build((None, None, 1))
    with pytest.raises(ShapeError) as caught:
        layer([[[1.0]], [[1.0], [2.0]]])
    assert str(caught.value) == (
        "SimpleRNN: the input is no rectangular array; pad rows of unequal length with lamina.pad"
    )


def test_a_call_computes_what_forward_does_and_never_touches_the_input() -> None:
    layer = SimpleRNN(3, return_sequences=True)
    layer.build((None, None, 2), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 4, 2))
    x.flags.writeable = False
    assert (layer(x, lengths=[4, 2]) == layer.forward(x, lengths=np.array([4, 2]))[0]).all()


@pytest.mark.parametrize("value", [0, -1, True, 2.5, 2.0, "2", None, np.float64(2)])
def test_units_must_be_a_positive_whole_number(value: Any) -> None:
    for cls in (Dense, SimpleRNN):
        with pytest.raises(ArgumentError) as caught:
            cls(value)
        message = f"{cls.__name__}: expected units to be a whole number of 1 or more, got {value!r}"
        assert str(caught.value) == message
    assert Dense(np.int32(2)).units == 2
    assert type(Dense(np.int32(2)).units) is int


@pytest.mark.parametrize("method", ["build", "forward", "backward"])
def test_a_layer_that_lacks_a_method_says_which(method: str) -> None:
    class Unfinished(Layer):
        pass

    with pytest.raises(NotImplementedError, match=f"^Unfinished does not define {method}$"):
        getattr(Unfinished(), method)(*(None, None)[: 2 if method == "backward" else 1])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_is_independent_in_values_and_gradients(duplicate: Any) -> None:
    model = Sequential(SimpleRNN(3), Dense(2))
    model.build((None, None, 2), backend="reference", dtype="float64", seed=0)
    model.facts["note"] = ["kept"]
    model.parameters()[0].grad += 1
    before = model.state_dict()
    other = duplicate(model)
    assert (other.backend is model.backend, other.dtype, other.facts) == (True, "float64", {"note": ["kept"]})
    assert other[1].label == "Dense '1'"
    assert len({id(parameter.storage) for parameter in other.parameters()}) == 1
    assert other.parameters()[0].grad.tolist() == np.ones((2, 3)).tolist()
    for parameter in other.parameters():
        parameter.data += 1
        parameter.zero_grad()
    other.facts["note"].append("more")
    assert all((values == before[name]).all() for name, values in model.state_dict().items())
    assert model.parameters()[0].grad.all()
    assert model.facts == {"note": ["kept"]}


def test_shared_layers_stay_shared_in_a_copy() -> None:
    shared = Dense(2)
    model = copy.deepcopy(Sequential(shared, shared))
    assert model[0] is model[1] is not shared


def test_zero_grad_clears_every_parameter(stack: Stack) -> None:
    for parameter in stack.parameters():
        parameter.grad += 1
    stack.zero_grad()
    assert not any(parameter.grad.any() for parameter in stack.parameters())


def test_the_kernel_that_runs_can_be_asked_for() -> None:
    for backend, source in (("numpy", "numpy"), ("reference", "generic")):
        layer = SimpleRNN(2)
        layer.build((None, None, 1), backend=backend)
        assert (layer.kernel.name, layer.kernel.source) == ("simple_rnn", source)


def test_one_layer_runs_forward_and_backward_in_many_threads() -> None:
    model = Sequential(SimpleRNN(4, return_sequences=True), lamina.layers.LastStep(), Dense(2))
    model.build((None, None, 3), dtype="float64", seed=0)
    inputs = [np.random.default_rng(seed).standard_normal((3, 5, 3)) for seed in range(8)]
    lengths = np.array([5, 0, 3])

    def run(x: np.ndarray, results: dict[int, Any], key: int) -> None:
        for _ in range(5):
            y, saved = model.forward(x, lengths=lengths)
            results[key] = (y, saved)

    alone: dict[int, Any] = {}
    together: dict[int, Any] = {}
    for key, x in enumerate(inputs):
        run(x, alone, key)
    threads = [threading.Thread(target=run, args=(x, together, key)) for key, x in enumerate(inputs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in alone:
        assert (alone[key][0] == together[key][0]).all()
        dy = np.ones((3, 2))
        assert (model.backward(dy, alone[key][1]) == model.backward(dy, together[key][1])).all()


def test_layers_and_parameters_are_found_however_deep_they_are_kept() -> None:
    class Deep(Layer):
        def __init__(self) -> None:
            self.rows = [[Dense(2)], (Dense(2),)]
            self.named = {"left": Dense(2), "right": [Dense(2)]}

        def build(self, shape: Any) -> Any:
            self.gains = {"a": Parameter((1,))}
            for layer in self.children().values():
                layer.build(shape)
            return shape

    model = Deep()
    model.build((None, 2))
    assert list(model.named_parameters()) == [
        "gains.a", "rows.0.0.w", "rows.0.0.b", "rows.1.0.w", "rows.1.0.b", "named.left.w", "named.left.b",
        "named.right.0.w", "named.right.0.b",
    ]  # fmt: skip


def test_a_layer_may_be_extended_by_super() -> None:
    class Twice(Dense):
        def build(self, shape: Any) -> Any:
            output = super().build(shape)
            self.gain = Parameter((), "ones")
            return output

        def forward(self, x: Any) -> Any:
            y, saved = super().forward(x)
            return 2 * y, saved

        def backward(self, dy: Any, saved: Any) -> Any:
            return super().backward(2 * dy, saved)

    layer = Twice(1, w_initializer=3.0)
    assert layer.build((None, 1), dtype="float64") == (None, 1)
    assert list(layer.named_parameters()) == ["w", "b", "gain"]
    y, saved = layer.forward(np.array([[5.0]]))
    assert (y.tolist(), layer.backward(np.array([[1.0]]), saved).tolist()) == ([[30]], [[6]])
    assert layer.w.grad.tolist() == [[10]]
    assert layer.build((None, None, 1)) == (None, None, 1)
