"""A stream in training: gradients of a piece's own inputs and of the weights, from a state that is given numbers."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Residual, Sequential
from lamina.errors import NonFiniteError, StreamError
from lamina.layers import (
    AveragePool1D,
    Conv1D,
    Conv1DTranspose,
    Dense,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    LastStep,
    LayerNorm,
    MaxPool1D,
    PositionalEncoding,
    SelfAttention,
)

X = np.random.default_rng(0).normal(size=(5, 8, 4))
BEFORE, NEXT = np.array([4, 0, 2, 1, 3]), np.array([3, 2, 0, 1, 4])
LAYERS: dict[str, Any] = {
    "convolution": lambda: Conv1D(3, 3, padding="causal", dilation=2),
    "convolution, one step": lambda: Conv1D(3, 1),
    "convolution, depthwise": lambda: Conv1D(8, 2, padding="causal", groups=4),
    "convolution, transposed": lambda: Conv1DTranspose(3, 3, padding="causal", dilation=2),
    "maximum of windows": lambda: MaxPool1D(3, 1, (4, 0), dilation=2),
    "average of windows": lambda: AveragePool1D(3, 1, (2, 0)),
    "average of windows, counted": lambda: AveragePool1D(3, 1, (2, 0), count_padding=True),
    "attention": lambda: SelfAttention(2, causal=True),
    "positions": PositionalEncoding,
    "maximum": GlobalMaxPool1D,
    "average": GlobalAveragePool1D,
    "last": LastStep,
    "block": lambda: Sequential(
        PositionalEncoding(),
        Residual(Sequential(LayerNorm(), SelfAttention(2, causal=True))),
        Conv1D(3, 2, padding="causal"),
        GlobalAveragePool1D(),
    ),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [None, NEXT], ids=["full", "ragged"])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_the_piece(name: str, lengths: Any, backend: str) -> None:
    """Differences in float64, the state held."""
    layer = LAYERS[name]()
    layer.build((None, None, 4), dtype="float64", seed=0, backend=backend)
    state = layer.stream(X[:, :4], lengths=BEFORE)[1]
    x = X[:, 4:]

    def outputs(x: Any) -> Any:
        return layer.stream(x, state=state, lengths=lengths)[0]

    y, _, saved = layer.stream(x, state=state, lengths=lengths, training=True)
    assert np.array_equal(y, outputs(x))
    dy = np.random.default_rng(1).normal(size=y.shape)
    if y.ndim > 2 and lengths is not None:
        dy[np.arange(4) >= lengths[:, None]] = 0
    layer.zero_grad()
    dx = layer.backward(dy, saved)
    assert dx.shape == x.shape
    step = 1e-6

    def slope(move: Any) -> float:
        sides = []
        for sign in (step, -step):
            move(sign)
            sides.append(float((outputs(moved) * dy).sum()))
            move(-sign)
        return (sides[0] - sides[1]) / (2 * step)

    moved = x.copy()
    for place in np.ndindex(*x.shape):

        def move_input(sign: float, place: Any = place) -> None:
            moved[place] += sign

        assert dx[place] == pytest.approx(slope(move_input), abs=1e-7)
    for parameter in layer.parameters():
        for place in np.ndindex(*parameter.shape):
            shift = np.zeros(parameter.shape)
            shift[place] = 1

            def move_weight(sign: float, parameter: Any = parameter, shift: Any = shift) -> None:
                parameter.data = parameter.numpy() + sign * shift

            assert parameter.grad[place] == pytest.approx(slope(move_weight), abs=1e-7), parameter.name


def test_the_guard_against_nan_names_the_layer_in_a_later_chunk() -> None:
    model = Sequential(PositionalEncoding(), SelfAttention(2, causal=True), Conv1D(3, 2, padding="causal"), Dense(2))
    model.build((None, None, 4), seed=0, dtype="float64")
    x = X.copy()
    x[2, 6, 1] = 1e308
    trainer = lamina.Trainer(model, "mean_squared_error", "sgd", check_finite=True)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match=r"SelfAttention '1'"):
        trainer.fit(x, np.zeros((5, 8, 2)), truncate=3, epochs=1, batch_size=5, shuffle=False, verbose=False)


def test_what_cannot_be_truncated_says_why() -> None:
    model = Sequential(Conv1D(2, 3))
    model.build((None, None, 4), seed=0)
    with pytest.raises(StreamError, match=r"^Conv1D '0': cannot stream with padding='same': an output needs 1 later"):
        lamina.Trainer(model, "mean_squared_error", "sgd").fit(X, np.zeros((5, 8, 2)), truncate=3, verbose=False)
