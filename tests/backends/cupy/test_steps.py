"""A step waits for nothing, and the batch alone is brought to the device; where that breaks, the line is named."""

from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Sequential, Trainer
from lamina.backends.cupy import constants
from lamina.callbacks import Callback
from lamina.layers import GRU, LSTM, BatchNorm, Conv1D, Dense, Dropout, Embedding, LastStep, SelfAttention, SimpleRNN
from lamina.losses import CTC, BinaryCrossEntropy, SoftmaxCrossEntropy
from lamina.metrics import F1, ROCAUC, Accuracy, AveragePrecision, FBeta, Metric, Perplexity
from lamina.optimizers import AdaGrad, Adam
from tests.stand_in.device import memory

RNG = np.random.default_rng(0)
SIZE, TIME, FEATURES, CLASSES = 4, 7, 3, 4
BATCHES = (2, 4)  # of one fit, and of another
ROWS = BATCHES[1] * SIZE
X = RNG.normal(size=(ROWS, TIME, FEATURES)).astype("float32")
IDS, LABELS = RNG.integers(0, 9, (ROWS, TIME)), RNG.integers(0, CLASSES, ROWS)
STEPS, NUMBERS = RNG.integers(0, CLASSES, (ROWS, TIME)), RNG.random((ROWS, TIME, CLASSES)).astype("float32")
SEQUENCES = np.tile([[1, 2], [1, -1], [-1, -1], [3, -1]], (ROWS // 4, 1))
LENGTHS = RNG.integers(0, TIME + 1, ROWS)  # in each batch others
BODIES = {
    "simple rnn": lambda: [SimpleRNN(4)],
    "lstm": lambda: [LSTM(4)],
    "gru": lambda: [GRU(4)],
    "gru, reset first": lambda: [GRU(4, reset_after=False)],
    "bidirectional": lambda: [Bidirectional(LSTM(4))],
    "table": lambda: [Embedding(9, 3), GRU(4)],
    "masks": lambda: [Dropout(0.3), SimpleRNN(4, return_sequences=True), Dropout(0.2), LSTM(4)],
    "others": lambda: [Conv1D(4, 3), BatchNorm(), SelfAttention(2), GRU(4)],
}
OPTIONS = {
    "plain": {},
    "clipped, accuracy": {
        "optimizer": lambda p: AdaGrad(p, lr=0.01, clip_norm=1.0, clip_value=0.5),
        "metrics": "accuracy",
    },
    "accumulated, adam": {"optimizer": lambda p: Adam(p, groups={"*.b": {"lr": 0.1}}), "accumulate": 2},
}
#: What a table's gradient needs beside the batch: which rows are added to which, and whose they are.
PLAN = "backends/cupy/rows.py"


class Counts:
    """What some batches more than others cost, line by line."""

    def __init__(self, ledger, run, epochs=1):
        found = []
        for number in (BATCHES[0], *BATCHES):  # once more at first, as some things are brought once
            ledger.clear()
            run(number * SIZE)
            found.append({kind: dict(_by_line(ledger.lines(kind))) for kind in ("upload", "wait", "download")})
        self.last = found[-1]
        self.batches = (BATCHES[1] - BATCHES[0]) * epochs
        self.more = {
            kind: {line: times - found[-2][kind].get(line, 0) for line, times in lines.items()}
            for kind, lines in found[-1].items()
        }

    def expect(self, kind, allowed=0, but=()):
        """Fail unless the batches cost so many each, those that ``but`` names left out; the message names the lines."""
        lines = {
            line: times for line, times in self.more[kind].items() if times and not any(one in line for one in but)
        }
        total = sum(lines.values())
        shown = "; ".join(f"{times / self.batches:g} a batch at {line}" for line, times in sorted(lines.items()))
        assert total <= allowed * self.batches, f"{kind}s: expected {allowed} a batch at most, got {shown}"


def _by_line(lines):
    found = {}
    for times, line, _ in lines:
        found[line] = found.get(line, 0) + times
    return found


def built(backend, layers, x):
    model = Sequential(*layers(), Dense(CLASSES))
    model.build((None, None, *x.shape[2:]), seed=0, backend=backend)
    return model


@pytest.fixture(params=["held", "brought"])
def way(request, monkeypatch):
    """Whether the data fit on the device."""
    if request.param == "brought":
        monkeypatch.setattr(memory, "free", 0)
    return request.param


def fitting(trainer, x, y, lengths, **options):
    def run(rows):
        own = None if lengths is None else lengths[:rows]
        trainer.fit(x[:rows], y[:rows], lengths=own, epochs=2, batch_size=SIZE, verbose=False, **options)

    return run


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("body", BODIES)
def test_a_training_step_brings_the_batch_alone_and_waits_for_nothing(counted, way, body, options, lengths):
    backend, ledger = counted
    x = IDS if body == "table" else X
    trainer = Trainer(built(backend, BODIES[body], x), **OPTIONS[options])
    counts = Counts(ledger, fitting(trainer, x, LABELS, lengths), epochs=2)
    # Inputs, target and lengths go as one block, or lie there already.
    counts.expect("upload", 0 if way == "held" else 1, but=(PLAN,) if body == "table" else ())
    counts.expect("wait")
    counts.expect("download")
    if body == "table":
        tables = 1.5 if "accumulated" in options else 1  # once more where two batches' rows are added up
        counts.expect("upload", tables + (way != "held"))
    # At each epoch's end: the loss, and the accuracy.
    assert sum(counts.last["wait"].values()) == 2 * (1 + ("accuracy" in options))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("body", BODIES)
def test_a_check_for_what_is_not_finite_waits_once_a_step(counted, way, body, lengths):
    backend, ledger = counted
    x = IDS if body == "table" else X
    trainer = Trainer(built(backend, BODIES[body], x), check_finite=True)
    counts = Counts(ledger, fitting(trainer, x, LABELS, lengths), epochs=2)
    counts.expect("upload", 0 if way == "held" else 1, but=(PLAN,))
    counts.expect("wait", 1)
    counts.expect("wait", but=("train/finite_guard.py",))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(
    ("loss", "y", "metrics"),
    [
        (SoftmaxCrossEntropy(class_weight=[1, 2, 1, 1], label_smoothing=0.1), STEPS, [Accuracy(), F1("macro")]),
        (SoftmaxCrossEntropy(ignore_index=0), STEPS, [Perplexity(), Accuracy()]),
        (BinaryCrossEntropy([1, 2, 1, 2], [1, 1, 2, 2]), NUMBERS, ["mae", "r2"]),
        ("huber", NUMBERS, ["rmse", "mape"]),
        (SoftmaxCrossEntropy(ignore_index=0), STEPS, [ROCAUC(None), AveragePrecision(), "ece", "brier", F1(None)]),
        (SoftmaxCrossEntropy(), STEPS, ["confusion_matrix", FBeta(2.0, "micro")]),
        (BinaryCrossEntropy(), NUMBERS, [ROCAUC(multi_label=True), F1("weighted", multi_label=True)]),
        ("cosine_similarity", NUMBERS, []),
        (CTC(), SEQUENCES, []),
    ],
    ids=["weights", "ignored", "binary", "huber", "ranking", "arrays", "several labels", "cosine", "ctc"],
)
def test_losses_and_metrics_bring_nothing(counted, way, loss, y, metrics, lengths):
    backend, ledger = counted
    model = built(backend, lambda: [GRU(4, return_sequences=True)], X)
    counts = Counts(ledger, fitting(Trainer(model, loss, metrics=metrics), X, y, lengths), epochs=2)
    counts.expect("upload", 0 if way == "held" else 1)
    counts.expect("wait")
    counts.expect("download")


class Heads(lamina.Composite):
    """Classes for each step, and numbers for each row."""

    def __init__(self):
        self.body, self.last = GRU(4, return_sequences=True), LastStep()
        self.tags, self.sizes = Dense(CLASSES), Dense(2)

    def compose(self, t, x):
        h = t(self.body, x)
        return t(self.tags, h), t(self.sizes, t(self.last, h))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("weighed", [False, True], ids=["plain", "weights"])
@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"check_finite": True}], ids=str)
def test_several_outputs_and_weights_wait_for_nothing(counted, way, options, weighed, lengths):
    backend, ledger = counted
    model = Heads()
    model.build((None, None, FEATURES), seed=0, backend=backend)
    trainer = Trainer(model, (SoftmaxCrossEntropy(ignore_index=0), "mse"), metrics=("accuracy", "mae"), **options)
    weights = RNG.integers(0, 3, (ROWS, TIME)), RNG.integers(0, 3, ROWS)

    def run(rows):
        own = {} if lengths is None else {"lengths": lengths[:rows]}
        own |= {"sample_weight": tuple(one[:rows] for one in weights)} if weighed else {}
        y = STEPS[:rows], NUMBERS[:rows, 0, :2]
        trainer.fit(X[:rows], y, **own, epochs=2, batch_size=SIZE, verbose=False)

    counts = Counts(ledger, run, epochs=2)
    counts.expect("wait", "check_finite" in options)
    counts.expect("wait", but=("train/finite_guard.py",))
    counts.expect("download", but=("train/finite_guard.py",))
    counts.expect("upload", way != "held")  # the weights come with the rest


