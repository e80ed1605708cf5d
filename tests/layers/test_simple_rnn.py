"""SimpleRNN as a layer; its kernels are proven in backends/test_recurrent."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ShapeError, UnknownNameError
from lamina.layers import SimpleRNN


@pytest.fixture(params=["numpy", "reference"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def built(*arguments: Any, backend: str = "numpy", shapes: Any = ((None, None, 2),), **settings: Any) -> SimpleRNN:
    layer = SimpleRNN(*arguments, **settings)
    layer.build(*shapes, backend=backend, dtype="float64", seed=0)
    return layer


X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def test_the_notebooks_forward_pass(backend: str) -> None:
    layer = built(4, backend=backend)
    layer.w_x.data = np.array([[1, 3, 5, 7], [3, 5, 7, 8]]) / 100
    layer.w_h.data = np.array([[1, 3, 5, 7], [2, 4, 6, 8], [3, 5, 7, 8], [4, 6, 8, 10]]) / 100
    layer.b.data = np.ones(4)  # type: ignore[union-attr]
    x = np.array([[[1, 2], [2, 3], [3, 4]]]) / 100
    np.testing.assert_allclose(layer(x), [[0.79494228, 0.81839002, 0.83939649, 0.85584174]], atol=5e-9)


def test_parameters_are_named_and_shaped_as_in_the_textbooks() -> None:
    layer = built(4)
    shapes = {name: parameter.shape for name, parameter in layer.named_parameters().items()}
    assert shapes == {"w_x": (2, 4), "w_h": (4, 4), "b": (4,)}
    assert list(built(4, use_bias=False).named_parameters()) == ["w_x", "w_h"]
    np.testing.assert_allclose(layer.w_h.data @ layer.w_h.data.T, np.eye(4), atol=1e-12)  # orthogonal by default
    assert np.abs(layer.w_x.data).max() <= 1  # glorot_uniform: sqrt(6 / (2 + 4))
    assert layer.b.data.tolist() == [0] * 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({}, (None, 4)),
        ({"return_sequences": True}, (None, None, 4)),
        ({"return_state": True}, ((None, 4), (None, 4))),
        ({"return_sequences": True, "return_state": True}, ((None, None, 4), (None, 4))),
    ],
)
def test_outputs_are_the_last_step_or_all_with_or_without_the_state(backend: str, settings: Any, output: Any) -> None:
    layer = SimpleRNN(4, **settings)
    assert layer.build((None, None, 2), backend=backend, dtype="float64", seed=0) == output
    got, every = layer(X, lengths=LENGTHS), built(4, backend=backend, return_sequences=True)(X, lengths=LENGTHS)
    last = np.stack([every[row, length - 1] if length else np.zeros(4) for row, length in enumerate(LENGTHS)])
    expected = [every if settings.get("return_sequences") else last] + [last] * bool(settings.get("return_state"))
    for part, wanted in zip(got if isinstance(got, tuple) else (got,), expected, strict=True):
        assert (part == wanted).all()
    lengths = np.array(LENGTHS)
    assert layer.output_lengths(lengths) is (lengths if settings.get("return_sequences") else None)


def test_a_row_may_be_cut_in_two_and_its_state_handed_over(backend: str) -> None:
    layer = built(4, backend=backend, return_sequences=True, return_state=True)
    h, last = layer(X)
    first, middle = layer(X[:, :3])
    second, end = layer(X[:, 3:], middle)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), h, rtol=1e-13)
    np.testing.assert_allclose(end, last, rtol=1e-13)


def test_reading_backwards_keeps_outputs_with_their_steps(backend: str) -> None:
    ahead, back = (
        built(4, backend=backend, return_sequences=True, return_state=True, go_backwards=reverse)
        for reverse in (False, True)
    )
    h, last = back(X, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        h_row, last_row = ahead(X[row : row + 1, :length][:, ::-1])
        np.testing.assert_allclose(h[row, :length], h_row[0, ::-1], rtol=1e-13)
        np.testing.assert_allclose(last[row], last_row[0], rtol=1e-13)
        assert not h[row, length:].any()


def test_the_gradients_of_output_and_state_add_up(backend: str) -> None:
    layer = built(4, backend=backend, return_state=True)
    one, two = np.random.default_rng(1).standard_normal((2, 3, 4))
    zero, results = np.zeros((3, 4)), []
    for dy in ((one, two), (two, one), (one + two, zero), (zero, one + two)):
        _, saved = layer.forward(X, lengths=LENGTHS)
        results.append(layer.backward(dy, saved))
    for dx in results[1:]:
        np.testing.assert_allclose(dx, results[0], rtol=1e-12, atol=1e-15)


def test_an_initial_state_gets_a_gradient_and_none_gets_none(backend: str) -> None:
    layer, state = built(4, backend=backend), np.full((3, 4), 0.5)
    y, saved = layer.forward(X, state, lengths=LENGTHS)
    dx, dstate = layer.backward(np.ones(y.shape), saved)
    assert (dx.shape, dstate.shape) == (X.shape, (3, 4))
    assert (y[1] == 0.5).all()  # an empty row hands its state through
    assert (dstate[1] == 1).all()
    _, saved = layer.forward(X)
    assert layer.backward(np.ones(y.shape), saved).shape == X.shape


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((None, 2),), r"^SimpleRNN: expected \(batch, time, features\), got \(batch, 2\)$"),
        (((None, None, None),), r"^SimpleRNN: expected a fixed size of axis 2, got \(batch, time, \?\)$"),
        (((None, None, 2), (None, 3)), r"^SimpleRNN: expected .*initial state.*\(batch, 4\), got \(batch, 3\)$"),
        (
            ((None, None, 2), (None, None, 4)),
            r"^SimpleRNN: expected .*initial state.*\(batch, 4\), got \(batch, time, 4\)$",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        SimpleRNN(4).build(*shapes)


def test_an_initial_state_of_another_batch_is_refused(backend: str) -> None:
    layer = built(4, backend=backend)
    with pytest.raises(ShapeError, match=r"^SimpleRNN: expected an initial state \(3, 4\), got \(1, 4\)$"):
        layer(X, np.zeros((1, 4)))


def test_an_unknown_activation_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        SimpleRNN(4, activation="tahn")
    assert str(caught.value) == "unknown activation of SimpleRNN 'tahn': did you mean 'tanh'? Known: relu, tanh"


def test_the_kernels_gradients_are_added_to_the_parameters(backend: str) -> None:
    layer = built(4, backend=backend)
    y, saved = layer.forward(X)
    w_x, w_h, b = (parameter.data for parameter in layer.parameters())
    _, _, content = layer.kernel.forward(X, w_x, w_h, b, None, None)
    _, *expected, _ = layer.kernel.backward(None, y, content, w_x, w_h)
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
        {"activation": "relu", "return_sequences": True},
    ],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, name: str
) -> None:
    if name == "numba":
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    layer = SimpleRNN(4, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, lengths=lengths)
    prove_gradients(layer, X, np.full((3, 4), 0.25), lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [1, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    layer = built(2, return_sequences=True)
    state = layer.stream(X[:, :2])[1]
    prove_gradients(layer, X[:, 2:], state=state, stream=True, lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(SimpleRNN) == {
        "activation": "tanh",
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "recurrent_dropout": 0.0,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "zeros",
    }
