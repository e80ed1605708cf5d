"""What callbacks have in common: which of them go together, and which figures improve on nothing."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, CSVLog, EarlyStopping, LearningRateSchedule, SaveBest
from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import SGD, CosineDecay, LinearWarmup, ReduceOnPlateau, Schedule, StepDecay
from lamina.train.callback import require_together, sound_figure

X, Y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 3
NAN, INF = float("nan"), float("inf")


class Own(Schedule):
    def rate(self, count: int, lr: float) -> float:
        return lr


class Setting(Callback):
    """One of a user's own that says what it does."""

    sets_rate = True


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (CosineDecay(9), StepDecay(2), ("CosineDecay(9)", "StepDecay(2)")),
        (LinearWarmup(3), LearningRateSchedule(lambda e: 0.1), ("LinearWarmup(3)", "LearningRateSchedule")),
        (LearningRateSchedule(lambda e: 1), LearningRateSchedule(lambda e: 1), ("LearningRateSchedule",) * 2),
        (CosineDecay(9), CosineDecay(9), ("CosineDecay(9)",) * 2),
        (Own(), Setting(), ("Own()", "Setting")),
    ],
)
@pytest.mark.parametrize("between", [[], [ReduceOnPlateau("loss"), EarlyStopping("loss")]])
def test_two_that_set_the_rate_are_refused_before_training(
    first: Callback, second: Callback, names: tuple[str, str], between: list[Callback]
) -> None:
    told = "Trainer: {} and {} both set the learning rate: give one of them, or one ProductSchedule"
    for pair, shown in (((first, second), names), ((second, first), names[::-1])):
        with pytest.raises(ArgumentError) as caught:
            lamina.Trainer(Dense(3), callbacks=[pair[0], *between, pair[1]])
        assert str(caught.value) == told.format(*shown)
        trainer = lamina.Trainer(Dense(3), optimizer="sgd", callbacks=[pair[0], *between])
        trainer.callbacks.append(pair[1])  # later on
        with pytest.raises(ArgumentError) as caught:
            trainer.fit(X, Y, verbose=False)
        assert str(caught.value) == told.format(*shown)
        assert not trainer.model.is_built


def test_of_three_that_set_the_rate_the_first_two_are_told() -> None:
    with pytest.raises(
        ArgumentError, match=r"^Trainer: CosineDecay\(9\) and StepDecay\(2\) both set the learning rate"
    ):
        require_together([Callback(), CosineDecay(9), StepDecay(2), LinearWarmup(3)])


@pytest.mark.parametrize(
    "one", [EarlyStopping("loss"), ReduceOnPlateau("loss"), CosineDecay(4), CSVLog("x"), SaveBest("x"), Callback()]
)
def test_one_given_twice_is_refused(one: Callback) -> None:
    told = r"^Trainer: expected each callback once, got \w+(\(.*\))? twice$"
    with pytest.raises(ArgumentError, match=told):
        lamina.Trainer(Dense(3), callbacks=[one, Callback(), one])
    with pytest.raises(ArgumentError, match=told):
        require_together([one, one])
    require_together([one, Callback()])


def test_others_go_together() -> None:
    several = [CosineDecay(9), ReduceOnPlateau("loss"), ReduceOnPlateau("loss", patience=3), EarlyStopping("loss")]
    assert len(lamina.Trainer(Dense(3), callbacks=several).callbacks) == 4


def test_two_trainers_may_share_them() -> None:
    """Each run is as it would be with callbacks of its own."""

    def trainer(*callbacks: Callback) -> lamina.Trainer:
        return lamina.Trainer(Dense(3), optimizer=lambda p: SGD(p, 0.4), callbacks=callbacks)

    def make() -> list[Callback]:
        return [StepDecay(1, 0.5), ReduceOnPlateau("loss", 0.5, 1, 100.0), EarlyStopping("loss", 3, 100.0)]

    shared = make()
    one, other = trainer(*shared), trainer(*shared)
    for either in (one, other):
        alone = trainer(*make())
        expected = alone.fit(X, Y, epochs=9, verbose=False)
        found = either.fit(X, Y, epochs=9, verbose=False)
        assert found["learning_rate"] == expected["learning_rate"] == [0.4, 0.2, 0.05, 0.0125]
        assert found["loss"] == expected["loss"]
        for name, array in alone.model.state_dict().items():
            assert (either.model.state_dict()[name] == array).all()
        assert shared[2].stopped_epoch == 4  # type: ignore[attr-defined]


