"""What ranks have alike."""

import numpy as np

import lamina
from lamina.callbacks import Callback
from lamina.testing.ranks import run_ranks
from lamina.train.alignment import align, have_come_apart
from lamina.train.ranks import Ranks
from tests.framework.train.shared_runs import CLASSES, X, built, simple


def test_all_get_what_rank_0_has():
    def run(communicator):
        rank = communicator.rank
        model = built(lamina.Sequential(lamina.layers.SimpleRNN(3), lamina.layers.Dropout(0.5)), seed=rank)
        optimizer, generator = lamina.optimizers.Adam(model.parameters(), lr=0.1 + rank), np.random.default_rng(rank)
        for _ in range(rank):
            model.forward(X)
            model.parameters()[0].grad += 1
            optimizer.step()
        model.parameters()[1].trainable = rank == 1
        align(Ranks(communicator), model, optimizer, generator)
        state = {name: array.tolist() for name, array in optimizer.state_dict()["parameters"].get("0.w_x", {}).items()}
        weights = {name: array.tolist() for name, array in model.state_dict().items()}
        frozen = [one.name for one in model.parameters() if not one.trainable]
        return weights, state, optimizer.lr, optimizer.steps, model.layers[1].draws, frozen, generator.random()

    found = run_ranks(3, run)
    assert found[0] == found[1] == found[2]
    assert found[0][2:5] == (0.1, 0, {"seed": 0, "calls": 0})


def test_ranks_that_come_apart_are_brought_together_and_it_is_said(capsys):
    class Drifts(Callback):
        def on_step_end(self, trainer, epoch, step, loss):
            if trainer._ranks.share.rank == 1:
                trainer.model.parameters()[0].data[...] += 1e-3

    def run(communicator):
        trainer = lamina.Trainer(simple(), callbacks=[Drifts()], communicator=communicator)
        trainer.fit(X, CLASSES, epochs=1, batch_size=8)
        return have_come_apart(Ranks(communicator), trainer.model)

    assert run_ranks(2, run) == [False, False]
    assert capsys.readouterr().out.count("ranks had come to other weights: they go on with those of rank 0") == 1


def test_ranks_that_do_not_come_apart_are_left_alone(capsys):
    run_ranks(2, lambda one: lamina.Trainer(simple(), communicator=one).fit(X, CLASSES, epochs=1))
    assert "other weights" not in capsys.readouterr().out
