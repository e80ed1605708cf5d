"""The passes of normalization read and write nothing beside their arrays."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from tests.backends.numba.engine.guarded import Guarded


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [1, 15, 64, 67])
def test_nothing_beside_the_arrays_is_touched(dtype, features, monkeypatch):
    guarded, rng = Guarded(monkeypatch), np.random.default_rng(0)
    x, dy = (guarded.place(rng.normal(size=(3, 70, features)).astype(dtype)) for _ in range(2))
    scale, shift = (guarded.place(rng.normal(size=features).astype(dtype)) for _ in range(2))
    y, saved = guarded.backend.layer_norm_forward(x, scale, shift, epsilon=1e-5)
    results = (y, *guarded.backend.layer_norm_backward(dy, saved, scale))
    assert all(np.isfinite(one).all() for one in results)
    guarded.require_whole()
