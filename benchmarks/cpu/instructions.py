"""Which vector instructions contestants use: those of the processor, or AVX2 by each one's own switch."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

__all__ = ["UNHELD", "has_avx512", "held_to_avx2", "instructions", "taken", "without_avx512"]

#: Who cannot be told to, and uses what it finds.
UNHELD = "ONNX Runtime has no switch"

_SWITCHES = {
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    # What XLA compiles, and its ready-made products: YNNPACK's use what they find, oneDNN's in their place do not.
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
}
# NumPy's own loops have kernels of their own for these.
_NUMPY = """
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(" ".join(name for name in __cpu_dispatch__ if __cpu_features__[name] and name.startswith(("X86_V4", "AVX512"))))
"""
_NUMBA = """
import llvmlite.binding as llvm
print(llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
"""
# It cannot be asked: what shows is that its products are no faster than AVX2 can be.
_JAX = """
import os, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
import jax
product, square = jax.jit(lambda a, b: a @ b), jax.numpy.ones((1024, 1024))
seconds = []
for _ in range(10):
    begin = time.perf_counter()
    product(square, square).block_until_ready()
    seconds.append(time.perf_counter() - begin)
print(f"{2 * 1024**3 / min(seconds) / 1e9:.0f} billion operations a second in large products")
"""
_BEYOND_AVX2 = ("avx512", "avx10", "evex512", "amx")

# What each says it uses, where it can be asked; each in a process with the switches.
_QUESTIONS = {
    "OpenBLAS": "import numpy, threadpoolctl\n"
    "print(*{pool['architecture'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'})",
    "NumPy": "from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__\n"
    "print(*[name for name in __cpu_dispatch__ if __cpu_features__[name]][-1:])",
    "PyTorch": "import torch\nprint(torch.backends.cpu.get_cpu_capability())",
    "oneDNN": "import torch\nwith torch.backends.mkldnn.verbose(1), torch.no_grad():\n"
    "    torch.nn.LSTM(8, 8)(torch.zeros(2, 1, 8))",
    "Lamina's engine": "from lamina.backends.numba.engine.tiles import processor\nprint(processor())",
    "JAX": _JAX,
}


def has_avx512(flags: str | None = None) -> bool:
    """Return whether the processor has AVX-512."""
    return "avx512f" in (_flags() if flags is None else flags).split()


def instructions(avx2: bool = False, flags: str | None = None) -> str:
    """Return what contestants run: ``"AVX-512"``, ``"AVX2"``, or the kind of machine where it has neither."""
    flags = _flags() if flags is None else flags
    if has_avx512(flags) and not avx2:
        return "AVX-512"
    return "AVX2" if "avx2" in flags.split() else platform.machine()


def _flags() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")


@cache
def held_to_avx2() -> Mapping[str, str]:
    """Return the variables that hold contestants to AVX2, each by its own switch; none where there is no more."""
    if not has_avx512():
        return {}
    found = dict(_SWITCHES)
    beyond = _said(_NUMPY)
    if beyond:
        found["NPY_DISABLE_CPU_FEATURES"] = beyond.replace(" ", ",")
    name, _, features = _said(_NUMBA).partition(" ")
    if features:
        found["NUMBA_CPU_NAME"] = name
        found["NUMBA_CPU_FEATURES"] = without_avx512(features)
    return found


def without_avx512(features: str) -> str:
    """Return LLVM's features (``+avx2,+avx512f,...``) with what came after AVX2 turned off."""
    return ",".join(
        f"-{one[1:]}" if one[1:].startswith(_BEYOND_AVX2) else one for one in features.split(",") if one[1:]
    )


def taken(environment: Mapping[str, str]) -> str:
    """Return what contestants say they use under this environment, those of them that can be asked."""
    answers = []
    for name, question in _QUESTIONS.items():
        answer = _said(question, environment)
        if name == "oneDNN":
            answer = next((line.partition("isa:")[2] for line in answer.splitlines() if "isa:" in line), "")
        if answer:
            answers.append(f"{name} says {answer.splitlines()[-1]}")
    return ", ".join(answers)


def _said(code: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what a new Python prints; nothing where it fails, as it does without the package."""
    variables = None if environment is None else dict(environment)
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
