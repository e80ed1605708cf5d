"""Several ranks train a model as one process does."""

import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.callbacks import Callback, CSVLog, EarlyStopping, SaveBest
from lamina.errors import ArgumentError, DataError, DistributedError, UnknownNameError
from lamina.metrics import Metric
from lamina.testing.ranks import run_ranks
from lamina.train.ranks import read_ranks
from tests.framework.train.shared_runs import CLASSES, LENGTHS, NUMBERS, TAGS, Two, X, built, simple, ways


def figures(history):
    return {key: history[key] for key in history.keys() if key != "seconds"}  # noqa: SIM118 (no dict)


def require_alike(found, alone, what):
    """Check that all ranks have the same bits, and what one process has but for rounding."""
    (trainer, history), state = found[0], alone[0].model.state_dict()
    for other, its_history in found:
        for name, array in other.model.state_dict().items():
            assert np.array_equal(array, trainer.model.state_dict()[name]), f"{what}: {name} differs between ranks"
            np.testing.assert_allclose(array, state[name], rtol=1e-9, atol=1e-11, err_msg=f"{what}: {name}")
        assert figures(its_history) == figures(history)
    for key, values in figures(alone[1]).items():
        np.testing.assert_allclose(history[key], values, rtol=1e-9, err_msg=f"{what}: {key}")


@pytest.mark.parametrize("ranks", [2, 3, 9])
@pytest.mark.parametrize("way", ways())
def test_ranks_come_to_what_one_process_does(way, ranks):
    run = ways()[way]
    require_alike(run_ranks(ranks, run), run(), way)


@pytest.mark.parametrize("backend", ["reference", "array-api-strict"])
@pytest.mark.parametrize("way", ways())
def test_ranks_of_other_arrays_do_too(way, backend):
    if backend == "array-api-strict":
        pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
        lamina.testing.register_strict_backend()
    run = ways(backend)[way]
    require_alike(run_ranks(2, run), run(), way)


@pytest.mark.parametrize("way", ways())
def test_planned_ranks_come_to_what_one_process_does(way):
    pytest.importorskip("numba", reason="the numba extra is not installed")
    run = ways("numba")[way]
    require_alike(run_ranks(2, run), run(), way)


def test_the_same_ranks_come_to_the_same_bits():
    run = ways()["ragged, clipped by norm"]
    one, other = (run_ranks(3, run)[0][0].model.state_dict() for _ in range(2))
    assert all(np.array_equal(array, other[name]) for name, array in one.items())


def test_weights_come_from_rank_0_whatever_the_others_were_built_with():
    def run(communicator=None):
        model = simple(seed=0 if communicator is None else communicator.rank)
        trainer = lamina.Trainer(model, communicator=communicator)
        return trainer, trainer.fit(X, CLASSES, epochs=1, verbose=False)

    require_alike(run_ranks(2, run), run(), "other seeds")


def test_evaluation_is_over_all_ranks_rows():
    def run(communicator=None):
        trainer = lamina.Trainer(simple(), metrics=["accuracy", "confusion_matrix"], communicator=communicator)
        return trainer.evaluate(X, CLASSES, lengths=LENGTHS, batch_size=7)

    alone = run()
    for found in run_ranks(3, run):
        np.testing.assert_allclose(found["loss"], alone["loss"], rtol=1e-12)
        assert found["accuracy"] == alone["accuracy"]
        assert np.array_equal(found["confusion_matrix"], alone["confusion_matrix"])


class Counting(Callback):
    def __init__(self):
        self.losses, self.ended = [], 0

    def on_step_end(self, trainer, epoch, step, loss):
        self.losses.append(float(loss))

    def on_train_end(self, trainer):
        self.ended += 1


def test_a_step_s_loss_is_that_of_all_ranks_rows():
    def run(communicator=None):
        own = Counting()
        trainer = lamina.Trainer(simple(), callbacks=[own], communicator=communicator)
        trainer.fit(X, CLASSES, lengths=LENGTHS, epochs=1, batch_size=8, verbose=False)
        return own.losses

    alone = run()
    for found in run_ranks(3, run):
        np.testing.assert_allclose(found, alone, rtol=1e-10)


