"""BatchNorm in training beside the layer's own."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Frame, Given, Program, Weights
from tests.backends.numba.engine.programs import BOUNDS, CASES, DTYPES, apart, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("options", [{}, {"use_scale": False, "momentum": 0.5}, {"use_shift": False, "epsilon": 0.1}])
def test_models_have_their_own_values_and_running_statistics(options, case, dtype):
    def make():
        return lamina.Sequential(
            *(layers.Dense(5, use_bias=False), layers.BatchNorm(**options), layers.Tanh(), layers.LastStep()),
            *(layers.Dense(4, use_bias=False), layers.BatchNorm(**options), layers.Dense(3)),
        )

    # A bias before it has no gradient but rounding; of few rows a small deviation enlarges it.
    check_model(make, dtype, **{"rows": 16, **case})


@pytest.mark.parametrize("dtype", DTYPES)
def test_neither_large_numbers_nor_nan_are_lost(dtype):
    most, rng = float(np.finfo(dtype).max), np.random.default_rng(0)
    x = rng.normal(size=(12, 5)).astype(dtype)
    x[:, 1] *= dtype_scale(most / 100, dtype)
    x[:, 2] *= dtype_scale(most**0.6, dtype)
    x[3, 4] = np.nan
    running = {name: Weights(np.full(5, value, dtype), None) for name, value in (("mean", 0), ("variance", 1))}
    program = Program(dtype, 12, 1, alone=True)
    program.frames.append(Frame(1, None, {}))
    value, y = program.value(5), program.value(5)
    program.inputs, program.outputs = [value], [y]
    weights = {f"running_{name}": one for name, one in running.items()}
    program.call("batch_norm", [value], [y], weights, epsilon=1e-5, momentum=0.1)
    plan = Plan(program, 4)
    plan.give(Given((x,), ()))
    plan.infer(12)
    layer = layers.BatchNorm(use_scale=False, use_shift=False)
    layer.build((None, 5), dtype=dtype)
    with np.errstate(all="ignore"):
        expected = layer.forward(x)[0]
    assert apart(plan.output(0, True), expected) < BOUNDS[dtype]
    for own, theirs in ((running["mean"], layer.running_mean), (running["variance"], layer.running_variance)):
        for j in range(5):  # each beside itself: they differ by many orders
            np.testing.assert_allclose(own.data[j], theirs.data[j], rtol=1e-5)


def dtype_scale(value, dtype):
    return np.asarray(value, dtype)
