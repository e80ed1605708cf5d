"""What several ranks have counted is put together: as if one had counted all of it."""

import copy

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.metrics import FunctionMetric, Metric
from lamina.metrics.ratio import Ratio

BACKENDS = ["numpy", "reference"]
rng = np.random.default_rng(0)
LOGITS, LABELS = rng.normal(size=(40, 5)), rng.integers(0, 5, 40)
YES, ANSWERS = rng.normal(size=(40, 1)), rng.integers(0, 2, (40, 1)).astype("float64")
NUMBERS, GOALS = rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 5
WEIGHTS = rng.random(40)


def largest(prediction, target):
    return abs(prediction - target).max()


def made(name):
    """Return a metric by its registered name, and a prediction and target for it."""
    if name == "function":
        return FunctionMetric(largest), NUMBERS, GOALS
    metric = Metric.registry.create(name)
    for prediction, target in ((LOGITS, LABELS), (NUMBERS, GOALS), (YES, ANSWERS)):
        try:
            metric.check_target(target, prediction.shape)
        except lamina.errors.LaminaError:
            continue
        return metric, prediction, target
    raise AssertionError(f"nothing fits {name}")


NAMES = [*Metric.registry.names(), "function"]


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_parts_put_together_are_the_whole(name, backend, weighted):
    metric, prediction, target = made(name)
    if weighted and not metric.takes_sample_weight:
        pytest.skip("takes no weights")
    there = lamina.get_backend(backend)
    weights = WEIGHTS if weighted else None

    def counted(*parts):
        one = copy.deepcopy(metric)
        for rows in parts:
            options = {} if weights is None else {"sample_weight": weights[rows]}
            one.update(there.asarray(prediction[rows]), there.asarray(target[rows]), None, there, **options)
        return one

    pieces = [slice(0, 7), slice(7, 8), slice(8, 31), slice(31, 40)]
    whole = counted(*pieces).result()
    # One that has counted nothing is among them, before and after others.
    several = [counted(), counted(pieces[0]), counted(*pieces[1:3]), counted(), counted(pieces[3])]
    several[2].result()  # what was asked for in between does not count
    total = several[0]
    for other in several[1:]:
        total.merge(other)
    np.testing.assert_allclose(total.result(), whole, rtol=1e-10, equal_nan=True)
    assert not np.isnan(np.asarray(whole)).all()


@pytest.mark.parametrize("name", NAMES)
def test_none_of_nothing_is_nothing(name):
    metric, _, _ = made(name)
    other = copy.deepcopy(metric)
    expected = np.asarray(metric.result(), float)
    metric.merge(other)
    np.testing.assert_array_equal(np.asarray(metric.result(), float), expected)


def test_one_of_its_own_names_its_sums():
    class Share(Ratio):
        sums = ("largest",)

        def __init__(self):
            super().__init__()
            self.largest = 0

    one, other = Share(), Share()
    one.largest, other.largest, other._sum, other._count = 2, 3, 4, 5
    one.merge(other)
    assert (one.largest, one._sum, one._count) == (5, 4, 5)


def test_one_that_names_none_is_refused():
    class Odd(Metric):
        def reset(self):
            pass

    with pytest.raises(ArgumentError, match="Odd: on several ranks expected a metric whose sums are named"):
        Odd().merge(Odd())