@pytest.mark.parametrize("large", [False, True], ids=["few steps", "many steps"])
@pytest.mark.parametrize("of", ["rows", "steps"])
@pytest.mark.parametrize("kind", ["shuffled", "in order", "batches"])
def test_weights_are_brought_once_a_batch_for_the_loss_and_all_metrics(counted, way, kind, of, large, monkeypatch):
    backend, ledger = counted
    if large:  # as if they were so many that their content is not looked through
        monkeypatch.setattr(constants, "_LARGEST", 8)
    model = Sequential(Dense(CLASSES))
    model.build((None, None, 2), seed=0, backend=backend)
    trainer = Trainer(model, metrics=["accuracy", F1("macro"), "perplexity"])
    x, y = X[:, :3, :2], STEPS[:, :3]
    weights = RNG.random((ROWS, 3) if of == "steps" else ROWS)

    def run(rows):
        if kind == "batches":
            parts = [slice(first, first + SIZE) for first in range(0, rows, SIZE)]
            source = [(x[part], y[part], None, weights[part]) for part in parts]
            trainer.fit(lambda: iter(source), epochs=2, verbose=False)
        else:
            more = {"sample_weight": weights[:rows], "shuffle": kind == "shuffled"}
            trainer.fit(x[:rows], y[:rows], **more, batch_size=SIZE, epochs=2, verbose=False)

    counts = Counts(ledger, run, epochs=2)
    counts.expect("upload", 3 if kind == "batches" else way != "held")  # those of x, of y and of the weights
    counts.expect("wait")


