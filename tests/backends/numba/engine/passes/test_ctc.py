"""The pass of CTC reads and writes nothing beside its arrays; its exponential is right to the last digits."""

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.memory import OPTIONS  # noqa: E402
from lamina.backends.numba.engine.passes.ctc import _small  # noqa: E402
from tests.backends.numba.engine.guarded import Guarded  # noqa: E402


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("time", "classes", "width"), [(1, 2, 1), (9, 3, 4), (30, 33, 11)])
def test_nothing_beside_the_arrays_is_touched(dtype, time, classes, width, monkeypatch):
    guarded, rng = Guarded(monkeypatch), np.random.default_rng(0)
    logits = guarded.place(rng.normal(size=(3, time, classes)).astype(dtype))
    labels, weights = rng.integers(1, classes, (3, width)), guarded.place(np.ones(3, dtype))
    counts = np.array([min(width, time // 2), 0, min(1, time)])
    for lengths in (None, np.array([time, 0, 1])):
        loss, saved = guarded.backend.ctc_forward(logits, labels, counts, lengths, weights)
        assert np.isfinite(loss) or lengths is not None
        assert np.isfinite(guarded.backend.ctc_backward(saved)).all()
        guarded.require_whole()


def test_the_exponential_of_what_is_not_above_zero():
    found = numba.vectorize(["float64(float64)"], fastmath=OPTIONS["fastmath"])(lambda x: _small(x))
    x = -np.concatenate([[0], np.geomspace(1e-17, 707, 100_000)])
    np.testing.assert_allclose(found(x), np.exp(x), rtol=4.5e-16)
    assert found(np.array([-709.0, -np.inf])).tolist() == [0, 0]
    assert np.isnan(found(np.array([np.nan]))).all()