def test_figures_of_a_broken_model_are_nan() -> None:
    model = Dense(2)
    model.build((None, 3), seed=0)
    trainer = lamina.Trainer(model)
    fine = {"loss": 1.0, "accuracy": 0.5, "val_loss": 2.0, "val_accuracy": 0.25}
    assert [sound_figure(trainer, name, fine) for name in fine] == list(fine.values())
    for value in (NAN, INF, -INF):
        assert np.isnan(sound_figure(trainer, "accuracy", {**fine, "accuracy": value}))
    broken = {**fine, "loss": NAN}
    assert np.isnan(sound_figure(trainer, "accuracy", broken))
    assert sound_figure(trainer, "val_accuracy", broken) == 0.25
    assert np.isnan(sound_figure(trainer, "val_accuracy", {**fine, "val_loss": NAN}))
    for value in (NAN, INF, -INF):
        model.b.data[1] = value
        assert all(np.isnan(sound_figure(trainer, name, fine)) for name in fine)


class Scripted(lamina.metrics.Metric):
    """A metric that takes given values, one for each epoch, whatever the model does."""

    name = "scripted"

    def __init__(self, values: list[float], higher_is_better: bool) -> None:
        self.left, self.higher_is_better = list(values), higher_is_better

    def reset(self) -> None:
        pass

    def update(self, *arguments: Any) -> None:
        pass

    def result(self) -> float:
        return self.left.pop(0)


class Breaking(Callback):
    """Breaks the model in some epochs, and mends it after them."""

    def __init__(self, epochs: list[int]) -> None:
        self.epochs = epochs

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        trainer.model.b.data[...] = NAN if epoch in self.epochs else 0
        trainer.model.w.data[...] = 1


def best(values: list[float], higher: bool, broken: list[int]) -> tuple[int, float]:
    """Return the right answer: the first best among the finite values of sound epochs."""
    fine = [(value if higher else -value, -epoch) for epoch, value in enumerate(values, 1)
            if np.isfinite(value) and epoch not in broken]  # fmt: skip
    if not fine:
        return 0, NAN
    value, epoch = max(fine)
    return -epoch, value if higher else -value


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ([NAN, 3, 1, NAN, 5], []),
        ([INF, 3, 1, -INF, 5], []),
        ([-INF, 3, INF, NAN, 2], []),
        ([NAN, NAN, INF, -INF, NAN], []),
        ([1, NAN, INF, -INF, 1], []),
        ([9, 3, 1, -9, 5], [1, 4]),
        ([-9, 3, 9, 4, 5], [1, 3]),
        ([2, 3, 9, 4, 5], [1, 2, 3, 4, 5]),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_watching_callback_takes_nan_infinity_or_a_broken_model_for_better(
    tmp_path: Any, values: list[float], broken: list[int], higher: bool
) -> None:
    stopping, saving = EarlyStopping("scripted"), SaveBest(tmp_path / "best", "scripted")
    plateau = ReduceOnPlateau("scripted")
    used = [Breaking(broken), stopping, saving, plateau]
    model = Dense(3)
    trainer = lamina.Trainer(model, optimizer="sgd", metrics=[Scripted(values, higher)], callbacks=used)
    trainer.fit(X, Y, epochs=5, verbose=False)
    epoch, value = best(values, higher, broken)
    for watching in (stopping, saving):
        assert watching.best_epoch == epoch
        assert watching.best_value == value or np.isnan(value)
    assert plateau.best == value or (np.isnan(value) and np.isnan(plateau.best))
    assert (tmp_path / "best").exists() is (epoch > 0)
    if epoch:
        assert np.isfinite(model.b.data).all()
        assert np.isfinite(lamina.load(tmp_path / "best").b.data).all()  # type: ignore[attr-defined]
    # In a loop of one's own, where the model is not seen.
    alone, optimizer = ReduceOnPlateau(), SGD(model.parameters(), 0.1)
    for each in values:
        alone.observe(optimizer, each, higher)
    _, expected = best(values, higher, [])
    assert alone.best == expected or (np.isnan(expected) and np.isnan(alone.best))