def test_only_rank_0_writes_files_and_speaks(tmp_path, capsys):
    def run(communicator):
        folder = tmp_path / f"rank-{communicator.rank}"
        callbacks = [CSVLog(folder / "log.csv"), SaveBest(folder / "best.safetensors", "loss")]
        trainer = lamina.Trainer(simple(), callbacks=callbacks, communicator=communicator)
        return trainer.fit(X, CLASSES, epochs=2, batch_size=8, checkpoint=tmp_path / "kept")

    run_ranks(2, run)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kept", "rank-0"]
    assert {one.name for one in (tmp_path / "rank-0").iterdir()} >= {"log.csv", "best.safetensors"}
    assert capsys.readouterr().out.count("epoch 1/2") == 1


def test_what_stops_one_rank_stops_all():
    class Stops(Callback):
        def __init__(self, rank):
            self.rank = rank

        def on_epoch_end(self, trainer, epoch, values):
            if self.rank == 1 and epoch == 2:
                trainer.stop()

    def run(communicator):
        callbacks = [Stops(communicator.rank)]
        trainer = lamina.Trainer(simple(), callbacks=callbacks, communicator=communicator)
        return len(trainer.fit(X, CLASSES, epochs=5, verbose=False))

    # What callbacks are given is part of what ranks are to have alike: here it is on purpose another.
    with pytest.raises(DistributedError, match="another callbacks than rank 0"):
        run_ranks(2, run)
    Stops.__init__ = lambda self, rank: setattr(self, "_own", rank)
    Stops.rank = property(lambda self: self._own)
    assert run_ranks(2, run) == [2, 2]


def test_early_stopping_stops_all_at_once():
    def run(communicator=None):
        callbacks = [EarlyStopping("val_loss", 1, min_delta=0.01)]
        trainer = lamina.Trainer(simple(), callbacks=callbacks, communicator=communicator)
        return trainer, trainer.fit(X, CLASSES, validation_data=(X, CLASSES), epochs=30, verbose=False)

    alone = run()
    require_alike(run_ranks(3, run), alone, "stopped early")
    assert len(alone[1]) < 30


def test_ctrl_c_on_one_rank_ends_all_between_two_steps():
    class Presses(Callback):
        def on_step_end(self, trainer, epoch, step, loss):
            if trainer._ranks.share.rank == 1 and (epoch, step) == (2, 1):
                trainer._run.interruption._press()

    def run(communicator):
        trainer = lamina.Trainer(simple(), callbacks=[Presses()], communicator=communicator)
        history = trainer.fit(X, CLASSES, epochs=3, batch_size=8, verbose=False)
        return history.interrupted, len(history), trainer.optimizer.steps

    # Rank 1's wish goes with the gradients of the step after: then all end.
    assert run_ranks(3, run) == [(True, 1, 6)] * 3


def test_ranks_that_were_given_other_data_are_refused():
    def run(communicator):
        trainer = lamina.Trainer(simple(), communicator=communicator)
        trainer.fit(X + communicator.rank, CLASSES, verbose=False)

    with pytest.raises(DistributedError, match="rank 1 was given another data than rank 0"):
        run_ranks(2, run)


def test_ranks_that_read_other_batches_are_refused():
    def run(communicator):
        def batches():
            yield X + communicator.rank, CLASSES

        lamina.Trainer(simple(), communicator=communicator).fit(batches, verbose=False)

    with pytest.raises(DataError, match="ranks read other batches: a source of batches is to give the same on each"):
        run_ranks(2, run)


def test_what_fails_on_one_rank_ends_all_and_says_which():
    class Fails(Callback):
        def on_step_end(self, trainer, epoch, step, loss):
            if trainer._ranks.share.rank == 2:
                raise ValueError("of its own")

    def run(communicator):
        try:
            lamina.Trainer(simple(), callbacks=[Fails()], communicator=communicator).fit(X, CLASSES, verbose=False)
        except (ValueError, DistributedError) as error:
            return f"{type(error).__name__}: {error} ({'; '.join(error.__notes__)})"

    theirs = "DistributedError: rank 2 of 3 failed: ValueError: of its own (on rank {} of 3)"
    assert run_ranks(3, run) == [theirs.format(0), theirs.format(1), "ValueError: of its own (on rank 2 of 3)"]


