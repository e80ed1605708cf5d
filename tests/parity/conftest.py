"""Records the worst error of each part, and notes, and prints them at the end: ``pytest -m parity``."""

from collections import defaultdict

import numpy as np
import pytest

_worst = defaultdict(float)
_notes = []


@pytest.fixture(scope="session")
def equal():
    """Return a comparison that records its error under the name of a part."""

    def compare(part, ours, theirs, tolerance=1e-10):
        ours = np.asarray(ours)
        theirs = theirs.detach().numpy() if hasattr(theirs, "detach") else np.asarray(theirs)
        assert ours.shape == theirs.shape, part
        assert ours.dtype == theirs.dtype == np.float64, part
        error = float(np.abs(ours - theirs).max(initial=0.0)) / max(1.0, float(np.abs(theirs).max(initial=0.0)))
        _worst[part] = max(_worst[part], error)
        assert error <= tolerance, f"{part}: {error:.1e}"

    return compare


@pytest.fixture(scope="session")
def note():
    """Return a function that takes a line to be printed at the end."""
    return _notes.append


def pytest_terminal_summary(terminalreporter):
    if _notes:
        terminalreporter.section("what other frameworks have")
        for line in _notes:
            terminalreporter.write_line(line)
    if _worst:
        terminalreporter.section("largest differences from PyTorch, float64")
        for part, error in sorted(_worst.items()):
            terminalreporter.write_line(f"{part:<50} {error:.1e}")
