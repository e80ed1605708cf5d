"""Sums, differences, products and quotients in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


class Combined(lamina.Composite):
    def __init__(self):
        self.a, self.b, self.head = layers.Dense(5), layers.Dense(5), layers.Dense(3)

    def compose(self, t, x):
        a, b = t(self.a, x), t(self.b, x)
        return t(self.head, (a * b - b) / (b * b + 2) + t.multiply(a, b, a) - t.average(a, b, b) + (a + a))[:, -1]


class Broadcast(lamina.Composite):
    def __init__(self):
        self.each, self.row, self.one, self.head = layers.Dense(5), layers.GRU(5), layers.Dense(1), layers.Dense(3)

    def compose(self, t, x):
        each, row = t(self.each, x), t(self.row, x)
        return t(self.head, (each * row + t(self.one, x)) / (row * row + 1))[:, -1] * t(self.one, x)[:, 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_combined_as_by_the_model(case, dtype):
    check_model(Combined, dtype, **case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_go_for_their_steps_and_one_feature_for_all(case, dtype):
    check_model(Broadcast, dtype, **case)


def test_values_of_several_lengths_are_not_combined():
    class Apart(lamina.Composite):
        def compose(self, t, x):
            return x[:, 1:] + x[:, :-1] * 1

    program = Program("float32", 2, 4)
    program.frames.append(Frame(4, None, {}))
    model = Apart()
    model.build((None, 4, 2))
    y = Lowering(program)(model, program.value(2, 0))
    assert program.frames[y.frame].steps == 3  # of both one frame, as they leave the same number of steps
