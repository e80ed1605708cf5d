"""A loss planned behind a Dense layer, over ragged batches with weights, against the loss itself."""

import numpy as np

import lamina
from lamina.backends.numba.engine.forms.every import refusal
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Given
from lamina.plan.lower import Shaped, lower

ROWS = 9
#: The most that a relative difference may be: float64's sums, float32's exponentials and sums.
BOUNDS = {"float64": 1e-12, "float32": 3e-6}


def settings(steps):
    """Yield whether batches are ragged, which weights there are, and how many threads."""
    for ragged in (False, True) if steps else (False,):
        for weighted in (None, "rows", "steps") if steps else (None, "rows"):
            for threads in (1, 3):
                yield ragged, weighted, threads


def prove(loss, shape, target, dtype):
    """Assert that a planned loss, its terms and its gradients are those of the loss; return the worst error."""
    rng = np.random.default_rng(1)
    steps = shape[1] if len(shape) == 3 else None
    features = shape[-1]
    target = np.concatenate([target, target])[:ROWS]
    x = rng.normal(size=(ROWS, *shape[1:])).astype(dtype)
    model = lamina.layers.Dense(features)
    with lamina.use_backend("numpy"):
        model.build((None, *(None,) * (len(shape) - 2), features), seed=0, dtype=dtype)
    model.w.data[...], model.b.data[...] = np.eye(features), 0
    worst = 0.0
    for ragged, weighted, threads in settings(steps):
        lengths = rng.integers(0, steps + 1, ROWS) if ragged else None
        size = (ROWS,) if weighted == "rows" else (ROWS, steps)
        weights = rng.choice([0, 0.5, 1, 2], size=size).astype(dtype) if weighted else None
        shaped = None if weights is None else Shaped((*weights.shape, 1), False)
        given = Shaped(target.shape, target.dtype.kind in "iub")
        program = lower(model, loss, None, (Shaped(x.shape, False),), given, ROWS, shaped)
        assert refusal(program) == ""
        plan = Plan(program, threads)
        targets = [np.ascontiguousarray(target, np.int64 if program.targets[0].integers else dtype)]
        targets += [] if weights is None else [np.ascontiguousarray(weights[..., None])]
        plan.give(Given((x,), tuple(targets), lengths))
        order = rng.permutation(ROWS)[: ROWS - 1]
        for rows in (order, order[:1], order[:0]):
            plan.run(rows, len(rows))
            options = {} if lengths is None else {"lengths": lengths[rows]}
            options |= {} if weights is None else {"mask": weights[rows]}
            value, saved = loss.forward(x[rows], target[rows], **options)
            slope = loss.backward(saved).reshape(-1, features)
            assert plan.terms[0] == loss.terms(x[rows], target[rows], **options)
            for got, expected in (
                (plan.loss[0], value),
                (model.b.grad, slope.sum(axis=0)),
                (model.w.grad, x[rows].reshape(-1, features).T @ slope),
            ):
                error = np.abs(got - expected).max() / max(1, np.abs(expected).max())
                assert error < BOUNDS[dtype], (loss, dtype, ragged, weighted, threads, len(rows))
                worst = max(worst, float(error))
    return worst


def cases_of(*names):
    """Return the cases of losses of these names: all their options."""
    from lamina.testing.cases import loss_cases

    found = [case for case in loss_cases() if case.name.partition("-")[0] in names and len(case.shape) < 4]
    assert {case.name.partition("-")[0] for case in found} == set(names)
    return [case for case in found if case.make().reduction != "none"]


def target_of(case):
    """Return a case's target."""
    return np.random.default_rng(2).normal(size=case.shape) if case.target is None else np.asarray(case.target)
