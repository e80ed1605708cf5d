"""Dropout in models: the same masks, call by call."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering
from lamina.kinds.random import rows_of_batch
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.4, 0.95])
def test_masks_are_the_models(rate, case, dtype):
    def make():
        return lamina.Sequential(
            *(layers.Dropout(rate), layers.Dense(5), layers.RecurrentDropout(rate), layers.Dense(4)),
            *(layers.Dropout(rate), layers.LastStep(), layers.Dropout(rate), layers.Dense(3)),
        )

    check_model(make, dtype, **case)


def test_a_layer_called_twice_draws_twice():
    class Twice(lamina.Composite):
        def __init__(self):
            self.inner, self.drop = layers.Dense(3), layers.Dropout(0.5)

        def compose(self, t, x):
            return t(self.drop, t(self.drop, t(self.inner, x)))[:, -1]

    check_model(Twice, "float64", ragged=True, threads=2)


def test_rows_after_others_of_the_batch_draw_as_those():
    with rows_of_batch(5):
        check_model(lambda: lamina.Sequential(layers.Dropout(0.5), layers.Dense(3), layers.LastStep()), "float64")


def test_outside_training_it_is_the_value_itself():
    program = Program("float32", 2, 1)
    program.frames.append(Frame(1, None, {}))
    x = program.value(2)
    layer = layers.Dropout(0.5)
    layer.build((None, 2))
    assert Lowering(program, training=False)(layer, x) is x
    assert not program.calls
