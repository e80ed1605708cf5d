"""The passes of attention read and write nothing beside their arrays."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.passes.attention import places
from tests.backends.numba.engine.guarded import Guarded


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("time", "heads", "width"), [(1, 1, 1), (48, 2, 16), (49, 3, 5), (130, 1, 70)])
@pytest.mark.parametrize("causal", [False, True])
def test_nothing_beside_the_arrays_is_touched(dtype, time, heads, width, causal, monkeypatch):
    guarded, rng = Guarded(monkeypatch), np.random.default_rng(0)
    q, k, v, dy = (guarded.place(rng.normal(size=(2, time, heads * width)).astype(dtype)) for _ in range(4))
    y, saved = guarded.backend.attention_forward(q, k, v, None, heads=heads, causal=causal)
    results = (y, *guarded.backend.attention_backward(dy, saved))
    assert all(np.isfinite(one).all() for one in results)
    guarded.require_whole()


def test_rooms_begin_cache_lines_and_scores_are_no_power_of_two_apart():
    for time in (1, 16, 31, 32, 500, 512):
        across, begins, total = places(time, 5)
        assert across >= time
        assert across % 32 == 16
        assert [place % 16 for _, place in begins] == [0] * 5
        assert total > begins[-1][1]
