"""What keeps all rows computes its figure once for the same rows, and while batches come not more than now and then."""

import copy
import math

import numpy as np
import pytest

import lamina
from lamina.metrics.kept import Kept

NUMPY = lamina.get_backend("numpy")


class Median(Kept):
    calls = 0

    def __init__(self):
        self.notes = []
        self.reset()

    def update(self, prediction, target, lengths, backend):
        self.keep(np.abs(prediction - target))

    def compute(self):
        self.calls += 1
        return float(np.median(np.concatenate([batch for (batch,) in self._batches])))


def fed(metric, *values):
    for value in values:
        metric.update(np.array([float(value)]), np.array([0.0]), None, NUMPY)
    return metric


def test_the_figure_is_of_all_rows_and_computed_once() -> None:
    metric = Median()
    assert math.isnan(metric.result())
    fed(metric, 1, 5, 9)
    assert (metric.result(), metric.result(), metric.calls) == (5, 5, 1)
    fed(metric, 100, 100)
    assert (metric.result(), metric.calls) == (9, 2)
    metric.reset()
    assert math.isnan(metric.result())
    assert math.isnan(metric.so_far())


@pytest.mark.parametrize(("seconds", "least", "most"), [(0.0, 100, 100), (1.0, 4, 7), (10.0, 1, 1)])
def test_one_that_takes_long_is_computed_less_often(monkeypatch, seconds: float, least: int, most: int) -> None:
    now = [0.0]
    monkeypatch.setattr("lamina.metrics.kept.time.perf_counter", lambda: now[0])
    plain = Median.compute

    def slow(self):
        now[0] += seconds
        return plain(self)

    monkeypatch.setattr(Median, "compute", slow)
    metric = Median()
    for value in range(100):
        fed(metric, value)
        now[0] += 1.0
        metric.so_far()
    assert least <= metric.calls <= most
    assert metric.result() == 49.5  # whole, when it is asked for


def test_a_copy_shares_the_rows_and_nothing_else() -> None:
    metric = fed(Median(), 1, 2, 3)
    alone = copy.deepcopy(metric)
    assert all(one is other for one, other in zip(alone._batches[0], metric._batches[0], strict=True))
    fed(alone, 50, 60, 70)
    alone.notes.append("mine")
    assert (alone.result(), metric.result(), metric.notes) == (26.5, 2, [])


def test_what_must_be_defined() -> None:
    class Empty(Kept):
        pass

    with pytest.raises(NotImplementedError, match=r"^Empty does not define compute$"):
        Empty().compute()
