"""Several small batches make the step that one large batch makes."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential, get_backend
from lamina.callbacks import Callback
from lamina.errors import ArgumentError
from lamina.layers import Dense, SimpleRNN
from lamina.losses import CTC, MeanSquaredError, NegativeLogLikelihood, SoftmaxCrossEntropy
from lamina.optimizers import SGD, AdamW
from lamina.train.accumulation import Accumulation

ROWS, TIME = 13, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((ROWS, TIME, 2))
LENGTHS = RNG.integers(1, TIME + 1, ROWS)
LABELS, STEP_LABELS = np.arange(ROWS) % 3, RNG.integers(0, 3, (ROWS, TIME))
SOME_IGNORED = np.where(RNG.random((ROWS, TIME)) < 0.4, -1, STEP_LABELS)
SPELLED = np.array([[1, -1], [2, -1], [-1, -1]] * 4 + [[1, -1]])  # padded with -1


class Losses(Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.kept: list[float] = []

    def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
        self.kept.append(float(loss))


def train(
    batch_size: int, accumulate: int, loss: Any, y: Any, *, steps: bool, lengths: Any = None, **options: Any
) -> tuple[dict[str, Any], list[float], lamina.History, lamina.Trainer]:
    model = Sequential(SimpleRNN(4, return_sequences=steps), Dense(3))
    model.build((None, None, 2), dtype="float64", seed=0, backend=options.pop("backend", "numpy"))
    make, losses = options.pop("optimizer", lambda p: SGD(p, 0.1, momentum=0.9)), Losses()
    trainer = lamina.Trainer(
        model, loss, make, metrics=options.pop("metrics", ()), callbacks=losses, accumulate=accumulate
    )
    fitted = trainer.fit(X, y, lengths=lengths, epochs=3, batch_size=batch_size, verbose=False, **options)
    return model.state_dict(), losses.kept, fitted, trainer


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "rows": (SoftmaxCrossEntropy(), LABELS, {"steps": False}),
    "rows, ragged": (SoftmaxCrossEntropy(), LABELS, {"steps": False, "lengths": LENGTHS}),
    "steps": (SoftmaxCrossEntropy(), STEP_LABELS, {"steps": True}),
    "steps, ragged": (SoftmaxCrossEntropy(), STEP_LABELS, {"steps": True, "lengths": LENGTHS}),
    "ignored": (SoftmaxCrossEntropy(ignore_index=-1), SOME_IGNORED, {"steps": True}),
    "ignored, ragged": (SoftmaxCrossEntropy(ignore_index=-1), SOME_IGNORED, {"steps": True, "lengths": LENGTHS}),
    "rows ignored": (SoftmaxCrossEntropy(ignore_index=0), LABELS, {"steps": False}),
    "likelihood": (NegativeLogLikelihood(ignore_index=-1), SOME_IGNORED, {"steps": True, "lengths": LENGTHS}),
    "distributions": (SoftmaxCrossEntropy(ignore_index=0), np.eye(3)[LABELS], {"steps": False}),
    "regression": (MeanSquaredError(), X @ np.ones((2, 3)), {"steps": True, "lengths": LENGTHS}),
    "labels spelled": (CTC(), SPELLED, {"steps": True, "lengths": LENGTHS}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("batch_size", "accumulate"), [(2, 3), (4, 2), (1, 5), (13, 4)])
def test_the_weights_are_those_of_one_large_batch(name: str, batch_size: int, accumulate: int) -> None:
    loss, y, options = CASES[name]
    weights, losses, history, trainer = train(batch_size, accumulate, loss, y, **options)
    expected, expected_losses, _, other = train(batch_size * accumulate, 1, loss, y, **options)
    assert trainer.optimizer.steps == other.optimizer.steps == len(losses)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-12)
    for path, array in expected.items():
        np.testing.assert_allclose(weights[path], array, rtol=1e-11, atol=1e-13, err_msg=path)
    assert len(history) == 3


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("clip", [{"clip_norm": 0.05}, {"clip_value": 0.01}])
def test_the_whole_gradient_is_clipped_not_its_parts(clip: dict[str, float], backend: str) -> None:
    options: dict[str, Any] = {
        "steps": True, "lengths": LENGTHS, "backend": backend, "optimizer": lambda p: AdamW(p, 0.01, **clip),
    }  # fmt: skip
    weights, *_ = train(2, 4, SoftmaxCrossEntropy(), STEP_LABELS, **options)
    expected, *_ = train(8, 1, SoftmaxCrossEntropy(), STEP_LABELS, **options)
    for path, array in expected.items():
        np.testing.assert_allclose(weights[path], array, rtol=1e-9, atol=1e-12)


def test_figures_are_means_over_rows_and_the_facts_tell_it() -> None:
    _, _, history, trainer = train(2, 3, SoftmaxCrossEntropy(), LABELS, steps=False, metrics="accuracy")
    _, _, expected, _ = train(6, 1, SoftmaxCrossEntropy(), LABELS, steps=False, metrics="accuracy")
    assert history["accuracy"] == pytest.approx(expected["accuracy"])
    assert history["loss"] == pytest.approx(expected["loss"])
    facts = trainer.model.facts["training"]
    assert (facts["batch_size"], facts["accumulate"]) == (2, 3)


def test_chunks_of_time_are_accumulated_too() -> None:
    options: dict[str, Any] = {"steps": True, "lengths": np.sort(LENGTHS)[::-1], "shuffle": False}
    *_, trainer = train(13, 2, SoftmaxCrossEntropy(), STEP_LABELS, truncate=2, **options)
    assert trainer.optimizer.steps == 6  # three chunks make two steps an epoch


def test_a_step_in_which_nothing_counts_moves_nothing() -> None:
    ignored = np.full((ROWS, TIME), -1)
    weights, losses, *_ = train(2, 3, SoftmaxCrossEntropy(ignore_index=-1), ignored, steps=True)
    assert set(losses) == {0.0}
    fresh = Sequential(SimpleRNN(4, return_sequences=True), Dense(3))
    fresh.build((None, None, 2), dtype="float64", seed=0)
    assert all((array == fresh.state_dict()[path]).all() for path, array in weights.items())


def test_one_batch_a_step_is_handed_through() -> None:
    gradients, array = Accumulation(1), np.ones((2, 3))
    value = np.asarray(0.5)
    assert gradients.count == 0
    assert gradients.weigh(array, value, 2) is array
    assert gradients.count == 1
    layer = Dense(1)
    layer.build((None, 1))
    layer.w.grad += 3
    assert gradients.finish(SGD(layer.parameters())) is value
    assert layer.w.grad.tolist() == [[3]]
    assert gradients.count == 0


def test_gradients_are_divided_wherever_the_model_has_gone() -> None:
    layer = Dense(2)
    layer.build((None, 1), backend="numpy")
    optimizer = SGD(layer.parameters())
    layer.to("reference")
    layer.w.grad += 8
    optimizer.scale_grad(0.25)
    assert layer.w.grad.tolist() == [[2, 2]]
    optimizer.step()
    optimizer.scale_grad(0.5)
    assert layer.w.grad.tolist() == [[1, 1]]


def test_what_a_loss_is_a_mean_over() -> None:
    on = get_backend("numpy")
    steps = np.zeros((4, 3, 2))
    lengths, labels = np.array([3, 0, 2, 1]), np.array([[0, -1, 1], [0, 0, 0], [-1, 1, -1], [1, 1, 1]])
    plain, ignoring = SoftmaxCrossEntropy(), SoftmaxCrossEntropy(ignore_index=-1)
    assert plain.terms(steps[:, 0], labels[:, 0]) == 4
    assert plain.terms(steps, labels) == 12
    assert plain.terms(steps, labels, lengths) == 6
    assert ignoring.terms(steps, on.asarray(labels)) == 9
    assert ignoring.terms(steps, labels, lengths) == 4
    assert ignoring.terms(steps, np.zeros((4, 3, 2)), lengths) == 6
    assert CTC().terms(steps, labels, lengths) == 3
    assert CTC().terms(steps, labels) == 4
    assert CTC().terms(steps[:, :0], labels) == 0


@pytest.mark.parametrize("value", [0, 1.5, True, "2"])
def test_the_number_of_batches_is_checked(value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        lamina.Trainer(Dense(2), accumulate=value)
    assert str(caught.value) == f"Trainer: expected accumulate to be a whole number of 1 or more, got {value!r}"
