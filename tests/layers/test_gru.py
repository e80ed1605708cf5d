"""GRU as a layer; its kernels are proven in backends/test_gru."""

import math
from typing import Any

import numpy as np
import pytest

from lamina.layers import GRU

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def built(*arguments: Any, features: int = 2, **settings: Any) -> GRU:
    layer = GRU(*arguments, **settings)
    layer.build((None, None, features), dtype="float64", seed=0)
    return layer


@pytest.mark.parametrize("after", [True, False])
def test_two_steps_by_hand(after: bool) -> None:
    layer = built(1, features=1, reset_after=after)
    # Gates side by side: r, z, n.
    layer.w_x.data, layer.w_h.data, layer.b.data = [[1, 2, 3]], [[4, 5, 6]], [0.1, 0.2, 0.3]
    if after:
        layer.b_h.data = [0.5]

    def sigmoid(a: float) -> float:
        return 1 / (1 + math.exp(-a))

    h = 0.0
    for x in (0.5, -0.25):
        r, z = sigmoid(x + 4 * h + 0.1), sigmoid(2 * x + 5 * h + 0.2)
        n = math.tanh(3 * x + 0.3 + (r * (6 * h + 0.5) if after else 6 * r * h))
        h = (1 - z) * n + z * h
    np.testing.assert_allclose(layer([[[0.5], [-0.25]]]), [[h]], rtol=1e-14)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, {"w_x": (2, 9), "w_h": (3, 9), "b": (9,), "b_h": (3,)}),
        ({"reset_after": False}, {"w_x": (2, 9), "w_h": (3, 9), "b": (9,)}),
        ({"use_bias": False}, {"w_x": (2, 9), "w_h": (3, 9)}),
    ],
)
def test_parameters(settings: Any, names: Any) -> None:
    layer = built(3, **settings)
    assert {name: parameter.shape for name, parameter in layer.named_parameters().items()} == names
    np.testing.assert_allclose(layer.w_h.data @ layer.w_h.data.T, np.eye(3), atol=1e-12)
    assert layer.kernel_options() == {"reset_after": settings.get("reset_after", True)}


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("backwards", [True, False])
def test_a_ragged_row_gives_what_it_gives_alone(after: bool, backwards: bool) -> None:
    layer = built(3, reset_after=after, go_backwards=backwards, return_sequences=True, return_state=True)
    y, last = layer(X, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        y_row, last_row = layer(X[row : row + 1, :length])
        np.testing.assert_allclose(y[row, :length], y_row[0], rtol=1e-13)
        np.testing.assert_allclose(last[row], last_row[0], rtol=1e-13)
        assert not y[row, length:].any()


@pytest.mark.parametrize("after", [True, False])
def test_a_state_is_handed_over_and_gets_a_gradient(after: bool) -> None:
    layer = built(3, reset_after=after, return_sequences=True, return_state=True)
    y, last = layer(X)
    first, middle = layer(X[:, :2])
    second, end = layer(X[:, 2:], state=middle)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), y, rtol=1e-13)
    np.testing.assert_allclose(end, last, rtol=1e-13)
    y, saved = layer.forward(X, middle, lengths=LENGTHS)
    dx, dstate = layer.backward((np.zeros(y[0].shape), np.ones((3, 3))), saved)
    assert dx.shape == X.shape
    assert dstate[1].tolist() == [1, 1, 1]
    assert layer.b.grad.any()


@pytest.mark.parametrize("after", [True, False])
def test_the_kernels_gradients_are_added_to_the_parameters(after: bool) -> None:
    layer = built(3, reset_after=after)
    y, saved = layer.forward(X)
    data = [parameter.data for parameter in layer.parameters()]
    arguments = data if after else [*data, None]
    _, _, content = layer.kernel.forward(X, *arguments, None, None, reset_after=after)
    _, *expected, _ = layer.kernel.backward(None, y, content, *data[:2])
    for parameter in layer.parameters():
        parameter.grad += 1
    layer.backward(y, saved)
    for parameter, gradient in zip(layer.parameters(), expected, strict=False):
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
        {"reset_after": False},
        {"reset_after": False, "use_bias": False},
    ],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, name: str
) -> None:
    if name == "numba":
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    layer = GRU(2, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, lengths=lengths)
    prove_gradients(layer, X, np.full((3, 2), 0.25), lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [1, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    layer = built(2, return_sequences=True)
    state = layer.stream(X[:, :2])[1]
    prove_gradients(layer, X[:, 2:], state=state, stream=True, lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(GRU) == {
        "reset_after": True,
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "recurrent_dropout": 0.0,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "zeros",
    }
