"""Recurrences in every option, on the CuPy backend beside the generic kernels on NumPy, in float64."""

from itertools import product
from typing import NamedTuple

import numpy as np

import lamina
from lamina.backends.backend import Backend

__all__ = ["CASES", "Case", "worst"]

BATCH, TIME, FEATURES, UNITS = 5, 7, 3, 4
LENGTHS = {"full": None, "ragged": np.array([7, 0, 3, 1, 5]), "all ended": np.zeros(5, int)}
KERNELS = {
    "tanh": ("simple_rnn", 1, 1, {"activation": "tanh"}),
    "relu": ("simple_rnn", 1, 1, {"activation": "relu"}),
    "sigmoid": ("simple_rnn", 1, 1, {"activation": "sigmoid"}),
    "lstm": ("lstm", 4, 2, {}),
    "gru, reset after": ("gru", 3, 1, {"reset_after": True}),
    "gru, reset before": ("gru", 3, 1, {"reset_after": False}),
}


class Case(NamedTuple):
    """A recurrence and what it is given."""

    kernel: str
    lengths: str = "full"
    reverse: bool = False
    states: bool = True
    bias: bool = True
    outputs: bool = True  # whether the outputs have a gradient
    time: int = TIME

    def __str__(self):
        return "-".join(f"{name}={value}" for name, value in self._asdict().items())


CASES = [Case(*choice) for choice in product(KERNELS, LENGTHS, (False, True), (False, True))]
CASES += [Case(kernel, bias=False, outputs=False) for kernel in KERNELS]
CASES += [Case(kernel, "full", reverse, time=0) for kernel in KERNELS for reverse in (False, True)]


def worst(case, device, dtype="float64", seed=0):
    """Return the largest difference between a device's results and the generic ones, by what differs."""
    own, generic = (_results(case, backend, dtype, seed) for backend in (device, lamina.get_backend("numpy")))
    assert device.select(KERNELS[case.kernel][0], **KERNELS[case.kernel][3]).source == "cupy"
    found = {}
    for name, value in generic.items():
        got = own[name]
        assert (got is None) == (value is None), name
        if value is not None:
            got = device.to_numpy(got)
            assert got.shape == value.shape, f"{name}: {got.shape}, not {value.shape}"
            assert got.dtype == dtype
            # NaN is a difference too.
            found[name] = (
                0 if not value.size else float(np.max(np.where(np.isnan(got - value), np.inf, abs(got - value))))
            )
    return found


def _results(case, backend, dtype, seed):
    kernel, gates, states, options = KERNELS[case.kernel]
    rng = np.random.default_rng(seed)
    lengths = LENGTHS[case.lengths]

    def drawn(*shape, there=True):
        value = rng.normal(size=shape)
        return backend.asarray(value.astype(dtype)) if there else None

    x = rng.normal(size=(BATCH, case.time, FEATURES))
    dh = rng.normal(size=(BATCH, case.time, UNITS))
    if lengths is not None:  # what stands past an end is nobody's to read
        beyond = np.arange(case.time) >= lengths[:, None]
        x[beyond], dh[beyond] = np.nan, np.nan
    x, dh = (backend.asarray(one.astype(dtype)) for one in (x, dh))
    w_x, w_h = drawn(FEATURES, gates * UNITS), drawn(UNITS, gates * UNITS)
    weights = [w_x, w_h, drawn(gates * UNITS, there=case.bias)]
    if kernel == "gru":
        weights.append(drawn(UNITS, there=case.bias and options["reset_after"]))
    given = [drawn(BATCH, UNITS, there=case.states) for _ in range(states)]
    forward, backward = backend.pair(kernel, Backend if backend.name == "numpy" else None)
    y, last, saved = forward(x, *weights, *given, lengths, reverse=case.reverse, **options)
    last = last if isinstance(last, tuple) else (last,)
    dlast = [drawn(BATCH, UNITS) for _ in range(states)]
    dx, *dweights, dfirst = backward(dh if case.outputs else None, *dlast, saved, w_x, w_h)
    again = forward(x, *weights, *given, lengths, reverse=case.reverse, **options)[2]
    left_out, *_ = backward(dh, *dlast, again, w_x, w_h, input_gradient=False)
    dfirst = dfirst if isinstance(dfirst, tuple) else (dfirst,)
    found = {"y": y, "dx": dx, "dx left out": left_out}
    for name, several in (("state", last), ("d state", dfirst), ("d weight", dweights)):
        found |= {f"{name} {place}": one for place, one in enumerate(several)}
    return found
