"""Checkpoints of a run on several ranks."""

import numpy as np
import pytest

import lamina
from lamina.errors import CheckpointError, DistributedError
from lamina.testing.ending import EndAfter, Ended
from lamina.testing.ranks import run_ranks
from lamina.train import shared_saver
from tests.framework.train.shared_runs import LENGTHS, TAGS, X, built


def run_of(communicator, folder, ends=0, every=1, **settings):
    """Train in chunks, with masks and metrics, and end after some steps; return what it came to."""
    chain = lamina.layers.LSTM(5, return_sequences=True), lamina.layers.Dropout(0.3), lamina.layers.Dense(4)
    ending = EndAfter()
    model = built(lamina.Sequential(*chain), **settings)
    trainer = lamina.Trainer(
        model, optimizer="adam", metrics=["accuracy", "auc"], callbacks=[ending], communicator=communicator
    )
    ending.left = ends
    options = {"epochs": 3, "batch_size": 8, "truncate": 3, "verbose": False, "checkpoint": folder, "every": every}
    try:
        history = trainer.fit(X, TAGS, lengths=LENGTHS, **options)
    except (Ended, DistributedError):
        return None
    figures = {key: history[key] for key in ("loss", "accuracy", "roc_auc")}
    return {name: array.tolist() for name, array in model.state_dict().items()}, figures


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("ends", [1, 2, 5, 12])
def test_ended_after_any_step_it_goes_on_to_the_same_bits(ends, backend, tmp_path):
    if backend == "numba":
        pytest.importorskip("numba", reason="the numba extra is not installed")
    expected = run_ranks(2, lambda communicator: run_of(communicator, None, backend=backend))
    assert run_ranks(2, lambda communicator: run_of(communicator, tmp_path, ends, backend=backend)) == [None, None]
    assert run_ranks(2, lambda communicator: run_of(communicator, tmp_path, backend=backend)) == expected


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 1), (1, 3)])
@pytest.mark.parametrize("ends", [1, 2, 5])
def test_it_goes_on_with_another_number_of_ranks(before, after, ends, tmp_path):
    def on(ranks, *arguments):
        if ranks == 1:
            return run_of(None, *arguments)
        return run_ranks(ranks, lambda communicator: run_of(communicator, *arguments))[0]

    weights, figures = on(after, None)
    on(before, tmp_path, ends)
    found, its_figures = on(after, tmp_path)
    for name, array in weights.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-9, atol=1e-12)
    for name, values in figures.items():
        np.testing.assert_allclose(its_figures[name], values, rtol=1e-9)


def test_it_says_what_differs(tmp_path, capsys):
    run_ranks(3, lambda communicator: run_of(communicator, tmp_path, 2))

    def again(communicator):
        model = built(lamina.Sequential(lamina.layers.Dense(4)))
        trainer = lamina.Trainer(model, communicator=communicator)
        trainer.fit(X, TAGS, checkpoint=tmp_path)

    with pytest.raises((CheckpointError, DistributedError), match="the run that it holds is another one"):
        run_ranks(2, again)


def test_rank_0_s_clock_says_when_it_is_time(tmp_path, monkeypatch):
    """Each rank's clock runs otherwise; all write at the same steps."""
    written = []
    write = shared_saver.SharedSaver.write

    def noted(self, run, place, finished=False):
        written.append((self._ranks.share.rank, place.epoch, place.steps))
        write(self, run, place, finished)

    monkeypatch.setattr(shared_saver.SharedSaver, "write", noted)
    run_ranks(3, lambda communicator: run_of(communicator, tmp_path, every="0.001 seconds"))
    of_each = [[place for rank, *place in written if rank == one] for one in range(3)]
    assert of_each[0] == of_each[1] == of_each[2]
    assert len(of_each[0]) > 5


def test_a_finished_run_trains_nothing(tmp_path):
    expected = run_ranks(2, lambda communicator: run_of(communicator, tmp_path))
    assert run_ranks(2, lambda communicator: run_of(communicator, tmp_path, 1)) == expected
