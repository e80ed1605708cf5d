"""Kernels from CUDA's C++, compiled when first used, and how they are launched."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.kernels import KernelTable

__all__ = ["NONE", "OPTIONS", "THREADS", "CompiledKernels", "grid_over", "source_of"]

#: What stands for an array that is not there.
NONE = np.uintp(0)
#: How many threads a block has, where each does its part alone.
THREADS = 256

#: What the compiler is told, beside the types.
OPTIONS = ("-std=c++17",)

_TYPES = {"f": "float", "d": "double", "H": "unsigned short"}


_INCLUDED = re.compile(r'#include "(\w+\.cuh)"\n')


@cache
def source_of(file: str) -> str:
    """Return a source of this folder, with what it includes in place."""
    text = resources.files("lamina.backends.cupy").joinpath(file).read_text(encoding="utf-8")
    return _INCLUDED.sub(lambda found: source_of(found[1]), text)


def grid_over(elements: int, threads: int = THREADS) -> tuple[int]:
    """Return a grid whose threads are at least so many."""
    return (max(-(-elements // threads), 1),)


class CompiledKernels(KernelTable):
    """Compiles and launches what lies beside this file as ``.cu``."""

    # By file and types: a module, and its kernels by name.
    _modules: dict[tuple[str, ...], dict[str, Any]]

    def kernel(self, name: str, file: str, real: Any, operand: Any = None) -> Callable[..., None]:
        """Return a kernel, to be called with a grid, a block and the arguments: arrays, NumPy's scalars, `NONE`.

        Parameters
        ----------
        name : str
        file : str
            Where it is defined, such as ``"lstm.cu"``.
        real : dtype
            What is computed in: float32 or float64.
        operand : dtype, optional
            What matrix products take; ``real`` if not given.
        """
        types = _TYPES[real.char], _TYPES[(operand or real).char]
        key = (file, *types)
        known = self.__dict__.setdefault("_modules", {}).setdefault(key, {})
        if name not in known:
            if "" not in known:
                options = (*OPTIONS, f"-DREAL={types[0]}", f"-DOPERAND={types[1]}")
                known[""] = self.xp.RawModule(code=source_of(file), options=options)
            known[name] = known[""].get_function(name)
        found: Callable[..., None] = known[name]
        return found

    def contiguous(self, array: Array) -> Array:
        """Return the array in C order: itself where it is so."""
        return self.xp.ascontiguousarray(array)
