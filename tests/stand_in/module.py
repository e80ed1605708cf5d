"""The module that stands for ``cupy``: functions, dtypes, constants; of a name that it lacks it says who lacks it."""

from importlib import import_module
from types import ModuleType

import numpy as np

from tests.stand_in.base import FACTS, functions
from tests.stand_in.device import cuda, get_default_memory_pool
from tests.stand_in.device_array import ndarray
from tests.stand_in.ufuncs import Ufunc

__all__ = ["cupy"]

# As CuPy takes them over from NumPy.
_OF_NUMPY = (
    "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intp", "float16", "float32",
    "float64", "complex64", "complex128", "dtype", "newaxis", "inf", "nan", "pi", "e", "finfo", "iinfo", "isdtype",
    "can_cast", "promote_types",
)  # fmt: skip
_PARTS = ("creation", "products", "raw", "reductions", "selection", "shaping")


class _Module(ModuleType):
    """A module that tells what it lacks from what CuPy lacks."""

    def __getattr__(self, name):
        if name in FACTS["names"]:
            raise NotImplementedError(f"the stand-in has no {name!r} yet; CuPy has")
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")


def _made():
    for part in _PARTS:
        import_module(f"tests.stand_in.{part}")
    module = _Module("cupy")
    found = {name: getattr(np, name) for name in _OF_NUMPY} | functions
    found |= {"ndarray": ndarray, "ufunc": Ufunc, "cuda": cuda, "bool": np.bool_}
    found["get_default_memory_pool"] = get_default_memory_pool
    lacking = sorted(set(found) - set(FACTS["names"]))
    if lacking:
        raise TypeError(f"CuPy has no {', '.join(lacking)}")
    vars(module).update(found, __version__=FACTS["version"])
    return module


cupy = _made()
