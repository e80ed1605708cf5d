"""What a kernel does where nothing is said of an option: the same on every backend, for every kernel that has it."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from lamina.backends.backend import Backend
from lamina.backends.cupy.backend import CuPyBackend
from lamina.backends.numba.backend import NumbaBackend
from lamina.backends.numpy.backend import NumPyBackend
from lamina.backends.reference import ReferenceBackend

DEFAULTS = {
    "activation": "tanh", "after": None, "allowed": None, "alpha": 1.0, "approximate": "none", "before": None,
    "beta1": 0.0, "bias": None, "blank": 0, "causal": False, "class_weight": None, "constant": 0.0,
    "decoupled": False, "delta": 1.0, "each": False,
    "epsilon": 1e-8, "every": False, "forget": "sigmoid", "gamma": 2.0, "gradients": None,
    "input_gradient": True, "keep": None,
    "kept": None, "log_target": False, "margin": 1.0, "mask": None, "momentum": 0.0,
    "nesterov": False, "positive_weight": None,
    "rate": 0.0, "reset_after": True, "reverse": False, "smooth": 1.0, "smoothing": 0.0, "squared": False,
    "state_mask": None, "w_p": None, "weight_decay": 0.0, "zero_infinity": False,
}  # fmt: skip
# What means something else to some kernels, by the beginning of their names.
OTHERS: dict[tuple[str, str], Any] = {
    ("ind_rnn", "activation"): "relu",
    ("binary_focal_cross_entropy", "alpha"): None,
    ("gaussian_negative_log_likelihood", "epsilon"): 1e-6,
}
ENDS = ("_forward", "_backward", "_step", "_update")


def options(cls: type[Backend]) -> Iterator[tuple[str, str, Any]]:
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if name.endswith(ENDS) and not name.startswith("_"):
            for one in inspect.signature(function).parameters.values():
                if one.default is not one.empty:
                    yield name, one.name, one.default


@pytest.mark.parametrize("cls", [ReferenceBackend, NumPyBackend, NumbaBackend, CuPyBackend])
def test_an_option_of_which_nothing_is_said_is_the_same_everywhere(cls: type[Backend]) -> None:
    found = list(options(cls))
    assert len(found) > 100
    for kernel, option, default in found:
        own = [value for (begin, name), value in OTHERS.items() if name == option and kernel.startswith(begin)]
        expected = own[0] if own else DEFAULTS[option]
        assert (kernel, option, default) == (kernel, option, expected)
        assert type(default) is type(expected)
