"""The passes of convolution read and write nothing beside their arrays."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.generic.windows import Windows
from tests.backends.numba.engine.guarded import Guarded


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "windows", [Windows(3, 9, before=1), Windows(2, 4, stride=2), Windows(3, 12, dilation=2, before=5), Windows(1, 9)]
)
def test_nothing_beside_the_arrays_is_touched(dtype, windows, monkeypatch):
    guarded, rng = Guarded(monkeypatch), np.random.default_rng(0)
    for features, units in ((1, 1), (5, 17), (33, 31)):
        x, w, b, dy = (
            guarded.place(rng.normal(size=shape).astype(dtype))
            for shape in ((2, 9, features), (windows.size, features, units), (units,), (2, windows.number, units))
        )
        y, saved = guarded.backend.conv1d_forward(x, w, b, None, None, windows)
        results = (y, *guarded.backend.conv1d_backward(dy, saved, w))
        assert all(np.isfinite(one).all() for one in results)
        guarded.require_whole()


def test_a_pass_that_writes_too_far_would_be_caught(monkeypatch):
    guarded = Guarded(monkeypatch)
    array = guarded.empty((3,), np.float32)
    np.lib.stride_tricks.as_strided(array, (4,), (4,))[3] = 1
    with pytest.raises(AssertionError):
        guarded.require_whole()
