"""What a reader needs to know of the GPU, its driver and the libraries."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import distributions
from typing import Any

from benchmarks.gpu.part import Item, Tell
from benchmarks.gpu.records import Records
from benchmarks.harness import processor

__all__ = ["items", "output_of"]

_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader")
_PACKAGES = ("lamina", "numpy", "torch", "pytest", "pytest-xdist")
_PREFIXES = ("cupy", "nvidia-cuda-nvrtc", "nvidia-cublas", "nvidia-cudnn")


def items(records: Records) -> Iterable[Item]:
    """Return the sources of facts; what one cannot tell is missing, and says why."""
    found: tuple[tuple[str, Callable[[], dict[str, str]]], ...] = (
        ("machine", _machine),
        ("driver", _driver),
        ("packages", _packages),
        ("backend", _backend),
        ("CuPy", _cupy),
        ("PyTorch", _torch),
        ("tools", _tools),
    )

    def told(find: Callable[[], dict[str, str]]) -> Callable[[Tell], None]:
        return lambda tell: tell(facts=find())

    return [Item(name, told(find)) for name, find in found]


def output_of(*command: str) -> str:
    """Return what a command prints, or why it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not there: {error}"
    return (done.stdout.strip() or done.stderr.strip())[:2000]


def _machine() -> dict[str, str]:
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _driver() -> dict[str, str]:
    return {"name, driver, memory, compute capability": output_of(*_QUERY)}


def _packages() -> dict[str, str]:
    versions = {str(one.name).lower().replace("_", "-"): one.version for one in distributions()}
    shown = [name for name in versions if name in _PACKAGES or name.startswith(_PREFIXES)]
    absent = {name: "not installed" for name in _PACKAGES if name not in versions}
    return {name: versions[name] for name in sorted(shown)} | absent


def _backend() -> dict[str, str]:
    import lamina

    backend = lamina.get_backend("cupy")
    precisions = getattr(backend, "precisions", None)
    return {
        "devices": "; ".join(backend.devices()),
        "precisions": "not there" if precisions is None else ", ".join(precisions),
    }


def _cupy() -> dict[str, str]:
    cupy: Any = import_module("cupy")
    runtime = cupy.cuda.runtime
    found = {"version": str(cupy.__version__)}
    for name in ("runtimeGetVersion", "driverGetVersion"):
        get = getattr(runtime, name, None)
        found[name.removesuffix("GetVersion")] = "not there" if get is None else str(get())
    return found


def _torch() -> dict[str, str]:
    try:
        torch: Any = import_module("torch")
    except ImportError as error:
        return {"version": f"not there: {error}"}
    return {
        "version": str(torch.__version__),
        "CUDA": str(torch.version.cuda or "not there: a build for the CPU"),
        "finds a GPU": str(torch.cuda.is_available()),
        "cuDNN": str(torch.backends.cudnn.version() or "not there"),
    }


def _tools() -> dict[str, str]:
    nvcc = output_of("nvcc", "--version").splitlines()
    return {"nvcc": nvcc[-1] if nvcc else "not there", "sanitizer": output_of("compute-sanitizer", "--version")[:200]}
