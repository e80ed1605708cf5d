"""A loss's compiled form by itself, over rows of a prediction, and what it is compared with."""

import ctypes

import numpy as np

import lamina
from lamina.backends.numba.engine import functions
from lamina.backends.numba.engine.forms.every import find_form
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Frame, Program
from lamina.core.lowering import Lowering, own_lowering
from tests.backends.numba.engine.planned_loss import target_of

_KINDS = {"float32": ctypes.c_float, "float64": ctypes.c_double, "int64": ctypes.c_int64}


def call_of(loss, features, target_features=None, dtype="float64"):
    """Return the call that a loss is lowered to, for labels unless targets have features."""
    program = Program(dtype, 8, 1)
    program.frames.append(Frame(1, None, {}))
    prediction = program.value(features)
    target = program.value(target_features or 1, integers=target_features is None)
    own_lowering(loss)(Lowering(program), prediction, target)
    return program


def alone(loss, prediction, target):
    """Return the loss and the gradient of a prediction (rows, features), by the compiled form."""
    rows, features = prediction.shape
    labels, dtype = target.ndim == 1, prediction.dtype.name
    program = call_of(loss, features, None if labels else target.shape[-1], dtype)
    room = Room(program, rows, {})
    share, terms, total = (room.take(1, np.float64) for _ in range(3))
    share[0] = 1 / rows if loss.reduction == "mean" else 1
    form = find_form(program.loss.kernel)
    assert form.refuses(program.loss) == ""
    made = form(program.loss, room, *(address_of_array(one) for one in (share, terms, total)))
    at(room.value(program.loss.inputs[0]), prediction.size, dtype)[:] = prediction.ravel()
    at(room.value(program.loss.inputs[1]), target.size, "int64" if labels else dtype)[:] = target.ravel()
    room.frame(0)
    room._frames[0]["rows"] = rows
    for task in made.backward():
        address = functions.address_of(task.module, task.name)
        ctypes.CFUNCTYPE(None, ctypes.c_int64)(address)(address_of_array(task.record))
    gradient = at(int(made.record["gradient"][0]), prediction.size, dtype).reshape(prediction.shape)
    return total[0], gradient.copy()


def at(address, count, dtype):
    """Return the array at an address."""
    return np.ctypeslib.as_array((_KINDS[dtype] * count).from_address(address))


def by_kernels(loss, prediction, target):
    """Return the loss and the gradient by NumPy's kernels."""
    with np.errstate(all="ignore"):
        value, saved = loss.forward_on(lamina.get_backend("numpy"), prediction, target)
        return float(value), loss.backward(saved)


SPECIAL = [np.inf, -np.inf, np.nan, 0.0, 1e30, -1e30, 200.0, -200.0, 1.0, -0.5]


def agree_on_special_values(case):
    """Assert that a loss's form sees NaN and infinity where the kernels do, and has their numbers elsewhere.

    One row after another: a row with NaN would hide the loss of the others. Returns how many losses were not finite.
    """
    rng, loss, target, features = np.random.default_rng(0), case.make(), target_of(case), case.shape[-1]
    targets = target.reshape(-1, *target.shape[len(case.shape) - 1 :])
    ignored = getattr(loss, "ignore_index", None)
    targets = targets if ignored is None else targets[targets != ignored]
    loss.check_target = lambda *arguments, **options: None
    seen = 0
    for dtype, exact in (("float64", 1e-9), ("float32", 2e-4)):
        for trial in range(60):
            odd = rng.choice(SPECIAL, size=(1, features))
            z = np.where(rng.random((1, features)) < (1 if trial % 2 else 0.4), odd, rng.normal(size=(1, features)))
            z = z.astype(dtype)
            target = targets[rng.integers(len(targets))][None]
            target = target.astype(np.int64 if target.ndim == 1 else dtype)
            value, gradient = alone(loss, z, target)
            expected, slope = by_kernels(loss, z, target)
            shown = f"{loss!r} of {z} for {target} in {dtype}"
            np.testing.assert_allclose(value, expected, rtol=exact, atol=exact / 100, err_msg=shown)
            np.testing.assert_allclose(gradient, slope, rtol=exact, atol=exact / 100, err_msg=shown)
            seen += not np.isfinite(expected)
    return seen
