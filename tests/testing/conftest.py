import pytest

from lamina.testing import register_strict_backend


@pytest.fixture
def strict():
    return register_strict_backend()
