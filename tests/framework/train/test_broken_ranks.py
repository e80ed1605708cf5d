"""What could go wrong between ranks, each put in by itself: comparing ranks with one process must find it."""

import contextlib

import numpy as np
import pytest

from lamina.errors import LaminaError
from lamina.metrics.metric import Metric
from lamina.testing.ranks import run_ranks
from lamina.train import meter, objective
from lamina.train.accumulation import Accumulation, JointDraws
from lamina.train.ranks import Ranks
from lamina.train.reduction import Reduction
from lamina.train.shares import Share
from tests.framework.train.shared_runs import ways
from tests.framework.train.test_ranks import require_alike


def averaged(patch):
    """Gradients are averaged over ranks, whatever their terms."""
    patch.setattr(Accumulation, "weigh", lambda self, gradient, value, terms: (self.add(value, 1.0), gradient)[1])


def own_terms(patch):
    """The sum is divided by the rank's own terms."""
    whole = Reduction.reduce
    patch.setattr(Reduction, "reduce", lambda self, value, terms: (whole(self, value, terms)[0], terms))


def own_masks(patch):
    """Each rank draws the masks of the first rows."""
    whole = JointDraws.part
    patch.setattr(JointDraws, "part", lambda self, rows, begins, part=None: whole(self, rows, begins))


def own_figures(patch):
    """Losses and metrics are those of the rank's own rows."""
    patch.setattr(meter.Meter, "join", lambda self, ranks: None)


def lost_row(patch):
    """A row at each cut is nobody's."""
    whole = Share.cut

    def cut(self, rows, lengths=None):
        own = whole(self, rows, lengths)
        return slice(own.start, max(own.start, own.stop - 1)) if self.rank == 0 and own.stop - own.start > 1 else own

    patch.setattr(Share, "cut", cut)


def twice(patch):
    """A row at each cut is on two ranks."""
    whole = Share.cut

    def cut(self, rows, lengths=None):
        own = whole(self, rows, lengths)
        return slice(max(own.start - 1, 0), own.stop)

    patch.setattr(Share, "cut", cut)


def own_rows_of_tables(patch):
    """The rows of a table stay where they are."""
    patch.setattr(Reduction, "_reduce_rows", lambda self, table: None)


def clipped_before(patch):
    """Gradients are clipped before they are added up."""
    whole = Reduction.reduce

    def reduce(self, value, terms):
        for stretch in self._stretches:
            np.clip(stretch.grad, -0.01, 0.01, out=stretch.grad)
        return whole(self, value, terms)

    patch.setattr(Reduction, "reduce", reduce)


def own_statistics(patch):
    """Statistics of a batch are the rank's own."""
    patch.setattr(Ranks, "summed", lambda self, array: array)


def own_shares(patch):
    """Each rank's outputs have shares of its own terms."""
    patch.setattr(objective, "shares_of", lambda terms, ranks=None: [(1.0,) * len(own) for own in terms])


def not_cleared(patch):
    """Rows that were added up are added to those that were there."""
    whole = Reduction._reduce_rows

    def reduce(self, table):
        before = table.numpy() * 0 + table.read_grad()
        whole(self, table)
        table.grad += before

    patch.setattr(Reduction, "_reduce_rows", reduce)


def first_stretch_alone(patch):
    """Of gradients that lie apart only the first are added up."""
    whole = Reduction._look

    def look(self):
        whole(self)
        self._stretches = self._stretches[:1]

    patch.setattr(Reduction, "_look", look)


def merged_once_too_often(patch):
    """What another rank has counted is counted twice."""
    whole = Metric.merge
    patch.setattr(Metric, "merge", lambda self, other: [whole(self, other) for _ in range(2)])


FAULTS = {
    averaged: "weights of rows",
    own_terms: "BatchNorm",
    own_masks: "ragged, clipped by norm",
    own_figures: "validated",
    lost_row: "SimpleRNN",
    twice: "sums",
    own_rows_of_tables: "Embedding",
    clipped_before: "SimpleRNN",
    own_statistics: "BatchNorm",
    own_shares: "two outputs",
    not_cleared: "Embedding",
    first_stretch_alone: "apart",
    merged_once_too_often: "counted",
}


def apart():
    """Return a run of a model that has a table between other weights."""
    import lamina
    from lamina import layers
    from tests.framework.train.shared_runs import CLASSES, IDS, X

    class Both(lamina.Composite):
        def __init__(self):
            self.first, self.table, self.last = layers.GRU(3), layers.Embedding(200, 3), layers.Dense(4)

        def compose(self, t, x, ids):
            return t(self.last, t.concatenate(t(self.first, x), t(self.table, ids)[:, -1]))

    def run(communicator=None):
        model = Both()
        model.build((None, None, 3), (None, None), seed=0, dtype="float64")
        trainer = lamina.Trainer(model, communicator=communicator)
        return trainer, trainer.fit((X, IDS), CLASSES, epochs=2, batch_size=8, verbose=False)

    return run


def counted():
    """Return a run with a metric of which counting twice is seen."""
    import lamina
    from lamina.metrics import ConfusionMatrix
    from tests.framework.train.shared_runs import CLASSES, X, simple

    class Rows(ConfusionMatrix):
        gives_array = False

        def result(self):
            return float(np.sum(super().result()))

    def run(communicator=None):
        trainer = lamina.Trainer(simple(), metrics=Rows(), communicator=communicator)
        return trainer, trainer.fit(X, CLASSES, epochs=1, batch_size=8, verbose=False)

    return run


RUNS = {"apart": apart, "counted": counted}


def of(way):
    return RUNS[way]() if way in RUNS else ways()[way]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_is_found(fault, monkeypatch):
    run = of(FAULTS[fault])
    alone = run()
    with monkeypatch.context() as patch:
        fault(patch)
        found = None
        with contextlib.suppress(LaminaError, AssertionError):
            found = run_ranks(2, run)
            require_alike(found, alone, fault.__name__)
            pytest.fail(f"nobody saw it: {fault.__doc__}")
    require_alike(run_ranks(2, run), alone, "without it")  # the same comparison holds where nothing is broken
