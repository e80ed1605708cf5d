"""With what weight rows and steps count: what weighs nothing is not there, and two of one weight are one of two."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from lamina import Sequential, Trainer
from lamina.callbacks import Callback
from lamina.layers import Dense, LogSoftmax, SimpleRNN, Standardize
from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    CosineSimilarity,
    Dice,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    Quantile,
    SoftmaxCrossEntropy,
    SoftmaxFocalCrossEntropy,
)
from lamina.metrics import F1
from lamina.optimizers import SGD

COUNT, TIME = 12, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(COUNT, TIME, 2))
ENDS = RNG.integers(1, TIME + 1, COUNT)
LABELS, STEP_LABELS = RNG.integers(0, 3, COUNT), RNG.integers(0, 3, (COUNT, TIME))
SPELLED = np.array([[1, -1], [2, -1], [-1, -1], [1, -1]] * 3)
NUMBERS, STEP_NUMBERS = RNG.normal(size=(COUNT, 3)), RNG.normal(size=(COUNT, TIME, 3))
WEIGHTS = np.array([0, 1, 2, 3, 0, 1, 1, 2, 0, 4, 1, 0])
STEP_WEIGHTS = RNG.integers(0, 3, (COUNT, TIME))
# By name: the loss, targets for each row, or each step, and the metrics beside it.
CASES: dict[str, tuple[Any, Any, Any]] = {
    "softmax, rows": (SoftmaxCrossEntropy(), LABELS, ["accuracy", F1("macro")]),
    "softmax, steps": (SoftmaxCrossEntropy(label_smoothing=0.1), STEP_LABELS, ["accuracy", "brier"]),
    "softmax, ignored": (SoftmaxCrossEntropy(ignore_index=1), STEP_LABELS, "accuracy"),
    "softmax, weights of classes": (SoftmaxCrossEntropy(class_weight=[1, 2, 5]), STEP_LABELS, "perplexity"),
    "likelihood": (NegativeLogLikelihood(), LABELS, "accuracy"),
    "squared, rows": (MeanSquaredError(), NUMBERS, ["mae", "r2"]),
    "squared, steps": (MeanSquaredError(), STEP_NUMBERS, ["rmse"]),
    "absolute": (MeanAbsoluteError(), STEP_NUMBERS, []),
    "huber": (Huber(0.5), NUMBERS, []),
    "binary": (BinaryCrossEntropy(class_weight=[1, 2, 1]), (STEP_NUMBERS > 0) * 1.0, []),
    "cosine": (CosineSimilarity(), NUMBERS, []),
    "ctc": (CTC(zero_infinity=True), SPELLED, []),
    "focal": (SoftmaxFocalCrossEntropy(1.5), STEP_LABELS, []),
    "quantile": (Quantile(0.3), STEP_NUMBERS, []),
    "dice": (Dice(), (NUMBERS > 0) * 1.0, []),
    "a sum of rows": (MeanSquaredError(reduction="sum"), NUMBERS, []),
    "a sum of steps": (SoftmaxCrossEntropy(reduction="sum", class_weight=[1, 2, 3]), STEP_LABELS, "accuracy"),
}


def built(loss: Any, steps: bool, backend: Any = "numpy") -> Sequential:
    head = [LogSoftmax()] if isinstance(loss, NegativeLogLikelihood) else []
    model = Sequential(SimpleRNN(4, return_sequences=steps), Dense(3), *head)
    model.build((None, None, 2), dtype="float64", seed=1, backend=backend)
    return model


class Told(Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.kept: list[float] = []

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self.kept.append(float(loss))


def trained(
    name: str,
    rows: Any = slice(None),
    weight: Any = None,
    *,
    y: Any = None,
    lengths: Any = ENDS,
    backend: Any = "numpy",
    size: int = 1000,
    **options: Any,
) -> tuple[Any, list[float], dict[str, float]]:
    """Return the weights after two epochs, each step's loss, and what evaluate then gives."""
    loss, own, metrics = CASES[name]
    steps = own.shape[:2] == (COUNT, TIME) or own is SPELLED
    model, told = built(loss, steps, backend), Told()
    trainer = Trainer(model, loss, lambda p: SGD(p, lr=0.2), metrics=metrics, callbacks=told, **options)
    given: dict[str, Any] = {"lengths": None if lengths is None else lengths[rows], "sample_weight": weight}
    target = (own if y is None else y)[rows]
    trainer.fit(X[rows], target, **given, epochs=2, batch_size=size, shuffle=False, verbose=False)
    return model.state_dict(), told.kept, trainer.evaluate(X[rows], target, **given, batch_size=5)


