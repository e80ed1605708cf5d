"""Kernels of the CuPy backend beside the generic ones on NumPy."""

import numpy as np

import lamina
from lamina.backends.backend import Backend
from lamina.backends.cupy import compiled

__all__ = ["differences", "faulty_source", "host", "pairs"]


def pairs(device, kernel):
    """Return a kernel's forward and backward function of both, and what makes arrays for each."""
    assert device.select(kernel).source == "cupy"
    numpy = lamina.get_backend("numpy")
    return (device.asarray, *device.pair(kernel)), (lambda value: value, *numpy.pair(kernel, Backend))


def host(device, values):
    """Return arrays of the device as NumPy's."""
    return [device.to_numpy(one) if device.is_array(one) else np.asarray(one) for one in values]


def differences(got, wanted):
    """Return the largest difference of each array, relative to the largest value where that is more than 1.

    What is not finite must be the same.
    """
    found = []
    for own, value in zip(got, wanted, strict=True):
        assert own.shape == value.shape, f"{own.shape}, not {value.shape}"
        assert own.dtype == value.dtype
        finite = np.isfinite(value)
        same = np.array_equal(own[~finite], value[~finite], equal_nan=True) and np.isfinite(own[finite]).all()
        with np.errstate(over="ignore", invalid="ignore"):
            scale = max(1, abs(value[finite]).max(initial=0))
            apart = abs(own[finite] / scale - value[finite] / scale).max(initial=0)
        found.append(float(apart) if same else np.inf)
    return found


def faulty_source(monkeypatch, file, before, after):
    """Put a fault into a kernel's source."""
    sound = compiled.source_of

    def faulty(asked):
        source = sound(asked)
        if asked == file:
            assert before in source
            return source.replace(before, after)
        return source

    monkeypatch.setattr(compiled, "source_of", faulty)
