"""Operators between arrays, and what NumPy's own functions do when they meet one."""

import sys
from functools import reduce

import numpy as np

from tests.stand_in.base import Memory, functions, is_scalar

__all__ = ["Operators"]

_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
    "rshift": "right_shift", "pow": "power",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def _yields(own, other):
    """Tell whether an operator leaves the other operand to do it."""
    unset = object()
    hook = getattr(other, "__array_ufunc__", unset)
    if hook is not unset:
        return hook is None
    return own.__array_priority__ < getattr(other, "__array_priority__", 0)


class Operators:
    """Python's operators, and the protocols by which NumPy asks an array of another kind."""

    __slots__ = ()
    __array_priority__ = 100

    def __matmul__(self, other):
        if isinstance(other, Memory):
            return functions["matmul"](self, other)
        return NotImplemented if _yields(self, other) else np.matmul(self, other)

    def __rmatmul__(self, other):
        return np.matmul(other, self)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        outputs = options.get("out", ())
        if "out" in options:
            if len(outputs) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            options["out"] = outputs[0]
        own = functions.get(ufunc.__name__)
        if own is not None and method != "__call__":
            own = getattr(own, method, None)
        known = (Memory, np.ndarray)
        if own is None or not all(is_scalar(one) or isinstance(one, known) for one in (*inputs, *outputs)):
            return NotImplemented
        if ufunc.__name__ in _COMPARISONS.values():
            inputs = tuple(one.item() if isinstance(one, np.ndarray) and not one.ndim else one for one in inputs)
        return own(*inputs, **options)

    def __array_function__(self, function, kinds, arguments, options):
        try:
            path = (*function.__module__.split(".")[1:], function.__name__)
            own = reduce(getattr, path, sys.modules["cupy"])
        except AttributeError:
            return NotImplemented
        if own is function or not all(issubclass(kind, (Memory, np.ndarray)) for kind in kinds):
            return NotImplemented
        return own(*arguments, **options)


def _binary(name):
    def forward(self, other):
        if name == "power" and type(other) in (int, float) and other == 2:
            return functions["square"](self)
        if name == "power" and type(other) is float and other == 0.5:
            return functions["sqrt"](self)
        if isinstance(other, Memory) or is_scalar(other):
            return functions[name](self, other)
        return NotImplemented if _yields(self, other) else getattr(np, name)(self, other)

    def backward(self, other):
        if is_scalar(other):
            return functions[name](other, self)
        return NotImplemented if _yields(self, other) else getattr(np, name)(other, self)

    def in_place(self, other):
        return functions[name](self, other, self)

    return forward, backward, in_place


def _comparison(name):
    def compare(self, other):
        if isinstance(other, Memory) or is_scalar(other):
            return functions[name](self, other)
        if _yields(self, other):
            return NotImplemented
        if isinstance(other, np.ndarray) and not other.ndim:
            other = other.item()
        if other is None and name in ("equal", "not_equal"):
            return functions["full"](self.shape, name == "not_equal", np.bool_)
        return getattr(np, name)(self, other)

    return compare


def _unary(name):
    return lambda self: functions[name](self)


for _operator, _name in _BINARY.items():
    for _prefix, _method in zip(("", "r", "i"), _binary(_name), strict=True):
        setattr(Operators, f"__{_prefix}{_operator}__", _method)
for _operator, _name in _COMPARISONS.items():
    setattr(Operators, f"__{_operator}__", _comparison(_name))
for _operator, _name in _UNARY.items():
    setattr(Operators, f"__{_operator}__", _unary(_name))
