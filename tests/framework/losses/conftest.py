"""Every loss here runs on NumPy's kernels and on the generic ones."""

from typing import Any

import pytest

import lamina


@pytest.fixture(params=["numpy", "reference"], autouse=True)
def backend(request: pytest.FixtureRequest) -> Any:
    with lamina.use_backend(request.param):
        yield
