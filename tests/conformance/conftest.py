import pytest

from lamina.testing import register_strict_backend

BACKENDS = ["numpy", "reference", "array-api-strict", pytest.param("cupy", marks=pytest.mark.gpu)]


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request):
    if request.param == "array-api-strict":
        register_strict_backend()
    return request.param
