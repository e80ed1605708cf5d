"""``lamina info``: versions, backends and devices, linear algebra; or what is in a model file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from typing import Any

from lamina.cli.options import command
from lamina.cli.say import say
from lamina.errors import NonFiniteWarning
from lamina.files.printable import printable

__all__ = ["THREAD_VARIABLES", "add", "run"]

#: What sets the number of threads of the usual libraries, each library's own name before the common one.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")

_DETAILS = """\
Prints versions, the backends with their devices or the reason why one cannot run, and the linear algebra library
with its threads; worth pasting into a bug report. With MODEL, also that model's layers and what was saved with it."""

_EXAMPLES = """\
lamina info
lamina train japanese-vowels
lamina info runs/japanese-vowels/model.safetensors
"""


def add(commands: Any) -> None:
    """Describe the command to argparse."""
    summary = "Print versions, backends and devices; or what is in a model file."
    parser = command(commands, "info", run, summary, _DETAILS, _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a .safetensors file")


def run(arguments: argparse.Namespace) -> int:
    """Print; return the exit code."""
    from lamina.cli.report import labelled_lines

    say(labelled_lines([*_versions(), *_backends(), *_linear_algebra()]))
    if arguments.model is not None:
        from lamina.core.finite import non_finite_parameters
        from lamina.core.load import load

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonFiniteWarning)  # told below, and of each parameter
            model = load(arguments.model)
        say(f"\n{printable(arguments.model)}\n\n{model.summary()}")
        for name, what in non_finite_parameters(model.parameters()):
            say(f"warning: the parameter {name!r} holds {what}")
        for line in _facts(model.facts):
            say(line)
    return 0


def _versions() -> list[tuple[str, str]]:
    from lamina.core.version import __version__

    lines = [
        ("lamina", __version__),
        ("python", f"{platform.python_version()} ({platform.system()}, {platform.machine()})"),
    ]
    for name in ("numpy", "safetensors"):
        try:
            lines.append((name, version(name)))
        except PackageNotFoundError:
            lines.append((name, "not installed"))
    # CuPy's wheels are named after the CUDA release that they are for.
    cupy = sorted({f"{one.name} {one.version}" for one in distributions() if str(one.name).startswith("cupy")})
    lines.append(("cupy", ", ".join(cupy) or "not installed"))
    return lines


def _backends() -> list[tuple[str, str]]:
    from lamina.backends import available_backends, get_backend

    lines = []
    for name in available_backends():
        try:
            backend = get_backend(name)
            facts = backend.devices()
            if backend.plans_steps:
                facts.append("compiles whole training steps")
            if own := backend.own_kernels():
                facts.append(f"kernels of its own: {', '.join(sorted(own))}")
            if len(backend.precisions) > 1:
                facts.append(f"precisions: {', '.join(backend.precisions)}")
            text = "\n".join(facts)
        except Exception as error:  # a backend of another package may fail in any way
            text = f"cannot run: {str(error).removeprefix(f'backend {name!r}: ')}"
        lines.append((f"backend {name}", text))
    return lines


def _linear_algebra() -> list[tuple[str, str]]:
    import numpy as np

    config: Mapping[str, Any] = np.show_config(mode="dicts") or {}
    blas = config.get("Build Dependencies", {}).get("blas", {})
    name = f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
    return [("blas", f"{name} (NumPy's)"), ("threads", _threads())]


def _threads() -> str:
    if find_spec("threadpoolctl") is not None:
        pools: list[dict[str, Any]] = import_module("threadpoolctl").threadpool_info()
        counts = [int(pool["num_threads"]) for pool in pools if pool["user_api"] == "blas"]
        if counts:
            return str(max(counts))
    processors = os.cpu_count() or 1
    for variable in THREAD_VARIABLES:
        if os.environ.get(variable):
            return f"{os.environ[variable]}, if the library follows {variable}"
    return f"not set, so most likely one for each of the {processors} processors (threadpoolctl would tell)"


def _facts(facts: Mapping[str, Any]) -> list[str]:
    """Return what is saved with a model, a line for each fact; sub-mappings one level deep are laid out."""
    lines: list[str] = []
    for name, value in facts.items():
        lines.append("")
        if isinstance(value, Mapping):
            lines.append(_named(name))
            lines += [f"  {_named(key)}: {_shown(item)}" for key, item in value.items()]
        else:
            lines.append(f"{_named(name)}: {_shown(value)}")
    return lines


def _named(name: str) -> str:
    return printable(name.replace("_", " "))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_named(key)} {_shown(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(value) if isinstance(value, str) else json.dumps(value)
