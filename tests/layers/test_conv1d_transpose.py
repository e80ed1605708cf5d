"""Conv1DTranspose as a layer; its kernels are proven in backends, and beside PyTorch's in parity."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, StreamError, UnknownNameError
from lamina.layers import Conv1DTranspose, LastStep

X = np.array([[[1.0], [2.0], [4.0]]])
X.flags.writeable = False


def built(*arguments: Any, backend: str = "numpy", features: int = 1, **settings: Any) -> Conv1DTranspose:
    layer = Conv1DTranspose(*arguments, **settings)
    layer.build((None, None, features), backend=backend, dtype="float64", seed=0)
    return layer


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    ("settings", "y"),
    [
        # The weights are 1, 10 and 100: a window, the first step to the left.
        ({"padding": "valid"}, [1, 12, 124, 240, 400]),
        ({}, [12, 124, 240]),
        ({"padding": "causal"}, [1, 12, 124]),
        ({"padding": 1}, [12, 124, 240]),
        ({"padding": (0, 3)}, [1, 12]),
        ({"stride": 2, "padding": "valid"}, [1, 10, 102, 20, 204, 40, 400]),
        ({"stride": 2}, [10, 102, 20, 204, 40, 400]),
        ({"stride": 2, "padding": "causal"}, [1, 10, 102, 20, 204, 40]),
        ({"stride": 2, "padding": "valid", "output_padding": 1}, [1, 10, 102, 20, 204, 40, 400, 0]),
        ({"dilation": 2, "padding": 2}, [14, 20, 140]),
        ({"stride": 4}, [10, 100, 0, 2, 20, 200, 0, 4, 40, 400, 0, 0]),
    ],
    ids=str,
)
def test_by_hand(backend: str, settings: Any, y: Any) -> None:
    layer = built(1, 3, backend=backend, **settings)
    layer.w.data = [[[1]], [[10]], [[100]]]
    assert layer(X)[0, :, 0].tolist() == y
    assert layer.output_lengths(np.array([3, 0])).tolist() == [len(y), 0]  # type: ignore[union-attr]
    assert Conv1DTranspose(1, 3, **settings).build((None, 3, 1)) == (None, len(y), 1)


def test_the_bias_stands_where_no_window_does_too_but_not_past_the_end() -> None:
    layer = built(1, 1, stride=3, w_initializer="ones", b_initializer="ones")
    assert layer(X, lengths=[2])[0, :, 0].tolist() == [2, 1, 1, 3, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding": "causal", "dilation": 2},
        {"padding": "valid", "stride": 2},
        {"padding": (2, 3), "stride": 3},
        {"padding": 4, "groups": 2},
    ],
    ids=str,
)
def test_each_row_gives_what_it_gives_alone(settings: Any, backend: str) -> None:
    layer = built(4, 3, features=2, backend=backend, **settings)
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
        own: Any = layer.backward(dy[row : row + 1, :count], saved)
        np.testing.assert_allclose(dx[row, :length], own[0], rtol=1e-12, atol=1e-14)  # type: ignore[index]
        assert not y[row, count:].any()
        assert not dx[row, length:].any()  # type: ignore[index]
    np.testing.assert_allclose(layer.w.grad, dw, rtol=1e-12)
    np.testing.assert_allclose(layer.b.grad, db, rtol=1e-12)  # type: ignore[union-attr]


def test_a_layer_above_reads_the_lengths_of_the_output() -> None:
    model = Sequential(Conv1DTranspose(2, 3, stride=2), LastStep())
    model.build((None, None, 1), dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 9, 1))
    np.testing.assert_allclose(model(x, lengths=[6, 9])[0], model(x[:1, :6])[0], rtol=1e-13)


@pytest.mark.parametrize("stride", [1, 3])
def test_no_output_knows_of_later_steps_where_causal(stride: int) -> None:
    layer, later = built(4, 5, padding="causal", stride=stride), X.copy()
    later[:, 2:] = 99
    same = layer(X) == layer(later)
    assert same[:, : 2 * stride].all()
    assert not same[:, 2 * stride :].any()


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((0, 3), {}, "expected units to be a whole number of 1 or more, got 0"),
        ((4, 3), {"groups": 3}, "expected units that groups=3 divides, got 4"),
        ((4, 3), {"padding": -1}, "expected padding to be a whole number of 0 or more, got -1"),
        (
            (4, 3),
            {"padding": 1, "stride": 2, "output_padding": 2},
            "expected output_padding to be 1 or less with padding=1, stride=2 and dilation=1, got 2",
        ),
        (
            (4, 3),
            {"stride": 2, "output_padding": 1},
            "expected output_padding to be 0 or less with padding='same', stride=2 and dilation=1, got 1",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments: Any, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Conv1DTranspose(*arguments, **settings)
    assert str(caught.value) == f"Conv1DTranspose: {message}"


def test_an_unknown_padding_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Conv1DTranspose(4, 3, padding="casual")
    assert str(caught.value).startswith("unknown padding of Conv1DTranspose 'casual': did you mean 'causal'?")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, 2), "expected (batch, time, features), got (batch, 2)"),
        ((None, None, None), "expected a fixed size of axis 2, got (batch, time, ?)"),
        ((None, None, 3), "expected features that groups=2 divides, got (batch, time, 3)"),
        ((None, 2, 2), "expected at least 3 time steps, got (batch, 2, 2)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Conv1DTranspose(4, 3, padding=2, groups=2).build(shape)
    assert str(caught.value) == f"Conv1DTranspose: {message}"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"stride": 2}, "stride=2: it gives 2 outputs for every step"),
        ({}, "padding='same': an output needs 1 later step"),
        ({"dilation": 2}, "padding='same': an output needs 3 later steps"),
        ({"padding": "valid"}, "padding='valid': a row has more outputs than steps, by 3"),
        ({"padding": (0, 4)}, "padding=(0, 4): a row has no output for 1 of its steps"),
    ],
    ids=str,
)
def test_what_cannot_stream_says_why(settings: Any, why: str) -> None:
    with pytest.raises(StreamError) as caught:
        lamina.Stream(built(2, 4, **settings))
    assert str(caught.value) == f"Conv1DTranspose: cannot stream with {why}"


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [5, 0, 3]], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"padding": "causal", "stride": 2}, {"padding": (1, 0), "groups": 2, "dilation": 2}, {"use_bias": False}],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, backend: str
) -> None:
    layer = built(4, 2, features=2, backend=backend, **settings)
    prove_gradients(layer, np.random.default_rng(0).standard_normal((3, 5, 2)), lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of Conv1D.
    assert defaults(Conv1DTranspose) == {
        "stride": 1,
        "padding": "same",
        "output_padding": 0,
        "dilation": 1,
        "groups": 1,
        "use_bias": True,
        "w_initializer": "glorot_uniform",
        "b_initializer": "zeros",
    }


@pytest.mark.parametrize("padding", [2, (3, 1), (0, 7), (10, 10)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3])
def test_the_steps_that_it_asks_for_are_the_fewest_that_will_do(padding, stride, size):
    with pytest.raises(ShapeError) as caught:
        Conv1DTranspose(1, size, stride=stride, padding=padding).build((None, 1, 1))
        pytest.skip("one step is enough")
    least = int(str(caught.value).split("at least ")[1].split()[0])
    Conv1DTranspose(1, size, stride=stride, padding=padding).build((None, least, 1))
    with pytest.raises(ShapeError):
        Conv1DTranspose(1, size, stride=stride, padding=padding).build((None, least - 1, 1))


def test_a_padding_of_billions_is_refused_at_once():
    with pytest.raises(ShapeError, match=r"^Conv1DTranspose: expected at least 4294967295 time steps, "):
        Conv1DTranspose(1, 1, padding=2**31 - 1).build((None, 4, 1))
