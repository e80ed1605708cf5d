"""The loss that training and evaluation tell is that of all rows at once, however they are cut in batches.

The right values are sums over what counts, in plain NumPy over the model's output for all rows.
"""

import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Loss, Sequential
from lamina.callbacks import Callback, EarlyStopping
from lamina.layers import GRU, Dense
from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    CosineSimilarity,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    SoftmaxCrossEntropy,
)
from lamina.optimizers import SGD

ROWS, TIME, CLASSES = 20, 6, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, TIME, 3))
LENGTHS = np.where(np.arange(ROWS) // 7 == 1, 0, RNG.integers(1, TIME + 1, ROWS))  # a batch without a step, too
VALID = np.arange(TIME) < LENGTHS[:, None]
EVERY = np.ones((ROWS, TIME), bool)
LABELS = RNG.integers(0, CLASSES, (ROWS, TIME))
FEW = np.where(np.arange(ROWS)[:, None] < 4, LABELS, -1)  # 4 of 20 rows are labelled
Y = RNG.standard_normal((ROWS, TIME, CLASSES)) * np.linspace(1, 5, ROWS)[:, None, None]


class Squares(Loss):
    """A user's, which overrides nothing else."""

    def forward(self, prediction: Any, target: Any) -> Any:
        difference = prediction - target
        return (difference**2).mean(), difference

    def backward(self, difference: Any) -> Any:
        return 2 * difference / difference.size


class FlatSquares(Squares):
    """A user's, of predictions without an axis of features."""

    def forward(self, prediction: Any, target: Any) -> Any:
        return super().forward(prediction[:, 0], target)

    def backward(self, saved: Any) -> Any:
        return super().backward(saved)[:, None]


class RowMeans(Loss):
    """A user's mean over the rows that have a step, of each row's own mean."""

    def forward(self, prediction: Any, target: Any, lengths: Any = None) -> Any:
        counts = np.full(len(prediction), prediction.shape[1]) if lengths is None else lengths
        inside = np.arange(prediction.shape[1]) < counts[:, None]
        share = inside / np.maximum(counts, 1)[:, None] / max((counts > 0).sum(), 1)
        difference = prediction - target
        return ((difference**2).mean(-1) * share).sum(), (difference, share)

    def backward(self, saved: Any) -> Any:
        difference, share = saved
        return 2 * difference * share[..., None] / difference.shape[-1]

    def terms(self, prediction: Any, target: Any, lengths: Any = None) -> int:  # type: ignore[override]
        return len(prediction) if lengths is None else int((lengths > 0).sum())


def log_softmax(z: Any) -> Any:
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def picked(z: Any, labels: Any) -> Any:
    return -np.take_along_axis(z, labels.clip(0)[..., None], -1)[..., 0]


def huber(d: Any) -> Any:
    return np.where(abs(d) <= 1, d**2 / 2, abs(d) - 0.5).mean(-1)


def cosine(z: Any) -> Any:
    return 1 - (z * Y).sum(-1) / np.sqrt((z**2).sum(-1) * (Y**2).sum(-1))


def binary(z: Any) -> Any:
    return (np.logaddexp(0, z) - z * (Y > 0)).mean(-1)


# The loss, its targets, and each step's value from the model's output; then which steps count beside the lengths.
CASES: dict[str, tuple[Loss, Any, Any, Any]] = {
    "labels": (SoftmaxCrossEntropy(), LABELS, lambda z: picked(log_softmax(z), LABELS), EVERY),
    "few labels": (SoftmaxCrossEntropy(ignore_index=-1), FEW, lambda z: picked(log_softmax(z), FEW), FEW >= 0),
    "likelihood": (NegativeLogLikelihood(ignore_index=-1), FEW, lambda z: picked(z, FEW), FEW >= 0),
    "odds": (
        SoftmaxCrossEntropy(ignore_index=0), np.eye(CLASSES)[LABELS], lambda z: picked(log_softmax(z), LABELS), EVERY
    ),
    "class weights": (
        SoftmaxCrossEntropy(class_weight=[1, 2, 3, 4]), LABELS,
        lambda z: (LABELS + 1) * picked(log_softmax(z), LABELS), EVERY,
    ),
    "binary": (BinaryCrossEntropy(), Y > 0, binary, EVERY),
    "squares": (MeanSquaredError(), Y, lambda z: ((z - Y) ** 2).mean(-1), EVERY),
    "absolute": (MeanAbsoluteError(), Y, lambda z: abs(z - Y).mean(-1), EVERY),
    "huber": (Huber(), Y, lambda z: huber(z - Y), EVERY),
    "cosine": (CosineSimilarity(), Y, cosine, EVERY),
}  # fmt: skip


class Still(Callback):
    """Keeps the weights as they were: an epoch's mean is then that of one model."""

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        assert math.isfinite(float(loss))


def built(backend: str = "numpy", units: int = CLASSES) -> Sequential:
    if backend == "array-api-strict":
        lamina.testing.register_strict_backend()
    model = Sequential(GRU(5, return_sequences=True), Dense(units))
    model.build((None, None, 3), seed=0, dtype="float64", backend=backend)
    return model


def figures(model: Any, loss: Loss, x: Any, y: Any, lengths: Any, size: int, **options: Any) -> dict[str, float]:
    """Return the loss while training with a rate of next to nothing, after it as validation data, and evaluated."""
    accumulate = options.pop("accumulate", 1)
    make = lambda parameters: SGD(parameters, lr=1e-300)  # noqa: E731
    trainer = lamina.Trainer(model, loss, make, callbacks=Still(), accumulate=accumulate)
    own = () if lengths is None else (lengths,)
    several = tuple(np.concatenate([each] * 15) for each in (x, y, *own))  # more than one batch of validation data
    history = trainer.fit(
        x, y, lengths=lengths, epochs=1, batch_size=size, validation_data=several, verbose=False, **options
    )
    evaluated = trainer.evaluate(x, y, lengths=lengths, batch_size=size)["loss"]
    return {"loss": history["loss"][0], "val_loss": history["val_loss"][0], "evaluate": evaluated}


@pytest.mark.parametrize("backend", ["numpy", "reference", "array-api-strict"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_that_of_all_rows_at_once(name: str, ragged: bool, backend: str) -> None:
    loss, y, each, counted = CASES[name]
    lengths = LENGTHS if ragged else None
    model = built(backend)
    counted = counted & VALID if ragged else counted
    each_step = each(np.asarray(model.backend.to_numpy(model(X))))
    wanted = {key: each_step[counted].mean() for key in ("loss", "val_loss", "evaluate")}
    for size in (1, 3, 7, ROWS) if backend == "numpy" else (7,):
        assert figures(model, loss, X, y, lengths, size) == pytest.approx(wanted, rel=1e-10)
    if backend == "array-api-strict":
        return  # it is slow
    assert figures(model, loss, X, y, lengths, 3, truncate=4) == pytest.approx(wanted, rel=1e-10)
    assert figures(model, loss, X, y, lengths, 3, accumulate=2) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_ctc_counts_the_rows_that_have_a_step(backend: str) -> None:
    """A label and a blank over one step or two, all spelled out."""
    model, lengths = built(backend), np.where(np.arange(ROWS) < 7, 0, 1 + np.arange(ROWS) % 2)
    odds = log_softmax(model(X))
    spelled = RNG.integers(1, CLASSES, (ROWS, 1))
    rows = []
    for row in range(7, ROWS):
        label, (first, second) = spelled[row, 0], odds[row, :2]
        ways = [first[label] + second[label], first[label] + second[0], first[0] + second[label]]
        rows.append(-first[label] if lengths[row] == 1 else -np.logaddexp.reduce(ways))
    wanted = dict.fromkeys(("loss", "val_loss", "evaluate"), np.mean(rows))
    for size in (1, 3, 7, ROWS):
        assert figures(model, CTC(), X, spelled, lengths, size) == pytest.approx(wanted, rel=1e-10)


def test_losses_of_ones_own() -> None:
    model = built()
    difference = ((model(X) - Y) ** 2).mean(-1)
    means = [difference[row][VALID[row]].mean() for row in range(ROWS) if LENGTHS[row]]
    head = Sequential(GRU(5), Dense(1))
    head.build((None, None, 3), seed=0, dtype="float64")
    flat = ((head(X)[:, 0] - Y[:, 0, 0]) ** 2).mean()
    for size in (1, 3, 7, ROWS):
        for got, wanted in (
            (figures(model, Squares(), X, Y, None, size), difference.mean()),
            (figures(model, RowMeans(), X, Y, LENGTHS, size), np.mean(means)),
            (figures(head, FlatSquares(), X, Y[:, 0, 0], None, size), flat),
        ):
            assert got == pytest.approx(dict.fromkeys(got, wanted), rel=1e-10)


def test_what_a_loss_of_ones_own_counts() -> None:
    class Ignoring(Squares):
        ignore_index = -1

    loss, steps = Squares(), np.zeros((4, 3, 2))
    lengths, mask = np.array([3, 0, 2, 1]), np.array([[0.5, 1, 0], [1, 1, 1], [0, 1, 0], [2, 9, 9]])
    assert loss.terms(steps, steps) == 12
    assert loss.terms(steps, steps, lengths) == 6
    assert loss.terms(steps[:, 0], steps[:, 0]) == 4
    assert loss.terms(steps[:, 0, 0], steps[:, 0, 0]) == 4
    assert loss.terms(steps[..., 0], steps[..., 0], lengths) == 6
    assert loss.terms(np.zeros((4, 3, 5, 2)), None, lengths) == 30
    assert loss.terms(steps, steps, mask=mask) == 25.5
    assert loss.terms(steps, steps, lengths, mask) == 1.5 + 0 + 1 + 2
    assert loss.terms(steps, steps, lengths, [1, 1, 0, 0.5]) == 3.5
    assert Ignoring().terms(steps, np.array([[-1, 0, 0]] * 4), lengths) == 2 + 0 + 1 + 0
    assert Ignoring().terms(steps[:, 0], [0, -1, 1, 0]) == 3
    with pytest.raises(lamina.errors.ArgumentError, match="CTC takes no mask"):
        CTC().terms(steps, None, None, mask)


def test_a_batch_in_which_nothing_counts_counts_nothing() -> None:
    """Not even where its loss is no number."""

    class Unstable(RowMeans):
        def forward(self, prediction: Any, target: Any, lengths: Any = None) -> Any:
            value, saved = super().forward(prediction, target, lengths)
            return value if lengths is None or lengths.any() else np.asarray(np.nan), saved

    model = built()
    trainer = lamina.Trainer(model, Unstable())
    found = trainer.evaluate(X, Y, lengths=LENGTHS, batch_size=1)["loss"]
    assert found == pytest.approx(lamina.Trainer(model, RowMeans()).evaluate(X, Y, lengths=LENGTHS)["loss"])
    nothing = lamina.Trainer(model, SoftmaxCrossEntropy(ignore_index=-1)).evaluate(X, np.full_like(LABELS, -1))
    assert math.isnan(nothing["loss"])


def test_early_stopping_watches_the_true_figure() -> None:
    """Of 300 rows one is labelled: by rows, the second batch of validation data would hide it."""
    model = built()
    x, y = np.concatenate([X] * 15), np.full((15 * ROWS, TIME), -1)
    y[0] = LABELS[0]
    loss, stopping = SoftmaxCrossEntropy(ignore_index=-1), EarlyStopping("val_loss")
    trainer = lamina.Trainer(model, loss, "sgd", callbacks=stopping)
    history = trainer.fit(X, LABELS, epochs=2, validation_data=(x, y), verbose=False)
    wanted = picked(log_softmax(model(X[:1]).astype("float64")), LABELS[:1]).mean()
    assert history["val_loss"][-1] == pytest.approx(wanted, rel=1e-10)
