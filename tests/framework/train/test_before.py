"""What a forward pass changes is put back: the same pass then gives the same, to the bit."""

from __future__ import annotations

import numpy as np

import lamina
from lamina.layers import GRU, BatchNorm, Dense, Dropout
from lamina.train.before import Before

X = np.random.default_rng(0).normal(size=(6, 4, 3))


def test_a_pass_is_run_again_as_if_for_the_first_time() -> None:
    model = lamina.Sequential(GRU(4), Dropout(0.5), BatchNorm(), Dense(2))
    model.build((None, None, 3), seed=0, dtype="float64")
    model.forward(X)
    before = Before(model)
    before.keep()
    start = model.state_dict()
    first, _ = model.forward(X)
    moved = model.state_dict()
    assert not all(np.array_equal(array, start[name]) for name, array in moved.items())
    for _ in range(2):  # what was kept is not used up
        before.put_draws(model)
        before.put_statistics()
        assert all(np.array_equal(array, start[name]) for name, array in model.state_dict().items())
        again, _ = model.forward(X)
        np.testing.assert_array_equal(again, first)
    other, _ = model.forward(X)
    assert not np.array_equal(other, first)


def test_earlier_statistics_may_be_put_back() -> None:
    model = lamina.Sequential(GRU(4), BatchNorm(), Dense(2))
    model.build((None, None, 3), seed=0, dtype="float64")
    before = Before(model)
    before.keep()
    earliest, start = before.statistics, model.state_dict()
    model.forward(X)
    before.keep()
    model.forward(X)
    before.put_statistics(earliest)
    assert all(np.array_equal(array, start[name]) for name, array in model.state_dict().items())
