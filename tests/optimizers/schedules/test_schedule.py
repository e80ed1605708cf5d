"""What every schedule has: it sets an optimizer's rate, by itself or as a callback, and can be continued."""

import copy
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import LearningRateSchedule
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import Dense
from lamina.optimizers import SGD, LinearDecay, Schedule

X, Y = np.random.default_rng(0).normal(size=(10, 2)), np.arange(10) % 3


class Halving(Schedule):
    def rate(self, count: int, lr: float) -> float:
        return lr * 0.5**count


def make_model() -> Dense:
    model = Dense(3)
    model.build((None, 2), seed=0)
    return model


def optimizer(rate: float = 0.8) -> SGD:
    return SGD(make_model().parameters(), rate, momentum=0.9)


def fit(model: Dense, *used: lamina.callbacks.Callback, epochs: int = 3, **options: Any) -> tuple[Any, lamina.History]:
    trainer = lamina.Trainer(model, optimizer=lambda p: SGD(p, 0.8), callbacks=used, **options)
    return trainer, trainer.fit(X, Y, epochs=epochs, batch_size=5, verbose=False)


def test_attaching_sets_the_rate_and_advancing_the_next_one() -> None:
    schedule, one = Halving(), optimizer()
    schedule.attach(one)
    rates = [one.lr]
    for _ in range(3):
        schedule.advance()
        rates.append(one.lr)
    assert rates == [0.8, 0.4, 0.2, 0.1]
    assert (schedule.count, schedule.first_rate) == (3, 0.8)


def test_the_same_optimizer_goes_on_and_another_one_starts_anew() -> None:
    schedule, one, other = Halving(), optimizer(), optimizer(0.4)
    schedule.attach(one)
    schedule.advance()
    schedule.attach(one)
    assert (one.lr, schedule.count) == (0.4, 1)
    schedule.attach(other)
    assert (other.lr, schedule.count, schedule.first_rate) == (0.4, 0, 0.4)


def test_the_state_of_the_optimizer_is_left_alone() -> None:
    one, schedule = optimizer(), Halving()
    for parameter in one.parameters:
        parameter.grad += 1
    schedule.attach(one)
    one.step()
    schedule.advance()
    assert all((own["velocity"] == 1).all() for own in one.state_dict()["parameters"].values())
    assert one.steps == 1


def test_groups_keep_their_proportion() -> None:
    model = make_model()
    one = SGD(model.parameters(), 0.8, groups={"b": {"lr": 0.08}})
    schedule = Halving()
    schedule.attach(one)
    schedule.advance()
    for parameter in model.parameters():
        parameter.data, parameter.grad = np.zeros(parameter.shape), np.ones(parameter.shape)
    one.step()
    assert np.allclose(model.w.data, -0.4) and np.allclose(model.b.data, -0.04)


def test_it_counts_epochs_or_steps_of_a_trainer() -> None:
    _, history = fit(make_model(), Halving())
    assert history["learning_rate"] == [0.8, 0.4, 0.2]
    trainer, history = fit(make_model(), Halving("step"))  # two steps an epoch
    assert history["learning_rate"] == [0.2, 0.05, 0.0125]  # at its end, so that of the next step
    assert trainer.optimizer.steps == 6


def test_the_first_step_has_the_first_rate() -> None:
    class Rates(lamina.callbacks.Callback):
        seen: list[float] = []  # noqa: RUF012

        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            self.seen.append(trainer.optimizer.lr)

    fit(make_model(), Rates(), Halving("step"), epochs=2)  # told before the schedule
    assert Rates.seen == [0.8, 0.4, 0.2, 0.1]


def test_a_second_fit_goes_on() -> None:
    model, schedule = make_model(), LinearDecay(8)
    trainer, first = fit(model, schedule, epochs=3)
    second = trainer.fit(X, Y, epochs=3, verbose=False)
    assert first["learning_rate"] + second["learning_rate"] == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.3])


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_a_run_that_is_resumed_from_state_goes_on_bit_for_bit(per: str) -> None:
    def start(model: Dense) -> tuple[lamina.Trainer, Halving]:
        schedule = Halving(per)
        rate = lambda p: SGD(p, 0.8, momentum=0.9)  # noqa: E731
        return lamina.Trainer(model, optimizer=rate, callbacks=schedule), schedule

    def go(trainer: lamina.Trainer, epochs: int) -> lamina.History:
        return trainer.fit(X, Y, epochs=epochs, batch_size=5, shuffle=False, verbose=False)

    whole = make_model()
    expected = go(start(whole)[0], 4)
    half = make_model()
    trainer, schedule = start(half)
    go(trainer, 2)
    kept = copy.deepcopy((half.state_dict(), trainer.optimizer.state_dict(), schedule.state_dict()))

    resumed = make_model()
    trainer, schedule = start(resumed)
    resumed.load_state_dict(kept[0])
    trainer.optimizer.load_state_dict(kept[1])
    schedule.load_state_dict(kept[2])
    history = go(trainer, 2)
    assert history["learning_rate"] == expected["learning_rate"][2:]
    assert all((array == whole.state_dict()[name]).all() for name, array in resumed.state_dict().items())


def test_a_state_that_is_none_is_refused() -> None:
    schedule = Halving()
    with pytest.raises(CheckpointError) as caught:
        schedule.load_state_dict({"count": 3, "best": 1})
    assert str(caught.value) == "state does not fit Halving: expected count and first_rate, got ['best', 'count']"
    schedule.load_state_dict(Halving().state_dict())
    assert (schedule.count, schedule.first_rate) == (0, None)


def test_mistakes_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"^unknown per of Halving 'batch': Known: epoch, step$"):
        Halving("batch")
    with pytest.raises(ArgumentError, match=r"^Halving: attach an optimizer before the first advance$"):
        Halving().advance()
    with pytest.raises(NotImplementedError, match=r"^Schedule does not define rate$"):
        Schedule().rate(0, 0.1)
    with pytest.raises(
        ArgumentError, match=r"^LearningRateSchedule: expected a function of the epoch, got Halving\(\)$"
    ):
        LearningRateSchedule(Halving())  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Schedule) == {"per": "epoch"}
