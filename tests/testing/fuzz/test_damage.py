"""Bytes damaged at random: in every way, and the same for the same state."""

import numpy as np

from lamina.testing.fuzz.damage import damaged

CONTENT = bytes(range(200))


def test_they_are_cut_longer_and_changed() -> None:
    found = [damaged(CONTENT, np.random.default_rng(seed)) for seed in range(100)]
    sizes = {len(one) for one in found}
    assert min(sizes) < 200 < max(sizes)
    assert any(len(one) == 200 and one[:8] == CONTENT[:8] and one != CONTENT for one in found)
    assert any(len(one) == 200 and one[:8] != CONTENT[:8] and one[8:] == CONTENT[8:] for one in found)


def test_the_same_state_gives_the_same() -> None:
    assert [damaged(CONTENT, np.random.default_rng(seed)) for seed in range(20)] == [
        damaged(CONTENT, np.random.default_rng(seed)) for seed in range(20)
    ]
