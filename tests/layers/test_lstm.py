"""LSTM as a layer; its kernels are proven in backends/test_lstm."""

import math
from typing import Any

import numpy as np
import pytest

from lamina import Sequential
from lamina.errors import ShapeError
from lamina.layers import LSTM

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def built(*arguments: Any, shapes: Any = ((None, None, 2),), **settings: Any) -> LSTM:
    layer = LSTM(*arguments, **settings)
    layer.build(*shapes, dtype="float64", seed=0)
    return layer


def test_two_steps_by_hand() -> None:
    layer = built(1, shapes=((None, None, 1),), return_state=True)
    # Gates side by side: i, f, g, o.
    layer.w_x.data, layer.w_h.data, layer.b.data = [[1, 2, 3, 4]], [[5, 6, 7, 8]], [0.1, 0.2, 0.3, 0.4]

    def sigmoid(a: float) -> float:
        return 1 / (1 + math.exp(-a))

    h, c = 0.0, 0.0
    for x in (0.5, -0.25):
        i, f = sigmoid(x + 5 * h + 0.1), sigmoid(2 * x + 6 * h + 0.2)
        g, o = math.tanh(3 * x + 7 * h + 0.3), sigmoid(4 * x + 8 * h + 0.4)
        c = f * c + i * g
        h = o * math.tanh(c)
    y, h_last, c_last = layer([[[0.5], [-0.25]]])
    np.testing.assert_allclose([y, h_last, c_last], [[[h]], [[h]], [[c]]], rtol=1e-14)


def test_parameters_and_their_first_values() -> None:
    layer = built(3)
    assert {name: parameter.shape for name, parameter in layer.named_parameters().items()} == {
        "w_x": (2, 12), "w_h": (3, 12), "b": (12,),
    }  # fmt: skip
    assert layer.b.data.tolist() == [0] * 3 + [1] * 3 + [0] * 6  # the forget gate is open
    np.testing.assert_allclose(layer.w_h.data @ layer.w_h.data.T, np.eye(3), atol=1e-12)
    assert list(built(3, use_bias=False).named_parameters()) == ["w_x", "w_h"]
    assert repr(layer) == "LSTM(3)"
    assert repr(LSTM(3, b_initializer="ones")) == "LSTM(3, b_initializer=Ones())"


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({}, (None, 3)),
        ({"return_sequences": True}, (None, None, 3)),
        ({"return_state": True}, ((None, 3), (None, 3), (None, 3))),
        ({"return_sequences": True, "return_state": True}, ((None, None, 3), (None, 3), (None, 3))),
    ],
)
def test_outputs(settings: Any, output: Any) -> None:
    layer = LSTM(3, **settings)
    assert layer.build((None, None, 2), dtype="float64", seed=0) == output
    every, h, c = built(3, return_sequences=True, return_state=True)(X, lengths=LENGTHS)
    got = layer(X, lengths=LENGTHS)
    expected = [every if settings.get("return_sequences") else h] + [h, c] * bool(settings.get("return_state"))
    for part, wanted in zip(got if isinstance(got, tuple) else (got,), expected, strict=True):
        assert (part == wanted).all()
    assert not every[0, 2:].any()
    assert (h[0] == every[0, 1]).all()


def test_both_states_are_handed_over_where_a_row_is_cut_in_two() -> None:
    layer = built(3, return_sequences=True, return_state=True)
    y, h, c = layer(X)
    first, *states = layer(X[:, :3])
    second, h_end, c_end = layer(X[:, 3:], *states)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), y, rtol=1e-13)
    np.testing.assert_allclose([h_end, c_end], [h, c], rtol=1e-13)
    assert (layer(X[:, 3:], c=states[1], h=states[0])[0] == second).all()
    model = Sequential(layer, LSTM(3))
    assert model.build((None, None, 2), dtype="float64") == (None, 3)


def test_initial_states_get_gradients() -> None:
    layer = built(3)
    y, saved = layer.forward(X, np.ones((3, 3)), np.ones((3, 3)), lengths=LENGTHS)
    dx, dh, dc = layer.backward(np.ones(y.shape), saved)
    assert (dx.shape, dh.shape, dc.shape) == (X.shape, (3, 3), (3, 3))
    assert (dh[1].tolist(), dc[1].tolist()) == ([1, 1, 1], [0, 0, 0])  # an empty row hands h through


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (lambda: (np.ones((3, 3)),), r"expected an initial state \(3, 3\), got None$"),
        (lambda: (None, np.ones((3, 3))), r"expected an initial state \(3, 3\), got None$"),
        (lambda: (np.ones((3, 3)), np.ones((3, 2))), r"expected an initial state \(3, 3\), got \(3, 2\)$"),
    ],
)
def test_states_come_together_and_fit(states: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"^LSTM: {message}"):
        built(3)(X, *states())
    with pytest.raises(
        ShapeError, match=r"^LSTM: expected initial states \(batch, 3\), \(batch, 3\), got \(batch, 3\)$"
    ):
        LSTM(3).build((None, None, 2), (None, 3))


def test_the_kernels_gradients_are_added_to_the_parameters() -> None:
    layer = built(3)
    y, saved = layer.forward(X)
    w_x, w_h, b = (parameter.data for parameter in layer.parameters())
    _, _, content = layer.kernel.forward(X, w_x, w_h, b, None, None, None)
    _, *expected, _ = layer.kernel.backward(None, y, None, content, w_x, w_h)
    for parameter in layer.parameters():
        parameter.grad += 1
    layer.backward(y, saved)
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        assert (parameter.grad == 1 + gradient).all()
        assert gradient.any()


@pytest.mark.parametrize("name", ["numpy", "reference", "numba"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_bias": False},
        {"return_sequences": True},
        {"return_sequences": True, "return_state": True, "go_backwards": True},
    ],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, name: str
) -> None:
    if name == "numba":
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    layer = LSTM(2, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, lengths=lengths)
    prove_gradients(layer, X, *[np.full((3, 2), 0.25)] * 2, lengths=lengths)


@pytest.mark.parametrize("name", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, [3, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_with_a_projection(prove_gradients: Any, lengths: Any, name: str) -> None:
    layer = LSTM(3, projection=2, return_sequences=True)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, lengths=lengths)
    prove_gradients(layer, X, np.full((3, 2), 0.25), np.full((3, 3), 0.25), lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [1, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    layer = built(2, return_sequences=True)
    state = layer.stream(X[:, :2])[1]
    prove_gradients(layer, X[:, 2:], state=state, stream=True, lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's: the forget gate's bias begins at 1 (Jozefowicz et al., 2015).
    assert defaults(LSTM) == {
        "projection": None,
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "recurrent_dropout": 0.0,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "w_p_initializer": "glorot_uniform",
        "b_initializer": "Side([Zeros(), Ones(), Zeros(), Zeros()])",
    }
