"""Ones, and the masks of states that are made of them."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Frame, Given, Program
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


def test_all_are_1_and_stay_so():
    program = Program("float32", 3, 1)
    program.frames.append(Frame(1, None, {}))
    x, y, total = (program.value(2) for _ in range(3))
    program.inputs, program.outputs = [x], [y, total]
    program.call("ones", [], [y])
    program.call("add", [x, y], [total])
    plan = Plan(program, 2)
    plan.give(Given((np.full((3, 2), 4, "float32"),), ()))
    for _ in range(2):
        plan.infer(3)
        assert (plan.output(0, True) == 1).all()
        assert (plan.output(1, True) == 5).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    "cell", [layers.SimpleRNN, layers.LSTM, layers.GRU, partial(layers.GRU, reset_after=False)], ids=range(4)
)
def test_recurrent_dropout_is_the_models(cell, case, dtype):
    def make():
        first = cell(6, return_sequences=True, recurrent_dropout=0.4)
        both = lamina.Bidirectional(cell(5, recurrent_dropout=0.3))
        return lamina.Sequential(first, both, layers.Dense(3))

    check_model(make, dtype, **case)
