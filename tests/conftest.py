"""Where a test needs what this machine does not have, it is skipped with a reason that says so."""

import gc
from functools import cache
from importlib.util import find_spec

import pytest


@cache
def _no_gpu():
    from lamina.backends import get_backend
    from lamina.errors import BackendError

    try:
        get_backend("cupy")
    except BackendError as error:
        return str(error)
    return ""


def pytest_collection():
    gc.disable()


def pytest_collection_finish():
    """What is collected stays to the end: the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("gpu") and (reason := _no_gpu()):
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("parity") and find_spec("torch") is None:
            item.add_marker(pytest.mark.skip(reason="PyTorch is not installed: pip install -e '.[parity]'"))
