"""NumPy's own updates: the generic ones' numbers, in place, in the parameters' dtype, with little scratch."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend

Call = Callable[[Backend, Any], None]
ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "step": 3}
MEANS = {"lr": 0.1, "decay": 0.9, "epsilon": 1e-6}
# Each takes a parameter, a gradient and three arrays of state.
UPDATES: dict[str, Call] = {
    "sgd": lambda on, a: on.sgd_update(*a[:2], None, lr=0.1),
    "sgd, decay": lambda on, a: on.sgd_update(*a[:2], None, lr=0.1, weight_decay=0.1),
    "sgd, momentum": lambda on, a: on.sgd_update(*a[:3], lr=0.1, momentum=0.9),
    "sgd, nesterov": lambda on, a: on.sgd_update(*a[:3], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adagrad": lambda on, a: on.adagrad_update(*a[:3], lr=0.1, epsilon=1e-10),
    "adagrad, decay": lambda on, a: on.adagrad_update(*a[:3], lr=0.1, epsilon=1e-10, weight_decay=0.1),
    "rmsprop": lambda on, a: on.rmsprop_update(*a[:3], None, None, **MEANS),
    "rmsprop, decay": lambda on, a: on.rmsprop_update(*a[:3], None, None, weight_decay=0.1, **MEANS),
    "rmsprop, centered": lambda on, a: on.rmsprop_update(*a[:3], a[3] / 2, None, **MEANS),
    "rmsprop, momentum": lambda on, a: on.rmsprop_update(*a[:3], None, a[4], momentum=0.9, **MEANS),
    "adadelta": lambda on, a: on.adadelta_update(*a[:4], **MEANS),
    "adadelta, decay": lambda on, a: on.adadelta_update(*a[:4], weight_decay=0.1, **MEANS),
    "adam": lambda on, a: on.adam_update(*a[:4], None, **ADAM),
    "adam, decay": lambda on, a: on.adam_update(*a[:4], None, weight_decay=0.1, **ADAM),
    "adam, decoupled": lambda on, a: on.adam_update(*a[:4], None, weight_decay=0.1, decoupled=True, **ADAM),
    "adam, largest": lambda on, a: on.adam_update(*a, **ADAM),
    "nadam": lambda on, a: on.nadam_update(*a[:4], shares=(0.3, 1.7), **ADAM),
    "nadam, decay": lambda on, a: on.nadam_update(*a[:4], shares=(0.3, 1.7), weight_decay=0.1, **ADAM),
    "nadam, decoupled": lambda on, a: on.nadam_update(
        *a[:4], shares=(0.3, 1.7), weight_decay=0.1, decoupled=True, **ADAM
    ),
    "radam": lambda on, a: on.radam_update(*a[:4], rectified=0.4, **ADAM),
    "radam, at first": lambda on, a: on.radam_update(*a[:4], rectified=0.0, **ADAM),
    "radam, decay": lambda on, a: on.radam_update(*a[:4], rectified=0.4, weight_decay=0.1, **ADAM),
    "radam, decoupled": lambda on, a: on.radam_update(*a[:4], rectified=0.4, weight_decay=0.1, decoupled=True, **ADAM),
    "adamax": lambda on, a: on.adamax_update(*a[:4], **ADAM),
    "adamax, decay": lambda on, a: on.adamax_update(*a[:4], weight_decay=0.1, **ADAM),
    "lion": lambda on, a: on.lion_update(*a[:3], lr=0.1, beta1=0.9, beta2=0.99),
    "lion, decay": lambda on, a: on.lion_update(*a[:3], lr=0.1, beta1=0.9, beta2=0.99, weight_decay=0.1),
}


def arrays(dtype: str, size: int = 1000) -> list[Any]:
    rng = np.random.default_rng(0)
    parameter, gradient = rng.standard_normal((2, size)).astype(dtype)
    gradient.flags.writeable = False
    return [parameter, gradient, *rng.random((3, size)).astype(dtype)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("name", UPDATES)
def test_the_numbers_are_the_generic_ones(name: str, dtype: str, tolerance: float) -> None:
    ours, generic = arrays(dtype), arrays(dtype)
    for _ in range(3):
        UPDATES[name](get_backend("numpy"), ours)
        UPDATES[name](get_backend("reference"), generic)
    assert any((own != start).any() for own, start in zip(ours, arrays(dtype), strict=True))
    for own, other in zip(ours, generic, strict=True):
        assert own.dtype == dtype
        np.testing.assert_allclose(own, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", UPDATES)
def test_scratch_is_at_most_three_arrays(name: str) -> None:
    used = arrays("float32", 100_000)
    tracemalloc.start()
    try:
        UPDATES[name](get_backend("numpy"), used)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3.1 * used[0].nbytes
