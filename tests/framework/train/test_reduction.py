"""The gradients of all ranks, added up: also while backward goes on."""

import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.distributed import Pending
from lamina.testing.ranks import run_ranks
from lamina.train import reduction
from lamina.train.ranks import Ranks
from lamina.train.reduction import Reduction
from tests.framework.train.shared_runs import CLASSES, IDS, X, built


class Late(Pending):
    """A message that only arrives when it is waited for: what reads it before gets the wrong numbers."""

    def __init__(self, communicator, array):
        self._communicator, self._array, self._own = communicator, array, array.copy()
        array[...] = np.nan if array.dtype.kind == "f" else 0

    def wait(self):
        self._array[...] = self._own
        self._communicator.allreduce(self._array)


def late(communicator, sizes):
    """Let what is started arrive as late as it can; note the sizes."""

    def start(array, operation="sum"):
        sizes.append(array.nbytes)
        return Late(communicator, array)

    communicator.start = start
    return communicator


def chain():
    # The first and the last share their weights; what is frozen stands between.
    shared = layers.Dense(3)
    middle = layers.SimpleRNN(6, return_sequences=True)
    model = Sequential(shared, middle, layers.Dense(3, use_bias=False), shared, layers.LSTM(5), layers.Dense(4))
    built(model)
    middle.trainable = False
    return model


def wide():
    parts = layers.Embedding(200, 3), layers.LSTM(6, return_sequences=True), layers.GRU(5), layers.Dense(4)
    return built(Sequential(*parts), shape=(None, None))


@pytest.mark.parametrize("bucket", [1, 300, 1 << 20])
@pytest.mark.parametrize("make", [chain, wide])
def test_buckets_sent_while_backward_goes_on_come_to_the_same(make, bucket, monkeypatch):
    monkeypatch.setattr(reduction, "_BUCKET", bucket)
    x = X if make is chain else IDS

    def run(communicator=None, sizes=None):
        communicator = None if communicator is None else late(communicator, sizes)
        trainer = lamina.Trainer(make(), optimizer="sgd", communicator=communicator, compile=False)
        trainer.fit(x, CLASSES, epochs=2, batch_size=8, verbose=False)
        return trainer.model.state_dict()

    expected, sent = run(), [[], []]
    found = run_ranks(2, lambda communicator: run(communicator, sent[communicator.rank]))
    for name, array in expected.items():
        assert np.array_equal(found[0][name], found[1][name])
        np.testing.assert_allclose(found[0][name], array, rtol=1e-10, atol=1e-13)
    assert sent[0] == sent[1]
    messages = len(sent[0]) / 8  # steps: one of the numbers, and one or more of gradients
    assert messages > 3 if bucket == 1 else messages <= 4


def test_a_message_that_is_read_too_soon_would_be_noticed(monkeypatch):
    waits = Late.wait

    # All but the few numbers that ranks agree on.
    monkeypatch.setattr(Late, "wait", lambda self: None if self._array.size > 5 else waits(self))

    def run(communicator):
        trainer = lamina.Trainer(wide(), optimizer="sgd", communicator=late(communicator, []))
        trainer.fit(IDS, CLASSES, epochs=1, batch_size=8, verbose=False)
        return trainer.model.state_dict()

    found = run_ranks(2, run)[0]
    assert any(np.isnan(array).any() for array in found.values())


@pytest.mark.parametrize("own", [[[1, 2], [2, 3]], [[], [5]], [[], []], [range(12), [0]], [range(7), range(7, 14)]])
def test_rows_of_a_table_are_added_up_as_rows(own):
    """Ranks have used these rows of 20."""

    def run(communicator):
        layer = layers.Embedding(20, 2)
        layer.build((None, None), dtype="float64", seed=0)
        ids = np.array([list(own[communicator.rank])], np.int64)
        if ids.size:
            _, saved = layer.forward(ids)
            layer.backward(np.full((1, ids.size, 2), communicator.rank + 1.0), saved)
        ranks = Ranks(communicator)
        before = communicator.sent
        value, terms = Reduction(ranks, layer).reduce(np.float64(communicator.rank), 2.0)
        return layer.w.read_grad().copy(), float(value), terms, communicator.sent - before

    expected = np.zeros((20, 2))
    for rank, ids in enumerate(own):
        expected[list(ids)] += rank + 1
    used = len(set().union(*own))
    for grad, value, terms, sent in run_ranks(2, run):
        assert np.array_equal(grad, expected)
        assert (value, terms) == (1.0, 4.0)
        rows = 20 if 2 * used > 20 else used
        assert sent == 3 * 8 + 20 + rows * 2 * 8


def test_what_any_rank_asks_all_are_told():
    def run(communicator):
        told = []
        layer = layers.Dense(2)
        layer.build((None, 2), seed=0)
        asks = (communicator.rank == 1, False)
        Reduction(Ranks(communicator), layer, lambda: asks, lambda *found: told.append(found)).reduce(np.float32(0), 1)
        return told

    assert run_ranks(3, run) == [[(True, False)]] * 3
