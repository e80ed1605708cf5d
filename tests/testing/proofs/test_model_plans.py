"""The relation of planned steps: it holds, is skipped with a reason, and tells a plan that does something else."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numba.engine.plan import Plan

OTHERS = set(lamina.testing.models.MODEL_RELATIONS) - {"planned"}


class Own(lamina.layers.LSTM):
    def forward(self, *inputs, **options):
        return super().forward(*inputs, **options)


def checked(*layers, loss="softmax_cross_entropy", **options):
    model = lamina.Sequential(*layers, lamina.layers.Dense(3))
    return lamina.testing.check_model(model, (5, 6, 2), loss=loss, skip=OTHERS, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_that_is_planned_holds(dtype):
    report = checked(lamina.layers.GRU(4), dtype=dtype)
    assert report.worst["planned"] < 1e-9


def test_one_that_is_not_says_why():
    report = checked(Own(4))
    assert report.skipped["planned"] == "not planned: Own '0' has no compiled form"


def stale_rows(plan, run, rows, count, **options):
    return run(plan, None, count, **options)


def no_update(plan, run, rows, count, **options):
    return run(plan, rows, count, **{**options, "update": False})


def gradients_kept(plan, run, rows, count, **options):
    return run(plan, rows, count, **{**options, "clear": False})


def a_row_lost(plan, run, rows, count, **options):
    return run(plan, rows[:-1], max(count - 1, 1), **options)


def twice(plan, run, rows, count, **options):
    run(plan, rows, count, **options)
    return run(plan, rows, count, **options)


def test_a_step_that_is_looked_at_and_not_updated_is_told(monkeypatch):
    monkeypatch.setattr(Plan, "update", lambda plan: None)
    with pytest.raises(lamina.testing.ModelCheckError, match="planned, with check_finite"):
        checked(lamina.layers.LSTM(4))


@pytest.mark.parametrize("broken", [stale_rows, no_update, gradients_kept, a_row_lost, twice])
def test_a_plan_that_does_something_else_is_told(broken, monkeypatch):
    run = Plan.run

    def other(plan, rows, count, **options):
        return broken(plan, run, rows, count, **options)

    monkeypatch.setattr(Plan, "run", other)
    with pytest.raises(lamina.testing.ModelCheckError, match="planned"):
        checked(lamina.layers.LSTM(4))
