"""The packages behind the format, imported when they are used: onnx, and ONNX Runtime where a file is checked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lamina.errors import MissingPackageError

__all__ = ["onnx_package", "runtime_package"]


def onnx_package() -> Any:
    """Return the package onnx.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    return _found("onnx")


def runtime_package() -> Any:
    """Return ONNX Runtime.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    return _found("onnxruntime")


def _found(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(f"onnx: {name} is not installed; pip install -e '.[onnx]' ({error})") from error
