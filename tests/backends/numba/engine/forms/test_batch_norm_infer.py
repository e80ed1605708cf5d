"""BatchNorm outside training beside the layer's own."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina import layers
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Frame, Given, Program
from lamina.core.lowering import Lowering
from tests.backends.numba.engine.programs import BOUNDS, DTYPES, apart


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"use_scale": False}, {"use_shift": False, "epsilon": 0.1}])
def test_the_output_is_that_of_the_running_statistics_as_they_are_now(options, dtype):
    rng, layer = np.random.default_rng(0), layers.BatchNorm(**options)
    layer.build((None, None, 4), dtype=dtype)
    program = Program(dtype, 3, 5)
    program.frames.append(Frame(5, None, {}))
    x = program.value(4, 0)
    program.inputs, program.outputs = [x], [Lowering(program, training=False)(layer, x)]
    plan, given = Plan(program, 2), rng.normal(size=(3, 5, 4)).astype(dtype)
    plan.give(Given((given,), ()))
    for _ in range(2):
        plan.infer(3)
        assert apart(plan.output(0, True), layer.infer(given)) < BOUNDS[dtype]
        layer.forward(rng.normal(2, 3, size=(8, 5, 4)).astype(dtype))  # which moves them
