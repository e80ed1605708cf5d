"""Every layer, loss and optimizer is compared with another implementation, here in tests/parity."""

import inspect
import re
from pathlib import Path

import pytest

import lamina

pytestmark = pytest.mark.parity

BASES = {"layers": lamina.Layer, "losses": lamina.Loss, "optimizers": lamina.Optimizer}


@pytest.mark.parametrize("kind", BASES)
def test_every_part_has_a_peer(kind):
    text = "".join(
        path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path.name != Path(__file__).name
    )
    names = [
        name
        for name in getattr(lamina, kind).__all__
        if (value := getattr(getattr(lamina, kind), name)) is not None
        and inspect.isclass(value)
        and issubclass(value, BASES[kind])
        and value is not BASES[kind]
    ]
    assert names
    missing = [name for name in names if not re.search(rf"\b{name}\b", text)]
    assert not missing, f"compare these with another implementation in tests/parity: {missing}"
