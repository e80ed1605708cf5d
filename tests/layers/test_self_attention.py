"""SelfAttention as a layer; its kernels are proven in backends/test_attention."""

from typing import Any

import numpy as np
import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.layers import SelfAttention

X = np.random.default_rng(0).standard_normal((4, 5, 6))
X.flags.writeable = False
LENGTHS = np.array([5, 0, 1, 3])


def built(*arguments: Any, backend: str = "numpy", features: int = 6, **settings: Any) -> SelfAttention:
    layer = SelfAttention(*arguments, **settings)
    layer.build((None, None, features), backend=backend, dtype="float64", seed=0)
    return layer


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_by_hand(backend: str) -> None:
    layer = built(1, backend=backend, features=1, w_initializer="ones")
    layer.w_q.data = [[0.0]]  # every key gets the same weight
    layer.w_v.data, layer.b_v.data, layer.w_o.data, layer.b_o.data = [[2.0]], [1.0], [[10.0]], [3.0]  # type: ignore[union-attr]
    y = layer(np.array([[[1.0], [3.0], [99.0]]]), lengths=[2])
    assert y[0, :, 0].tolist() == [10 * (2 * 2 + 1) + 3, 53, 0]


def test_parameters() -> None:
    layer = built(2, 4)
    shapes = {name: parameter.shape for name, parameter in layer.named_parameters().items()}
    weights = {"w_q": (6, 4), "w_k": (6, 4), "w_v": (6, 4), "w_o": (4, 4)}
    assert shapes == weights | {"b_q": (4,), "b_k": (4,), "b_v": (4,), "b_o": (4,)}
    assert list(built(2, use_bias=False).named_parameters()) == list(weights)
    assert built(2).output_shape == (None, None, 6)
    assert layer.output_shape == (None, None, 4)
    assert repr(layer) == "SelfAttention(2, units=4)"


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("causal", [False, True])
def test_each_row_gives_what_it_gives_alone(backend: str, causal: bool) -> None:
    layer = built(3, causal=causal, backend=backend)
    layer.b_o.data = np.ones(6)  # type: ignore[union-attr]
    padded = np.where(np.arange(5)[None, :, None] < LENGTHS[:, None, None], X, np.nan)
    y, saved = layer.forward(padded, lengths=LENGTHS)
    dx = layer.backward(np.ones(y.shape), saved)
    for row, length in enumerate(LENGTHS):
        assert not y[row, length:].any()
        assert not dx[row, length:].any()
        np.testing.assert_allclose(y[row, :length], layer(X[row : row + 1, :length])[0], rtol=1e-12)
    assert layer.output_lengths(LENGTHS) is LENGTHS


def test_no_output_knows_of_later_steps_where_causal() -> None:
    later = X.copy()
    later[:, 3:] = 9
    np.testing.assert_allclose(built(3, causal=True)(X)[:, :3], built(3, causal=True)(later)[:, :3], rtol=1e-13)
    assert not np.allclose(built(3)(X)[:, :3], built(3)(later)[:, :3])


def test_the_bias_of_the_keys_changes_nothing() -> None:
    layer, moved = built(3), built(3)
    moved.b_k.data = np.arange(6.0)  # type: ignore[union-attr]
    np.testing.assert_allclose(moved(X), layer(X), rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "expected heads to be a whole number of 1 or more, got 0"),
        ((2, 0), "expected units to be a whole number of 1 or more, got 0"),
        ((3, 8), "expected units to be a multiple of 3 heads, got 8"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        SelfAttention(*arguments)
    assert str(caught.value) == f"SelfAttention: {message}"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((None, 6), "expected (batch, time, features), got (batch, 6)"),
        ((None, None, None), "expected a fixed size of axis 2, got (batch, time, ?)"),
        ((None, None, 5), "expected features in a multiple of 2 heads, got (batch, time, 5)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shape: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        SelfAttention(2).build(shape)
    assert str(caught.value) == f"SelfAttention: {message}"


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("settings", [{}, {"causal": True}, {"units": 4}], ids=str)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, backend: str
) -> None:
    """That of the keys' bias is 0: it moves all scores of a query alike, and softmax does not see it."""
    prove_gradients(built(2, backend=backend, **settings), X, lengths=lengths, flat=["b_k"])
    plain = built(2, backend=backend, use_bias=False, **settings)
    prove_gradients(plain, X, lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [3, 0, 1, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    """The keys' bias moves the new keys alone, beside old ones: that softmax sees."""
    layer = built(2, causal=True)
    state = layer.stream(X[:, :2])[1]
    prove_gradients(layer, X[:, 2:], state=state, stream=True, lengths=lengths)


@pytest.mark.parametrize(
    ("values", "counts", "got"),
    [
        (2, [3, 0, 1, 2], "(4, 2, 6), (4, 2, 6) and [3, 0, 1, 2]"),  # more steps than there are keys
        (3, [2, 0, 1, 2], "(4, 2, 6), (4, 3, 6) and [2, 0, 1, 2]"),
    ],
)
def test_a_state_without_a_key_and_a_value_for_each_step_is_refused(values: int, counts: list[int], got: str) -> None:
    layer = built(2, causal=True)
    keys = layer.stream(X[:, :2])[1][0]
    with pytest.raises(ShapeError) as caught:
        layer.stream(X, state=(keys, np.zeros((4, values, 6)), np.array(counts)))
    assert str(caught.value) == (
        f"SelfAttention: expected a state with keys and values for each of a row's steps, got {got}"
    )


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # As Keras's MultiHeadAttention: every step sees all, with biases.
    assert defaults(SelfAttention) == {
        "units": None,
        "causal": False,
        "dropout": 0.0,
        "return_scores": False,
        "additive_mask": False,
        "use_bias": True,
        "w_initializer": "glorot_uniform",
        "b_initializer": "zeros",
    }


def test_a_backend_is_asked_for_the_kernels_with_what_they_are_called_with(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = built(3, causal=True)
    select, asked = layer.backend.select, {}

    def recording(kernel: str, **options: Any) -> Any:
        asked[kernel] = options
        return select(kernel, **options)

    monkeypatch.setattr(layer.backend, "select", recording)
    layer.stream(X)
    assert asked["cached_attention"] == {"heads": 3}
