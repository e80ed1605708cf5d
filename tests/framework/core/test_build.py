"""Building: all or nothing, from a seed, with stable names."""

import threading
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Layer, Parameter, Sequential
from lamina.core.build import find_dtype
from lamina.errors import ArgumentError, BackendError, DTypeError, LaminaError, NotBuiltError, ShapeError
from lamina.initializers import Initializer, Normal
from lamina.layers import Dense, SimpleRNN


class Late(Layer):
    """Made with a Parameter before it is built."""

    def __init__(self) -> None:
        self.scale = Parameter((2,), "ones")

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        return x * self.scale.data, x

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy * self.scale.data


def model() -> Sequential:
    return Sequential(SimpleRNN(4), Dense(3))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (None, "float32"),
        ("float64", "float64"),
        (np.float64, "float64"),
        (np.dtype("float32"), "float32"),
        (float, "float64"),
    ],
)
def test_a_dtype_may_be_a_name_or_numpys(dtype: Any, name: str) -> None:
    assert find_dtype(dtype) == name


@pytest.mark.parametrize("dtype", ["float16", "int32", "f4", "", np.float16, np.int64, bool, object(), 3])
def test_another_dtype_is_refused(dtype: Any) -> None:
    layer = Dense(2)
    with pytest.raises(DTypeError, match=r"^dtype: expected 'float32' or 'float64', got .+$"):
        layer.build((None, 3), dtype=dtype)
    assert not layer.is_built


def test_float16_is_named_in_the_message() -> None:
    with pytest.raises(DTypeError) as caught:
        find_dtype("float16")
    assert str(caught.value) == "dtype: expected 'float32' or 'float64', got 'float16'"


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, (1, 2), np.random.default_rng(0)])
def test_a_bad_seed_is_refused(seed: Any) -> None:
    layer = Dense(2)
    with pytest.raises(ArgumentError) as caught:
        layer.build((None, 3), seed=seed)
    assert str(caught.value) == f"Dense: expected seed to be a whole number of 0 or more, got {seed!r}"
    assert not layer.is_built


@pytest.mark.parametrize("part", [Dense(2), Sequential(Dense(2)), lamina.Concat()])
def test_building_without_a_shape_is_refused(part: Layer) -> None:
    with pytest.raises(ShapeError, match=r": expected a shape such as \(None, None, 12\), got none$"):
        part.build()


def test_an_unpacked_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"^Sequential: expected a shape such as \(None, None, 12\), got None$"):
        model().build(None, None, 12)


def test_weights_are_drawn_in_the_order_of_the_parameters_from_one_generator() -> None:
    built = Sequential(
        SimpleRNN(2, w_x_initializer=Normal(1.0), w_h_initializer=Normal(2.0)), Dense(1, w_initializer="normal")
    )
    built.build((None, None, 3), dtype="float64", seed=5)
    rng = np.random.default_rng(5)
    expected = [
        rng.standard_normal((3, 2)),
        2 * rng.standard_normal((2, 2)),
        np.zeros(2),
        0.05 * rng.standard_normal((2, 1)),
    ]
    for parameter, values in zip(built.parameters(), expected, strict=False):
        assert parameter.data.tolist() == values.tolist()


def test_the_same_seed_gives_the_same_bits_on_every_backend_and_in_both_dtypes() -> None:
    states = []
    for backend in ("numpy", "reference"):
        for dtype in ("float64", "float32"):
            built = model()
            built.build((None, None, 2), backend=backend, dtype=dtype, seed=np.int64(7))
            states.append(built.state_dict())
    for name, values in states[0].items():
        assert states[2][name].tobytes() == values.tobytes()
        assert states[1][name].tobytes() == states[3][name].tobytes() == values.astype("float32").tobytes()


def test_without_a_seed_weights_differ_from_run_to_run() -> None:
    draws = []
    for _ in range(2):
        layer = Dense(3)
        layer.build((None, 3))
        draws.append(layer.w.numpy())
    assert (draws[0] != draws[1]).all()


def test_all_parameters_of_a_model_lie_in_one_buffer_in_order() -> None:
    built = model()
    built.build((None, None, 2))
    parameters = built.parameters()
    assert len({id(parameter.storage) for parameter in parameters}) == 1
    assert [parameter.offset for parameter in parameters] == [0, 8, 24, 28, 40]
    storage = parameters[0].storage
    assert storage is not None
    assert storage.data.size == storage.grad.size == 43 == built.parameter_count
    storage.data[:] = np.arange(43)
    assert np.concatenate([parameter.data.ravel() for parameter in parameters]).tolist() == list(range(43))


class Broken(Initializer):
    def __call__(self, shape: Any, rng: Any) -> Any:
        raise ArgumentError("broken initializer")


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (
            lambda: SimpleRNN(2),
            r"^SimpleRNN '1\.1': expected \(batch, time, features\), got \(batch, 4\): SimpleRNN ",
        ),
        (lambda: Dense(2, b_initializer=Broken()), "^broken initializer$"),
        (lambda: Dense(2, b_initializer="orthogonal"), "^Orthogonal: expected a shape of two axes or more"),
    ],
)
def test_a_build_that_fails_leaves_nothing_built(last: Any, message: str) -> None:
    late = Late()
    broken = (
        Sequential(Dense(2), Sequential(SimpleRNN(4), last()))
        if "SimpleRNN" in message
        else Sequential(Dense(2), late, last())
    )
    with pytest.raises(LaminaError, match=message):
        broken.build((None, None, 2) if "SimpleRNN" in message else (None, 2), seed=0)
    assert [layer.is_built for _, layer in broken.walk()] == [False] * len(list(broken.walk()))
    assert all(parameter.storage is None for parameter in broken.named_parameters().values())
    with pytest.raises(NotBuiltError):
        broken.parameters()
    # What was part of the failure can be built elsewhere, from first values of its own.
    assert late.build((None, 2), dtype="float64") == (None, 2)
    assert late.scale.data.tolist() == [1, 1]


