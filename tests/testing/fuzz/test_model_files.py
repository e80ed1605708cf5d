"""Hostile model files: each is refused in one line, or loads; soon, and in little memory."""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.errors import CheckpointError
from lamina.testing.fuzz.model_files import make, outcome

SECONDS, MEGABYTES = 5, 1024


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@settings(max_examples=400, deadline=None, database=None)
@given(st.integers(0, 2**64 - 1))
def test_a_make_loads_or_is_refused_soon_and_in_little_memory(seed: int) -> None:
    content = make(np.random.default_rng(seed))
    before, started = peak(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = outcome(content, folder)
    assert found == "loaded" or found in ("refused: CheckpointError", "refused: UnknownNameError"), (seed, found)
    assert time.perf_counter() - started < SECONDS, seed
    assert peak() - before < MEGABYTES, seed


def test_the_same_state_gives_the_same_file() -> None:
    for seed in range(30):
        assert make(np.random.default_rng(seed)) == make(np.random.default_rng(seed))


def test_they_come_far_and_differ(tmp_path: Path) -> None:
    """A checksum that is right again lets most of them through to the layers: some load, others say why not."""
    loaded, messages = 0, set()
    path = tmp_path / "m"
    for seed in range(400):
        path.write_bytes(make(np.random.default_rng(seed)))
        try:
            lamina.load(path)
            loaded += 1
        except lamina.errors.LaminaError as error:
            text = str(error).replace(f"{str(path)!r}", "")
            messages.add(text[:40])
        except lamina.errors.NonFiniteWarning:
            loaded += 1
    assert loaded > 10 and len(messages) > 100
    assert any("does not fit" in text for text in messages)


def test_what_becomes_of_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lamina.Sequential(lamina.layers.Dense(2))
    model.build((None, 2), seed=0)
    model.save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    assert outcome(content, tmp_path) == "loaded"
    assert outcome(content[:-1], tmp_path) == "refused: CheckpointError"

    def fail(self: object, *shapes: object) -> None:
        raise ZeroDivisionError("of a layer")

    monkeypatch.setattr(lamina.layers.Dense, "build", lamina.core.build.checked_build(fail))
    assert outcome(content, tmp_path) == "failed: ZeroDivisionError in a layer: of a layer"
    with pytest.raises(CheckpointError, match=r": cannot be built \(ZeroDivisionError: of a layer\)$"):
        lamina.load(tmp_path / "m")
    monkeypatch.setattr("lamina.testing.fuzz.model_files.load", fail)
    assert outcome(content, tmp_path) == "failed: ZeroDivisionError: of a layer"
