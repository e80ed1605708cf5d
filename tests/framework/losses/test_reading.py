"""Whose kernels a loss runs, in which precision, and what it keeps of a call: nothing."""

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import get_backend, losses
from lamina.errors import BackendError, DataError, DTypeError
from lamina.losses import SoftmaxCrossEntropy
from lamina.losses.reading import count_rows, count_terms, handed, read_prediction

LOGITS = np.array([[2.0, 0.0], [0.0, 0.0]])
BACKENDS = ["numpy", "reference", "numba"]
REGISTERED = [getattr(losses, name) for name in losses.__all__ if name != "ElementwiseLoss"]  # a base
TARGETS: dict[str, Any] = {
    "CTC": [[1], [1]],
    "BinaryCrossEntropy": [[1, 0], [0, 1]],
    "SoftmaxCrossEntropy": [0, 1],
    "NegativeLogLikelihood": [0, 1],
    "CategoricalHinge": [0, 1],
    "SoftmaxFocalCrossEntropy": [0, 1],
    "BinaryFocalCrossEntropy": [[1, 0], [0, 1]],
    "Dice": [[1, 0], [0, 1]],
    "Hinge": [[1, 0], [0, 1]],
    "KLDivergence": [[1, 0], [0.5, 0.5]],
    "GaussianNegativeLogLikelihood": [[1.0], [0.0]],
}


