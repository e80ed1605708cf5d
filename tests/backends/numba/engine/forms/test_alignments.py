"""States of alignments: shares of all of them, by either way, against all paths counted one by one."""

from itertools import pairwise, product

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

from lamina.backends.numba.engine.forms.alignments import IMPOSSIBLE, logarithmic, scaled  # noqa: E402
from lamina.backends.numba.engine.room import address_of_array  # noqa: E402


@numba.njit
def _scaled(n, steps, w, at, emissions, pair, skips):
    return scaled(n, steps, w, at, emissions, pair, skips)


@numba.njit
def _logarithmic(n, steps, w, at, emissions, pair, skips):
    return logarithmic(n, steps, w, at, emissions, pair, skips)


def run(way, emissions, skips):
    """Return the logarithm of the sum of all alignments, and each state's share (steps, 2 w)."""
    steps, w = emissions.shape
    states, pair = np.zeros((steps, 2 * w)), np.zeros(4 * w)
    places = [address_of_array(one) for one in (states, np.ascontiguousarray(emissions), pair)]
    return way(w - 1, steps, w, *places, skips), states


def counted(emissions, skips):
    """Return the same by all paths through blanks and labels, in turn."""
    steps, w = emissions.shape
    n, total, shares = w - 1, 0.0, np.zeros((steps, 2 * w))
    for path in product(range(2 * n + 1), repeat=steps):
        fits = path[0] < 2 and path[-1] >= 2 * n - 1
        for one, other in pairwise(path):
            skipping = other == one + 2 and other % 2 == 1 and skips[other // 2] != 0
            fits &= other in (one, one + 1) or skipping
        if fits:
            places = [state // 2 if state % 2 == 0 else w + state // 2 for state in path]
            weight = np.prod([emissions[t, state // 2 if state % 2 else n] for t, state in enumerate(path)])
            total += weight
            shares[np.arange(steps), places] += weight
    return np.log(total), shares / total


@pytest.mark.parametrize("skips", [[0.0, 1.0], [0.0, 0.0]])
@pytest.mark.parametrize("steps", [3, 4, 6])
def test_shares_are_those_of_all_paths(steps, skips):
    emissions = np.random.default_rng(steps).random((steps, 3))
    expected, shares = counted(emissions, skips)
    skips = np.array([*skips, 0.0])
    for way, given in ((_scaled, emissions), (_logarithmic, np.log(emissions))):
        found, states = run(way, given, skips)
        assert found == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(states, shares, atol=1e-12)


def test_what_may_be_lost_is_said_and_found_in_logarithms():
    logarithms = np.full((40, 2), -400.0)
    logarithms[::2, 1] = 0  # the label's odds, 1e-174 a step, and those of the blank, which is likely every other step
    skips = np.zeros(2)
    logarithms[:, 0] = -800
    assert np.isnan(run(_scaled, np.exp(logarithms), skips)[0])
    found, states = run(_logarithmic, logarithms, skips)
    assert found == pytest.approx(-20 * 400 - 400 + np.log(20), rel=1e-12)
    np.testing.assert_allclose(states[:, 2].sum(), 1, rtol=1e-9)


def test_where_no_alignment_fits_nothing_is_possible():
    skips = np.array([0.0, 0.0, 0.0])
    assert np.isnan(run(_scaled, np.ones((2, 3)), skips)[0])
    assert run(_logarithmic, np.zeros((2, 3)), skips)[0] < IMPOSSIBLE / 2
