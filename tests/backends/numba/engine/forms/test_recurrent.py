"""All recurrences as whole passes, against NumPy's kernels."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.plan import Plan
from tests.backends.numba.engine.recurrent_programs import GATES, SCANS, Case, Trial

BOUNDS = {"float64": 1e-11, "float32": 2e-4}
KINDS = {kernel: {"kernel": kernel} for kernel in (*GATES, *SCANS)}
KINDS["slstm, exponential forget gate"] = {"kernel": "slstm", "forget": "exp"}
KINDS["lstm, projected"] = {"kernel": "lstm", "projection": 0.6}
KINDS["lstm, projected to more"] = {"kernel": "lstm", "projection": 1.7}
KINDS["gru, reset first"] = {"kernel": "gru", "reset_after": False}
SIZES = [(1, 1, 1, 1), (2, 3, 2, 4), (7, 9, 5, 13), (33, 12, 3, 48), (50, 5, 70, 33)]


def worst_difference(case, threads=1):
    trial = Trial(case, seed=case.rows)
    plan = Plan(trial.program(), threads)
    plan.give(trial.given())
    worst = 0.0
    for ids in (trial.ids, trial.ids[:1], trial.ids):  # a smaller batch between: nothing of one is left to the next
        plan.run(ids, len(ids), update=False)
        loss, logits, gradients = trial.expected(ids)
        differences = [abs(plan.loss[0] - loss), np.abs(plan.output(0) - logits).max()]
        for name, expected in gradients.items():
            found = trial.weights[name].grad
            if found is not None:
                differences.append(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-6))
        worst = max(worst, *map(float, differences))
    return worst


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_mode_and_number_of_threads_gives_the_kernels_values(kind, dtype, size):
    for ragged in (False, True):
        for sequences in (False, True):
            for reverse in (False, True):
                for states in (False, True):
                    how = {"ragged": ragged, "sequences": sequences, "reverse": reverse, "states": states}
                    names = ("rows", "steps", "features", "units")
                    case = Case(**KINDS[kind], dtype=dtype, **dict(zip(names, size, strict=True)), **how)
                    for threads in (1, 3):
                        assert worst_difference(case, threads) < BOUNDS[dtype], (case, threads)


@pytest.mark.parametrize("kernel", ["simple_rnn", "ind_rnn"])
@pytest.mark.parametrize("dtype", BOUNDS)
def test_relu(dtype, kernel):
    assert worst_difference(Case(kernel, dtype, activation="relu", sequences=True)) < BOUNDS[dtype]


FROZEN = [("w_x",), ("w_h",), ("b",), ("b_h",), ("w_p",), ("w_x", "w_h"), ("w",)]
FROZEN += [("eigenvalues",), ("w_b",), ("w_c",), ("w_d",), ("w_b", "eigenvalues")]


@pytest.mark.parametrize("frozen", FROZEN, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_frozen_gets_no_gradient_and_changes_no_other(kind, frozen):
    case = Case(**KINDS[kind], frozen=frozen, ragged=True)
    if not set(frozen) <= case.shapes().keys():
        pytest.skip("it has no such weights")
    assert worst_difference(case) < BOUNDS["float64"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_any_step_gives_no_gradient_to_the_weights(kind):
    trial = Trial(Case(**KINDS[kind], ragged=True))
    trial.lengths[:] = 0
    plan = Plan(trial.program())
    plan.give(trial.given())
    plan.run(trial.ids, len(trial.ids), update=False)
    assert not any(one.grad.any() for name, one in trial.weights.items() if name not in ("w", "head"))
    loss, _, gradients = trial.expected(trial.ids)
    np.testing.assert_allclose(plan.loss[0], loss, rtol=1e-12)
    np.testing.assert_allclose(trial.weights["head"].grad, gradients["head"], rtol=1e-11)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_is_seen_in_its_row_and_in_no_other(kind, value):
    trial = Trial(Case(**KINDS[kind], dtype="float32", sequences=True))
    trial.x[trial.ids[0], 3] = value
    plan = Plan(trial.program())
    plan.give(trial.given())
    plan.run(trial.ids, len(trial.ids), update=False)
    logits = plan.output(0)
    with np.errstate(all="ignore"):
        expected = trial.expected(trial.ids)[1]
    np.testing.assert_array_equal(np.isnan(logits), np.isnan(expected))
    assert np.isfinite(logits[1:]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_a_rows_end_is_never_read(kind):
    trial = Trial(Case(**KINDS[kind], ragged=True, sequences=True))
    plan = Plan(trial.program())
    plan.give(trial.given())
    plan.run(trial.ids, len(trial.ids), update=False)
    gradients, loss = trial.gradients.copy(), plan.loss[0]
    for row, length in enumerate(trial.lengths):
        trial.x[row, length:] = np.nan
        trial.y[row, length:] = -7
    plan.run(trial.ids, len(trial.ids), update=False)
    np.testing.assert_array_equal(trial.gradients, gradients)
    assert plan.loss[0] == loss
