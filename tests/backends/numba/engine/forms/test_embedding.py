"""Embedding in models: rows of a table, and their gradients."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Frame, Given, Program, Weights
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("row_wise", [True, False])
def test_values_and_gradients_are_the_models(row_wise, case, dtype):
    def make():
        return lamina.Sequential(layers.Embedding(6, 5, row_wise=row_wise), layers.GRU(4), layers.Dense(3))

    check_model(make, dtype, ids=6, **case)


@pytest.mark.parametrize("row_wise", [True, False])
def test_a_table_used_twice_gets_both_gradients(row_wise):
    class Twice(lamina.Composite):
        def __init__(self):
            self.table, self.other = (layers.Embedding(6, 5, row_wise=row_wise) for _ in range(2))
            self.pool, self.head = layers.GlobalAveragePool1D(), layers.Dense(3)

        def build(self, *shapes, **options):
            built = super().build(*shapes, **options)
            self.other.w = self.table.w
            return built

        def compose(self, t, ids):
            return t(self.head, t(self.pool, t(self.table, ids)) * t(self.pool, t.add(*[t(self.table, ids)] * 2)))

    check_model(Twice, "float64", ids=6, ragged=True, threads=2)


@pytest.mark.parametrize("row_wise", [True, False])
def test_a_frozen_table_gets_none(row_wise):
    def make():
        model = lamina.Sequential(layers.Embedding(6, 5, row_wise=row_wise), layers.LastStep(), layers.Dense(3))
        model.layers[0].trainable = False
        return model

    check_model(make, "float64", ids=6, ragged=True)


def test_an_id_that_is_none_reads_no_memory_and_is_seen():
    program = Program("float32", 3, 1)
    program.frames.append(Frame(1, None, {}))
    ids, y = program.value(1, None, True), program.value(2)
    program.inputs, program.outputs = [ids], [y]
    program.call("embedding", [ids], [y], {"w": Weights(np.ones((4, 2), "float32"), None)})
    plan = Plan(program)
    plan.give(Given((np.array([1, 4, -1]),), ()))
    plan.infer(3)
    assert np.isnan(plan.output(0, True)).all(axis=1).tolist() == [False, True, True]
