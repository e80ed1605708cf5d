"""Targets and weights, of one output or of several: read, padded to the outputs and checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.goals import read_goals
from lamina.data.targets import checked_targets, checked_weights, read_targets, read_weights, require_outputs
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError
from lamina.layers import GRU, Dense
from lamina.losses.loss import Loss

RNG = np.random.default_rng(0)
ROWS, TIME = 6, 4
LENGTHS = np.array([4, 2, 3, 1, 4, 0])
LABELS = RNG.integers(0, 3, (ROWS, TIME))
NUMBERS = RNG.normal(size=(ROWS, 1))
SEQUENCES = [row[:end].tolist() for row, end in zip(LABELS, LENGTHS, strict=True)]
INSIDE = np.arange(TIME) < LENGTHS[:, None]


def tagger(dtype: str = "float64") -> Any:
    model = lamina.Sequential(GRU(2, return_sequences=True), Dense(3))
    model.build((None, None, 2), seed=0, dtype=dtype)
    return model


# --- reading ---------------------------------------------------------------------------------------------------------


def test_one_target_is_an_array_and_sequences_have_lengths() -> None:
    target, lengths = read_targets(LABELS, ROWS)
    assert target is LABELS
    assert lengths is None
    target, lengths = read_targets(SEQUENCES, ROWS)
    np.testing.assert_array_equal(target, LABELS * INSIDE)
    assert lengths.tolist() == LENGTHS.tolist()
    assert read_targets([1, 2, 0, 0, 1, 2], ROWS)[0].tolist() == [1, 2, 0, 0, 1, 2]


@pytest.mark.parametrize("named", [True, False])
def test_several_targets_are_in_the_order_of_the_outputs(named: bool) -> None:
    y: Any = {"b": NUMBERS, "a": SEQUENCES} if named else (SEQUENCES, NUMBERS, None)
    target, lengths = read_targets(y, ROWS, ("a", "b", "c"))
    np.testing.assert_array_equal(target[0], LABELS * INSIDE)
    assert target[1] is NUMBERS
    assert target[2] is None
    assert lengths[0].tolist() == LENGTHS.tolist()
    assert lengths[1:] == (None, None)


@pytest.mark.parametrize(
    ("y", "names", "error", "message"),
    [
        (3, (), ShapeError, "y: expected a target for each row of x, got a single value"),
        (LABELS[:4], (), ShapeError, "expected as many rows in x and y, got 6 in x, 4 in y"),
        (["a"] * 6, (), DTypeError, "y: expected numbers"),
        ((LABELS, 3), ("a", "b"), ShapeError, "y['b']: expected a target for each row of x, got a single value"),
        (
            (LABELS, 3),
            ("output_0", "output_1"),
            ShapeError,
            "y[1]: expected a target for each row of x, got a single value",
        ),
        ({"b": LABELS[:4]}, ("a", "b"), ShapeError, "expected as many rows in x and y['b'], got 6 in x, 4 in y['b']"),
        (LABELS, ("a", "b"), ArgumentError, "y: expected a tuple of 2, one for each output, or a dict, got ndarray"),
        ({"c": LABELS}, ("a", "b"), ArgumentError, "y: expected some of the outputs a, b, got 'c'"),
    ],
    ids=range(8),
)
def test_targets_that_are_none_are_named(y: Any, names: Any, error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        read_targets(y, ROWS, names)
    assert str(caught.value).startswith(message)


ROW, STEP = RNG.uniform(size=ROWS), RNG.uniform(size=(ROWS, TIME))


def test_weights_and_masks_are_multiplied() -> None:
    mask = RNG.integers(0, 2, ROWS).astype(bool)
    steps = RNG.integers(0, 2, (ROWS, TIME)).astype(bool)
    assert read_weights(None, None, ROWS) is None
    for weight, of, wanted in (
        (ROW, None, ROW),
        (None, mask, mask),
        (ROW, mask, ROW * mask),
        (STEP, mask, STEP * mask[:, None]),
        (ROW, steps, ROW[:, None] * steps),
        (STEP, steps, STEP * steps),
        (ROW.tolist(), mask.tolist(), ROW * mask),
        ([row[:end].tolist() for row, end in zip(STEP, LENGTHS, strict=True)], None, STEP * INSIDE),
    ):
        found = read_weights(weight, of, ROWS)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == np.float64


def test_weights_of_several_outputs_are_of_each_or_of_all() -> None:
    names = ("a", "b")
    for given in ((ROW, STEP), {"b": STEP, "a": ROW}):
        first, second = read_weights(given, None, ROWS, names)
        np.testing.assert_array_equal(first, ROW)
        np.testing.assert_array_equal(second, STEP)
    first, second = read_weights(ROW, (None, STEP > 0.5), ROWS, names)
    np.testing.assert_array_equal(first, ROW)
    np.testing.assert_array_equal(second, ROW[:, None] * (STEP > 0.5))
    assert read_weights({"b": ROW}, None, ROWS, names)[0] is None


@pytest.mark.parametrize(
    ("weight", "mask", "names", "error", "message"),
    [
        (
            ROW[:3],
            None,
            (),
            ShapeError,
            "sample_weight: expected a weight for each of 6 rows, or",
        ),
        (1.0, None, (), ShapeError, "sample_weight: expected a weight for each of 6 rows, or for each step, got ()"),
        (
            None,
            np.ones((ROWS, TIME, 2)),
            (),
            ShapeError,
            "mask: expected a weight for each of 6 rows, or for",
        ),
        (-ROW, None, (), DataError, "sample_weight: expected finite numbers of 0 or more, got -"),
        (
            ROW * np.inf,
            None,
            (),
            DataError,
            "sample_weight: expected finite numbers of 0 or more, got inf at index",
        ),
        (
            ROW * np.nan,
            None,
            (),
            DataError,
            "sample_weight: expected finite numbers of 0 or more, got nan at index",
        ),
        (["a"] * 6, None, (), DTypeError, "sample_weight: expected numbers"),
        (STEP, np.ones((ROWS, 3)), (), ShapeError, "mask: expected as many steps as sample_weight has, got (6, 4) and"),
        ((ROW, -ROW), None, ("a", "b"), DataError, "sample_weight['b']: expected finite numbers of 0 or more"),
        ({"b": -ROW}, None, ("a", "b"), DataError, "sample_weight['b']: expected finite numbers of 0 or more"),
        ((ROW,), None, ("a", "b"), ArgumentError, "sample_weight: expected a tuple of 2, one for each output"),
    ],
    ids=range(11),
)
def test_weights_that_are_none_are_named(
    weight: Any, mask: Any, names: Any, error: type[LaminaError], message: str
) -> None:
    with pytest.raises(error) as caught:
        read_weights(weight, mask, ROWS, names)
    assert str(caught.value).startswith(message)


# --- for a built model -----------------------------------------------------------------------------------------------


def test_outputs_and_goals_are_as_many() -> None:
    one, two = read_goals("mse"), read_goals(("mse", "mse"))
    require_outputs(one, (6, 3))
    require_outputs(two, ((6, 3), (6, 1)))
    require_outputs(read_goals({"a": "mse"}), ((6, 3),))
    for goals, output, message in (
        (one, ((6, 3), (6, 1)), "Trainer: expected a model with one output, got 2: "),
        (two, (6, 3), "Trainer: expected a model with 2 outputs, got 1: (6, 3)"),
        (two, ((6, 3),) * 3, "Trainer: expected a model with 2 outputs, got 3: "),
        (read_goals(["mse"]), (6, 3), "Trainer: expected a model with 1 outputs, got 1"),
    ):
        with pytest.raises(ShapeError) as caught:
            require_outputs(goals, output)
        assert str(caught.value).startswith(message)


def test_sequences_are_padded_to_the_time_axis_of_the_output() -> None:
    goals, model = read_goals("softmax_cross_entropy"), tagger()
    short = [row[:2] for row in LABELS.tolist()]
    target, own = read_targets(short, ROWS)
    found = checked_targets(model, goals, target, own, (ROWS, 5, 3), np.full(ROWS, 2))
    np.testing.assert_array_equal(found, np.pad(LABELS[:, :2], [(0, 0), (0, 3)]))
    for wrong in (np.full(ROWS, 3), None):
        with pytest.raises(ShapeError, match=r"^y: expected [35] steps at row 0, got 2$"):
            checked_targets(model, goals, target, own, (ROWS, 5, 3), wrong)
    ctc = read_goals("ctc")
    target, own = read_targets(SEQUENCES, ROWS)
    with pytest.raises(LaminaError):  # as it is: 0 is the blank; what is past a row's end is the loss's own padding
        checked_targets(model, ctc, target + 0, own, (ROWS, 5, 3), np.full(ROWS, 5))
    found = checked_targets(model, ctc, np.where(INSIDE, 1 + LABELS % 2, 7), own, (ROWS, 9, 3), np.full(ROWS, 9))
    padding = ctc[0].loss.target_padding if ctc[0].loss is not None else None
    np.testing.assert_array_equal(found, np.where(INSIDE, 1 + LABELS % 2, padding))


def test_targets_of_weight_0_are_not_looked_at() -> None:
    goals, model = read_goals("softmax_cross_entropy"), tagger()
    labels = LABELS.copy()
    labels[2] = 99
    weights = (np.arange(ROWS) != 2).astype(float)
    with pytest.raises(DataError, match="expected labels from 0 to 2, got 99"):
        checked_targets(model, goals, labels, None, (ROWS, TIME, 3), None)
    np.testing.assert_array_equal(checked_targets(model, goals, labels, None, (ROWS, TIME, 3), None, weights), labels)
    mse = read_goals("mse")
    numbers = np.where(np.arange(ROWS)[:, None] == 2, np.nan, NUMBERS)
    found = checked_targets(model, mse, numbers, None, (ROWS, 1), None, weights)
    np.testing.assert_array_equal(found, np.where(np.arange(ROWS)[:, None] == 2, 0, NUMBERS))
    with pytest.raises(DataError, match="y: expected finite float64, got nan at row 2, feature 0"):
        checked_targets(model, mse, numbers, None, (ROWS, 1), None)


def test_several_targets_are_checked_each_and_may_be_checked_again() -> None:
    goals, model = read_goals(("softmax_cross_entropy", "mse", None)), tagger("float32")
    target, own = read_targets((SEQUENCES, NUMBERS, None), ROWS, ("a", "b", "c"))
    shapes, ends = ((ROWS, TIME, 3), (ROWS, 1), (ROWS, 2)), (LENGTHS, None, None)
    found = checked_targets(model, goals, target, own, shapes, ends)
    assert found[1].dtype == "float32"
    assert found[2] is None
    again = checked_targets(model, goals, found, None, shapes, ends)
    for one, other in zip(found[:2], again[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    bad = (target[0], NUMBERS * np.nan, None)
    with pytest.raises(DataError, match=r"^y\[1\]: expected finite float32, got nan at row 0, feature 0$"):
        checked_targets(model, goals, bad, own, shapes, ends)
    with pytest.raises(ArgumentError, match=r"^y\[1\]: expected targets for output_1, got None$"):
        checked_targets(model, goals, (target[0], None, None), own, shapes, ends)


def test_weights_take_the_dtype_of_the_model_and_the_shape_of_the_output() -> None:
    goals, model = read_goals("softmax_cross_entropy"), tagger("float32")
    output = (ROWS, TIME, 3)
    assert checked_weights(model, goals, None, output) is None
    for given in (ROW, STEP):
        found = checked_weights(model, goals, given, output)
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, given.astype("float32"))
    # Those of sequences end with the longest of them.
    found = checked_weights(model, goals, STEP[:, :2], output)
    np.testing.assert_array_equal(found, np.pad(STEP[:, :2], [(0, 0), (0, 2)]).astype("float32"))
    with pytest.raises(ShapeError, match=r"^sample_weight: expected weights of shape \(6,\) or \(6, 3\), got \(6"):
        checked_weights(model, goals, STEP, (ROWS, 3, 3))
    with pytest.raises(ShapeError, match=r"^sample_weight: expected weights of shape \(6,\), got \(6, 4\)$"):
        checked_weights(model, goals, STEP, (ROWS, 3))


def test_weights_of_several_outputs_are_checked_each() -> None:
    goals, model = read_goals(("softmax_cross_entropy", "mse", None)), tagger()
    shapes = ((ROWS, TIME, 3), (ROWS, 1), (ROWS, 2))
    first, second, third = checked_weights(model, goals, (STEP, None, ROW), shapes)
    np.testing.assert_array_equal(first, STEP)
    assert (second, third) == (None, None)  # of an output that is not trained nothing counts


def test_losses_and_metrics_that_cannot_weigh_are_named() -> None:
    class Plain(Loss):
        def forward(self, prediction: Any, target: Any) -> Any:
            return (prediction - target).sum(), ()

        def backward(self, saved: Any) -> Any:
            return saved

    model = tagger()
    with pytest.raises(ArgumentError, match=r"^Plain takes no mask: it cannot weigh rows, or steps$"):
        checked_weights(model, read_goals(Plain()), ROW, (ROWS, 3))
    with pytest.raises(ArgumentError, match=r"^Plain takes no lengths: it cannot leave out steps$"):
        checked_targets(model, read_goals(Plain()), LABELS, None, (ROWS, TIME, 3), LENGTHS)
    counted = read_goals("mse", None, lambda prediction, target: 0.0)
    with pytest.raises(ArgumentError, match="takes no sample_weight: its update has no such argument"):
        checked_weights(model, counted, ROW, (ROWS, 1))


# --- what weights mean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [True, False], ids=["of steps", "of rows"])
def test_rows_of_weight_0_are_as_if_they_were_not_there(steps: bool) -> None:
    x = RNG.normal(size=(ROWS, TIME, 2))
    y = LABELS
    weights = STEP.copy() if steps else ROW.copy()
    weights[[1, 4]] = 0
    there = np.setdiff1d(np.arange(ROWS), [1, 4])
    all_rows, few = lamina.Trainer(tagger(), metrics="accuracy"), lamina.Trainer(tagger(), metrics="accuracy")
    one = all_rows.train_on_batch(x, y, sample_weight=weights)
    other = few.train_on_batch(x[there], y[there], sample_weight=weights[there])
    assert one == pytest.approx(other, rel=1e-12)
    for name, array in few.model.state_dict().items():
        np.testing.assert_allclose(all_rows.model.state_dict()[name], array, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("form", ["rows", "steps", "mask", "both"])
def test_a_mean_divides_by_the_sum_of_weights(form: str) -> None:
    x = RNG.normal(size=(ROWS, TIME, 2))
    mask = RNG.integers(0, 2, (ROWS, TIME)).astype(bool)
    given: dict[str, Any] = {
        "rows": {"sample_weight": ROW},
        "steps": {"sample_weight": STEP},
        "mask": {"mask": mask},
        "both": {"sample_weight": ROW, "mask": mask},
    }[form]
    m = np.ones((ROWS, TIME))
    m = m * (ROW[:, None] if form in ("rows", "both") else STEP if form == "steps" else 1)
    m = m * (mask if form in ("mask", "both") else 1)
    trainer = lamina.Trainer(tagger(), metrics="accuracy")
    z = trainer.predict(x)
    each = np.log(np.exp(z).sum(axis=-1)) - np.take_along_axis(z, LABELS[..., None], -1)[..., 0]
    found = trainer.evaluate(x, LABELS, **given, batch_size=4)
    assert found["loss"] == pytest.approx((m * each).sum() / m.sum(), rel=1e-12)
    assert found["accuracy"] == pytest.approx((m * (z.argmax(axis=-1) == LABELS)).sum() / m.sum(), rel=1e-12)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(read_targets) == {"names": ()}
    assert defaults(read_weights) == {"names": ()}
    assert defaults(checked_targets) == {"weights": None}