def test_a_metric_that_cannot_be_put_together_is_refused():
    class Odd(Metric):
        def reset(self):
            self.latest = 0.0

        def update(self, prediction, target, lengths, backend):
            self.latest = 1.0

        def result(self):
            return self.latest

    def run(communicator):
        lamina.Trainer(simple(), metrics=Odd(), communicator=communicator).fit(X, CLASSES, verbose=False)

    with pytest.raises(ArgumentError, match="Odd: on several ranks expected a metric whose sums are named"):
        run_ranks(2, run)


def test_statistics_over_ranks_are_refused_in_a_cell():
    class Normed(lamina.Cell):
        units = 3

        def __init__(self):
            self.norm = layers.BatchNorm()

        def build(self, x, state):
            return self.norm.build(x)

        def forward(self, x, state):
            return self.norm.forward(x)

    model = built(Sequential(lamina.Recurrent(Normed()), layers.Dense(4)))

    def run(communicator):
        lamina.Trainer(model, communicator=communicator).fit(X, CLASSES, verbose=False)

    with pytest.raises(ArgumentError, match="in a cell no statistics are taken over all ranks"):
        run_ranks(2, run)


def test_each_rank_s_own_statistics_are_their_mean_in_the_end():
    def run(communicator=None, synchronized=False):
        norm = layers.BatchNorm(momentum=1.0, synchronized=synchronized)
        model = built(Sequential(norm, layers.LastStep(), layers.Dense(4)))
        trainer = lamina.Trainer(model, optimizer="sgd", communicator=communicator)
        trainer.fit(X[:8], CLASSES[:8], epochs=1, batch_size=8, shuffle=False, verbose=False)
        return norm.running_mean.numpy()

    halves = [X[rows].mean(axis=(0, 1)) for rows in (slice(0, 4), slice(4, 8))]
    for found in run_ranks(2, run):
        np.testing.assert_allclose(found, np.mean(halves, axis=0), rtol=1e-12)


def test_one_rank_is_none():
    assert read_ranks(None) is None
    assert run_ranks(1, read_ranks) == [None]


def test_what_is_no_communicator_is_refused():
    with pytest.raises(ArgumentError, match="expected communicator to be a Communicator or a name, got int"):
        lamina.Trainer(simple(), communicator=4)
    with pytest.raises(UnknownNameError, match="unknown communicator 'mpj'"):
        lamina.Trainer(simple(), communicator="mpj")


@pytest.mark.parametrize("kind", ["plain", "two outputs", "LBFGS"])
def test_a_step_by_itself_is_that_of_all_ranks_rows(kind):
    def run(communicator=None):
        seed = 0 if communicator is None else communicator.rank
        if kind == "two outputs":
            model, y = built(Two(), seed=seed), (TAGS, NUMBERS)
            settings = {"loss": ("softmax_cross_entropy", "mean_squared_error")}
        else:
            dropped = Sequential(layers.SimpleRNN(6), layers.Dropout(0.3), layers.Dense(4))
            model, y, settings = built(dropped, seed=seed), CLASSES, {"metrics": "accuracy"}
        if kind == "LBFGS":
            settings["optimizer"] = lambda parameters: lamina.optimizers.LBFGS(parameters, max_iterations=3)
        parts = PARTS[:1] if kind == "LBFGS" else PARTS  # which makes much of rounding from step to step
        trainer = lamina.Trainer(model, communicator=communicator, **settings)
        figures = [trainer.train_on_batch(X[rows], _some(y, rows), lengths=LENGTHS[rows]) for rows in parts]
        return model.state_dict(), figures

    alone, figures = run()
    for state, own in run_ranks(3, run):
        for name, array in alone.items():
            np.testing.assert_allclose(state[name], array, rtol=1e-8, atol=1e-11)
        for one, expected in zip(own, figures, strict=True):
            assert dict(one) == pytest.approx(dict(expected), rel=1e-9)


PARTS = [slice(0, 9), slice(9, 20), slice(20, 22)]


def _some(target, rows):
    return tuple(one[rows] for one in target) if isinstance(target, tuple) else target[rows]
