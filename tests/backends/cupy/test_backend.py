"""The CuPy backend on a machine without a GPU: what it says, over a module that stands in for CuPy."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lamina.backends import get_backend, registry
from lamina.backends.cupy.backend import CuPyBackend
from lamina.errors import BackendError


class DriverError(RuntimeError):
    """Stands for cupy.cuda.runtime.CUDARuntimeError."""


class DeviceArray(np.ndarray):
    """Stands for cupy.ndarray."""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a module named cupy with two devices."""
    module: Any = ModuleType("cupy")
    properties = {"name": b"NVIDIA H100", "totalGlobalMem": 80 * 2**30, "major": 9, "minor": 0}
    module.ndarray = DeviceArray
    module.__version__ = "14.0"
    module.asnumpy = lambda array: np.array(array)
    module.array = lambda array, copy: np.array(array, copy=copy).view(DeviceArray)
    module.waited = []
    module.cuda = SimpleNamespace(
        runtime=SimpleNamespace(
            CUDARuntimeError=DriverError,
            getDeviceCount=lambda: 2,
            getDeviceProperties=lambda index: properties,
        ),
        get_current_stream=lambda: SimpleNamespace(synchronize=lambda: module.waited.append(True)),
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(registry, "_instances", {})
    return module


def test_without_cupy_the_message_says_which_command_installs_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(registry, "_instances", {})
    with pytest.raises(BackendError) as caught:
        get_backend("cupy")
    message = str(caught.value)
    assert message.startswith("backend 'cupy': CuPy is not installed (")
    assert message.endswith("; pip install -e '.[cuda12x]' (CUDA 12) or pip install -e '.[cuda13x]' (CUDA 13)")
    assert isinstance(caught.value.__cause__, ImportError)


def test_without_a_device_the_message_says_what_to_use(fake: Any) -> None:
    fake.cuda.runtime.getDeviceCount = lambda: 0
    with pytest.raises(BackendError) as caught:
        get_backend("cupy")
    assert str(caught.value) == "backend 'cupy': CuPy 14.0 finds no CUDA device; use backend 'numpy'"


def test_without_a_driver_the_message_says_what_is_missing(fake: Any) -> None:
    def count() -> int:
        raise DriverError("cudaErrorNoDevice: no CUDA-capable device is detected")

    fake.cuda.runtime.getDeviceCount = count
    with pytest.raises(BackendError) as caught:
        get_backend("cupy")
    assert str(caught.value) == (
        "backend 'cupy': CuPy 14.0 finds no usable CUDA device (cudaErrorNoDevice: no CUDA-capable device is "
        "detected); install the NVIDIA driver (check with: nvidia-smi) or use backend 'numpy'"
    )


@pytest.mark.usefixtures("fake")
def test_devices_are_described() -> None:
    line = "NVIDIA H100, 80 GiB, sm_90"
    assert get_backend("cupy").devices() == [f"GPU 0: {line}", f"GPU 1: {line}"]


def test_arrays_are_told_apart_and_brought_to_the_host(fake: Any) -> None:
    backend = get_backend("cupy")
    assert isinstance(backend, CuPyBackend)
    assert not backend.on_host
    array = np.arange(3, dtype=np.int32).view(DeviceArray)
    assert backend.is_array(array)
    assert not backend.is_array(np.zeros(2))
    assert (backend.is_integer(array), backend.is_float(array)) == (True, False)
    assert type(backend.to_numpy(array)) is np.ndarray
    assert backend.astype(array, np.float32).dtype == np.float32
    copy = backend.copy(array)
    assert type(copy) is DeviceArray
    assert not np.shares_memory(copy, array)
    backend.synchronize()
    assert fake.waited == [True]
