"""Epochs of planned steps: what the Trainer makes of a model is the same with and without a plan."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from tests.framework.train.planned_runs import CLASSES, ROWS, STEPS, both, require_alike, taken
from tests.framework.train.planned_runs import plain_data as data

__all__ = ["taken"]


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("weighted", [None, "rows", "steps"])
def test_history_and_weights_are_those_without_a_plan(steps, ragged, weighted, taken):
    if weighted == "steps" and not steps:
        weighted = "rows"
    x, y, lengths = data(steps)
    rng = np.random.default_rng(1)
    weight = None if weighted is None else rng.uniform(0, 2, y.shape if weighted == "steps" else ROWS)
    if weight is not None:
        weight.flat[::5] = 0

    def fit(model, compiled):
        trainer = lamina.Trainer(model, optimizer="sgd", metrics="accuracy", compile=compiled)
        options = {"lengths": lengths if ragged else None, "sample_weight": weight}
        return trainer.fit(
            x, y, epochs=3, batch_size=8, validation_data=(x, y, options["lengths"]), verbose=False, **options
        )

    require_alike(both(fit, steps=steps))
    assert taken.count == 3 * -(-ROWS // 8)


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM", "projected"])
def test_callbacks_see_the_same_run(layer, taken):
    x, y, _ = data()

    def fit(model, compiled):
        told = []

        class Tell(lamina.callbacks.Callback):
            def on_step_end(self, trainer, epoch, step, loss):
                told.append((epoch, step, float(loss)))

        callbacks = [Tell(), lamina.optimizers.schedules.CosineDecay(4), lamina.callbacks.EarlyStopping("loss", 1)]
        trainer = lamina.Trainer(model, optimizer="sgd", callbacks=callbacks, compile=compiled)
        history = trainer.fit(x, y, epochs=4, batch_size=16, verbose=False)
        fit.told.append(told)
        return history

    fit.told = []
    require_alike(both(fit, layer=layer))
    np.testing.assert_allclose(*fit.told, rtol=1e-9)
    assert taken.count


def test_what_a_callback_freezes_or_moves_is_planned_anew(taken):
    x, y, _ = data()

    class Change(lamina.callbacks.Callback):
        def on_epoch_begin(self, trainer, epoch):
            trainer.model[0].trainable = epoch != 2
            if epoch == 3:
                trainer.model[1].b.data = np.ones(CLASSES)
            if epoch == 4:
                trainer.optimizer.load_state_dict(trainer.optimizer.state_dict())

    def fit(model, compiled):
        optimizer = lamina.optimizers.SGD(model.parameters(), lr=0.1, momentum=0.9)
        trainer = lamina.Trainer(model, optimizer=optimizer, callbacks=Change(), compile=compiled)
        return trainer.fit(x, y, epochs=5, batch_size=16, verbose=False)

    require_alike(both(fit))
    assert taken.count == 5 * 3


def test_rows_of_like_length_together(taken):
    x, y, lengths = data()

    def fit(model, compiled):
        trainer = lamina.Trainer(model, optimizer="sgd", metrics="accuracy", compile=compiled)
        return trainer.fit(x, y, lengths=lengths, epochs=2, batch_size=8, bucket=True, verbose=False)

    require_alike(both(fit))
    assert taken.count


@pytest.mark.parametrize("layer", ["SimpleRNN", "GRU", "LSTM", "projected", "MinGRU", "MinLSTM", "LRU", "IndRNN"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("truncate", [1, 2, 4, 6])
def test_chunks_go_on_from_the_states_of_those_before(layer, ragged, truncate, taken, monkeypatch):
    x, y, lengths = data(steps=True)
    weight = np.random.default_rng(2).uniform(0, 2, y.shape)
    for threads in (1, 3):
        monkeypatch.setattr("lamina.plan.planned.blocks_for", lambda program, most, threads=threads: threads)

        def fit(model, compiled):
            trainer = lamina.Trainer(model, optimizer="sgd", metrics="accuracy", compile=compiled)
            options = {"lengths": lengths if ragged else None, "sample_weight": weight if ragged else None}
            return trainer.fit(x, y, epochs=2, batch_size=8, truncate=truncate, verbose=False, **options)

        before = taken.count
        require_alike(both(fit, steps=True, layer=layer))
        assert taken.count > before


class Parts(lamina.callbacks.Callback):
    """Notes at which steps it was called, with which losses."""

    def __init__(self):
        self.told = []

    def on_step_end(self, trainer, epoch, step, loss):
        self.told.append((epoch, step, float(loss)))


@pytest.mark.parametrize("accumulate", [2, 3, 50])
@pytest.mark.parametrize("truncate", [None, 4])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_step_of_several_batches(accumulate, truncate, reduction, weighted, threads, taken, monkeypatch):
    monkeypatch.setattr("lamina.plan.planned.blocks_for", lambda program, most: threads)
    x, y, lengths = data(steps=True)
    weight = np.random.default_rng(2).uniform(0, 2, y.shape) * (np.arange(ROWS) % 5 > 0)[:, None] if weighted else None
    told = []

    def fit(model, compiled):
        parts = Parts()
        told.append(parts.told)
        optimizer = lamina.optimizers.Adam(model.parameters(), lr=0.01, clip_norm=0.5)
        trainer = lamina.Trainer(
            model, lamina.losses.SoftmaxCrossEntropy(reduction=reduction), optimizer, metrics="accuracy",
            callbacks=parts, accumulate=accumulate, compile=compiled,
        )  # fmt: skip
        options = {"lengths": lengths, "sample_weight": weight, "truncate": truncate, "epochs": 2, "batch_size": 8}
        return trainer.fit(x, y, verbose=False, **options)

    require_alike(both(fit, steps=True))
    np.testing.assert_allclose(*told, rtol=1e-9)
    assert taken.count > told[0][-1][1] * 2


def test_a_step_of_several_batches_draws_and_gathers_as_one(taken):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 7, (ROWS, STEPS)), rng.integers(0, CLASSES, ROWS)

    def fit(compiled, batch_size, accumulate):
        layers = lamina.layers
        model = lamina.Sequential(
            layers.Embedding(7, 3, row_wise=True), layers.Dropout(0.4),
            layers.LSTM(5, projection=3, recurrent_dropout=0.3), layers.Dropout(0.2), layers.Dense(CLASSES),
        )  # fmt: skip
        model.build((None, None), seed=0, backend="numba", dtype="float64")
        trainer = lamina.Trainer(model, optimizer="adagrad", accumulate=accumulate, compile=compiled)
        history = trainer.fit(x, y, epochs=2, batch_size=batch_size, shuffle=False, verbose=False)
        return history, [parameter.numpy() for parameter in model.parameters()]

    planned = fit(True, 4, 3)
    assert taken.count == 2 * -(-ROWS // 4)
    require_alike([planned, fit(False, 4, 3)])
    require_alike([planned, fit(True, 12, 1)])


def test_an_optimizer_that_is_no_kernel_updates_by_itself(taken):
    x, y, _ = data()

    def fit(model, compiled):
        optimizer = lamina.optimizers.Muon(model.parameters(), lr=0.01)
        return lamina.Trainer(model, optimizer=optimizer, compile=compiled).fit(x, y, epochs=2, verbose=False)

    require_alike(both(fit))
    assert taken.count == 4
