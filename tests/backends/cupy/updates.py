"""Optimizers' updates in every option, on the CuPy backend beside the generic kernels on NumPy."""

from itertools import product

import numpy as np

from lamina.backends.backend import Backend
from lamina.backends.generic.updates import UpdateCall

__all__ = ["CASES", "STATES", "calls", "difference", "generic"]

ROWS, UNITS = 37, 29
IDS = np.array([5, 0, 36, 17, 4])
STATES = {"sgd": 1, "adagrad": 1, "rmsprop": 3, "adadelta": 2, "adam": 3}
_RATES = {"lr": 0.1, "epsilon": 1e-3}
_DECAYS = [{}, {"weight_decay": 0.3}]


def _cases():
    """Yield a kernel's name, which of its states there are, and its settings."""
    for decay in _DECAYS:
        yield "sgd", (False,), {"lr": 0.1} | decay
        for nesterov in (False, True):
            yield "sgd", (True,), {"lr": 0.1, "momentum": 0.7, "nesterov": nesterov} | decay
        yield "adagrad", (True,), _RATES | decay
        yield "adadelta", (True, True), _RATES | {"decay": 0.8} | decay
        for centered, momentum in product((False, True), (0.0, 0.6)):
            states = (True, centered, bool(momentum))
            yield "rmsprop", states, _RATES | {"decay": 0.8, "momentum": momentum} | decay
        for largest, decoupled, step in product((False, True), (False, True), (1, 1000)):
            settings = {"beta1": 0.9, "beta2": 0.99, "step": step, "decoupled": decoupled}
            yield "adam", (True, True, largest), _RATES | settings | decay


CASES = list(_cases())


def calls(backend, case, dtype, rows=False, seed=0):
    """Return an update, with arrays drawn anew: of a matrix, or of some rows of one."""
    kernel, states, settings = case
    rng = np.random.default_rng(seed)

    def drawn(*shape, positive=False):
        values = rng.normal(size=shape)
        # A mean of squares lies above the square of a mean: the root of their difference is ill-conditioned at 0.
        return backend.asarray((abs(values) + 1.5 if positive else values).astype(dtype))

    parameter = drawn(ROWS, UNITS)
    gradient = drawn(len(IDS) if rows else ROWS, UNITS)
    # Velocities and means have signs; what is a mean of squares has none.
    signed = {"sgd": (0,), "rmsprop": (1, 2), "adam": (0,)}.get(kernel, ())
    state = [drawn(ROWS, UNITS, positive=place not in signed) for place in range(STATES[kernel])]
    if kernel == "rmsprop":
        state[1] *= 0.25
    given = [one if there else None for one, there in zip(state, states, strict=True)]
    ids = backend.asarray(IDS) if rows else None
    return UpdateCall(f"{kernel}_update", (parameter, gradient, *given), settings, ids)


def generic(several, backend):
    """Run updates by the generic kernels."""
    for call in several:
        arrays, ids = call.arrays, call.ids
        if ids is not None:
            arrays = [
                one if one is None or place == 1 else backend.take_rows(one, ids) for place, one in enumerate(arrays)
            ]
        getattr(Backend, call.kernel)(backend, *arrays, **call.settings)
        if ids is not None:
            for table, taken in zip(call.arrays, arrays, strict=True):
                if table is not None and table is not taken:
                    table[ids] = taken


def difference(device, own, expected):
    """Return by how much arrays on the device differ from those on the host, relative to the larger of 1 and these."""
    found = [0.0]
    for one, other in zip(own, expected, strict=True):
        for got, wanted in zip(one.arrays, other.arrays, strict=True):
            if wanted is not None:
                got = device.to_numpy(got)
                assert got.dtype == wanted.dtype
                apart = abs(got - wanted) / np.maximum(1, abs(wanted))
                found.append(float(np.max(np.where(np.isnan(apart), np.inf, apart))))  # NaN is a difference too
    return max(found)