@pytest.mark.parametrize("cls", REGISTERED)
@pytest.mark.parametrize("name", BACKENDS)
def test_a_call_hands_its_backend_over_and_nothing_stays(cls: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "numba":
        pytest.importorskip("numba")
    own, loss, asked = get_backend(name), cls(), []
    real = type(own).select

    def select(self: Any, kernel: str, **options: Any) -> Any:
        asked.append((self, kernel))
        return real(self, kernel, **options)

    monkeypatch.setattr(lamina.backends.Backend, "select", select)
    prediction = LOGITS[:, None, :] if cls is losses.CTC else LOGITS
    target = TARGETS.get(cls.__name__, LOGITS)
    before = vars(loss).copy()
    value, saved = loss.forward_on(own, prediction, target)
    loss.backward(saved)
    assert [backend for backend, _ in asked] == [own]
    assert vars(loss) == before and loss.backend is None and handed.backend is None
    asked.clear()
    other = get_backend("numpy" if name == "reference" else "reference")
    with lamina.use_backend(other.name):
        assert loss(prediction, target) == pytest.approx(float(value))
    assert [backend for backend, _ in asked] == [other]
    loss.backend = other  # what a user sets is heeded
    loss.forward_on(own, prediction, target)
    assert asked[-1][0] is other


def test_an_error_leaves_no_backend_behind() -> None:
    loss = SoftmaxCrossEntropy()
    with pytest.raises(DTypeError):
        loss.forward_on(get_backend("reference"), LOGITS.astype(int), [0, 1])
    assert handed.backend is None


def test_losses_within_a_loss_run_on_the_same_backend() -> None:
    seen = []

    class Sum(lamina.Loss):
        def __init__(self) -> None:
            self.first, self.second = SoftmaxCrossEntropy(), losses.MeanSquaredError()

        def forward(self, prediction: Any, target: Any) -> Any:
            seen.extend([self.first.backend_for(prediction), self.backend_for(prediction)])
            one, two = self.first.forward(prediction, target), self.second.forward(prediction, prediction * 0)
            return one[0] + two[0], (one[1], two[1])

        def backward(self, saved: Any) -> Any:
            return self.first.backward(saved[0]) + self.second.backward(saved[1])

    Sum().forward_on(get_backend("reference"), LOGITS, [0, 1])
    assert seen == [get_backend("reference")] * 2


def test_another_thread_is_handed_nothing() -> None:
    seen = []
    handed.backend = get_backend("reference")
    try:
        thread = threading.Thread(target=lambda: seen.append(handed.backend))
        thread.start()
        thread.join()
    finally:
        handed.backend = None
    assert seen == [None]


def test_a_loss_is_copied_and_stored_after_training_as_before() -> None:
    loss = SoftmaxCrossEntropy()
    model = lamina.Sequential(lamina.layers.Dense(2))
    model.build((None, 2), seed=0, backend="reference")
    lamina.Trainer(model, loss, "sgd").fit(LOGITS, [0, 1], epochs=1, verbose=False)
    for one in (loss, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert one.backend is None
        assert one(LOGITS, [0, 1]) == pytest.approx((np.log1p(np.exp(-2)) + np.log(2)) / 2)


@pytest.mark.parametrize(("dtype", "narrow"), [("float16", True), ("float32", False), ("float64", False)])
def test_what_is_narrower_than_float32_is_widened(dtype: str, narrow: bool) -> None:
    for _ in range(2):  # what was seen before is remembered
        backend, prediction, own = read_prediction(SoftmaxCrossEntropy(), LOGITS.astype(dtype))
        assert prediction.dtype == ("float32" if narrow else dtype)
        assert own == (np.dtype(dtype) if narrow else None)
        assert (prediction == LOGITS).all()
        assert backend is lamina.get_backend()


def test_what_is_no_plain_array_of_a_backend_is_refused() -> None:
    loss = SoftmaxCrossEntropy()
    with pytest.raises(DataError, match=r"^SoftmaxCrossEntropy prediction: expected a plain array, got a masked one"):
        read_prediction(loss, np.ma.masked_array(LOGITS))
    with pytest.raises(
        BackendError, match=r"^SoftmaxCrossEntropy: expected an array of a loaded backend, got list: conv"
    ):
        read_prediction(loss, [[1.0]])
    loss.backend = get_backend("numpy")
    with pytest.raises(BackendError, match=r"^SoftmaxCrossEntropy: expected an array of backend 'numpy', got list$"):
        read_prediction(loss, [[1.0]])


def test_the_terms_of_rows_and_steps_that_a_mask_weighs() -> None:
    rows, steps = np.array([1.0, 0.0, 0.5]), np.arange(12.0).reshape(3, 4)
    labels = np.array([[0, 1, -1, 1]] * 3)
    for mask, lengths, ignored, wanted in (
        (rows, None, None, 6.0),
        (rows, [4, 2, 3], None, 5.5),
        (rows, None, -1, 4.5),
        (steps, None, None, 66.0),
        (steps, [4, 0, 2], None, 6.0 + 17.0),
    ):
        assert count_terms("Loss", (3, 4, 2), labels, lengths, mask, ignored) == wanted


@pytest.mark.parametrize(
    ("shape", "lengths", "wanted"),
    [
        ((3, 2), None, 3),  # rows of features
        ((3,), None, 3),  # and without an axis of features
        ((3, 4), [4, 0, 2], 6),  # steps, where there are lengths
        ((3, 4, 2), None, 12),
        ((3, 4, 5, 2), [4, 0, 2], 30),
    ],
)
def test_the_terms_without_a_mask_are_rows_or_steps_and_no_features(
    shape: tuple[int, ...], lengths: Any, wanted: float
) -> None:
    assert count_terms("Loss", shape, None, lengths, None, None) == wanted


@pytest.mark.parametrize(
    ("shape", "lengths", "mask", "wanted"),
    [
        ((3, 2), None, None, 3),
        ((3, 4, 2), None, None, 3),
        ((3, 0, 2), None, None, 0),
        ((3, 4, 2), [4, 0, 2], None, 2),
        ((3, 4, 2), [4, 0, 2], [0.5, 1.0, 3.0], 3.5),
        ((2, 3, 2), None, [[0.0, 0.5, 0.25], [0.0, 0.0, 0.0]], 0.5),
        ((2, 3, 2), [1, 3], [[0.0, 0.5, 0.25], [1.0, 0.0, 2.0]], 2.0),
        ((2, 3, 5, 2), [1, 0], [3.0, 1.0], 3.0),
        ((0, 3, 2), None, None, 0),
    ],
)
def test_the_terms_of_a_loss_over_rows(shape: tuple[int, ...], lengths: Any, mask: Any, wanted: float) -> None:
    assert count_rows("Loss", shape, lengths, mask) == wanted
