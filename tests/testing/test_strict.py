import sys

import numpy as np
import pytest

import lamina
from lamina.errors import BackendError
from lamina.testing import StrictBackend, register_strict_backend


def test_registered(strict):
    assert strict is lamina.get_backend("array-api-strict")
    assert "array-api-strict" in lamina.available_backends()


def test_it_refuses_numpy(strict):
    array = strict.asarray(np.ones((2, 3)))
    assert strict.is_array(array)
    assert not strict.is_array(np.ones(3))
    with pytest.raises(TypeError):
        array + np.ones((2, 3))


def test_a_layer_that_leans_on_numpy_is_found(strict):
    class Leaning(lamina.Layer):
        def build(self, shape):
            return shape

        def forward(self, x):
            return np.tanh(x), None

        def backward(self, dy, saved):
            return dy

    layer = Leaning()
    layer.build((None, 3), backend=strict)
    x = strict.asarray(np.ones((2, 3)), "float32")
    y, _ = layer.forward(x)
    assert not strict.is_array(y)  # NumPy took it: check_layer says so
    with pytest.raises(AssertionError, match="Leaning"):
        lamina.testing.check_layer(Leaning(), (4, 3), backend=strict)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "array_api_strict", None)
    with pytest.raises(BackendError, match=r"pip install -e '\.\[test\]'"):
        StrictBackend()
    lamina.register_backend("array-api-strict", StrictBackend)
    with pytest.raises(BackendError):
        register_strict_backend()
