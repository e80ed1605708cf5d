"""Epochs of planned steps: what the Trainer makes of a model is the same with and without a plan."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.train import planned as planned_module

ROWS, STEPS, FEATURES, CLASSES = 41, 6, 3, 4


def data(steps=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, STEPS, FEATURES))
    return x, rng.integers(0, CLASSES, (ROWS, STEPS) if steps else ROWS), rng.integers(0, STEPS + 1, ROWS)


def model_of(backend, steps=False, layer="GRU"):
    cell = getattr(lamina.layers, layer)(5, return_sequences=steps)
    model = lamina.Sequential(cell, lamina.layers.Dense(CLASSES))
    model.build((None, None, FEATURES), seed=0, backend=backend, dtype="float64")
    return model


class Taken:
    """Counts the steps that plans took."""

    def __init__(self, monkeypatch):
        self.count = 0
        taken = planned_module.PlannedFeed._taken

        def counted(feed, *arguments):
            self.count += 1
            return taken(feed, *arguments)

        monkeypatch.setattr(planned_module.PlannedFeed, "_taken", counted)


@pytest.fixture
def taken(monkeypatch):
    return Taken(monkeypatch)


def both(fit, taken=None, **options):
    """Return the histories and weights of two runs, with a plan and without."""
    found = []
    for compiled in (True, False):
        model = model_of("numba", **options)
        found.append((fit(model, compiled), [parameter.numpy() for parameter in model.parameters()]))
    return found


def require_alike(found):
    (history, weights), (other, others) = found
    assert history.keys() == other.keys()
    for key in list(history.keys()):
        if key != "seconds":
            np.testing.assert_allclose(history[key], other[key], rtol=1e-9, err_msg=key)
    for mine, its in zip(weights, others, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-8, atol=1e-12)


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


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM"])
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


@pytest.mark.parametrize("layer", ["SimpleRNN", "GRU", "LSTM"])
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
            layers.Embedding(7, 3, row_wise=True), layers.Dropout(0.4), layers.LSTM(5, recurrent_dropout=0.3),
            layers.Dropout(0.2), layers.Dense(CLASSES),
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


def test_a_plan_is_made_where_it_can_be_if_nothing_is_said(taken):
    x, y, _ = data()
    lamina.Trainer(model_of("numba"), optimizer="sgd").fit(x, y, epochs=1, verbose=False)
    assert taken.count == 2
    lamina.Trainer(model_of("numpy"), optimizer="sgd").fit(x, y, epochs=1, verbose=False)
    lamina.Trainer(model_of("numba"), optimizer="sgd", compile=False).fit(x, y, epochs=1, verbose=False)
    lamina.Trainer(model_of("numba"), optimizer="sgd", check_finite=True).fit(x, y, epochs=1, verbose=False)
    assert taken.count == 2
    lamina.Trainer(model_of("numba"), optimizer="sgd", accumulate=2).fit(x, y, epochs=1, verbose=False)
    assert taken.count == 4


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"check_finite": True}, "with check_finite no step is planned"),
        ({"check_finite": True, "accumulate": 2}, "with check_finite no step is planned"),
    ],
)
def test_where_it_must_be_planned_and_cannot_it_is_said_why(settings, reason):
    x, y, _ = data()
    model = model_of("numba")
    before = [parameter.numpy() for parameter in model.parameters()]
    with pytest.raises(lamina.errors.ArgumentError, match=f"Trainer: compile=True, but {reason}"):
        lamina.Trainer(model, optimizer="sgd", compile=True, **settings).fit(x, y, epochs=1, verbose=False)
    for parameter, values in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), values)


def test_a_backend_that_plans_nothing_is_named():
    x, y, _ = data()
    with pytest.raises(lamina.errors.ArgumentError, match="compile=True, but backend 'numpy' plans no steps"):
        lamina.Trainer(model_of("numpy"), optimizer="sgd", compile=True).fit(x, y, epochs=1, verbose=False)


def test_a_long_run_without_a_plan_says_that_there_is_one():
    model = model_of("numpy")
    assert "backend 'numba' compiles such training steps" in planned_module.hint(model, 300.0)
    assert planned_module.hint(model, 30.0) == ""
    assert planned_module.hint(model_of("numba"), 300.0) == ""
    other = lamina.Sequential(lamina.layers.Flatten(), lamina.layers.Dense(2))
    other.build((None, 4, 3), seed=0)
    assert planned_module.hint(other, 300.0) == ""
