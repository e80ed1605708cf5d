"""A row's vector for each step, in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_repeated_vector_has_all_steps_whatever_the_lengths(case, dtype):
    def make():
        return lamina.Sequential(
            *(layers.GRU(4), layers.RepeatVector(3), layers.SimpleRNN(5, return_sequences=True)),
            *(layers.Dense(3), layers.GlobalAveragePool1D()),
        )

    check_model(make, dtype, **case)


def test_steps_are_not_spread():
    program = Program("float32", 2, 4)
    program.frames.append(Frame(4, None, {}))
    with pytest.raises(NotPlanned, match="has steps"):
        Lowering(program).spread(program.value(2, 0), 0)
