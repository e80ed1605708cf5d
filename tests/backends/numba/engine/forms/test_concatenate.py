"""Values side by side in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_branches_are_joined_as_by_the_model(case, dtype):
    def make():
        inner = lamina.Concat(layers.Dense(4), layers.Tanh(), layers.Dense(1))
        return lamina.Sequential(inner, lamina.Concat(layers.GRU(3), layers.LastStep()), layers.Dense(3))

    check_model(make, dtype, **case)


@pytest.mark.parametrize("merge", ["concat", "sum", "multiply", "average"])
@pytest.mark.parametrize("cell", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_both_directions_are_merged_as_by_the_model(cell, merge):
    def make():
        layer = lamina.Bidirectional(cell(4, return_sequences=True), merge=merge)
        return lamina.Sequential(layer, layers.GlobalAveragePool1D(), layers.Dense(3))

    check_model(make, "float64", ragged=True, threads=2)


def test_joining_along_the_time_is_not_planned():
    program = Program("float32", 2, 4)
    program.frames.append(Frame(4, None, {}))
    model = lamina.Concat(layers.Tanh(), layers.ReLU(), axis=1)
    model.build((None, 4, 2))
    with pytest.raises(NotPlanned, match="along axis 1"):
        Lowering(program)(model, program.value(2, 0))
