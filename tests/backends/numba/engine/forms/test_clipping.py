"""Compiled clipping: NumPy's kernels, and what is not finite."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numba.engine.plan import Plan
from lamina.backends.program import Frame, Program, Update


def clipped(kernel, arrays, limit):
    program = Program(arrays[0].dtype.name, 1, 1)
    program.frames.append(Frame(1, None, {}))
    program.updates = [Update(kernel, tuple(arrays), ("limit",))]
    plan = Plan(program)
    plan.set(0, {"limit": limit})
    plan.run(None, 1, clear=False)
    return arrays


def by_kernels(kernel, arrays, limit):
    with np.errstate(all="ignore"):
        getattr(lamina.get_backend("numpy"), kernel)(arrays, limit)
    return arrays


SIZES = (1, 7, 8, 9, 64, 1001)


@pytest.mark.parametrize("kernel", ["clip_values", "clip_global_norm"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [1e-44, 1e-20, 1e-3, 1.0, 1e18, 1e37])
def test_it_is_what_the_kernel_does(kernel, dtype, scale):
    rng = np.random.default_rng(0)
    if dtype == "float64":
        scale = scale**8 if scale != 1e-44 else 1e-320
    with np.errstate(over="ignore"):
        arrays = [np.clip(rng.normal(size=size), -9, 9).astype(dtype) * np.dtype(dtype).type(scale) for size in SIZES]
    for limit in (1e-6, 0.5, 1.0, 1e30):
        got = clipped(kernel, [one.copy() for one in arrays], limit)
        expected = by_kernels(kernel, [one.copy() for one in arrays], limit)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("kernel", ["clip_values", "clip_global_norm"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("odd", [[np.nan], [np.inf], [-np.inf, 1.0], [np.inf, np.nan], [0.0]])
def test_what_is_not_finite_is_dealt_with_as_the_kernel_does(kernel, dtype, odd):
    for place in (0, 1):
        arrays = [np.linspace(-3, 3, 11).astype(dtype), np.zeros(9, dtype)]
        arrays[place][1 : 1 + len(odd)] = odd
        got = clipped(kernel, [one.copy() for one in arrays], 1.0)
        expected = by_kernels(kernel, [one.copy() for one in arrays], 1.0)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_norm_within_the_limit_leaves_every_digit():
    array = np.random.default_rng(1).normal(size=100).astype(np.float32)
    norm = float(np.linalg.norm(array.astype(np.float64)))
    (same,) = clipped("clip_global_norm", [array.copy()], norm * 1.0001)
    np.testing.assert_array_equal(same, array)
    (less,) = clipped("clip_global_norm", [array.copy()], norm / 2)
    np.testing.assert_allclose(less, array / 2, rtol=1e-6)
