"""Past a row's end a model's output is 0 and no gradient comes in, for every layer and every way to run it.

The right value of the valid steps: each row alone, cut to its length.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Layer, Residual, Sequential
from lamina.core.lengths import lengths_after, read_lengths, require_one_length, zero_past_ends
from lamina.errors import DTypeError, LaminaError, ShapeError, StreamError
from lamina.kinds.random import fixed_draws
from lamina.layers import GRU, BatchNorm, Dense, LayerNorm, PositionalEncoding, Sigmoid
from lamina.testing.cases.every import layer_cases

RNG = np.random.default_rng(0)
# Rows of a batch are no rows alone for these, in training; they draw, or share statistics.
TOGETHER = {"BatchNorm", "Dropout", "RecurrentDropout"}


def has_time(case: Any) -> bool:
    first = (case.inputs or ((4, 5, 3),))[0]
    sequence = (
        len(first) > 2 if isinstance(first, tuple) else np.ndim(first) == 2 and np.asarray(first).dtype.kind == "i"
    )
    return sequence and not case.options.get("state") and case.options.get("lengths") is not False


CASES = [case for case in layer_cases() if has_time(case)]
ALONE = [case for case in CASES if type(case.make()).__name__ not in TOGETHER and "dropout" not in case.name.lower()]


def values_of(case: Any) -> list[Any]:
    return [RNG.standard_normal(one) if isinstance(one, tuple) else np.array(one) for one in case.inputs or [(4, 5, 3)]]


def built(case: Any, backend: str) -> tuple[Any, list[Any], Any]:
    layer, values = case.make(), values_of(case)
    layer.build(*(value.shape for value in values), dtype="float64", seed=0, backend=backend)
    count, time = values[0].shape[:2]
    return layer, values, (np.arange(count) * 2 + 1) % time + (time > 1)


def each(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def timed(layer: Any, lengths: Any, outputs: Any) -> list[tuple[Any, Any]]:
    after = lengths_after(layer, lengths)
    own = after if isinstance(after, tuple) else (after,) * len(each(outputs))
    return [(y, ends) for y, ends in zip(each(outputs), own, strict=True) if ends is not None and y.ndim > 2]


WAYS: dict[str, Any] = {
    "call": lambda layer, values, lengths, folder: layer(*values, lengths=lengths),
    "infer": lambda layer, values, lengths, folder: layer.infer(
        *(layer.as_input(value, index) for index, value in enumerate(values)), lengths=lengths
    ),
    "forward": lambda layer, values, lengths, folder: layer.forward(
        *(layer.as_input(value, index) for index, value in enumerate(values)), lengths=lengths
    )[0],
    "predict": lambda layer, values, lengths, folder: lamina.Trainer(layer).predict(
        tuple(values) if len(values) > 1 else values[0], lengths=lengths, batch_size=3
    ),
    "copy": lambda layer, values, lengths, folder: copy.deepcopy(layer)(*values, lengths=lengths),
    "saved": lambda layer, values, lengths, folder: saved_and_loaded(layer, folder)(*values, lengths=lengths),
}


def saved_and_loaded(layer: Any, folder: Path) -> Any:
    try:
        layer.save(folder / "layer.safetensors")
    except lamina.errors.CheckpointError:
        pytest.skip("not registered")
    return lamina.load(folder / "layer.safetensors", backend=layer.backend)


@pytest.mark.parametrize(("backend", "way"), [*(("numpy", way) for way in WAYS), ("reference", "forward")])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outputs_are_0_past_each_rows_end(case: Any, way: str, backend: str, tmp_path: Path) -> None:
    layer, values, lengths = built(case, backend)
    got = WAYS[way](layer, values, lengths, tmp_path)
    for y, ends in timed(layer, lengths, got):
        assert not np.asarray(y)[np.arange(y.shape[1]) >= np.asarray(ends)[:, None]].any()


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_a_gradient_from_past_the_end_goes_nowhere(case: Any, backend: str) -> None:
    layer, values, lengths = built(case, backend)
    arrays = [layer.as_input(value, index) for index, value in enumerate(values)]

    def gradients(garbage: float) -> list[Any]:
        layer.zero_grad()
        with fixed_draws(0):
            y, saved = layer.forward(*arrays, lengths=lengths)
        after = lengths_after(layer, lengths)
        own = after if isinstance(after, tuple) else (after,) * len(each(y))
        dy = []
        for one, ends in zip(each(y), own, strict=True):
            gradient = np.cos(np.arange(one.size, dtype=one.dtype)).reshape(one.shape)
            if ends is not None and one.ndim > 2:
                gradient[np.arange(one.shape[1]) >= np.asarray(ends)[:, None]] = garbage
            dy.append(layer.backend.asarray(gradient))
        dx = each(layer.backward(tuple(dy) if isinstance(y, tuple) else dy[0], saved))
        return [one for one in dx if one is not None] + [one.grad.copy() for one in layer.parameters()]

    for got, expected in zip(gradients(1e6), gradients(0.0), strict=True):
        np.testing.assert_array_equal(got, expected)


UNPADDED: dict[str, Any] = {
    "Dense": lambda: Dense(3),
    "LayerNorm": LayerNorm,
    "Sigmoid": Sigmoid,
    "Residual": lambda: Residual(Dense(3)),
    "PositionalEncoding": PositionalEncoding,
    "mixed": lambda: Sequential(Dense(3), Residual(GRU(3, return_sequences=True)), LayerNorm(), Sigmoid()),
}


@pytest.mark.parametrize("name", UNPADDED)
def test_a_gradient_from_past_the_end_of_a_streams_piece_goes_nowhere(name: str) -> None:
    model = UNPADDED[name]()
    model.build((None, None, 3), dtype="float64", seed=0)
    x, lengths = RNG.standard_normal((3, 5, 3)), np.array([2, 5, 0])
    dy = RNG.standard_normal((3, 5, 3))
    past = np.arange(5) >= lengths[:, None]

    def gradients(garbage: float) -> list[Any]:
        model.zero_grad()
        _, _, saved = model.stream(x, lengths=lengths, training=True)
        given = np.where(past[..., None], garbage, dy)
        return [model.backward(given, saved), *(one.grad.copy() for one in model.parameters())]

    for got, expected in zip(gradients(1e6), gradients(0.0), strict=True):
        assert expected.any()
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", UNPADDED)
def test_the_layers_that_know_of_no_padding_make_models_that_do(name: str) -> None:
    model = UNPADDED[name]()
    model.build((None, None, 3), dtype="float64", seed=0)
    x, lengths = RNG.standard_normal((3, 5, 3)), np.array([2, 5, 0])
    y, saved = model.forward(x, lengths=lengths)
    dy = RNG.standard_normal(y.shape)
    dx = model.backward(dy, saved)
    whole = [parameter.grad.copy() for parameter in model.parameters()]
    model.zero_grad()
    for row, length in enumerate(lengths):
        assert not y[row, length:].any()
        assert not dx[row, length:].any()
        if length:
            own, state = model.forward(x[row : row + 1, :length])
            np.testing.assert_allclose(y[row, :length], own[0], rtol=1e-12)
            np.testing.assert_allclose(
                dx[row, :length], model.backward(dy[row : row + 1, :length], state)[0], rtol=1e-9, atol=1e-12
            )
    for got, parameter in zip(whole, model.parameters(), strict=True):
        np.testing.assert_allclose(got, parameter.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stream_gives_0_past_each_rows_end(case: Any) -> None:
    layer, values, lengths = built(case, "numpy")
    try:
        layer = case.make()
        opened = [(None, None, *value.shape[2:]) for value in values]
        layer.build(*opened, dtype="float64", seed=0)
        stream = lamina.Stream(layer)
        got = stream(*values, lengths=lengths)
    except (StreamError, LaminaError) as error:
        pytest.skip(str(error))
    for y, ends in timed(layer, lengths, got):
        assert not y[np.arange(y.shape[1]) >= np.asarray(ends)[:, None]].any()


def test_the_ends_of_a_model_are_those_of_its_outermost_call() -> None:
    """Within, a layer may give anything there: it is looked at by layers that know its lengths, or at the end."""
    seen = []

    class Looking(Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            seen.append(x.copy())
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy

    model = Sequential(Dense(2, b_initializer="ones"), Looking())
    model.build((None, None, 3), dtype="float64", seed=0)
    y = model(np.ones((1, 3, 3)), lengths=[1])
    assert seen[0][0, 1:].any()
    assert not y[0, 1:].any()


def test_statistics_are_of_the_valid_steps_alone() -> None:
    layer = BatchNorm(momentum=1.0)
    layer.build((None, None, 3), dtype="float64")
    x, lengths = RNG.standard_normal((4, 5, 3)), np.array([2, 5, 0, 1])
    layer.forward(x, lengths=lengths)
    valid = np.concatenate([x[row, :length] for row, length in enumerate(lengths)])
    np.testing.assert_allclose(layer.running_mean.numpy(), valid.mean(0), rtol=1e-12)


# The pieces.


def dense() -> Any:
    layer = Dense(2)
    layer.build((None, None, 3), dtype="float64", seed=0)
    return layer


@pytest.mark.parametrize(
    ("lengths", "error"), [([1], ShapeError), ([1, 9], ShapeError), ([0.5, 1], DTypeError), ([-1, 1], ShapeError)]
)
def test_lengths_that_do_not_fit_are_refused(lengths: Any, error: Any) -> None:
    with pytest.raises(error, match=r"^Dense: "):
        read_lengths(dense(), lengths, (np.zeros((2, 3, 3)),))


def test_lengths_need_a_time_axis() -> None:
    layer = Dense(2)
    layer.build((None, 3))
    with pytest.raises(ShapeError, match=r"^Dense: lengths need a time axis, got \(2, 3\)$"):
        layer(np.zeros((2, 3)), lengths=[1, 1])


def test_one_length_of_several_inputs() -> None:
    assert require_one_length("L", None) is None
    assert require_one_length("L", (None, None)) is None
    first = np.array([1, 2])
    assert require_one_length("L", (first, np.array([1, 2]))) is first
    assert require_one_length("L", (np.array([4, 4]), None), (4, 4)).tolist() == [4, 4]
    with pytest.raises(ShapeError, match=r"^L: expected inputs of the same lengths, got \[1, 2\] and \[2, 1\]$"):
        require_one_length("L", (first, np.array([2, 1])))
    with pytest.raises(ShapeError, match=r"^L: .* got \[1, 2\] and none, for full rows,$"):
        require_one_length("L", (first, None), (2, 2))
    for sizes in ((), (2,)):  # nor where nothing is known of how long the full rows are
        with pytest.raises(ShapeError, match=r"^L: .* got \[2, 2\] and none, for full rows,$"):
            require_one_length("L", (np.array([2, 2]), None), sizes)
    with pytest.raises(ShapeError, match=r"^L: .* got \[3, 3\] and none, for full rows,$"):
        require_one_length("L", (None, np.array([3, 3])), (2, 3))


def test_full_rows_are_left_as_they_are() -> None:
    layer, y = dense(), np.ones((2, 3, 2))
    assert zero_past_ends(layer, y, np.array([3, 3]))[0] is y
    zeroed, ends = zero_past_ends(layer, (y, y[:, 0]), (np.array([3, 1]), None))
    assert (zeroed[0][1, 1:].any(), zeroed[0][0].all(), zeroed[1] is not None) == (False, True, True)
    assert ends[1] is None
    assert y.all()  # nobody writes into an array already returned


def test_what_has_no_time_axis_is_left_as_it_is_whatever_the_layer_says_of_lengths() -> None:
    y = np.ones((2, 4))
    same, ends = zero_past_ends(dense(), y, np.array([1, 4]))
    assert same is y
    assert ends is None
