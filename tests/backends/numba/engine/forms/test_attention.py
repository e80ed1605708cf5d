"""Attention of a sequence to itself in programs."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_planned_steps_are_the_models(causal, case, dtype):
    def make():
        return lamina.Sequential(
            layers.Dense(6),
            lamina.Residual(layers.SelfAttention(2, causal=causal))
            if not causal
            else layers.SelfAttention(2, 10, causal=True),
            layers.SelfAttention(1, 5, causal=causal, use_bias=False),
            layers.LSTM(5),
            layers.Dense(3),
        )

    check_model(make, dtype, **case)


@pytest.mark.parametrize("causal", [False, True])
def test_more_queries_than_are_taken_at_a_time(causal):
    def make():
        return lamina.Sequential(layers.SelfAttention(3, 9, causal=causal), layers.Dense(3))

    for ragged in (False, True):
        check_model(make, "float64", rows=3, steps=120, ragged=ragged, sequence=True)


def test_frozen_weights_get_no_gradient():
    def make():
        frozen = layers.SelfAttention(2)
        model = lamina.Sequential(layers.Dense(4), frozen, layers.LSTM(4), layers.Dense(3))
        frozen.trainable = False
        return model

    check_model(make, "float64", ragged=True)


@pytest.mark.parametrize(
    ("options", "why"), [({"dropout": 0.5}, "drops scores"), ({"return_scores": True}, "returns its scores")]
)
def test_what_has_no_form_says_why(options, why):
    layer = layers.SelfAttention(2, **options)
    layer.build((None, None, 4), seed=0)
    program = Program("float32", 2, 5, frames=[Frame(5, None, {})])
    with pytest.raises(NotPlanned, match=why):
        Lowering(program)(layer, program.value(4, 0))
    if "dropout" in options:
        program = Program("float32", 2, 5, frames=[Frame(5, None, {})])
        assert Lowering(program, training=False)(layer, program.value(4, 0)).frame == 0
