"""GRUCell."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.layers import GRU, GRUCell

X = np.random.default_rng(0).standard_normal((3, 5, 2))
LENGTHS = np.array([5, 0, 2])


@pytest.mark.parametrize("after", [True, False], ids=["reset-after", "reset-before"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_recurrent_over_it_is_the_layer(after: bool, bias: bool, backend: str) -> None:
    options = {"reset_after": after, "use_bias": bias}
    layer, cells = (
        GRU(3, return_sequences=True, **options),
        lamina.Recurrent(GRUCell(3, **options), return_sequences=True),
    )
    results = []
    for one in (layer, cells):
        one.build((None, None, 2), (None, 3), dtype="float64", seed=0, backend=backend)
        for place, parameter in enumerate(one.parameters()):
            parameter.data = np.random.default_rng(place).standard_normal(parameter.shape)
        y, saved = one.forward(X, np.full((3, 3), 0.5), lengths=LENGTHS)
        results.append([y, *one.backward(np.ones(y.shape), saved), *(own.grad for own in one.parameters())])
    for ours, other in zip(*results, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-11, atol=1e-12)


def test_the_candidate_has_a_bias_of_its_own_where_the_reset_gate_comes_after() -> None:
    names = []
    for options in ({}, {"reset_after": False}, {"use_bias": False}):
        cell = GRUCell(3, **options)
        assert cell.build((None, 2), (None, 3)) == (None, 3)
        names.append(list(cell.named_parameters()))
    assert names == [["w_x", "w_h", "b", "b_h"], ["w_x", "w_h", "b"], ["w_x", "w_h"]]


@pytest.mark.parametrize("settings", [{}, {"reset_after": False}, {"use_bias": False}], ids=str)
@pytest.mark.parametrize("name", ["numpy", "reference"])
def test_each_parameters_gradient_is_its_slope(prove_gradients: Any, name: str, settings: Any) -> None:
    cell = GRUCell(3, **settings)
    cell.build((None, 2), *[(None, 3)] * 1, backend=name, dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    prove_gradients(cell, rng.standard_normal((4, 2)), *rng.standard_normal((1, 4, 3)))


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Those of GRU, which are Keras's.
    assert defaults(GRUCell) == {
        "reset_after": True,
        "use_bias": True,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "zeros",
    }
