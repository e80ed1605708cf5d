"""NVIDIA's own compiler for kernels, which needs no GPU: ``pip install nvidia-cuda-nvrtc``."""

import ctypes
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from typing import NamedTuple

__all__ = ["ARCHITECTURES", "Compiled", "compiled", "library"]

#: A100 and H100, as NVIDIA numbers them.
ARCHITECTURES = "sm_80", "sm_90"

_PACKAGES = "nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"


class Compiled(NamedTuple):
    """What became of a source: the size of its machine code, and by kernel its registers and bytes of spills."""

    size: int
    registers: dict
    spills: dict


@cache
def library():
    """Return NVRTC, or None where it is not installed."""
    for package in _PACKAGES:
        try:
            found = [one for one in files(package) or () if re.fullmatch(r"libnvrtc\.so\.\d+", one.name)]
        except PackageNotFoundError:
            continue
        if found:
            return ctypes.CDLL(str(found[0].locate()))
    return None


def compiled(source, architecture, *options):
    """Return what NVRTC makes of a source, or raise RuntimeError with what it says."""
    nvrtc = library()
    program = ctypes.c_void_p()
    _done(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        given = [f"-arch={architecture}", "--ptxas-options=-v", *options]
        code = nvrtc.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*map(str.encode, given)))
        size = ctypes.c_size_t()
        _done(nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
        log = ctypes.create_string_buffer(size.value)
        _done(nvrtc.nvrtcGetProgramLog(program, log))
        text = log.value.decode()
        if code:
            raise RuntimeError(f"NVRTC does not take the source: {text[:2000]}")
        _done(nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    names = re.findall(r"Compiling entry function '(\w+)'", text)
    spilled = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", text)
    registers = re.findall(r"Used (\d+) registers", text)
    if not len(names) == len(spilled) == len(registers):
        raise RuntimeError(f"NVRTC says nothing of some kernels: {text[:2000]}")
    # A stack frame is memory too: an array in registers that is indexed by what is known late lies there.
    spills = {name: sum(map(int, one)) for name, one in zip(names, spilled, strict=True)}
    return Compiled(size.value, dict(zip(names, map(int, registers), strict=True)), spills)


def _done(code):
    if code:
        raise RuntimeError(f"NVRTC: error {code}")
