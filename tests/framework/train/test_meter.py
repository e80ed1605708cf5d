"""What is measured over batches: of one process, and of several ranks."""

import numpy as np
import pytest

import lamina
from lamina.data.goals import read_goals
from lamina.errors import CheckpointError
from lamina.testing.ranks import run_ranks
from lamina.train.batches import Batch
from lamina.train.meter import Mean, Meter, listed
from lamina.train.ranks import Ranks

BACKEND = lamina.get_backend("numpy")
rng = np.random.default_rng(0)
LOGITS, LABELS = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
LOSS = lamina.losses.SoftmaxCrossEntropy()


def goals():
    return read_goals("softmax_cross_entropy", None, ["accuracy", "confusion_matrix", "roc_auc"])


def add(meter, rows):
    logits, labels = LOGITS[rows], LABELS[rows]
    value = np.float64(LOSS.forward(logits, labels)[0]) if len(labels) else np.float64(0)
    meter.add((value,), (float(len(labels)),), logits, Batch(len(labels), (), {}, labels, labels), None)


def figures(meter):
    return {name: np.asarray(value).tolist() for name, value in meter.results().items()}


def test_ranks_come_to_what_one_has_counted():
    whole = Meter(BACKEND, goals())
    for rows in (slice(0, 8), slice(8, 20)):
        add(whole, rows)
    expected = figures(whole)

    def run(communicator):
        meter = Meter(BACKEND, goals())
        for first, stop in ((0, 8), (8, 20)):
            third = (stop - first) // 3
            start = first + communicator.rank * third
            add(meter, slice(start, stop if communicator.rank == 2 else start + third))
        meter.join(Ranks(communicator))
        return figures(meter)

    found = run_ranks(3, run)
    assert found[0] == found[1] == found[2]
    assert found[0]["confusion_matrix"] == expected["confusion_matrix"]
    for name in ("loss", "accuracy", "roc_auc"):
        assert found[0][name] == pytest.approx(expected[name], rel=1e-12)


def test_a_state_is_gone_on_with_and_so_are_those_of_several():
    one, other, whole = (Meter(BACKEND, goals()) for _ in range(3))
    for meter, rows in ((one, slice(0, 7)), (other, slice(7, 20)), (whole, slice(0, 7)), (whole, slice(7, 20))):
        add(meter, rows)
    assert figures(Meter(BACKEND, goals(), one.state())) == figures(one)
    both = figures(Meter(BACKEND, goals(), [one.state(), other.state()]))
    assert both["confusion_matrix"] == figures(whole)["confusion_matrix"]
    assert both["loss"] == pytest.approx(figures(whole)["loss"], rel=1e-12)
    assert listed(one.state()) == [one.state()] and listed([1, 2]) == [1, 2]


@pytest.mark.parametrize("state", [3, ([], []), ([(0.0, 1.0)], [{}]), [([(0.0, 1.0)], None), 4]])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(CheckpointError):
        Meter(BACKEND, goals(), state)


def test_means_are_weighted_by_their_terms():
    mean, other, summed = Mean(BACKEND), Mean(BACKEND), Mean(BACKEND, summed=True)
    mean.add(np.float64(2), 3)
    mean.add(np.float64(99), 0)
    other.add(np.float64(4), 1)
    mean.merge(other.state())
    assert mean.result() == 2.5
    for value in (2.0, 5.0):
        summed.add(np.float64(value), 2)
    assert summed.result() == 7
    assert np.isnan(Mean(BACKEND).result())
