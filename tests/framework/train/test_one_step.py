"""One step by itself is `fit` of one epoch of one batch, to the bit; and a loop of one's own around it."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer
from lamina.callbacks import Callback
from lamina.errors import ArgumentError, DataError, NonFiniteError, ShapeError
from lamina.layers import BatchNorm, Dense, Dropout, SimpleRNN, Standardize
from lamina.optimizers import SGD, Adam
from lamina.optimizers.schedules import CosineDecay
from lamina.train.objective import objective_for
from lamina.train.one_step import Stepping, take_step
from lamina.train.parts import Parts
from tests.framework.train.three_heads import built, drawn, losses, written_out

COUNT, TIME = 8, 5
RNG = np.random.default_rng(3)
X = RNG.normal(size=(COUNT, TIME, 2))
ENDS = RNG.integers(1, TIME + 1, COUNT)
LABELS, STEP_LABELS = np.arange(COUNT) % 3, RNG.integers(0, 3, (COUNT, TIME))
WEIGHTS, STEP_WEIGHTS = np.arange(COUNT) % 3, RNG.integers(0, 3, (COUNT, TIME))


def model_of(steps: bool = False, backend: Any = "numpy") -> Sequential:
    model = Sequential(Dropout(0.2), SimpleRNN(4, return_sequences=steps), BatchNorm(), Dense(3))
    model.build((None, None, 2), seed=0, backend=backend)
    return model


def expect_same(first: Any, second: Any) -> None:
    for name, array in first.state_dict().items():
        np.testing.assert_array_equal(array, second.state_dict()[name], err_msg=name)


GIVEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "rows": (LABELS, {}),
    "ragged": (LABELS, {"lengths": ENDS}),
    "steps": (STEP_LABELS, {"lengths": ENDS}),
    "weights": (LABELS, {"sample_weight": WEIGHTS}),
    "weights of steps": (STEP_LABELS, {"lengths": ENDS, "sample_weight": STEP_WEIGHTS, "mask": WEIGHTS > 0}),
    "weights of classes": (STEP_LABELS, {"class_weight": [1, 2, 3]}),
    "balanced": (LABELS, {"class_weight": "balanced"}),
    "names": (np.array(["x", "y", "z"])[LABELS], {}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "checked": {"check_finite": True},
    "clipped": {"optimizer": lambda p: Adam(p, lr=0.05, clip_norm=0.01)},
    "clipped by value": {"optimizer": lambda p: SGD(p, lr=0.5, clip_value=1e-3, momentum=0.9)},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", GIVEN)
def test_it_is_fit_of_one_batch_to_the_bit(backend: Any, name: str, options: str) -> None:
    (y, given), steps = GIVEN[name], GIVEN[name][0].ndim == 2
    one, other = model_of(steps, backend), model_of(steps, backend)
    fitting, stepping = (Trainer(model, metrics="accuracy", **OPTIONS[options]) for model in (one, other))
    for _ in range(3):
        history = fitting.fit(X, y, **given, epochs=1, batch_size=COUNT, shuffle=False, verbose=False)
        figures = stepping.train_on_batch(X, y, **given)
        assert figures == {key: history[key][0] for key in ("loss", "accuracy")}
    expect_same(one, other)
    assert stepping.optimizer.steps == 3
    np.testing.assert_equal(stepping.optimizer.state_dict(), fitting.optimizer.state_dict())


@pytest.mark.parametrize("weighed", [False, True])
def test_several_outputs_step_together(backend: Any, weighed: bool) -> None:
    rows = drawn()
    rows = rows.weighed(np.arange(11) % 3, None, np.arange(44).reshape(11, 4) % 2) if weighed else rows
    one, other = built(backend), built(backend)
    given, more = rows.given()
    options: dict[str, Any] = {"loss_weights": (1.0, 0.5, 2.0), "metrics": {"tags": "accuracy"}, "check_finite": True}
    before = one.state_dict()
    first = Trainer(one, losses(), lambda p: SGD(p, lr=0.2), **options)
    second = Trainer(other, losses(), lambda p: SGD(p, lr=0.2), **options)
    history = first.fit(*given, **more, epochs=1, batch_size=11, shuffle=False, verbose=False)
    figures = second.train_on_batch(*given, **more)
    assert figures == {key: history[key][0] for key in figures}
    expect_same(one, other)
    total, _, slopes = written_out(before, rows, (1.0, 0.5, 2.0))
    assert figures["loss"] == pytest.approx(total, rel=1e-12)
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(array, before[name] - 0.2 * slopes[name], rtol=1e-12, atol=1e-13)


def test_a_schedule_attached_by_hand_is_that_of_fit() -> None:
    one, other = model_of(), model_of()
    Trainer(one, callbacks=CosineDecay(9, per="step")).fit(
        X, LABELS, epochs=4, batch_size=COUNT, shuffle=False, verbose=False
    )
    trainer, schedule, rates = Trainer(other), CosineDecay(9, per="step"), []
    schedule.attach(trainer.optimizer)
    for _ in range(4):
        rates.append(trainer.optimizer.lr)
        trainer.train_on_batch(X, LABELS)
        schedule.advance()
    expect_same(one, other)
    np.testing.assert_allclose(rates, [0.01 * (1 + np.cos(np.pi * step / 9)) / 2 for step in range(4)], rtol=1e-12)


class Never(Callback):
    """Must not be called."""

    def on_train_begin(self, trainer: Any) -> None:
        raise AssertionError

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        raise AssertionError


def test_history_and_callbacks_are_left_alone() -> None:
    trainer = Trainer(model_of())
    history = trainer.fit(X, LABELS, epochs=2, verbose=False)
    before, facts = {key: list(history[key]) for key in history}, dict(trainer.model.facts["training"])
    trainer.callbacks.append(Never())
    trainer.train_on_batch(X, LABELS)
    assert trainer.history is history
    assert {key: list(history[key]) for key in history} == before
    assert trainer.model.facts["training"] == facts
    assert trainer.epochs == 2


def test_a_model_that_is_not_built_is_built_first_and_names_are_kept() -> None:
    trainer = Trainer(Sequential(SimpleRNN(4), Dense(2)), seed=5)
    twin = Sequential(SimpleRNN(4), Dense(2))
    twin.build((None, None, 2), seed=5)
    trainer.train_on_batch(X, np.where(LABELS == 0, "a", "b"))
    Trainer(twin).train_on_batch(X, (LABELS > 0) * 1)
    expect_same(trainer.model, twin)
    assert trainer.model.facts["class_names"] == ["a", "b"]


def test_two_trainers_take_turns_over_parts_of_a_model() -> None:
    """The loop of two optimizers, each over some parameters: what one is not over it leaves alone."""
    body, heads = Dense(4), [Dense(3), Dense(3)]
    models = [Sequential(body, head) for head in heads]
    for model in models:
        model.build((None, 2), seed=0, dtype="float64")
    x = X[:, 0]
    trainers = [
        Trainer(models[0], optimizer=lambda p: SGD([one for one in p if one.name.startswith("1")], lr=0.1)),
        Trainer(models[1], optimizer=lambda p: Adam([one for one in p if one.name.startswith("0")], lr=0.1)),
    ]
    for turn in range(4):
        before = [models[0].state_dict(), models[1].state_dict()]
        trainers[turn % 2].train_on_batch(x, LABELS)
        changed = [
            {name for name, array in model.state_dict().items() if (array != old[name]).any()}
            for model, old in zip(models, before, strict=True)
        ]
        assert changed == ([{"1.w", "1.b"}, set()] if turn % 2 == 0 else [{"0.w", "0.b"}] * 2)


@pytest.mark.parametrize(
    ("options", "given", "error", "says"),
    [
        ({"accumulate": 2}, {}, ArgumentError, "train_on_batch: expected accumulate=1, a step being one batch, got 2"),
        ({}, {"y": LABELS[:3]}, ShapeError, "expected as many rows in x and y, got 8 in x, 3 in y"),
        ({}, {"y": LABELS + 1}, DataError, "expected labels from 0 to 2, got 3"),
        ({}, {"x": np.where(X > 1, np.nan, X)}, DataError, "x: expected finite float32, got nan"),
        ({}, {"x": iter([X])}, ArgumentError, "x: expected the rows of one batch, got a list_iterator: see fit"),
        ({}, {"sample_weight": -WEIGHTS}, DataError, "sample_weight: expected finite numbers of 0 or more"),
    ],
)
def test_what_is_refused_changes_nothing(options: Any, given: Any, error: Any, says: str) -> None:
    model = Sequential(SimpleRNN(4), Dense(3))
    given = {"x": X, "y": LABELS} | given
    for is_built in (False, True):
        if is_built:
            model.build((None, None, 2), seed=0)
        before = model.state_dict() if is_built else {}
        with pytest.raises(error) as caught:
            Trainer(model, **options).train_on_batch(given["x"], given["y"], sample_weight=given.get("sample_weight"))
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert model.is_built is is_built and not model.facts
        for name, array in before.items():
            np.testing.assert_array_equal(model.state_dict()[name], array)


def test_a_layer_that_measures_the_data_is_adapted_first() -> None:
    model = Sequential(Standardize(), SimpleRNN(4), Dense(3))
    with pytest.raises(ArgumentError, match=r"Standardize .*: measures the data before training, not one batch"):
        Trainer(model).train_on_batch(X, LABELS)
    assert not model.is_built


def test_a_step_that_is_not_finite_is_not_taken() -> None:
    model = model_of()
    trainer = Trainer(model, "mse", check_finite=True)
    target = np.full((COUNT, 3), 1e30)
    before = model.state_dict()
    says = r"^epoch 1, step 1: .*loss MeanSquaredError gave infinity"
    with pytest.raises(NonFiniteError, match=says), np.errstate(all="ignore"):
        trainer.train_on_batch(X, target)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert trainer.optimizer.steps == 0


def test_a_step_over_what_lies_ready() -> None:
    model, other = model_of(), model_of()
    first, second = Trainer(model), Trainer(other)
    feed = lamina.train.feed_choice.feed_of(model, X, LABELS, batch_size=COUNT)
    feed.check(first.goals)
    parts = Parts(model, objective_for(first.goals), first.optimizer, model.parameters())
    figures = take_step(parts, next(feed.epoch()))
    assert figures == second.train_on_batch(X, LABELS)
    expect_same(model, other)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Stepping.train_on_batch) == {
        "lengths": None,
        "sample_weight": None,
        "mask": None,
        "class_weight": None,
    }