OF_METRICS = [Metric.registry.find(name)() for name in Metric.registry.names()]


@pytest.mark.parametrize("lengths", [None, LENGTHS[:SIZE]], ids=["full", "ragged"])
@pytest.mark.parametrize("metric", [one for one in OF_METRICS if type(one).__module__.startswith("lamina.")], ids=repr)
def test_weights_on_the_device_stay_there(counted, metric, lengths):
    backend, ledger = counted
    if getattr(metric, "average", None) == "binary":
        metric = type(metric)(average="macro")
    target = (NUMBERS if type(metric).__module__.endswith(".regression") else STEPS)[:SIZE]
    weights = RNG.integers(0, 3, (2, SIZE, TIME)).astype("float32")
    logits = RNG.normal(size=(SIZE, TIME, CLASSES)).astype("float32")
    expected = metric(
        *(np.concatenate([one, one]) for one in (logits, target)),
        lengths=None if lengths is None else np.concatenate([lengths, lengths]),
        sample_weight=weights.reshape(-1, TIME),
    )
    there = [backend.asarray(one) for one in (logits, target, *weights)]
    metric.reset()
    backend.valid_steps(np.ones(SIZE, int) if lengths is None else lengths, TIME)  # lengths are brought once
    for one in there[2:]:
        ledger.clear()
        metric.update(*there[:2], lengths, backend, one)
        assert all(ledger.totals()[kind] == 0 for kind in ("wait", "download"))
        assert ledger.totals()["upload"] <= (lengths is not None)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-5)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("body", BODIES)
