"""What every loss has: the saved state, the share of each step, refusals."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Loss, get_backend
from lamina.core.saved_state import SavedState
from lamina.errors import ArgumentError, BackendError, DataError, DTypeError, SavedStateError, ShapeError
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy

LOSSES = [MeanSquaredError, SoftmaxCrossEntropy]
TARGETS = {MeanSquaredError: [[1.0, 0.0]], SoftmaxCrossEntropy: [1]}


class Sum(Loss):
    """As written by a user: no lengths, no mask."""

    def forward(self, prediction: Any, target: Any) -> Any:
        return (prediction - target).sum(), prediction.shape

    def backward(self, saved: Any) -> Any:
        return np.ones(saved)


@pytest.mark.parametrize("cls", LOSSES)
def test_backward_takes_a_saved_state_once_and_only_its_own(cls: type[Loss]) -> None:
    loss, twin = cls(), cls()
    _, saved = loss.forward(np.zeros((1, 2)), TARGETS[cls])
    with pytest.raises(SavedStateError, match=f"^{cls.__name__}: got the saved state of {cls.__name__}$"):
        twin.backward(saved)
    assert loss.backward(saved).shape == (1, 2)
    with pytest.raises(SavedStateError) as caught:
        loss.backward(saved)
    assert str(caught.value) == (f"{cls.__name__}: this saved state is used up: backward may run once for each forward")
    for wrong in (None, (1, 2)):
        with pytest.raises(SavedStateError, match=": expected the saved state of a forward call, got "):
            loss.backward(wrong)
    with pytest.raises(SavedStateError, match=f"^{cls.__name__}: got the saved state of Dense$"):
        loss.backward(SavedState(lamina.layers.Dense(1), None))


@pytest.mark.parametrize("cls", LOSSES)
@pytest.mark.parametrize("backend", [None, "numpy", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_gives_a_scalar_on_the_device_and_a_call_a_number(cls: Any, backend: str | None, dtype: str) -> None:
    loss = cls()
    if backend:
        loss.backend = get_backend(backend)
    prediction = np.array([[0.5, 0.25]], dtype)
    prediction.flags.writeable = False
    value, saved = loss.forward(prediction, TARGETS[cls])
    assert (value.shape, value.dtype, loss.backward(saved).dtype) == ((), dtype, dtype)
    number = loss(prediction, TARGETS[cls])
    assert (type(number), number) == (float, float(value))


@pytest.mark.parametrize("cls", LOSSES)
def test_a_prediction_that_is_no_array_of_real_numbers_is_refused(cls: type[Loss]) -> None:
    name = cls.__name__
    for wrong in (np.zeros((1, 2), int), np.zeros((1, 2), bool), np.zeros((1, 2), complex)):
        with pytest.raises(DTypeError) as caught:
            cls().forward(wrong, TARGETS[cls])
        assert str(caught.value) == f"{name}: expected floating-point predictions, got {wrong.dtype}"
    with pytest.raises(BackendError, match=f"^{name}: expected an array of a loaded backend, got list: convert"):
        cls().forward([[0.0, 1.0]], TARGETS[cls])
    bound = cls()
    bound.backend = get_backend("numpy")
    with pytest.raises(BackendError, match=f"^{name}: expected an array of backend 'numpy', got list$"):
        bound.forward([[0.0, 1.0]], TARGETS[cls])


def test_a_loss_of_ones_own_refuses_what_it_cannot_leave_out() -> None:
    loss = Sum()
    assert loss(np.ones((2, 2)), 0.5) == 2
    assert loss(np.ones((2, 2)), 0.5, lengths=None, mask=None) == 2
    _, saved = loss.forward(np.ones((2, 2)), 0.5)
    assert loss.backward(saved).tolist() == [[1, 1], [1, 1]]
    for name in ("lengths", "mask"):
        with pytest.raises(ArgumentError, match=f"^Sum takes no {name}: it cannot leave out steps$"):
            loss(np.ones((2, 2)), 0.5, **{name: [1, 1]})
    loss.check_target(np.ones(3), (2, 2))  # nothing is checked by default


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_loss_that_lacks_a_method_says_which(method: str) -> None:
    class Unfinished(Loss):
        pass

    with pytest.raises(NotImplementedError, match=f"^Unfinished does not define {method}$"):
        getattr(Unfinished(), method)(None)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(
    ("shape", "settings", "shares"),
    [
        ((4,), {}, [1 / 4] * 4),
        ((2, 2), {}, [1 / 4] * 4),
        ((2, 3), {"lengths": [1, 3]}, [1 / 4, 0, 0, 1 / 4, 1 / 4, 1 / 4]),
        ((2, 3), {"lengths": [0, 0]}, [0] * 6),
        ((3,), {"mask": [1, 0, 3]}, [1 / 4, 0, 3 / 4]),
        ((3,), {"mask": [True, False, True]}, [1 / 2, 0, 1 / 2]),
        ((2, 2), {"mask": [0.5, 1.5]}, [0.5 / 4, 0.5 / 4, 1.5 / 4, 1.5 / 4]),
        ((2, 2), {"mask": [[1, 0], [0, 0]]}, [1, 0, 0, 0]),
        ((2, 2), {"mask": [[0.5, 1], [0.25, 0.25]], "lengths": [2, 1]}, [0.5 / 1.75, 1 / 1.75, 0.25 / 1.75, 0]),
        ((3,), {"valid": np.array([True, False, True])}, [1 / 2, 0, 1 / 2]),
        ((3,), {"valid": np.array([True, False, True]), "mask": [1, 1, 3]}, [1 / 4, 0, 3 / 4]),
        ((3,), {"mask": [0, 0, 0]}, [0, 0, 0]),
        ((0,), {}, []),
        ((2, 2, 1), {"mask": [1, 3]}, [1 / 8, 1 / 8, 3 / 8, 3 / 8]),
    ],
)
def test_each_steps_share_of_the_mean(backend: str, shape: Any, settings: Any, shares: Any) -> None:
    weights = MeanSquaredError().step_weights(get_backend(backend), shape, np.dtype("float64"), **settings)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, shares, rtol=1e-15)


@pytest.mark.parametrize("cls", LOSSES)
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"mask": [1, 1, 1]}, ShapeError, "expected a mask of shape (2, 4), got (3,)"),
        ({"mask": np.ones((2, 3))}, ShapeError, "expected a mask of shape (2, 4), got (2, 3)"),
        ({"mask": 1}, ShapeError, "expected a mask of shape (2, 4), got ()"),
        ({"mask": ["a", "b"]}, DTypeError, "expected numbers as a mask, got an array of <U1"),
        ({"mask": [None, 1]}, DTypeError, "expected numbers as a mask, got an array of object"),
        ({"lengths": [1, 2, 3]}, ShapeError, "expected 2 lengths, one for each row, got shape (3,)"),
        ({"lengths": 3}, ShapeError, "expected 2 lengths, one for each row, got shape ()"),
        ({"lengths": [5, 1]}, ShapeError, "expected lengths from 0 to 4, got 5 at row 0"),
        ({"lengths": [1, -1]}, ShapeError, "expected lengths from 0 to 4, got -1 at row 1"),
        ({"lengths": [1.0, 2.0]}, DTypeError, "expected whole numbers as lengths, got float64"),
    ],
)
def test_masks_and_lengths_that_do_not_fit_are_refused(cls: Any, settings: Any, error: Any, message: str) -> None:
    target = np.zeros((2, 4, 3)) if cls is MeanSquaredError else np.zeros((2, 4), int)
    with pytest.raises(error) as caught:
        cls().forward(np.zeros((2, 4, 3)), target, **settings)
    assert type(caught.value) is error
    assert str(caught.value) == f"{cls.__name__}: {message}"


@pytest.mark.parametrize("cls", LOSSES)
def test_lengths_need_a_time_axis(cls: type[Loss]) -> None:
    with pytest.raises(ShapeError, match=rf"^{cls.__name__}: lengths need \(batch, time, ...\), got 2 axes$"):
        cls().forward(np.zeros((1, 2)), TARGETS[cls], lengths=[1])


@pytest.mark.parametrize("cls", LOSSES)
def test_no_rows_cost_nothing(cls: type[Loss]) -> None:
    loss, target = cls(), np.zeros((0, 2)) if cls is MeanSquaredError else np.zeros(0, int)
    value, saved = loss.forward(np.zeros((0, 2)), target)
    assert float(value) == 0
    assert loss.backward(saved).shape == (0, 2)


@pytest.mark.parametrize("mask", [[1.0, -0.5], [1.0, float("nan")]])
def test_mask_below_zero(mask):
    with pytest.raises(DataError, match=r"expected a mask of 0 or more, got (-0\.5|nan) at index \(1,\)"):
        lamina.losses.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 3)), mask=mask)


LOGITS = np.random.default_rng(0).standard_normal((3, 4, 5))
LENGTHS, STEPS = np.array([4, 0, 2]), np.arange(4) < np.array([4, 0, 2])[:, None]
MASK = np.array([1.0, 1.0, 0.5])
EVERY: dict[str, tuple[Loss, Any]] = {
    "softmax": (SoftmaxCrossEntropy(), np.arange(12).reshape(3, 4) % 5),
    "likelihood": (lamina.losses.NegativeLogLikelihood(), np.arange(12).reshape(3, 4) % 5),
    "binary": (lamina.losses.BinaryCrossEntropy(), LOGITS > 0),
    "squares": (MeanSquaredError(), -LOGITS),
    "absolute": (lamina.losses.MeanAbsoluteError(), -LOGITS),
    "huber": (lamina.losses.Huber(), -LOGITS),
    "cosine": (lamina.losses.CosineSimilarity(), LOGITS[::-1]),
    "ctc": (lamina.losses.CTC(), np.array([[1, 2], [3, 4], [2, -1]])),
}


@pytest.mark.parametrize("name", EVERY)
def test_what_comes_by_position_counts_as_by_name(name: str) -> None:
    loss, target = EVERY[name]
    by_name = loss.forward(LOGITS, target, lengths=LENGTHS)
    for by_position in (loss.forward(LOGITS, target, LENGTHS), loss.forward(LOGITS, target, [4, 0, 2], None)):
        assert by_position[0] == by_name[0]
        assert (loss.backward(by_position[1])[~STEPS] == 0).all()
    assert loss(LOGITS, target, LENGTHS) == float(by_name[0])
    if name == "ctc":
        short = loss(LOGITS, target, None, [1, 2, 1])
        assert short == loss(LOGITS, target, target_lengths=[1, 2, 1]) == loss(LOGITS, [[1], [3, 4], [2]])
    else:
        # Of the rows and steps that count alone, weighted.
        rows = [loss(LOGITS[row, :stop], target[row, :stop]) for row, stop in ((0, 4), (2, 2))]
        assert loss(LOGITS, target, LENGTHS, MASK) == pytest.approx((4 * rows[0] + 0.5 * 2 * rows[1]) / 5)
        assert loss(LOGITS, target, LENGTHS, MASK) == loss(LOGITS, target, mask=MASK, lengths=LENGTHS)
    most = "prediction, target, lengths, " + ("target_lengths" if name == "ctc" else "mask")
    for many in ((None, None, None), (LENGTHS, None, "junk", 2)):
        message = f"^{loss.label}: expected at most 4 arguments, {most}, got {2 + len(many)}$"
        for call in (loss.forward, loss):
            with pytest.raises(TypeError, match=message):
                call(LOGITS, target, *many)
    with pytest.raises(TypeError, match=f"^{loss.label}: got lengths twice, by position and by name$"):
        loss.forward(LOGITS, target, LENGTHS, lengths=LENGTHS)


def test_a_loss_of_ones_own_takes_by_position_what_it_names() -> None:
    class Masked(Sum):
        def forward(self, prediction: Any, target: Any, mask: Any = None, *, scale: float = 1.0) -> Any:
            value, saved = super().forward(prediction * (1 if mask is None else np.asarray(mask)[:, None]), target)
            return scale * value, saved

    ones = np.ones((2, 2))
    assert Masked()(ones, 0, [1, 0]) == Masked()(ones, 0, mask=[1, 0]) == 2
    assert Masked()(ones, 0, [1, 0], scale=3.0) == 6
    for given in (([1, 0], 3.0), ([1, 0], None, None)):
        with pytest.raises(
            TypeError, match=r"^Masked: expected at most 3 arguments, prediction, target, mask, got \d$"
        ):
            Masked()(ones, 0, *given)
    for given in (([1, 1],), (None, [1, 0]), (None,)):
        with pytest.raises(TypeError, match=r"^Sum: expected at most 2 arguments, prediction, target, got \d$"):
            Sum().forward(ones, 0, *given)
    with pytest.raises(ArgumentError, match=r"^Masked takes no lengths: it cannot leave out steps$"):
        Masked()(ones, 0, [1, 0], lengths=[1, 1])


def test_options_of_a_class_are_not_swallowed() -> None:
    """All bases have their part of this in tests/test_class_options.py."""

    class Mixin:
        def __init_subclass__(cls, *, colour: int, **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.colour = colour  # type: ignore[attr-defined]

    class Mine(Loss, Mixin, colour=1):
        pass

    assert Mine.colour == 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"takes no keyword arguments$"):
        type("Mine", (Loss,), {}, colour=1)
