"""Compiled CTC: all alignments counted one by one, NumPy's kernels over ragged batches, and what is lost nowhere."""

import ctypes
from itertools import groupby, product

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.forms.ctc import CTCForm
from lamina.backends.numba.engine.forms.every import refusal
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Call, Frame, Given, Program
from lamina.losses import CTC
from lamina.plan.lower import Shaped, lower
from tests.backends.numba.engine.lone_loss import at


def alone(loss, logits, labels, lengths, weights=None):
    """Return the loss and the gradient of logits (rows, steps, classes) by the form."""
    (rows, steps, classes), dtype = logits.shape, logits.dtype.name
    program = Program(dtype, rows, steps)
    program.frames.append(Frame(steps, None, {}))
    z, y = program.value(classes, 0), program.value(labels.shape[1], integers=True)
    others = [] if weights is None else [program.value(1)]
    names = ("blank", "padding", "zero_infinity", "reduction")
    call = Call("ctc", (z, y, *others), (), {}, {name: getattr(loss, name) for name in names})
    assert CTCForm.refuses(call) == ""
    room = Room(program, rows, {})
    share, terms, total = (room.take(1, np.float64) for _ in range(3))
    form = CTCForm(call, room, *(address_of_array(one) for one in (share, terms, total)))
    order = np.argsort(-lengths, kind="stable")
    counts = np.array([(lengths > step).sum() for step in range(steps + 1)])
    offsets = np.concatenate([[0], np.cumsum(counts)])[: steps + 1]
    room.frame(0)
    frame = room._frames[0]
    frame["rows"], frame["steps"], frame["total"] = rows, lengths.max(initial=0), counts.sum()
    for name, values in (("lengths", lengths[order]), ("counts", counts), ("offsets", offsets)):
        at(int(frame[name][0]), len(values), "int64")[:] = values
    packed = np.concatenate([logits[order[: counts[step]], step] for step in range(steps)])
    at(room.value(z), packed.size, dtype)[:] = packed.ravel()
    at(room.value(y), labels.size, "int64")[:] = labels[order].ravel()
    if weights is not None:
        at(room.value(others[0]), rows, dtype)[:] = weights[order]

    def run(task):
        address = functions.address_of(task.module, task.name)
        ctypes.CFUNCTYPE(None, ctypes.c_int64)(address)(address_of_array(task.record))

    for task in form.counting():
        run(task)
    share[0] = 1 / terms[0] if terms[0] > 0 else 0
    (task,) = form.backward()
    run(task)
    found = at(int(form.record["gradient"][0]), packed.size, dtype).reshape(packed.shape)
    gradient = np.zeros_like(logits)
    for step in range(steps):
        gradient[order[: counts[step]], step] = found[offsets[step] : offsets[step] + counts[step]]
    return total[0], gradient


def counted(logits, labels, blank=0):
    """Return -log of the probability of labels, over all classes at all steps."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    total = 0.0
    for path in product(range(logits.shape[1]), repeat=len(logits)):
        if [one for one, _ in groupby(path) if one != blank] == labels:
            total += np.prod(p[np.arange(len(path)), list(path)])
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize("labels", [[], [1], [2, 1], [1, 1], [1, 2, 1], [2, 2, 2], [1, 1, 1, 1]])
def test_it_is_the_sum_of_all_alignments(labels):
    rng = np.random.default_rng(0)
    for steps in (1, 2, 4, 5):
        z = rng.normal(size=(1, steps, 3))
        padded = np.array([[*labels, -1]])
        loss, gradient = alone(CTC(), z, padded, np.array([steps]))
        expected = counted(z[0], labels)
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        if not np.isfinite(expected):
            np.testing.assert_array_equal(gradient, 0)
            continue
        for place in np.ndindex(z.shape):
            moved = [z.copy(), z.copy()]
            moved[0][place] += 1e-6
            moved[1][place] -= 1e-6
            slope = (counted(moved[0][0], labels) - counted(moved[1][0], labels)) / 2e-6
            np.testing.assert_allclose(gradient[place], slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [1, 10, 100, 1000])
def test_it_is_what_the_kernels_do(dtype, scale):
    rng, kernels = np.random.default_rng(scale), lamina.get_backend("numpy")
    for trial in range(60):
        rows, steps, classes, width = rng.integers(1, 6), rng.integers(1, 30), rng.integers(2, 6), rng.integers(0, 8)
        labels = rng.integers(1, classes, (rows, width))
        for row, count in enumerate(rng.integers(0, width + 1, rows)):
            labels[row, count:] = -1
        lengths = rng.integers(0, steps + 1, rows)
        z = (rng.normal(size=(rows, steps, classes)) * scale).astype(dtype)
        if trial % 7 == 0:
            z[rng.random(z.shape) < 0.05] = rng.choice([-np.inf, np.inf])
        if trial % 20 == 1:
            z[0, 0, 0] = np.nan
        weights = None if trial % 3 else rng.choice([0, 1, 2.5], rows).astype(dtype)
        loss = CTC(zero_infinity=bool(trial % 2))
        options = {} if weights is None else {"mask": weights}
        with np.errstate(all="ignore"):
            value, saved = loss.forward_on(kernels, z.copy(), labels, lengths=lengths, **options)
            slope = loss.backward(saved)
        got, gradient = alone(loss, z, labels, lengths, weights)
        exact = 1e-9 if dtype == "float64" else 1e-4
        np.testing.assert_allclose(got, float(value), rtol=exact, atol=exact)
        np.testing.assert_allclose(gradient, slope, atol=exact)


@pytest.mark.parametrize("threads", [1, 3])
def test_planned_behind_a_layer(threads):
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(9, 6, 4)), rng.integers(1, 4, (9, 3))
    labels[::2, 2], labels[4] = -1, -1
    lengths, weights = np.array([6, 0, 3, 5, 2, 4, 6, 6, 1]), rng.choice([0.0, 0.5, 2.0], size=(9, 1))
    layer = lamina.layers.Dense(4)
    with lamina.use_backend("numpy"):
        layer.build((None, None, 4), seed=0, dtype="float64")
    layer.w.data[...], layer.b.data[...] = np.eye(4), 0
    loss = CTC(zero_infinity=True)
    shapes = Shaped(x.shape, False), Shaped(labels.shape, True), Shaped(weights.shape, False)
    program = lower(layer, loss, None, shapes[:1], shapes[1], 9, shapes[2])
    assert refusal(program) == ""
    plan = Plan(program, threads)
    plan.give(Given((x,), (labels, weights), lengths))
    for rows in (rng.permutation(9), np.array([3]), np.array([1])):
        plan.run(rows, len(rows))
        options = {"lengths": lengths[rows], "mask": weights[rows, 0]}
        value, saved = loss.forward(x[rows], labels[rows], **options)
        slope = loss.backward(saved)
        np.testing.assert_allclose(plan.loss[0], value, rtol=1e-12)
        assert plan.terms[0] == loss.terms(x[rows], labels[rows], lengths[rows], weights[rows, 0])
        np.testing.assert_allclose(layer.b.grad, slope.sum(axis=(0, 1)), atol=1e-12)
        np.testing.assert_allclose(layer.w.grad, np.tensordot(x[rows], slope, axes=([0, 1], [0, 1])), atol=1e-12)
    assert refusal(lower(layer, loss, None, shapes[:1], Shaped((9, 6, 3), True), 9)) == "ctc: without steps"
    of_steps = lower(layer, loss, None, shapes[:1], shapes[1], 9, Shaped((9, 6, 1), False))
    assert refusal(of_steps) == "ctc: with weights of steps"
