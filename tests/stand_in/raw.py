"""Raw kernels: compiled from their own source by the host's C++ compiler, and run thread by thread."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.stand_in.base import Memory, provides
from tests.stand_in.counting import ledger
from tests.stand_in.jitter import jitter

__all__ = ["COMPILER", "RawModule"]

#: The host's C++ compiler, or None.
COMPILER = shutil.which(os.environ.get("CXX", "c++"))

# Bytes: newer drivers take more.
_PARAMETERS = 4096
_HEADER = Path(__file__).with_name("emulator.h")
_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\s*\(')
_BARRIERS = ("__sync", "_sync(")
# Nothing that a device does not do either: a product and a sum may be joined, as NVRTC joins them.
# The emulator jumps from stack to stack, which fortified jumps take for a fault.
_OPTIONS = ("-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-x", "c++")


class RawModule:
    """Stands for ``cupy.RawModule``."""

    def __init__(
        self,
        code=None,
        *,
        path=None,
        options=(),
        backend="nvrtc",
        translate_cucomplex=False,
        enable_cooperative_groups=False,
        name_expressions=None,
        jitify=None,
    ):
        if code is None or path is not None:
            raise NotImplementedError("the stand-in takes kernels as source alone")
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple of str")
        self._code, self._options, self._library = code, options, None

    def get_function(self, name):
        if self._library is None:
            self._library = _compiled(self._code, self._options)
        if name not in _names(self._code):
            raise KeyError(f"no kernel named {name!r}")  # CuPy: CUDA_ERROR_NOT_FOUND
        return Function(self._library, name)


class Function:
    """Stands for ``cupy.cuda.Function``: it takes arrays of the type that the kernel declares, and NumPy's scalars."""

    def __init__(self, library, name):
        self.name = name
        self._run = library[f"run_{name}"]
        self._run.restype = ctypes.c_char_p
        describe = library[f"describe_{name}"]
        describe.restype = ctypes.c_char_p
        self._declared = describe().decode().split()
        size = sum(8 if one.endswith("*") else np.dtype(one).itemsize for one in self._declared)
        if size > _PARAMETERS:
            raise RuntimeError(
                f"{name}: its parameters take {size} bytes, and not every driver takes over {_PARAMETERS}"
            )

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None, enable_cooperative_groups=False):
        if shared_mem or enable_cooperative_groups:
            raise NotImplementedError("the stand-in has no dynamic shared memory and no cooperative launches")
        if len(args) != len(self._declared):
            raise TypeError(f"{self.name}: it has {len(self._declared)} parameters, got {len(args)}")
        grid, block = ((*one, 1, 1)[:3] for one in (grid, block))
        # Held until the kernel is done.
        values = [_value(self.name, place, *one) for place, one in enumerate(zip(self._declared, args, strict=True))]
        given = (ctypes.c_void_p * len(values))(*[one.ctypes.data for one in values])
        ledger.note("launch", f"kernel {self.name}")
        sizes = [(ctypes.c_uint * 3)(*one) for one in (grid, block)]
        trouble = self._run(*sizes, given, ctypes.c_int(jitter.on))
        if trouble:
            raise RuntimeError(f"{self.name}: {trouble.decode()}")


def _value(name, place, declared, given):
    """Return what a parameter takes, as an array of one element on the host."""
    pointer = declared.endswith("*")
    kind = None if pointer and declared[0] == "V" else np.dtype(declared.rstrip("*"))
    if pointer:
        if type(given) is np.uintp and not given:
            return np.zeros(1, np.uintp)  # no array
        if not isinstance(given, Memory):
            raise TypeError(f"{name}: parameter {place} takes an array, got {type(given)}")
        # 16-bit words stand for bfloat16; a parameter of no type takes all.
        if kind is not None and kind != given.dtype:
            raise TypeError(f"{name}: parameter {place} takes an array of {kind}, got {given.dtype}")
        return np.array([given.data.ptr], np.uintp)
    if kind.kind == "V":  # a structure, which goes by value
        if not isinstance(given, np.ndarray) or given.size != 1 or given.dtype != kind:
            raise TypeError(f"{name}: parameter {place} takes one element of {kind.itemsize} bytes, got {given!r:.80}")
        return given
    if not isinstance(given, np.generic):
        raise TypeError(f"{name}: parameter {place} takes a scalar of NumPy's, got {type(given)}")
    if given.dtype != kind:
        raise TypeError(f"{name}: parameter {place} is {kind}, got {given.dtype}")
    return np.array([given])


def _names(code):
    return _KERNEL.findall(code)


def _compiled(code, options):
    """Return the library of a source's kernels, compiled before or now."""
    if COMPILER is None:
        raise NotImplementedError("the stand-in runs kernels with a C++ compiler, and this machine has none")
    known = [one for one in options if one.startswith("-D")]
    unknown = [one for one in options if not one.startswith(("-D", "-std=", "--std="))]
    if unknown:
        raise NotImplementedError(f"the stand-in does not know the options {unknown}")
    runner = "run" if any(one in code for one in _BARRIERS) else "run_plainly"
    parts = [f'#include "{_HEADER}"', code]
    for name in _names(code):
        parts += [
            f'extern "C" const char* run_{name}(const unsigned* grid, const unsigned* block, void** given, int back)',
            f"{{ return emulator::{runner}(grid, block, back, [given] {{ emulator::call({name}, given); }}); }}",
            f'extern "C" const char* describe_{name}()',
            f"{{ static std::string text = emulator::signature({name}); return text.c_str(); }}",
        ]
    source = "\n".join(parts)
    key = hashlib.sha256("\0".join([source, _HEADER.read_text(), *known]).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"lamina-stand-in-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder / f"{key}.so"
    if not made.exists():
        fresh = folder / f"{key}.{os.getpid()}.so"
        command = [COMPILER, *_OPTIONS, *known, "-", "-o", str(fresh)]
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the kernels do not compile: {done.stderr[:2000]}")
        fresh.replace(made)  # at once: another process may be looking for it
    return ctypes.PyDLL(str(made))  # one launch at a time


provides(RawModule)