def expect_alike(first: Any, second: Any, tolerance: float = 1e-11) -> None:
    for name, array in first[0].items():
        np.testing.assert_allclose(array, second[0][name], rtol=tolerance, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(first[1], second[1], rtol=tolerance)
    assert list(first[2]) == list(second[2])
    np.testing.assert_allclose(list(first[2].values()), list(second[2].values()), rtol=tolerance)


def alike(name: str) -> float:
    """Return a weight that is none if all rows have it: a mean divides by the sum of weights, a sum does not."""
    return 1.0 if CASES[name][0].reduction == "sum" else 0.7


def spoilt(y: Any, without: Any) -> Any:
    """Return targets with what can be in none, where they do not count: NaN, or a label out of range."""
    y = np.array(y)
    y[without] = 99 if y.dtype.kind in "iu" else np.nan
    return y


@pytest.mark.parametrize("lengths", [None, ENDS], ids=["full", "ragged"])
@pytest.mark.parametrize("name", CASES)
def test_rows_of_weight_0_are_as_if_they_were_not_there(backend: Any, name: str, lengths: Any) -> None:
    weight = (WEIGHTS > 0) * alike(name)
    y = spoilt(CASES[name][1], WEIGHTS == 0)
    first = trained(name, weight=weight, y=y, lengths=lengths, backend=backend)
    expect_alike(first, trained(name, WEIGHTS > 0, lengths=lengths, backend=backend))


@pytest.mark.parametrize("lengths", [None, ENDS], ids=["full", "ragged"])
@pytest.mark.parametrize("name", CASES)
def test_whole_weights_are_rows_as_often(name: str, lengths: Any) -> None:
    first = trained(name, weight=WEIGHTS, lengths=lengths)
    expect_alike(first, trained(name, np.repeat(np.arange(COUNT), WEIGHTS), lengths=lengths))


@pytest.mark.parametrize("name", CASES)
def test_weights_of_1_and_all_of_one_weight_change_nothing(name: str) -> None:
    plain = trained(name)
    expect_alike(trained(name, weight=np.ones(COUNT)), plain, 1e-13)
    expect_alike(trained(name, weight=np.full(COUNT, alike(name))), plain)


STEPS = [name for name, (_, y, _) in CASES.items() if y.shape[:2] == (COUNT, TIME)]


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_weight_0_are_as_if_they_were_not_there(backend: Any, name: str) -> None:
    inside = np.arange(TIME) < ENDS[:, None]
    first = trained(name, weight=inside * alike(name), y=spoilt(CASES[name][1], ~inside), lengths=None, backend=backend)
    # The recurrence goes on where lengths would end it, but nothing of that counts: the same as with them.
    expect_alike(first, trained(name, lengths=ENDS, backend=backend))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("weight", [WEIGHTS, STEP_WEIGHTS], ids=["rows", "steps"])
@pytest.mark.parametrize(("size", "accumulate"), [(1, 12), (5, 3), (4, 2)])
def test_batches_with_weights_make_the_step_of_one(name: str, weight: Any, size: int, accumulate: int) -> None:
    first = trained(name, weight=weight, size=size, accumulate=accumulate)
    expect_alike(first, trained(name, weight=weight, size=size * accumulate))


@pytest.mark.parametrize("name", [name for name in CASES if name not in STEPS])
def test_batches_of_weighted_rows_make_the_step_of_one(name: str) -> None:
    expect_alike(trained(name, weight=WEIGHTS, size=3, accumulate=2), trained(name, weight=WEIGHTS, size=6))


def test_a_loss_of_steps_is_the_mean_written_out(backend: Any) -> None:
    model = built(MeanSquaredError(), True, backend)
    trainer = Trainer(model, "mse", metrics="mae")
    given = {"lengths": ENDS, "sample_weight": STEP_WEIGHTS, "mask": WEIGHTS > 0, "batch_size": 5}
    found = trainer.evaluate(X, STEP_NUMBERS, **given)
    weight = STEP_WEIGHTS * (WEIGHTS > 0)[:, None] * (np.arange(TIME) < ENDS[:, None])
    apart = trainer.predict(X, lengths=ENDS) - STEP_NUMBERS
    assert found["loss"] == pytest.approx((weight[..., None] * apart**2).sum() / weight.sum() / 3, rel=1e-12)
    wanted = (weight[..., None] * abs(apart)).sum() / weight.sum() / 3
    assert found["mean_absolute_error"] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("weight", "mask"),
    [
        (WEIGHTS, None),
        (None, WEIGHTS > 0),
        (WEIGHTS, WEIGHTS > 1),
        (STEP_WEIGHTS, WEIGHTS > 1),
        (WEIGHTS, STEP_WEIGHTS > 0),
        (STEP_WEIGHTS, STEP_WEIGHTS > 1),
        (WEIGHTS[:, None], STEP_WEIGHTS > 0),
    ],
)
def test_a_mask_is_what_weights_are_multiplied_by(weight: Any, mask: Any) -> None:
    each = [np.asarray(one, float) for one in (weight, mask) if one is not None]
    rank = max(one.ndim for one in each)
    product = np.prod(np.broadcast_arrays(*(one if one.ndim == rank else one[:, None] for one in each)), axis=0)
    trainer = Trainer(built(MeanSquaredError(), True), "mse")
    given = {"lengths": ENDS, "sample_weight": weight, "mask": mask}
    found = trainer.evaluate(X, STEP_NUMBERS, **given)
    assert found == trainer.evaluate(X, STEP_NUMBERS, lengths=ENDS, sample_weight=product)


