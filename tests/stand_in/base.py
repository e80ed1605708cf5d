"""What the parts of the stand-in share: device memory, dtypes and scalars, and the functions by name."""

import inspect
import json
from pathlib import Path

import numpy as np

from tests.stand_in.counting import ledger
from tests.stand_in.streams import clock, get_current_stream

__all__ = [
    "FACTS", "Memory", "allocate", "argument", "checked_dtype", "fresh", "functions", "is_scalar", "launch", "provides",
    "view_of",
]  # fmt: skip

#: What an installed CuPy offers; see `make_signatures.py`.
FACTS = json.loads(Path(__file__).with_name("signatures.json").read_text())

# The dtypes for which CuPy has kernels, by their letters.
_LETTERS = frozenset("?bBhHiIlLqQefdFD")

#: The functions of the module by name, filled by `provides`.
functions = {}
_array_class = []


class Memory:
    """A piece of device memory: ``_host`` stands for it and is nobody's to touch but the stand-in's."""

    __slots__ = ("__weakref__", "_base", "_born", "_host", "_owner")

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if cls.__name__ == "ndarray":
            _array_class[:] = [cls]


def provides(function):
    """Make a function one of the module's, under its name without a ``_`` at the end, or fail where CuPy's differs."""
    name = function.__name__.rstrip("_")
    own, real = str(inspect.signature(function)), FACTS["signatures"].get(name)
    own = own.replace("<class 'float'>", "float")
    if own != real:
        raise TypeError(f"the stand-in's {name}{own} is not CuPy's {name}{real}")
    functions[name] = function
    return function


def checked_dtype(dtype):
    """Return a dtype, or raise ValueError where CuPy has no kernels for it."""
    found = np.dtype(dtype)
    if found.char not in _LETTERS:
        raise ValueError(f"Unsupported dtype {found}")
    return found


def fresh(host, base=None):
    """Return a device array with a host array's content as its memory."""
    host = np.asarray(host)
    if host.dtype.char not in _LETTERS:
        checked_dtype(host.dtype)  # raises
    array = object.__new__(_array_class[0])
    array._host, array._base = host, base
    if base is None:
        array._born, array._owner = clock.tick(), get_current_stream()
        if not array._owner.null_stream:
            array._owner.own(array)
    return array


def view_of(array, host):
    """Return an array that shares another one's memory."""
    return fresh(host, array if array._base is None else array._base)


def allocate(shape, dtype, order="C"):
    """Return host memory as a device gives it, full of what was there: nothing may depend on that."""
    memory = np.empty(shape, checked_dtype(dtype), "F" if order in ("F", "f") else "C")
    if memory.dtype.kind in "fc":
        memory.fill(np.nan)
    elif memory.dtype.kind in "iu":
        memory.fill(np.iinfo(memory.dtype).max - 1)
    else:
        memory.fill(True)
    return memory


def is_scalar(value):
    """Tell whether a value goes to a kernel by value: Python's numbers and NumPy's scalars."""
    return type(value) in (bool, int, float, complex) or isinstance(value, np.generic)


def argument(value):
    """Return what a kernel takes, or raise TypeError as CuPy does: arrays of NumPy's are refused, even of no axes."""
    if isinstance(value, Memory) or is_scalar(value):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def launch(what, *arrays, times=1, shape=None):
    """Count an elementwise kernel over arrays; over nothing none is launched."""
    sizes = [one._host.size for one in arrays if isinstance(one, Memory)] if shape is None else shape
    if 0 not in sizes:
        ledger.note("launch", what, times)
