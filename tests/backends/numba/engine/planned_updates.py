"""Planned updates against ``optimizer.step()`` on the NumPy backend."""

import numpy as np

import lamina
from lamina.backends.numba.engine.forms.every import refusal
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Frame, Program
from lamina.plan.updates import Updates
from lamina.testing.cases import optimizer_cases

STEPS = 30
# Their names do not say that they clip.
CLIPPED = ("NAdam-decoupled", "Adamax-groups")


class Named(lamina.Composite):
    """Three layers of names that the patterns of the cases' groups match."""

    def __init__(self):
        self.w0, self.w1, self.b2 = lamina.layers.Dense(5), lamina.layers.Dense(3), lamina.layers.Dense(2)

    def compose(self, t, *inputs):
        """Return one layer after another."""
        return t(self.b2, t(self.w1, t(self.w0, *inputs)))


def cases_of(*names):
    """Return the cases of optimizers of these names: all their options."""
    found = [case for case in optimizer_cases() if case.name.partition("-")[0] in names]
    assert {case.name.partition("-")[0] for case in found} == set(names)
    return found


def models(dtype, frozen=""):
    """Return two models that are the same, of parameters with all names that the cases' patterns ask for."""
    found = []
    for _ in range(2):
        with lamina.use_backend("numpy"):
            model = Named()
            model.build((None, 3), seed=0, dtype=dtype)
        for parameter in model.parameters():
            if parameter.name in frozen:
                parameter.trainable = False
        found.append(model)
    return found


def plan_of(optimizer, dtype):
    """Return an optimizer's updates, and a plan of them alone."""
    updates = Updates(optimizer)
    program = Program(dtype, 1, 1)
    program.frames.append(Frame(1, None, {}))
    program.updates = updates.calls
    assert refusal(program) == ""
    return updates, Plan(program)


def give_gradients(pair, rng):
    """Give both models the same gradients, of any size."""
    for one, other in zip(*(model.parameters() for model in pair), strict=True):
        one.grad[...] = rng.normal(size=one.shape) * rng.choice([0, 1e-3, 1, 10])
        other.grad[...] = one.grad


def to_the_last_digit(got, expected):
    """Assert that arrays are the same."""
    np.testing.assert_array_equal(got, expected)


def to_rounding(got, expected):
    """Assert that arrays are the same but for the rounding of a norm, which is a sum in another order."""
    exact = 1e-12 if expected.dtype == np.float64 else 2e-6
    np.testing.assert_allclose(got, expected, rtol=exact, atol=exact * max(1, np.abs(expected).max(initial=0)))


def exactness_of(case):
    """Return what asserts how much alike a case's steps must be: those that clip by a norm are so but for rounding."""
    clips = "clipped" in case.name or "everything" in case.name or case.name in CLIPPED
    return to_rounding if clips else to_the_last_digit


def compare(make, dtype, exact, frozen="", steps=STEPS):
    """Assert that planned steps are the optimizer's: weights, gradients after clipping, and all that is kept."""
    pair = models(dtype, frozen)
    optimizer, planned = (make(model.parameters()) for model in pair)
    updates, plan = plan_of(planned, dtype)
    rng = np.random.default_rng(0)
    for step in range(steps):
        give_gradients(pair, rng)
        if step in (10, 20):
            optimizer.lr = planned.lr = 0.0 if step == 10 else 0.05
        optimizer.step()
        assert updates.refresh(plan)
        plan.run(None, 1, clear=False)
        for one, other in zip(*(model.parameters() for model in pair), strict=True):
            exact(other.data, one.data)
            exact(other.grad, one.grad)
    same_state(optimizer, planned, exact)


def same_state(optimizer, planned, exact):
    """Assert that two optimizers keep the same."""
    one, other = optimizer.state_dict(), planned.state_dict()
    if "members" in one:
        assert one["steps"] == other["steps"]
        for name in optimizer.members:
            same_state(optimizer.members[name], planned.members[name], exact)
        return
    arrays, others = one.pop("parameters"), other.pop("parameters")
    assert one == other
    for path, own in arrays.items():
        for name, array in own.items():
            exact(others[path][name], array)
