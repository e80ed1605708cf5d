"""A row's steps without the first or last ones, in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


class Differences(lamina.Composite):
    def __init__(self):
        self.inner, self.head, self.pool = layers.Dense(4), layers.Dense(3), layers.GlobalAveragePool1D()

    def compose(self, t, x):
        h = t(self.inner, x)
        return t(self.head, t(self.pool, h[:, 1:] - h[:, :-1]) + t(self.pool, h[:, 2:-1]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [one for one in CASES if "steps" not in one], ids=str)
def test_steps_are_taken_as_by_the_model(case, dtype):
    check_model(Differences, dtype, **case)


@pytest.mark.parametrize("bounds", [(None, 2, 1), (-2, None, 1), (0, None, 2), (None, None, -1)])
def test_other_slices_are_not_planned(bounds):
    program = Program("float32", 2, 4)
    program.frames.append(Frame(4, None, {}))
    layer = layers.Slice(*bounds)
    layer.build((None, 4, 2))
    with pytest.raises(NotPlanned, match="of axis 1"):
        Lowering(program)(layer, program.value(2, 0))
