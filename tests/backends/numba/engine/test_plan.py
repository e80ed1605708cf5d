"""Plans: the same bits for the same threads, batches of any size, what is looked at first, and broken plans."""

import copy
import pickle

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.plan import Plan
from lamina.backends.numba.engine.room import address_of_array
from lamina.backends.program import Update
from tests.backends.numba.engine.recurrent_programs import Case, Trial

SETTINGS = ("lr", "momentum", "nesterov", "weight_decay")


def trained(threads=1, case=None, **options):
    trial = Trial(case or Case("lstm", ragged=True, sequences=True), seed=3)
    program = trial.program()
    program.updates = [Update("sgd_update", (trial.flat, trial.gradients, None), SETTINGS)]
    program.bounds[program.targets[0].index] = (5, None)
    plan = Plan(program, threads, **options)
    plan.give(trial.given())
    plan.set(0, dict(zip(SETTINGS, (0.1, 0.0, 0.0, 0.0), strict=True)))
    return trial, plan


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_same_number_of_threads_gives_the_same_bits(threads):
    found = []
    for _ in range(2):
        trial, plan = trained(threads)
        for _ in range(3):
            plan.run(trial.ids, len(trial.ids))
        found.append((trial.flat.copy(), plan.loss[0]))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_any_number_of_threads_gives_the_same_step_but_for_rounding():
    expected = None
    for threads in (1, 2, 3, 7):
        trial, plan = trained(threads)
        plan.run(trial.ids, len(trial.ids))
        expected = trial.flat.copy() if expected is None else expected
        np.testing.assert_allclose(trial.flat, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_step_is_that_of_the_formula(threads):
    trial, plan = trained(threads)
    before = trial.flat.copy()
    _, _, gradients = trial.expected(trial.ids)
    plan.run(trial.ids, len(trial.ids))
    change = trial.flat - before
    np.testing.assert_allclose(change, -0.1 * trial.gradients, rtol=1e-10, atol=1e-15)
    for name, expected in gradients.items():
        np.testing.assert_allclose(trial.weights[name].grad, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_gradients_are_set_to_0_first_or_added_to(threads):
    trial, plan = trained(threads)
    plan.run(trial.ids, len(trial.ids), update=False)
    once = trial.gradients.copy()
    plan.run(trial.ids, len(trial.ids), update=False)
    np.testing.assert_array_equal(trial.gradients, once)
    plan.run(trial.ids, len(trial.ids), update=False, clear=False)
    np.testing.assert_allclose(trial.gradients, 2 * once, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_step_and_its_update_may_come_apart(threads):
    (whole, plan), (trial, parted) = trained(threads), trained(threads)
    for _ in range(2):
        plan.run(whole.ids, len(whole.ids))
        before = trial.flat.copy()
        parted.run(trial.ids, len(trial.ids), update=False)
        np.testing.assert_array_equal(trial.flat, before)
        parted.update()
        np.testing.assert_array_equal(whole.flat, trial.flat)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_rate_is_read_in_each_step(threads):
    trial, plan = trained(threads)
    before = trial.flat.copy()
    plan.set(0, dict(zip(SETTINGS, (0.0, 0.0, 0.0, 0.0), strict=True)))
    plan.run(trial.ids, len(trial.ids))
    np.testing.assert_array_equal(trial.flat, before)
    plan.set(0, dict(zip(SETTINGS, (0.5, 0.0, 0.0, 0.0), strict=True)))
    plan.run(trial.ids, len(trial.ids))
    np.testing.assert_allclose(trial.flat, before - 0.5 * trial.gradients, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_where_a_label_is_none_nothing_is_computed(threads):
    trial, plan = trained(threads)
    plan.run(trial.ids, len(trial.ids))
    before, gradients = trial.flat.copy(), trial.gradients.copy()
    row = next(row for row in trial.ids if trial.lengths[row])
    trial.y[row, 0] = 5
    assert plan.run(trial.ids, len(trial.ids), check=True) is False
    np.testing.assert_array_equal(trial.flat, before)
    np.testing.assert_array_equal(trial.gradients, gradients)
    trial.y[row, 0] = 4
    assert plan.run(trial.ids, len(trial.ids), check=True) is True
    assert (trial.flat != before).any()


def test_a_checked_run_is_that_of_one_that_is_not():
    found = []
    for check in (False, True):
        for threads in (1, 3):
            trial, plan = trained(threads)
            plan.run(trial.ids, len(trial.ids), check=check)
            found.append(trial.flat.copy())
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])


def test_an_output_that_is_kept_never_changes_under_a_later_step():
    trial, plan = trained()
    plan.run(trial.ids, len(trial.ids))
    kept = plan.output(0)
    before = kept.copy()
    plan.run(trial.ids[::-1].copy(), len(trial.ids))
    assert not np.array_equal(plan.output(0), before)
    np.testing.assert_array_equal(kept, before)


def test_a_plan_cannot_be_copied():
    _, plan = trained()
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a plan cannot be copied"):
            copied(plan)


def broken_stale_ids(trial, plan):
    plan._words[1] = 0


def broken_rate(trial, plan):
    plan._updates[0].settings[0] = 0.2


def broken_lengths(trial, plan):
    plan._batch["lengths"] = 0


def broken_row_too_many(trial, plan):
    plan._words[0] = 5  # of the four that are meant; within what the plan has room for


def broken_terms(trial, plan):
    plan._table[2 * plan._parts["before"][1] - 2] = plan._table[2 * plan._parts["before"][0]]  # no share is computed
    plan._table[2 * plan._parts["before"][1] - 1] = plan._table[2 * plan._parts["before"][0] + 1]


def broken_reverse(trial, plan):
    plan._blocks[0].tasks[1].record["reverse"] = 1


def broken_stride(trial, plan):
    plan._blocks[0].inputs[0]["steps"] -= 1


def broken_target(trial, plan):
    trial.shifted = np.roll(plan._given.targets[0], 1)  # within its memory: a label that is none would be written to
    plan._blocks[0].targets[0]["given"] = address_of_array(trial.shifted)


def broken_width(trial, plan):
    plan._blocks[0].inputs[0]["width"] -= 1


def broken_bias(trial, plan):
    plan._blocks[0].tasks[1].record["b"] = plan._blocks[0].tasks[1].record["w_x"]


def broken_gradient(trial, plan):
    for task in plan._blocks[0].tasks:
        if task.name.startswith("backward") and "dw_h" in task.record.dtype.names:
            task.record["dw_h"] = 0


def broken_update(trial, plan):
    plan._updates[0].record["size"] -= 1


def broken_clear(trial, plan):
    first, last = plan._parts["clear"]
    for index in range(first, last):
        plan._table[2 * index : 2 * index + 2] = plan._table[2 * plan._parts["before"][0] :][:2]


BROKEN = [one for name, one in sorted(globals().items()) if name.startswith("broken_")]


@pytest.mark.parametrize("break_plan", [None, *BROKEN], ids=lambda one: getattr(one, "__name__", "sound"))
def test_a_broken_plan_is_caught(break_plan):
    """What the tests above compare tells each of them from a sound one."""
    trial, plan = trained()
    plan.run(trial.ids, len(trial.ids))  # what a run leaves behind is there for a broken one to use
    if break_plan is not None:
        break_plan(trial, plan)
    ids = trial.ids[:4]
    before = trial.flat.copy()
    loss, _, gradients = trial.expected(ids)
    stale = break_plan in (broken_stale_ids, broken_row_too_many)
    if stale:
        plan._run(plan._at, 0, plan._parts["updates"][1])
    else:
        plan.run(ids, len(ids))
    change = np.zeros_like(before)
    for name, weights in trial.weights.items():
        first = (weights.data.ctypes.data - trial.flat.ctypes.data) // weights.data.itemsize
        change[first : first + weights.data.size] = gradients[name].ravel()
    right = abs(plan.loss[0] - loss) < 1e-10 and np.allclose(trial.flat, before - 0.1 * change, rtol=1e-8, atol=1e-11)
    assert right == (break_plan is None)