def test_after_a_failed_build_the_same_model_can_be_built_otherwise() -> None:
    part = Sequential(Dense(4), Dense(2))
    with pytest.raises(ShapeError, match=r"^Dense '0': expected a fixed size of axis 2, got \(batch, time, \?\)$"):
        part.build((None, None, None))
    assert part.build((None, 3), seed=0) == (None, 2)
    assert part(np.ones((1, 3))).shape == (1, 2)


def test_building_again_keeps_weights_and_tells_the_shape() -> None:
    built = Sequential(SimpleRNN(4, return_sequences=True), Dense(3))
    assert built.build((None, None, 2), dtype="float64", seed=0) == (None, None, 3)
    before = built.state_dict()
    assert built.build((None, 7, 2)) == (None, 7, 3)
    assert (built.dtype, built.input_shapes) == ("float64", ((None, None, 2),))
    assert all((values == before[name]).all() for name, values in built.state_dict().items())


def test_building_a_part_again_renames_nothing() -> None:
    built = Sequential(Dense(2), Dense(2))
    built.build((None, 2))
    assert built[1].build((None, None, 2)) == (None, None, 2)
    assert [parameter.name for parameter in built.parameters()] == ["0.w", "0.b", "1.w", "1.b"]
    assert built[1].label == "Dense '1'"


def test_a_built_layer_keeps_its_weights_in_a_new_model() -> None:
    encoder = SimpleRNN(4)
    encoder.build((None, None, 2), seed=0)
    before = encoder.w_x.numpy()
    outer = Sequential(encoder, Dense(3))
    outer.build((None, None, 2), seed=1)
    assert (encoder.w_x.numpy() == before).all()
    assert list(outer.named_parameters()) == [parameter.name for parameter in outer.parameters()]
    assert encoder.w_x.name == "0.w_x"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"backend": "reference"},
            BackendError,
            "Dense '0': built on backend 'numpy', but this model is being built on 'reference': "
            "move it with layer.to('reference') first",
        ),
        ({"dtype": "float64"}, DTypeError, "Dense '0': built with dtype float32, but this model's is float64"),
    ],
)
def test_a_built_layer_is_not_taken_into_a_model_that_lives_elsewhere(
    settings: dict[str, str], error: type[Exception], message: str
) -> None:
    layer = Dense(2)
    layer.build((None, 2), backend="numpy")
    outer = Sequential(layer, Dense(3))
    with pytest.raises(error) as caught:
        outer.build((None, 2), **settings)
    assert str(caught.value) == message
    assert (layer.is_built, outer.is_built, outer[1].is_built) == (True, False, False)


def test_a_layer_in_a_second_place_must_fit_there() -> None:
    layer = Dense(3)
    with pytest.raises(ShapeError) as caught:
        Sequential(layer, layer).build((None, 2))
    assert str(caught.value) == (
        "Dense '0': already built for input (None, 2); input (None, 3) would change 'w' from (2, 3) to (3, 3)"
    )
    assert not layer.is_built
    assert Sequential(layer, Dense(2), layer).build((None, 2)) == (None, 3)


def test_builds_in_several_threads_do_not_meet() -> None:
    states: dict[int, Any] = {}

    def build(seed: int) -> None:
        built = Sequential(*(Dense(4) for _ in range(20)))
        built.build((None, 4), dtype="float64" if seed % 2 else "float32", seed=seed)
        states[seed] = (built.dtype, built.state_dict())

    threads = [threading.Thread(target=build, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = dict(states)
    for seed in range(6):
        build(seed)
        dtype, values = together[seed]
        assert dtype == states[seed][0] == ("float64" if seed % 2 else "float32")
        assert all((values[name] == array).all() for name, array in states[seed][1].items())


def test_another_number_of_inputs_is_a_shape_that_does_not_fit() -> None:
    for layer, shapes, message in (
        (Dense(2), [(None, 2)] * 2, "Dense: expected 1 input, got 2"),
        (lamina.Sequential(Dense(2)), [(None, 2)] * 3, "Dense '0': expected 1 input, got 3"),
        (lamina.layers.Attention(1), [(None, 3, 2)], "Attention: expected 2 inputs, got 1"),
    ):
        with pytest.raises(ShapeError) as caught:
            layer.build(*shapes)
        assert str(caught.value) == message


def test_a_type_error_of_a_layers_own_stays_what_it_is() -> None:
    class Wrong(lamina.Layer):
        def build(self, shape):
            return shape + 1

    with pytest.raises(TypeError, match="concatenate"):
        Wrong().build((None, 2))


@pytest.mark.parametrize("shape", [(None, 2**31), (None, 10**400), (None, *[1] * 32), (None, True), (None, 2.0)])
def test_a_shape_that_no_array_has_is_refused(shape) -> None:
    with pytest.raises(ShapeError, match=r"^Tanh: expected a shape such as"):
        lamina.layers.Tanh().build(shape)


@pytest.mark.parametrize("shape", [(2**30, 2**30), (2**62,), (-1,), (True,), (2.0,), [10**400]])
def test_a_parameter_that_no_memory_holds_is_refused(shape) -> None:
    with pytest.raises(ShapeError, match=r"^Parameter: expected "):
        lamina.Parameter(shape)


def test_weights_that_no_memory_holds_together_are_refused() -> None:
    model = lamina.Sequential(*[Dense(2**29) for _ in range(5)])
    with pytest.raises(ShapeError, match=r"^build: expected fewer than \d+ weights, got \d+$"):
        model.build((None, 2**29))
    assert not model.is_built
