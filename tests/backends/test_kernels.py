"""The table of kernels: filled in by the classes that define them, and shown to whoever looks."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np

import lamina
from lamina.backends import Backend
from lamina.backends.kernels import KernelTable


class First(KernelTable):
    def plain_forward(self, x: Any) -> Any: ...

    def plain_backward(self, dy: Any) -> Any: ...

    def half_forward(self, x: Any) -> Any: ...


class Second(First):
    def plain_forward(self, x: Any) -> Any: ...

    def half_backward(self, dy: Any) -> Any: ...


def test_a_class_fills_in_the_pairs_that_it_defines_or_completes() -> None:
    assert First.kernels == {"plain": First}
    assert Second.kernels == {"plain": Second, "half": Second}
    assert KernelTable.kernels == {}


def test_every_kernel_lies_in_the_file_of_its_name_or_kind() -> None:
    for name in ("numpy", "reference"):
        for kernel, cls in lamina.get_backend(name).kernels.items():
            assert f"    def {kernel}_" in Path(inspect.getfile(cls)).read_text(), kernel
    numpy = lamina.get_backend("numpy").kernels
    assert numpy["dense"].__module__ == "lamina.backends.numpy.dense"
    assert numpy["softmax_cross_entropy"].__module__ == "lamina.backends.numpy.losses"
    assert numpy["huber"].__module__ == "lamina.backends.generic.losses"
    assert Backend.kernels["dense"].__module__ == "lamina.backends.generic.dense"


def test_a_kernel_assigned_to_a_class_later_is_the_one_that_runs() -> None:
    class Late(Backend):
        name, xp, array_type = "late", np, np.ndarray

    Late.tanh_forward = lambda self, x: ("mine", x)  # type: ignore[method-assign, assignment, return-value]
    assert Late().select("tanh").forward(1) == ("mine", 1)
    assert Late().select("tanh").source == "late"


def test_the_pair_of_a_class_is_bound_to_the_backend() -> None:
    backend = lamina.get_backend("numpy")
    forward, backward = backend.pair("tanh", Backend)
    y, saved = forward(np.zeros(1))
    assert (y.tolist(), backward(np.ones(1), saved).tolist()) == ([0], [1])
    assert forward.__func__ is Backend.tanh_forward
    assert backend.pair("tanh")[0].__func__ is not Backend.tanh_forward