def test_evaluation_and_prediction_wait_at_the_end_alone(counted, body, lengths):
    backend, ledger = counted
    x = IDS if body == "table" else X
    trainer = Trainer(built(backend, BODIES[body], x), metrics="accuracy")

    def evaluating(rows):
        trainer.evaluate(x[:rows], LABELS[:rows], lengths=None if lengths is None else lengths[:rows], batch_size=SIZE)

    def predicting(rows):
        trainer.predict(x[:rows], lengths=None if lengths is None else lengths[:rows], batch_size=SIZE)

    for run, waits in ((evaluating, 2), (predicting, 1)):
        counts = Counts(ledger, run)
        counts.expect("upload", 1)
        counts.expect("wait")
        counts.expect("download")
        assert sum(counts.last["wait"].values()) == waits


def test_validation_data_are_brought_once(counted):
    backend, ledger = counted
    trainer = Trainer(built(backend, BODIES["lstm"], X))

    def run(epochs):
        ledger.clear()
        data = (X, LABELS, LENGTHS)
        trainer.fit(*data[:2], lengths=LENGTHS, epochs=epochs, validation_data=data, shuffle=False, verbose=False)
        return ledger.totals()["upload"]

    run(2)
    assert run(8) == run(2) == 6


def test_the_order_of_the_rows_is_brought_once_an_epoch(counted):
    backend, ledger = counted
    trainer = Trainer(built(backend, BODIES["gru"], X))

    def run(epochs):
        ledger.clear()
        trainer.fit(X, LABELS, epochs=epochs, batch_size=SIZE, verbose=False)
        return ledger.totals()["upload"], sum(size for (kind, _), size in ledger.sizes.items() if kind == "upload")

    run(2)
    (few, small), (many, large) = run(2), run(5)
    assert (many - few, large - small) == (3, 3 * 8 * ROWS)  # int64


def test_chunks_of_sequences_wait_for_nothing(counted, way):
    backend, ledger = counted
    model = built(backend, lambda: [Dropout(0.2), LSTM(4, return_sequences=True)], X)
    counts = Counts(ledger, fitting(Trainer(model), X, STEPS, LENGTHS, truncate=2), epochs=2)
    counts.expect("wait")
    counts.expect("download")


class Told(Callback):
    """Reads each step's loss."""

    def __init__(self):
        self.losses = []

    def on_step_end(self, trainer, epoch, step, loss):
        self.losses.append(float(loss))


def test_who_reads_the_loss_of_a_step_waits_for_it(counted):
    backend, ledger = counted
    told = Told()
    trainer = Trainer(built(backend, BODIES["lstm"], X), callbacks=told)
    counts = Counts(ledger, fitting(trainer, X, LABELS, None), epochs=2)
    counts.expect("wait", 1)
    assert len(told.losses) == 2 * (BATCHES[0] + sum(BATCHES))
    assert all(np.isfinite(told.losses))


PLANTED = str(Path(lamina.__file__).parent / "layers" / "planted.py")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("float(backend.xp.sum(y))", "wait"),
        ("backend.item(backend.xp.sum(y))", "wait"),
        ("backend.all_finite(y)", "download"),
        ("backend.to_numpy(y)", "download"),
        ("backend.synchronize()", "wait"),
        ("backend.asarray([1.0, 2.0])", "upload"),
        ("backend.constant([len(COUNT), 2.0])", "upload"),  # no constant at all
    ],
)
def test_the_line_that_breaks_it_is_named(counted, monkeypatch, line, kind):
    backend, ledger = counted
    plain, planted = LSTM.forward, {"COUNT": []}
    exec(compile(f"def breaks(backend, y):\n    COUNT.append(0)\n    {line}", PLANTED, "exec"), planted)

    def forward(self, *arguments, **options):
        found = plain(self, *arguments, **options)
        planted["breaks"](backend, found[0])
        return found

    monkeypatch.setattr(LSTM, "forward", forward)
    trainer = Trainer(built(backend, BODIES["lstm"], X))
    counts = Counts(ledger, fitting(trainer, X, LABELS, None), epochs=2)
    expected = rf"^{kind}s: expected 0 a batch at most, got 1 a batch at \S*layers/planted\.py:3\b"
    with pytest.raises(AssertionError, match=expected):
        counts.expect(kind)
