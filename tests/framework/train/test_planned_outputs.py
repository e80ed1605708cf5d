"""Planned steps of models of several outputs: losses, their weights, and what is measured, as without a plan."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.layers import GRU, BatchNorm, Dense, Dropout, Embedding, LastStep
from lamina.losses import CTC, BinaryCrossEntropy, Huber, MeanSquaredError, SoftmaxCrossEntropy
from lamina.train.planned import PlannedFeed
from tests.framework.train.planned_runs import require_alike, taken

__all__ = ["taken"]

ROWS, STEPS, FEATURES, CLASSES = 41, 6, 3, 4


class Heads(lamina.Composite):
    """Classes of steps, numbers of each step, and what is yes or no of the whole."""

    def __init__(self, sequences=False):
        self.sequences = sequences
        self.body, self.last = GRU(5, return_sequences=True), LastStep()
        self.tags, self.sizes, self.marks = Dense(CLASSES), Dense(2), Dense(1)

    def compose(self, t, x):
        h = t(self.body, x)
        return t(self.tags, h), t(self.sizes, h), t(self.marks, h if self.sequences else t(self.last, h))


def model_of(sequences=False, dtype="float64"):
    model = Heads(sequences)
    model.build((None, None, FEATURES), seed=0, backend="numba", dtype=dtype)
    return model


def data(sequences=False):
    rng = np.random.default_rng(0)
    marks = (ROWS, STEPS, 1) if sequences else (ROWS, 1)
    y = rng.integers(0, CLASSES, (ROWS, STEPS)), rng.normal(size=(ROWS, STEPS, 2)), 1.0 * rng.integers(0, 2, marks)
    return rng.normal(size=(ROWS, STEPS, FEATURES)), y, rng.integers(0, STEPS + 1, ROWS)


def weights_of(sequences=False):
    rng = np.random.default_rng(1)
    steps = rng.uniform(0, 2, (ROWS, STEPS)) * (rng.random((ROWS, STEPS)) > 0.2)
    return steps, rng.uniform(0, 2, ROWS) * (np.arange(ROWS) % 5 > 0), None


LOSSES = {
    "means": (SoftmaxCrossEntropy(), "mse", BinaryCrossEntropy()),
    "weighed by classes and outputs": (
        SoftmaxCrossEntropy(class_weight=[1.0, 2.0, 0.5, 0.0], ignore_index=1), Huber(0.5),
        BinaryCrossEntropy(positive_weight=[3.0]),
    ),
    "sums and means": (SoftmaxCrossEntropy(reduction="sum"), MeanSquaredError(reduction="sum"), BinaryCrossEntropy()),
    "one is not trained": (SoftmaxCrossEntropy(), None, BinaryCrossEntropy()),
    "one is": (None, None, BinaryCrossEntropy()),
}  # fmt: skip


def measured(losses):
    """Return metrics of the outputs that are trained."""
    each = zip(losses, ("accuracy", "mae", "accuracy"), strict=True)
    return [[] if loss is None else [metric] for loss, metric in each]


class Tell(lamina.callbacks.Callback):
    def __init__(self):
        self.told = []

    def on_step_end(self, trainer, epoch, step, loss):
        self.told.append((epoch, step, float(loss)))


def both(make, fit):
    """Return the histories and weights of two runs, with a plan and without, and compare what callbacks are told."""
    found, told = [], []
    for compiled in (True, False):
        model, tell = make(), Tell()
        found.append((fit(model, compiled, tell), [parameter.numpy() for parameter in model.parameters()]))
        told.append(tell.told)
    np.testing.assert_allclose(*told, rtol=1e-9)
    require_alike(found)
    return found


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("factors", [None, (0.5, 2.0, 1.0), (1.0, 0.0, 3.0)], ids=str)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("losses", LOSSES.values(), ids=list(LOSSES))
def test_history_and_weights_are_those_without_a_plan(losses, weighted, ragged, factors, threads, taken, monkeypatch):
    monkeypatch.setattr("lamina.plan.planned.blocks_for", lambda program, most: threads)
    x, y, lengths = data()
    metrics = measured(losses)

    def fit(model, compiled, tell):
        trainer = lamina.Trainer(
            model, losses, "adam", metrics=metrics, loss_weights=factors, callbacks=tell, compile=compiled
        )
        options = {"lengths": lengths if ragged else None, "sample_weight": weights_of() if weighted else None}
        return trainer.fit(x, y, epochs=2, batch_size=8, validation_data=(x, y), verbose=False, **options)

    both(model_of, fit)
    assert taken.count == 2 * -(-ROWS // 8)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("truncate", [None, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("losses", LOSSES.values(), ids=list(LOSSES))
def test_steps_of_several_batches_and_chunks(losses, weighted, truncate, accumulate, threads, taken, monkeypatch):
    monkeypatch.setattr("lamina.plan.planned.blocks_for", lambda program, most: threads)
    x, y, lengths = data(sequences=True)

    def fit(model, compiled, tell):
        optimizer = lamina.optimizers.Adam(model.parameters(), lr=0.01, clip_norm=0.5)
        trainer = lamina.Trainer(
            model, losses, optimizer, metrics=measured(losses), loss_weights=(0.7, 1.0, 2.0),
            callbacks=tell, accumulate=accumulate, compile=compiled,
        )  # fmt: skip
        options = {"lengths": lengths, "sample_weight": weights_of() if weighted else None, "truncate": truncate}
        return trainer.fit(x, y, epochs=2, batch_size=8, verbose=False, **options)

    both(lambda: model_of(sequences=True), fit)
    assert taken.count


def test_names_of_outputs_and_targets_by_name(taken):
    x, y, _ = data()
    names = ("tags", "sizes", "marks")

    def fit(model, compiled, tell):
        losses = dict(zip(names, LOSSES["means"], strict=True))
        trainer = lamina.Trainer(model, losses, "sgd", metrics={"tags": "accuracy"}, callbacks=tell, compile=compiled)
        return trainer.fit(x, dict(zip(names, y, strict=True)), epochs=2, batch_size=16, verbose=False)

    (history, _), _ = both(model_of, fit)
    assert {"loss", "tags_loss", "sizes_loss", "marks_loss", "tags_accuracy"} <= set(history.keys())
    assert taken.count == 6


class Branches(lamina.Composite):
    """Two inputs of the same lengths; a value that is an output and goes on; draws, tables, statistics, CTC."""

    def __init__(self):
        self.embed, self.drop, self.norm = Embedding(7, 3, row_wise=True), Dropout(0.3), BatchNorm()
        self.first, self.last = lamina.layers.LSTM(5, projection=4, return_sequences=True), LastStep()
        self.classes, self.labels, self.lone = Dense(5), Dense(3), Dense(2)

    def compose(self, t, ids, x):
        h = t(self.drop, t(self.norm, t(self.embed, ids)))
        h = t(self.first, h)
        return t(self.labels, h), t(self.classes, t(self.last, h)), h, t(self.lone, x)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("check_finite", [False, True])
def test_values_that_go_on_outputs_beside_and_what_draws(accumulate, check_finite, taken):
    rng = np.random.default_rng(4)
    inputs = rng.integers(0, 7, (ROWS, STEPS)), rng.normal(size=(ROWS, STEPS, 3))
    y = rng.integers(1, 3, (ROWS, 2)), rng.integers(0, 5, ROWS), rng.normal(size=(ROWS, STEPS, 4)), None
    losses = CTC(blank=0, padding=-1), "softmax_cross_entropy", "mse", None

    def make():
        model = Branches()
        model.build((None, None), (None, None, 3), seed=0, backend="numba", dtype="float64")
        return model

    def fit(model, compiled, tell):
        trainer = lamina.Trainer(
            model, losses, "adam", loss_weights=(1.0, 0.5, 2.0, 1.0), callbacks=tell, accumulate=accumulate,
            check_finite=check_finite, compile=compiled,
        )  # fmt: skip
        return trainer.fit(inputs, y, epochs=2, batch_size=8, verbose=False)

    both(make, fit)
    assert taken.count == 2 * -(-ROWS // 8)


class Beside(lamina.Composite):
    """An input without steps beside one that has them, and a second one of the same lengths."""

    def __init__(self):
        self.body, self.other, self.side = GRU(4), GRU(3), Dense(4)
        self.first, self.second = Dense(CLASSES), Dense(1)

    def compose(self, t, x, z, static):
        h = t(self.body, x) + t(self.side, static)
        return t(self.first, h), t(self.second, t(self.other, z))


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("check_finite", [False, True])
def test_lengths_that_inputs_have_in_common(accumulate, check_finite, taken):
    rng = np.random.default_rng(5)
    lengths = rng.integers(0, STEPS + 1, ROWS)
    x, z, static = (rng.normal(size=shape) for shape in ((ROWS, STEPS, 3), (ROWS, STEPS, 2), (ROWS, 5)))
    y = rng.integers(0, CLASSES, ROWS), rng.normal(size=(ROWS, 1))

    def make():
        model = Beside()
        model.build((None, None, 3), (None, None, 2), (None, 5), seed=0, backend="numba", dtype="float64")
        return model

    def fit(model, compiled, tell):
        trainer = lamina.Trainer(
            model, ("softmax_cross_entropy", "mse"), "adam", metrics=(["accuracy"], []), callbacks=tell,
            accumulate=accumulate, check_finite=check_finite, compile=compiled,
        )  # fmt: skip
        ends = lengths, lengths.copy(), None
        return trainer.fit((x, z, static), y, lengths=ends, epochs=2, batch_size=8, verbose=False)

    both(make, fit)
    assert taken.count == 2 * -(-ROWS // 8)


def test_float32_is_as_near_as_rounding_lets_it():
    x, y, lengths = data()
    found = []
    for compiled in (True, False):
        model = model_of(dtype="float32")
        trainer = lamina.Trainer(
            model,
            LOSSES["means"],
            lambda p: lamina.optimizers.SGD(p, lr=0.1),
            loss_weights=(1, 0.5, 2),
            compile=compiled,
        )
        options = {"lengths": lengths, "sample_weight": weights_of(), "epochs": 3, "batch_size": 8}
        history = trainer.fit(x, y, verbose=False, **options)
        found.append((history, model.state_dict()))
    (mine, weights), (its, others) = found
    for key in set(mine.keys()) - {"seconds"}:
        np.testing.assert_allclose(mine[key], its[key], rtol=2e-5, err_msg=key)
    for name, values in weights.items():
        np.testing.assert_allclose(values, others[name], rtol=0, atol=2e-5, err_msg=name)


def test_one_number_of_threads_gives_the_same_bits(monkeypatch):
    x, y, lengths = data()
    for threads in (1, 3):
        monkeypatch.setattr("lamina.plan.planned.blocks_for", lambda program, most, threads=threads: threads)
        found = []
        for _ in range(2):
            model = model_of(dtype="float32")
            trainer = lamina.Trainer(model, LOSSES["means"], "adam", compile=True)
            trainer.fit(x, y, lengths=lengths, epochs=2, batch_size=8, verbose=False)
            found.append(model.state_dict())
        for name, values in found[0].items():
            np.testing.assert_array_equal(values, found[1][name])


def test_a_factor_that_is_lost_is_seen(monkeypatch):
    """The comparison can fail: a plan that leaves out the losses' weights trains otherwise."""
    planned = PlannedFeed._planned

    def unweighted(feed):
        feed._factors = [1.0] * len(feed._factors)
        return planned(feed)

    monkeypatch.setattr(PlannedFeed, "_planned", unweighted)
    x, y, _ = data()

    def fit(model, compiled, tell):
        trainer = lamina.Trainer(
            model, LOSSES["means"], "sgd", loss_weights=(1, 5, 1), callbacks=tell, compile=compiled
        )
        return trainer.fit(x, y, epochs=1, verbose=False)

    with pytest.raises(AssertionError):
        both(model_of, fit)
