"""What tests of compiled forms share: a kernel beside the generic one, and a planned step beside a model's passes."""

import copy
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

import lamina
from lamina.backends.numba.engine.forms.every import refusal
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Call, Frame, Given, Program, Weights
from lamina.plan.beside import Beside
from lamina.plan.lower import Shaped, lower

# Beside the largest number there is, or beside 0.1 where all are small.
BOUNDS = {"float64": 1e-10, "float32": 3e-6}
DTYPES = list(BOUNDS)
#: Ragged with an empty row, threads, one row, one step.
CASES = [
    {"ragged": False},
    {"ragged": True},
    {"ragged": True, "threads": 3},
    {"ragged": False, "threads": 2},
    {"rows": 1},
    {"steps": 1, "ragged": True},
]


def apart(found, expected):
    """Return by how much arrays differ, beside the largest number; infinity where one alone is not finite."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    if same.all():
        return 0.0
    finite = expected[np.isfinite(expected)]
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.where(same, 0.0, np.abs(found - expected)).max() / max(np.abs(finite).max(initial=0.0), 0.1)
    return float(np.nan_to_num(difference, nan=np.inf))


@contextmanager
def guarded():
    """Within it plans' memory lies between bytes that must stay as they are."""
    kept, plain, beside, line, mark = [], Room.take, 1024, 64, 0xA5

    def take(self, count, dtype=None):
        kind = np.dtype(dtype or self.dtype)
        size = count * kind.itemsize
        whole = np.full(size + line + 2 * beside, mark, np.uint8)
        first = beside + -(address_of_array(whole) + beside) % line
        whole[first : first + size] = 0
        self.keep.append(whole[first : first + size].view(kind))
        kept.append((whole, first, first + size))
        return self.keep[-1]

    Room.take = take
    try:
        yield
    finally:
        Room.take = plain
    for whole, first, last in kept:
        assert (whole[:first] == mark).all()
        assert (whole[last:] == mark).all()


class Passed(NamedTuple):
    """What a kernel gave: its output, that one's gradient, the input's, and the weights' by name."""

    y: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    gradients: dict


@guarded()
def run_kernel(kernel, x, units=None, weights=None, **options):
    """Run a planned kernel on rows (rows, features), forward and backward from a softmax cross-entropy of its output.

    The rows come as those of a table, looked up one after another: so they come as they are, and the table's gradient
    is theirs.
    """
    rows, features = x.shape
    dtype, units = str(x.dtype), units or features
    program = Program(dtype, rows, 1)
    program.frames.append(Frame(1, None, {}))
    ids, value, y = program.value(1, None, True), program.value(features), program.value(units)
    target = program.value(1, None, True)
    table = Weights(np.array(x), np.zeros_like(x))
    own = {name: Weights(np.array(one, dtype), np.zeros(np.shape(one), dtype)) for name, one in (weights or {}).items()}
    program.inputs, program.targets = [ids], [target]
    program.call("embedding", [ids], [value], {"w": table})
    program.call(kernel, [value], [y], own, **options)
    program.loss = Call("softmax_cross_entropy", (y, target), (), {}, {})
    program.outputs = [y]
    program.gradients = [one.grad for one in (table, *own.values())]
    assert refusal(program) == ""
    plan, labels = Plan(program), np.arange(rows) % units
    plan.give(Given((np.arange(rows),), (labels,)))
    plan.run(None, rows, update=False)
    found = plan.output(0)
    loss = lamina.losses.SoftmaxCrossEntropy()
    with np.errstate(all="ignore"):
        dy = loss.backward(loss.forward_on(lamina.get_backend("numpy"), found, labels)[1])
    return Passed(found, dy, table.grad, {name: one.grad for name, one in own.items()})


def check_kernel(kernel, x, options=None, bound=None):
    """Compare a kernel of one input, without weights, with the generic one."""
    options = options or {}
    passed = run_kernel(kernel, x, **options)
    generic = lamina.get_backend("reference").select(kernel, **options)
    with np.errstate(all="ignore"):
        y, saved = generic.forward(x, **options)
        dx = generic.backward(passed.dy, saved)
    bound = bound or BOUNDS[str(x.dtype)]
    assert apart(passed.y, y) < bound
    assert apart(passed.dx, dx) < bound


@guarded()
def check_model(make, dtype, *, ragged=False, threads=1, rows=5, steps=7, features=4, ids=None, sequence=False, seed=0):
    """Compare planned steps of a model with its own passes, over all of the rows and then some of them.

    Loss, output, gradients, running statistics and what random layers count must be the same.

    Parameters
    ----------
    make : function
        Returns a new model, which gives 3 classes for each row, or for each step.
    ids : int, optional
        The model takes integers (rows, steps) below it, instead of (rows, steps, features).
    """
    rng = np.random.default_rng(seed)
    model = make()
    model.build((None, None) if ids else (None, None, features), seed=seed, dtype=dtype)
    x = rng.integers(0, ids, (rows, steps)) if ids else rng.normal(size=(rows, steps, features)).astype(dtype)
    lengths = rng.integers(0, steps + 1, rows) if ragged else None
    if ragged:
        lengths[0], lengths[-1] = steps, 0
        if ids:
            x[np.arange(steps) >= lengths[:, None]] = -1  # never read
    y = rng.integers(0, 3, (rows, steps) if sequence else rows)
    loss, beside = lamina.losses.SoftmaxCrossEntropy(), Beside()
    shaped = Shaped(x.shape, bool(ids)), Shaped(y.shape, True)
    program = lower(model, loss, None, shaped[:1], shaped[1], rows + 1, beside=beside)
    assert refusal(program) == ""
    plan = Plan(program, threads)
    plan.give(Given((x,), (y,), lengths))
    twin = copy.deepcopy(model)
    for some in (rng.permutation(rows), rng.permutation(rows)[: max(1, rows - 2)]):
        own = None if lengths is None else lengths[some]
        twin.zero_grad()
        beside.begin(plan, len(some))
        plan.run(some, len(some), update=False)
        beside.finish(plan)
        prediction, saved = twin.forward(x[some], lengths=own)
        left = lamina.core.lengths.lengths_after(twin, own)
        options = {} if left is None or not sequence else {"lengths": left}
        value, kept = loss.forward(prediction, y[some], **options)
        twin.backward(loss.backward(kept), saved)
        if options:
            prediction = prediction * (np.arange(prediction.shape[1]) < left[:, None])[..., None]
        found = {"loss": (plan.loss[0], value), "output": (plan.output(0), prediction)}
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            if one.trainable:
                found[one.name] = one.read_grad(), other.read_grad()
            found[f"{one.name} itself"] = one.data, other.data
        far = {name: apart(*pair) for name, pair in found.items()}
        assert max(far.values()) < BOUNDS[dtype], far
    for (_, one), (_, other) in zip(model.walk(), twin.walk(), strict=True):
        assert getattr(one, "draws", None) == getattr(other, "draws", None)
