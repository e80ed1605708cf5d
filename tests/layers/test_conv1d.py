"""Conv1D as a layer; its kernels are proven in backends/test_convolution."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.layers import Conv1D, LastStep

X = np.array([[[1.0], [2.0], [4.0], [8.0]]])
X.flags.writeable = False


def built(*arguments: Any, backend: str = "numpy", features: int = 1, **settings: Any) -> Conv1D:
    layer = Conv1D(*arguments, **settings)
    layer.build((None, None, features), backend=backend, dtype="float64", seed=0)
    return layer


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    ("settings", "y"),
    [
        # The weights are 1, 10 and 100, in the order of time.
        ({}, [210, 421, 842, 84]),
        ({"padding": "causal"}, [100, 210, 421, 842]),
        ({"padding": "valid"}, [421, 842]),
        ({"stride": 2}, [210, 842]),
        ({"dilation": 2}, [410, 820, 41, 82]),
        ({"padding": "causal", "dilation": 2}, [100, 200, 410, 820]),
        ({"padding": 1}, [210, 421, 842, 84]),
        ({"padding": (3, 0), "stride": 2}, [0, 210, 842]),
        ({"padding": [0, 1]}, [421, 842, 84]),  # as a file holds a pair
    ],
)
def test_by_hand(backend: str, settings: Any, y: Any) -> None:
    layer = built(1, 3, backend=backend, **settings)
    layer.w.data = [[[1]], [[10]], [[100]]]
    assert layer(X)[0, :, 0].tolist() == y


def test_parameters_are_shaped_as_keras_stores_them() -> None:
    layer = built(4, 3, features=2)
    shapes = {name: parameter.shape for name, parameter in layer.named_parameters().items()}
    assert shapes == {"w": (3, 2, 4), "b": (4,)}
    assert list(built(4, 3, use_bias=False).named_parameters()) == ["w"]
    assert np.abs(layer.w.numpy()).max() <= (6 / (3 * 2 + 3 * 4)) ** 0.5  # glorot_uniform


@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_each_row_gives_what_it_gives_alone(padding: str, stride: int, dilation: int, backend: str) -> None:
    layer = built(4, 3, features=2, padding=padding, stride=stride, dilation=dilation, backend=backend)
    layer.b.data = np.arange(1.0, 5)  # type: ignore[union-attr]
    x, lengths = np.random.default_rng(0).standard_normal((5, 9, 2)), np.array([9, 0, 1, 5, 7])
    padded = np.where(np.arange(9)[None, :, None] < lengths[:, None, None], x, np.nan)
    y, saved = layer.forward(padded, lengths=lengths)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx = layer.backward(dy, saved)
    dw, db = layer.w.grad.copy(), layer.b.grad.copy()  # type: ignore[union-attr]
    layer.zero_grad()
    counts = layer.output_lengths(lengths)
    assert counts is not None
    for row, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        alone, saved = layer.forward(x[row : row + 1, :length])
        assert alone.shape == (1, count, 4)
        np.testing.assert_allclose(y[row, :count], alone[0], rtol=1e-12)
        own = layer.backward(dy[row : row + 1, :count], saved)
        np.testing.assert_allclose(dx[row, :length], own[0], rtol=1e-12, atol=1e-14)
        assert not y[row, count:].any()
        assert not dx[row, length:].any()
    np.testing.assert_allclose(layer.w.grad, dw, rtol=1e-12)
    np.testing.assert_allclose(layer.b.grad, db, rtol=1e-12)  # type: ignore[union-attr]


def test_a_layer_above_reads_the_lengths_of_the_output() -> None:
    model = Sequential(Conv1D(2, 3, padding="valid", stride=2), LastStep())
    model.build((None, None, 1), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 9, 1))
    np.testing.assert_allclose(model(x, lengths=[6, 9])[0], model(x[:1, :6])[0], rtol=1e-13)


def test_no_output_knows_of_later_steps_where_causal() -> None:
    layer, later = built(4, 3, padding="causal", dilation=2), X.copy()
    later[:, 2:] = 99
    assert (layer(X)[:, :2] == layer(later)[:, :2]).all()


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((0, 3), {}, "expected units to be a whole number of 1 or more, got 0"),
        ((4, "3"), {}, "expected kernel_size to be a whole number of 1 or more, got '3'"),
        ((4, 3), {"stride": 0}, "expected stride to be a whole number of 1 or more, got 0"),
        ((4, 3), {"dilation": -1}, "expected dilation to be a whole number of 1 or more, got -1"),
        ((4, 3), {"groups": 0}, "expected groups to be a whole number of 1 or more, got 0"),
        ((4, 3), {"groups": 3}, "expected units that groups=3 divides, got 4"),
        ((4, 3), {"padding": -1}, "expected padding to be a whole number of 0 or more, got -1"),
        (
            (4, 3),
            {"padding": (1, 2, 3)},
            "expected padding to be one of 'causal', 'same', 'valid', a whole number of 0 or more or a pair of them, "
            "got (1, 2, 3)",
        ),
    ],
)
def test_sizes_that_are_none_are_refused(arguments: Any, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Conv1D(*arguments, **settings)
    assert str(caught.value) == f"Conv1D: {message}"


def test_an_unknown_padding_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Conv1D(4, 3, padding="casual")
    assert str(caught.value) == "unknown padding of Conv1D 'casual': did you mean 'causal'? Known: causal, same, valid"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, 2), "expected (batch, time, features), got (batch, 2)"),
        ((None, None, None), "expected a fixed size of axis 2, got (batch, time, ?)"),
        ((None, 4, 2), "expected at least 5 time steps, got (batch, 4, 2)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Conv1D(4, 3, padding="valid", dilation=2).build(shape)
    assert str(caught.value) == f"Conv1D: {message}"


def test_features_that_the_groups_cannot_share_are_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        Conv1D(4, 3, groups=2).build((None, None, 3))
    assert str(caught.value) == "Conv1D: expected features that groups=2 divides, got (batch, time, 3)"


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_groups_are_layers_side_by_side(backend: str) -> None:
    layer = built(6, 3, features=4, groups=2, backend=backend)
    layer.b.data = np.arange(6.0)  # type: ignore[union-attr]
    assert (layer.w.shape, layer.kernel.name) == ((3, 2, 6), "grouped_conv1d")
    x = np.random.default_rng(0).standard_normal((2, 5, 4))
    parts = []
    for group in range(2):
        own = built(3, 3, features=2, backend=backend)
        own.w.data = layer.w.numpy()[..., 3 * group : 3 * group + 3]
        own.b.data = layer.b.numpy()[3 * group : 3 * group + 3]  # type: ignore[union-attr]
        parts.append(own(x[..., 2 * group : 2 * group + 2]))
    np.testing.assert_allclose(layer(x), np.concatenate(parts, -1), rtol=1e-13)


def test_a_pair_of_numbers_is_saved(tmp_path: Any) -> None:
    layer = built(4, 3, features=2, padding=(1, 3), groups=2)
    layer.save(tmp_path / "model")
    again: Any = lamina.load(tmp_path / "model")
    assert repr(again) == repr(layer) == "Conv1D(4, 3, padding=(1, 3), groups=2)"
    x = np.ones((2, 5, 2))
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [5, 0, 3]], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": "causal"},
        {"padding": "valid", "stride": 2},
        {"dilation": 2, "padding": "causal"},
        {"stride": 3, "dilation": 2},
        {"padding": (2, 1), "stride": 2},
        {"use_bias": False},
    ],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, backend: str
) -> None:
    layer = built(3, 2, features=2, backend=backend, **settings)
    prove_gradients(layer, np.random.default_rng(0).standard_normal((3, 5, 2)), lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [4, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    layer = built(3, 3, features=2, padding="causal", dilation=2)
    x = np.random.default_rng(0).standard_normal((3, 7, 2))
    state = layer.stream(x[:, :3])[1]
    prove_gradients(layer, x[:, 3:], state=state, stream=True, lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's, but for the padding: the time axis stays as long as it is, which lengths and targets count on.
    assert defaults(Conv1D) == {
        "stride": 1,
        "padding": "same",
        "dilation": 1,
        "groups": 1,
        "use_bias": True,
        "w_initializer": "glorot_uniform",
        "b_initializer": "zeros",
    }


def test_a_window_of_one_step_streams_without_a_state_whatever_stands_past_a_rows_end() -> None:
    layer = Conv1D(2, 1, padding="causal")
    layer.build((None, None, 3), dtype="float64", seed=0)
    layer.b.data = np.ones(2)
    x, lengths = np.random.default_rng(0).standard_normal((3, 4, 3)), np.array([1, 4, 0])
    x[np.arange(4) >= lengths[:, None]] = np.nan
    state = layer.stream_state(3)
    assert state == ()
    y, _, saved = layer.stream(x, state=state, lengths=lengths, training=True)
    np.testing.assert_array_equal(y, layer(x, lengths=lengths))
    assert (y[0, 1:] == 0).all()
    dx = layer.backward(np.ones(y.shape), saved)
    assert (layer.b.grad == 5).all()
    assert (dx[0, 1:] == 0).all()
    np.testing.assert_allclose(layer.w.grad[0, :, 0], x[0, 0] + x[1].sum(0), rtol=1e-14)
