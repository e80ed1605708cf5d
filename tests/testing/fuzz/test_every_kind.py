"""Two thousand cases by hypothesis, which begins with small ones and keeps what failed to be tried again first."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.testing.fuzz.reading import FAILED
from lamina.testing.fuzz.run import KINDS, SECONDS


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp())


@pytest.mark.parametrize("kind", KINDS)
def test_300_cases(kind: str) -> None:
    if kind == "csv":
        pytest.importorskip("pandas", reason="needs pandas: pip install -e '.[data]'")

    @settings(max_examples=300, deadline=int(1000 * SECONDS), database=None)
    @given(st.integers(0, 2**64 - 1))
    def check(seed: int) -> None:
        found = KINDS[kind](np.random.default_rng(seed), folder())
        assert not found.startswith(FAILED), (kind, seed, found)

    check()
