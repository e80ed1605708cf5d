"""LSTMCell."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ShapeError
from lamina.layers import LSTM, LSTMCell

X = np.random.default_rng(0).standard_normal((3, 5, 2))
LENGTHS = np.array([5, 0, 2])


def test_parameters_and_states_are_the_layers() -> None:
    cell, layer = LSTMCell(3), LSTM(3)
    assert cell.build((None, 2), (None, 3), (None, 3), dtype="float64", seed=0) == ((None, 3), (None, 3))
    layer.build((None, None, 2), dtype="float64", seed=0)
    for own, other in zip(cell.parameters(), layer.parameters(), strict=True):
        assert own.name == other.name
        np.testing.assert_array_equal(own.numpy(), other.numpy())
    assert cell.state_sizes == (3, 3)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_recurrent_over_it_is_the_layer(backwards: bool, backend: str) -> None:
    settings = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    layer, cells = LSTM(3, **settings), lamina.Recurrent(LSTMCell(3), **settings)
    results = []
    for one in (layer, cells):
        one.build((None, None, 2), (None, 3), (None, 3), dtype="float64", seed=0, backend=backend)
        start = np.full((3, 3), 0.5), np.full((3, 3), -0.25)
        y, saved = one.forward(X, *start, lengths=LENGTHS)
        gradients = one.backward(tuple(np.ones(part.shape) for part in y), saved)
        results.append([*y, *gradients, *(parameter.grad for parameter in one.parameters())])
    for ours, other in zip(*results, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-11, atol=1e-12)


def test_both_states_must_be_given() -> None:
    with pytest.raises(ShapeError, match=r"^LSTMCell: expected states \(batch, 3\), \(batch, 3\), got \(batch, 3\)$"):
        LSTMCell(3).build((None, 2), (None, 3))


@pytest.mark.parametrize("settings", [{}, {"use_bias": False}], ids=str)
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, name: str, settings: Any) -> None:
    cell = LSTMCell(3, **settings)
    cell.build((None, 2), *[(None, 3)] * 2, backend=name, dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    prove_gradients(cell, rng.standard_normal((4, 2)), *rng.standard_normal((2, 4, 3)))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of LSTM, which are Keras's.
    assert defaults(LSTMCell) == {
        "use_bias": True,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "Side([Zeros(), Ones(), Zeros(), Zeros()])",
    }