def test_weights_are_lists_as_the_sequences_are() -> None:
    def rows(array: Any) -> list[Any]:
        return [row[:end] for row, end in zip(array, ENDS, strict=True)]

    found = []
    for lists in (False, True):
        model = built(MeanSquaredError(), True)
        trainer = Trainer(model, "mse", "sgd")
        cut = rows if lists else np.array
        given = {"sample_weight": cut(STEP_WEIGHTS), "mask": cut(STEP_WEIGHTS > 1)}
        if not lists:
            given["lengths"] = ENDS
        trainer.fit(cut(X), cut(STEP_NUMBERS), **given, epochs=2, batch_size=5, verbose=False)
        found.append((model.state_dict(), trainer.evaluate(cut(X), cut(STEP_NUMBERS), **given)))
    for name, array in found[0][0].items():
        np.testing.assert_array_equal(array, found[1][0][name])
    assert found[0][1] == found[1][1]


def test_validation_counts_with_its_own_weights() -> None:
    model = built(MeanSquaredError(), True)
    trainer = Trainer(model, "mse", metrics="mae")
    given = {"lengths": ENDS, "sample_weight": STEP_WEIGHTS}
    history = trainer.fit(
        X, STEP_NUMBERS, epochs=2, verbose=False, validation_data=(X, STEP_NUMBERS, ENDS, STEP_WEIGHTS)
    )
    found = trainer.evaluate(X, STEP_NUMBERS, **given)
    assert {key: history[f"val_{key}"][-1] for key in found} == pytest.approx(found, rel=1e-12)
    assert found != trainer.evaluate(X, STEP_NUMBERS, lengths=ENDS)


def test_a_share_of_the_rows_held_out_keeps_its_weights() -> None:
    history = Trainer(built(MeanSquaredError(), False), "mse", lambda p: SGD(p, lr=1e-30)).fit(
        X, NUMBERS, sample_weight=WEIGHTS, validation_split=0.25, epochs=1, verbose=False
    )
    each = ((built(MeanSquaredError(), False)(X) - NUMBERS) ** 2).mean(axis=-1)
    held_out = [
        rows
        for rows in map(list, combinations(range(COUNT), 3))
        if WEIGHTS[rows].any()
        and np.average(each[rows], weights=WEIGHTS[rows]) == pytest.approx(history["val_loss"][0], rel=1e-10)
    ]
    assert held_out
    for rows in held_out:  # some of weight 0 may stand for one another
        left = np.delete(np.arange(COUNT), rows)
        assert history["loss"][0] == pytest.approx(np.average(each[left], weights=WEIGHTS[left]), rel=1e-10)


def test_what_weighs_nothing_is_not_measured() -> None:
    model = Sequential(Standardize(), SimpleRNN(3), Dense(3))
    model.build((None, None, 2), dtype="float64", seed=0)
    x = np.where((WEIGHTS == 0)[:, None, None], 1e3, X)
    Trainer(model, "mse").fit(x, NUMBERS, lengths=ENDS, sample_weight=WEIGHTS, epochs=1, verbose=False)
    counted = [row[:end] for row, end, weight in zip(X, ENDS, WEIGHTS, strict=True) if weight]
    steps = np.concatenate(counted)
    np.testing.assert_allclose(model.layers[0].mean.numpy(), steps.mean(axis=0), rtol=1e-12)


def test_all_weights_of_0_move_nothing() -> None:
    state, told, found = trained("squared, rows", weight=np.zeros(COUNT))
    fresh = built(MeanSquaredError(), False).state_dict()
    for name, array in state.items():
        np.testing.assert_array_equal(array, fresh[name])
    assert told == [0.0, 0.0]
    assert np.isnan(found["loss"])
