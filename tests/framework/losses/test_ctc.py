"""CTC, by hand and by going through all alignments."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, DataError, DTypeError, ShapeError
from lamina.losses import CTC

LOG = math.log
# Probabilities 1/2, 3/10, 1/5 at both steps of one row.
LOGITS = np.log([[[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]])


def both(prediction: Any, target: Any, settings: Any = None, **forward: Any) -> tuple[float, np.ndarray]:
    loss, prediction = CTC(**settings or {}), np.array(prediction)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, target, **forward)
    return float(value), loss.backward(saved)


def probability(logits: np.ndarray, labels: list[int], blank: int) -> float:
    """Return the sum over all paths through the classes that collapse to the labels."""
    time, classes = logits.shape
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(classes), repeat=time):
        collapsed = [label for label, _ in itertools.groupby(path) if label != blank]
        if collapsed == labels:
            total += math.prod(p[t, c] for t, c in enumerate(path))
    return total


@pytest.mark.parametrize("blank", [0, 1, 2])
@pytest.mark.parametrize("labels", [[], [0], [0, 1], [0, 0], [0, 1, 0], [1, 1, 0]])
def test_it_sums_over_all_alignments(blank: int, labels: list[int]) -> None:
    labels = [label + (label >= blank) for label in labels]
    logits = 2 * np.random.default_rng(blank).standard_normal((5, 3))
    loss, _ = both(logits[None], [labels], {"blank": blank})
    assert loss == pytest.approx(-LOG(probability(logits, labels, blank)), rel=1e-13)


def test_by_hand() -> None:
    # 1 1, 1 blank, blank 1; of all paths, the share that has label 1 in a step.
    total = 0.3 * 0.3 + 2 * 0.3 * 0.5
    loss, gradient = both(LOGITS, [[1]])
    assert loss == pytest.approx(-LOG(total), rel=1e-15)
    label = (0.3 * 0.3 + 0.3 * 0.5) / total
    step = [0.5 - (1 - label), 0.3 - label, 0.2]
    np.testing.assert_allclose(gradient, [[step, step]], rtol=1e-13)


def test_no_labels_is_all_blanks() -> None:
    for target in ([[]], np.zeros((1, 0), int), [[-1, 7]]):
        loss, gradient = both(LOGITS, target)
        assert loss == pytest.approx(2 * LOG(2), rel=1e-15)
        np.testing.assert_allclose(gradient, [[[-0.5, 0.3, 0.2]] * 2], rtol=1e-14)


def test_the_mean_is_over_the_rows_that_have_a_step() -> None:
    logits, labels = np.repeat(LOGITS, 3, axis=0), [[1], [2, 1], [99, -5]]
    first, second = -LOG(0.39), -LOG(0.2 * 0.3)
    loss, gradient = both(logits, np.array([[1, -1], [2, 1], [99, -5]]), lengths=[2, 2, 0])
    assert loss == pytest.approx((first + second) / 2, rel=1e-14)
    assert not gradient[2].any()
    np.testing.assert_allclose(gradient[1], [[0.25, 0.15, 0.1 - 0.5], [0.25, 0.15 - 0.5, 0.1]], rtol=1e-13)
    assert both(logits, labels, lengths=[0, 0, 0])[0] == 0


@pytest.mark.parametrize("garbage", [math.nan, math.inf, 1e308])
def test_what_stands_past_a_rows_end_is_never_looked_at(garbage: float) -> None:
    logits = np.concatenate([LOGITS, np.full((1, 2, 3), garbage)], axis=1)
    loss, gradient = both(logits, [[1]], lengths=[2])
    assert loss == pytest.approx(-LOG(0.39), rel=1e-15)
    np.testing.assert_array_equal(gradient[:, :2], both(LOGITS, [[1]])[1])
    assert not gradient[:, 2:].any()


@pytest.mark.parametrize(
    ("target", "settings", "forward"),
    [
        ([[1]], {}, {}),
        ([np.array([1], "uint8")], {}, {}),
        ([[1, -1, -1]], {}, {}),
        (np.array([[1, -1, 12]]), {}, {}),
        (np.array([[1, 9, 9]]), {"padding": 9}, {}),
        (np.array([[1, 0]], "uint8"), {"padding": 0}, {}),
        (np.array([[1, 2]]), {}, {"target_lengths": [1]}),
        (np.array([[1, -7]]), {}, {"target_lengths": np.array([1])}),
    ],
)
def test_targets_come_padded_or_with_lengths_or_as_a_list(target: Any, settings: Any, forward: Any) -> None:
    assert both(LOGITS, target, settings, **forward)[0] == pytest.approx(-LOG(0.39), rel=1e-15)


@pytest.mark.parametrize(("labels", "length"), [([1, 2], 1), ([1, 1], 2), ([1, 1, 2, 2], 5), ([1, 2, 1], 2)])
def test_too_few_steps_cost_infinity_and_have_no_gradient(labels: list[int], length: int) -> None:
    logits = np.random.default_rng(0).standard_normal((2, 6, 3))
    target, lengths = [labels, [1]], [length, 6]
    loss, gradient = both(logits, target, lengths=lengths)
    assert loss == math.inf
    other, expected = both(logits[1:], [[1]])
    assert not gradient[0].any()
    np.testing.assert_allclose(gradient[1], expected[0] / 2, rtol=1e-13)
    loss, gradient = both(logits, target, {"zero_infinity": True}, lengths=lengths)
    assert loss == pytest.approx(other / 2, rel=1e-13)
    assert not gradient[0].any()
    assert math.isfinite(both(logits, target, lengths=[length + 1, 6])[0])


def test_a_class_ruled_out_by_an_infinite_logit_is_no_label() -> None:
    logits = np.array(LOGITS)
    logits[:, :, 2] = -math.inf
    loss, gradient = both(logits, [[1]])
    assert loss == pytest.approx(-LOG(0.39 / 0.64), rel=1e-14)
    assert np.isfinite(gradient).all()
    assert both(logits, [[2]])[0] == math.inf


def test_no_step_at_all() -> None:
    loss, gradient = both(np.zeros((2, 0, 3)), [[1], []])
    assert (loss, gradient.shape) == (0, (2, 0, 3))


def test_float32_keeps_its_digits_over_many_steps() -> None:
    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.standard_normal((2, 1000, 20)), rng.integers(1, 20, (2, 40))
    expected = both(logits, labels)
    loss, gradient = both(logits.astype("float32"), labels)
    assert loss == pytest.approx(expected[0], rel=1e-6)
    np.testing.assert_allclose(gradient, expected[1], atol=5e-5)


def test_it_trains_through_the_trainer() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 6, 2)), np.array([[1, 2], [2, -1]] * 4)
    model = lamina.Sequential(lamina.layers.SimpleRNN(8, return_sequences=True), lamina.layers.Dense(3))
    trainer = lamina.Trainer(model, CTC(), lambda parameters: lamina.optimizers.SGD(parameters, lr=0.1))
    history = trainer.fit(x, y, lengths=[6, 5, 4, 6, 3, 6, 6, 2], epochs=20, verbose=False)
    assert history["loss"][-1] < history["loss"][0] / 1.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blank": -1}, "expected blank to be a whole number of 0 or more, got -1"),
        ({"blank": 0.0}, "expected blank to be a whole number of 0 or more, got 0.0"),
        ({"padding": None}, "expected padding to be a whole number, got None"),
        ({"padding": 0.5}, "expected padding to be a whole number, got 0.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        CTC(**settings)
    assert str(caught.value) == f"CTC: {message}"


LABELS = "expected labels from 0 to 2 other than the blank, 0, or -1 as padding, got"


@pytest.mark.parametrize(
    ("prediction", "target", "forward", "error", "message"),
    [
        (LOGITS, [[1, 3]], {}, DataError, f"{LABELS} 3 at index (0, 1)"),
        (LOGITS, [[1, 0]], {}, DataError, f"{LABELS} 0 at index (0, 1)"),
        (LOGITS, [[1, -2]], {}, DataError, f"{LABELS} -2 at index (0, 1)"),
        (LOGITS, np.array([[1, -1]]), {"target_lengths": [2]}, DataError, f"{LABELS} -1 at index (0, 1)"),
        (LOGITS, [[1.0]], {}, DTypeError, "expected integer labels, got float64 at row 0"),
        (LOGITS, np.array([[1.0]]), {}, DTypeError, "expected integer labels, got an array of float64"),
        (LOGITS, [1, 2], {}, ShapeError, "expected a sequence of labels for each row, got () at row 0"),
        (LOGITS, [[1], [2]], {}, ShapeError, "expected labels of shape (1, labels), got (2, 1)"),
        (LOGITS, np.array([1]), {}, ShapeError, "expected labels of shape (1, labels), got (1,)"),
        (LOGITS[0], [[1], [1]], {}, ShapeError, "expected logits (batch, time, classes), got (2, 3)"),
        (
            LOGITS,
            [[1]],
            {"target_lengths": [2]},
            ShapeError,
            "target_lengths: expected lengths from 0 to 1, got 2 at row 0",
        ),
        (LOGITS, [[1]], {"lengths": [3]}, ShapeError, "expected lengths from 0 to 2, got 3 at row 0"),
    ],
)
def test_targets_that_do_not_fit_are_refused(
    prediction: Any, target: Any, forward: Any, error: Any, message: str
) -> None:
    with pytest.raises(error) as caught:
        CTC().forward(prediction, target, **forward)
    assert str(caught.value) == f"CTC: {message}".replace("CTC: target_", "CTC target_")


def test_the_blank_must_be_a_class() -> None:
    with pytest.raises(ShapeError, match=r"^CTC: expected more than 3 classes, the blank, got 3$"):
        CTC(blank=3).forward(LOGITS, [[1]])


def test_a_mask_weighs_rows_and_no_steps() -> None:
    rows = np.log(np.array([[[0.5, 0.5]], [[0.25, 0.75]], [[np.nan, np.inf]]]))
    loss = CTC()
    weighted = loss(rows, [[1], [1], [-9]], mask=[1, 3, 0])  # -log of what one label has in one step
    assert weighted == pytest.approx((-np.log(0.5) - 3 * np.log(0.75)) / 4)
    assert loss.terms(rows, [[1], [1], [-9]], mask=[1, 3, 0]) == 4
    assert CTC(reduction="sum")(rows, [[1], [1], [-9]], mask=[1, 3, 0]) == pytest.approx(4 * weighted)
    with pytest.raises(ArgumentError, match=r"^CTC takes no mask of steps: it cannot leave out steps, only rows$"):
        loss.forward(LOGITS, [[1]], mask=[[1]])
    with pytest.raises(ShapeError, match=r"^CTC: expected a mask of shape \(3,\), got \(2,\)$"):
        loss.forward(rows, [[1], [1], [1]], mask=[1, 1])


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # PyTorch's; the padding is no label.
    assert defaults(CTC) == {"blank": 0, "padding": -1, "zero_infinity": False, "reduction": "mean"}
