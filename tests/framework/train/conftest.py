"""The backends on which training is proven: those of the host, the strict one, and CuPy's over a stand-in."""

import pytest

import lamina
from lamina.errors import BackendError
from lamina.testing import register_strict_backend
from tests.backends.cupy.conftest import STAND_IN, opened

STRICT = "array-api-strict"


@pytest.fixture(params=["numpy", "reference", STRICT, STAND_IN])
def backend(request, monkeypatch):
    """Return a backend."""
    if request.param == STRICT:
        try:
            register_strict_backend()
            return lamina.get_backend(STRICT)
        except BackendError as error:
            pytest.skip(str(error))
    return opened(request.param, monkeypatch)
