"""Convolution in programs, with lengths of its own."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, NotPlanned
from lamina.plan.lower import Shaped, lower
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "causal", "dilation": 2},
        {"padding": "same", "stride": 2, "use_bias": False},
        {"padding": (3, 2), "stride": 3},
        {"padding": 3, "dilation": 3},
    ],
    ids=str,
)
def test_planned_steps_are_the_models(options, case, dtype):
    def make():
        return lamina.Sequential(
            layers.Conv1D(17, 3, **options), layers.Tanh(), layers.Conv1D(9, 2), layers.LSTM(5), layers.Dense(3)
        )

    check_model(make, dtype, **case)


@pytest.mark.parametrize("ragged", [False, True])
def test_each_window_has_a_label(ragged):
    rng, models = np.random.default_rng(0), []
    x, y = rng.normal(size=(5, 9, 4)), rng.integers(0, 3, (5, 3))
    lengths = np.array([9, 0, 4, 7, 3]) if ragged else None
    for backend in ("numba", "reference"):
        model = lamina.Sequential(layers.Conv1D(6, 3, padding="valid", stride=3), layers.LayerNorm(), layers.Dense(3))
        model.build((None, None, 4), seed=0, dtype="float64", backend=backend)
        optimizer, loss = lamina.optimizers.SGD(model.parameters(), lr=0.1), lamina.losses.SoftmaxCrossEntropy()
        models.append((model, optimizer, loss))
    (planned, its_optimizer, its_loss), (twin, optimizer, loss) = models
    step = lamina.compile(planned, its_loss, its_optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        prediction, saved = twin.forward(x, lengths=lengths)
        value, kept = loss.forward(
            prediction, y, **({} if lengths is None else {"lengths": twin.output_lengths(lengths)})
        )
        twin.backward(loss.backward(kept), saved)
        optimizer.step()
        assert step(x, y, lengths) == pytest.approx(float(value), rel=1e-12)
    for one, other in zip(planned.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-10, atol=1e-12)


def test_labels_of_other_steps_are_not_planned():
    model = lamina.Sequential(layers.Conv1D(6, 3, padding="valid"), layers.Dense(3))
    model.build((None, None, 4), seed=0)
    with pytest.raises(NotPlanned, match="other steps"):
        lower(model, lamina.losses.SoftmaxCrossEntropy(), None, (Shaped((5, 9, 4), False),), Shaped((5, 9), True), 5)


def test_more_rows_than_are_taken_at_a_time():
    def make():
        return lamina.Sequential(layers.Conv1D(4, 3), layers.GlobalAveragePool1D(), layers.Dense(3))

    for ragged in (False, True):
        check_model(make, "float64", rows=300, steps=4, ragged=ragged)


def test_frozen_weights_get_no_gradient():
    def make():
        frozen = layers.Conv1D(4, 3)
        model = lamina.Sequential(layers.Dense(5), frozen, layers.Conv1D(4, 2), layers.LSTM(4), layers.Dense(3))
        frozen.trainable = False
        return model

    check_model(make, "float64", ragged=True)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (layers.Conv1D(4, 3, groups=2), "has groups"),
        (layers.Conv1D(4, 9, padding="valid"), "has no window in so few steps"),
    ],
)
def test_what_has_no_form_says_why(layer, why):
    layer.build((None, None, 4), seed=0)
    program = Program("float32", 2, 5, frames=[Frame(5, None, {})])
    with pytest.raises(NotPlanned, match=why):
        Lowering(program)(layer, program.value(4, 0))


def test_as_many_windows_as_steps_have_the_steps_lengths():
    for options in ({}, {"padding": "causal"}, {"padding": 1}, {"padding": (0, 2)}):
        layer = layers.Conv1D(4, 3, **options)
        layer.build((None, None, 4), seed=0)
        program = Program("float32", 2, 5, frames=[Frame(5, None, {})])
        assert Lowering(program)(layer, program.value(4, 0)).frame == 0
    lengths = np.arange(6)
    for options in ({"stride": 2}, {"padding": "valid"}, {"padding": (4, 1), "stride": 3}, {"padding": 0}):
        layer = layers.Conv1D(4, 3, **options)
        layer.build((None, None, 4), seed=0)
        program = Program("float32", 2, 5, frames=[Frame(5, None, {})])
        made = program.frames[Lowering(program)(layer, program.value(4, 0)).frame]
        own = [
            max((n + made.options["before"] - made.options["size"]) // made.options["stride"] + 1, 0) if n else 0
            for n in lengths.tolist()
        ]
        assert own == layer.output_lengths(lengths).tolist()
        assert made.steps == own[-1]
