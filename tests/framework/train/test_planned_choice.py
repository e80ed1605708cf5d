"""Which steps are taken by a plan, and what is said where they are not."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.train.planned_choice import hint
from tests.framework.train.planned_runs import model_of, plain_data, taken
from tests.framework.train.three_heads import built, drawn, losses

__all__ = ["taken"]


def test_a_plan_is_made_where_it_can_be_if_nothing_is_said(taken):
    x, y, _ = plain_data()
    lamina.Trainer(model_of("numba"), optimizer="sgd").fit(x, y, epochs=1, verbose=False)
    assert taken.count == 2
    lamina.Trainer(model_of("numpy"), optimizer="sgd").fit(x, y, epochs=1, verbose=False)
    lamina.Trainer(model_of("numba"), optimizer="sgd", compile=False).fit(x, y, epochs=1, verbose=False)
    assert taken.count == 2
    lamina.Trainer(model_of("numba"), optimizer="sgd", check_finite=True).fit(x, y, epochs=1, verbose=False)
    assert taken.count == 4
    lamina.Trainer(model_of("numba"), optimizer="sgd", accumulate=2).fit(x, y, epochs=1, verbose=False)
    assert taken.count == 6


def test_where_it_must_be_planned_and_cannot_it_is_said_why():
    model, ((a, b), y), options = built("numba"), *drawn().given()
    before = [parameter.numpy() for parameter in model.parameters()]
    with pytest.raises(
        lamina.errors.ArgumentError, match="Trainer: compile=True, but its inputs have lengths of their own"
    ):
        lamina.Trainer(model, losses(), "sgd", compile=True).fit((a, b), y, epochs=1, verbose=False, **options)
    for parameter, values in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), values)


def test_data_that_come_batch_by_batch_are_not_planned(taken):
    x, y, _ = plain_data()
    model = model_of("numba")
    with pytest.raises(lamina.errors.ArgumentError, match="compile=True, but the data are no arrays in memory"):
        lamina.Trainer(model, optimizer="sgd", compile=True).fit(iter([(x, y)]), epochs=1, verbose=False)


def test_a_backend_that_plans_nothing_is_named():
    x, y, _ = plain_data()
    with pytest.raises(lamina.errors.ArgumentError, match="compile=True, but backend 'numpy' plans no steps"):
        lamina.Trainer(model_of("numpy"), optimizer="sgd", compile=True).fit(x, y, epochs=1, verbose=False)


def test_a_long_run_without_a_plan_says_that_there_is_one():
    model = model_of("numpy")
    assert "backend 'numba' compiles such training steps" in hint(model, 300.0)
    assert hint(model, 30.0) == ""
    assert hint(model_of("numba"), 300.0) == ""
    other = lamina.Sequential(lamina.layers.Flatten(), lamina.layers.Dense(2))
    other.build((None, 4, 3), seed=0)
    assert hint(other, 300.0) == ""


def test_where_no_plan_is_made_on_a_backend_that_makes_them_it_is_said_why(capsys):
    for backend, said in (("numba", 1), ("numpy", 0)):
        model, ((a, b), y), options = built(backend), *drawn().given()
        lamina.Trainer(model, losses(), "sgd").fit((a, b), y, epochs=1, **options)
        told = "".join(capsys.readouterr())
        assert told.count("steps run by kernels, not as one plan: its inputs have lengths of their own") == said
    x, y, _ = plain_data()
    lamina.Trainer(model_of("numba"), optimizer="sgd").fit(x, y, epochs=1)
    assert "by kernels" not in "".join(capsys.readouterr())
