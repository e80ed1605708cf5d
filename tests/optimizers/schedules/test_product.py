"""Schedules that are multiplied: with one another, and with what plateaus reduce."""

import doctest
import math
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback
from lamina.errors import ArgumentError
from lamina.layers import Dense
from lamina.optimizers import (
    SGD,
    CosineDecay,
    Cyclic,
    InverseTimeDecay,
    LinearDecay,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    ProductSchedule,
    ReduceOnPlateau,
    Schedule,
    SequentialSchedule,
    StepDecay,
    schedules,
)
from lamina.optimizers.schedules import product

X, Y = np.random.default_rng(0).normal(size=(10, 2)), np.arange(10) % 3


def every(per: str) -> dict[str, tuple[Schedule, Any]]:
    """Return each schedule with its formula, of n and lr."""
    return {
        "StepDecay": (StepDecay(2, 0.5, per), lambda n, lr: lr * 0.5 ** (n // 2)),
        "MultiStepDecay": (MultiStepDecay([1, 4], 0.5, per), lambda n, lr: lr * 0.5 ** ((n >= 1) + (n >= 4))),
        "ExponentialDecay": (schedules.ExponentialDecay(0.9, per), lambda n, lr: lr * 0.9**n),
        "LinearDecay": (LinearDecay(6, 0.1, per), lambda n, lr: 0.1 + (lr - 0.1) * (1 - min(n / 6, 1))),
        "CosineDecay": (
            CosineDecay(6, per=per),
            lambda n, lr: lr * (1 + math.cos(math.pi * min(n / 6, 1))) / 2,
        ),
        "LinearWarmup": (LinearWarmup(4, start=0.2, per=per), lambda n, lr: lr * min(0.2 + 0.8 * n / 4, 1)),
        "OneCycle": (OneCycle(8, 0.5, 4.0, 8.0, per), lambda n, lr: ONE_CYCLE[min(n, 7)] * lr),
        "PolynomialDecay": (
            PolynomialDecay(6, 2.0, 0.1, per),
            lambda n, lr: 0.1 + (lr - 0.1) * (1 - min(n / 6, 1)) ** 2,
        ),
        "InverseTimeDecay": (InverseTimeDecay(4, 2.0, per=per), lambda n, lr: lr / (1 + n / 2)),
        "Cyclic": (Cyclic(2, floor=0.1, per=per), lambda n, lr: (0.1, (0.1 + lr) / 2, lr, (0.1 + lr) / 2)[n % 4]),
        "PiecewiseConstant": (
            PiecewiseConstant([2, 5], [0.5, 2.0, 0.1], per),
            lambda n, lr: lr * (0.5 if n < 2 else 2.0 if n < 5 else 0.1),
        ),
        "SequentialSchedule": (
            SequentialSchedule(LinearWarmup(3, start=0.4, per=per), StepDecay(2, 0.5, per), milestones=[3]),
            lambda n, lr: lr * (0.4 + 0.2 * n) if n < 3 else lr * 0.5 ** ((n - 3) // 2),
        ),
        "ProductSchedule": (
            ProductSchedule(LinearWarmup(4, start=0.2, per=per), StepDecay(2, 0.5, per)),
            lambda n, lr: lr * min(0.2 + 0.8 * n / 4, 1) * 0.5 ** (n // 2),
        ),
    }


def _half(start: float, end: float, share: float) -> float:
    return start + (end - start) * (1 - math.cos(math.pi * share)) / 2


ONE_CYCLE = [_half(1 / 4, 1, n / 3) for n in range(3)] + [_half(1, 1 / 8, n / 4) for n in range(5)]


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(product).failed == 0


def test_every_schedule_is_among_those_that_are_tried() -> None:
    known = {cls.__name__ for cls in vars(schedules).values() if isinstance(cls, type) and issubclass(cls, Schedule)}
    assert set(every("epoch")) == known - {"Schedule"}


@pytest.mark.parametrize("first", every("epoch"))
@pytest.mark.parametrize("second", every("epoch"))
def test_a_product_is_the_product(first: str, second: str) -> None:
    (one, of_one), (other, of_other) = every("epoch")[first], every("epoch")[second]
    both = ProductSchedule(one, other)
    for count in range(12):
        expected = of_one(count, 0.4) * of_other(count, 0.4) / 0.4
        assert both.rate(count, 0.4) == pytest.approx(expected, rel=1e-12)
    assert both.rate(3, 0.0) == 0.0


class Seen(Callback):
    """Notes the rate of each step, as the callback that is told first."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self.rates.append(trainer.optimizer.lr)


def rates(*callbacks: Callback, epochs: int = 7, fits: int = 1) -> list[float]:
    seen = Seen()
    trainer = lamina.Trainer(Dense(3), optimizer=lambda p: SGD(p, 0.4), callbacks=[seen, *callbacks])
    for _ in range(fits):
        trainer.fit(X, Y, epochs=epochs, batch_size=5, verbose=False)  # two steps an epoch
    return seen.rates


@pytest.mark.parametrize("plateau_first", [True, False])
@pytest.mark.parametrize("per", ["epoch", "step"])
@pytest.mark.parametrize("name", every("epoch"))
def test_beside_plateaus_the_rate_is_the_product_of_all(name: str, per: str, plateau_first: bool) -> None:
    schedule, formula = every(per)[name]
    # Nothing improves by so much: the first halves after each epoch but the first, the other after every third.
    plateaus = [ReduceOnPlateau("loss", 0.5, 1, 100.0), ReduceOnPlateau("loss", 0.1, 3, 100.0)]
    found = rates(*([*plateaus, schedule] if plateau_first else [schedule, *plateaus]), epochs=4, fits=2)
    expected = []
    for step in range(16):
        epochs = step // 2
        base = formula(epochs if per == "epoch" else step, 0.4)
        expected.append(base * 0.5 ** max(epochs - 1, 0) * 0.1 ** (max(epochs - 1, 0) // 3))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_warm_up_and_then_a_plateau_do_not_fight() -> None:
    found = rates(LinearWarmup(2, start=0.5), ReduceOnPlateau("loss", 0.5, 3, 100.0), epochs=7)[::2]
    assert found == pytest.approx([0.2, 0.3, 0.4, 0.4, 0.2, 0.2, 0.2])


def test_a_plateau_alone_has_the_bits_it_had() -> None:
    found = rates(ReduceOnPlateau("loss", 0.3, 1, 100.0), epochs=4)[::2]
    assert found == [0.4, 0.4, 0.4 * 0.3, 0.4 * 0.3 * 0.3]


def test_a_schedule_begins_with_the_rate_that_a_plateau_left() -> None:
    model = Dense(3)
    model.build((None, 2), seed=0)
    optimizer, plateau = SGD(model.parameters(), 0.4), ReduceOnPlateau(factor=0.5, patience=1)
    for _ in range(3):
        plateau.observe(optimizer, 1.0)
    assert (optimizer.lr, optimizer.lr_factor) == (0.1, 0.25)
    schedule = StepDecay(1, 0.5)
    schedule.attach(optimizer)
    assert (optimizer.lr, schedule.first_rate) == (0.1, 0.1)
    schedule.advance()
    assert optimizer.lr == 0.05


def test_the_floor_holds_where_the_plateau_reduces() -> None:
    model = Dense(3)
    model.build((None, 2), seed=0)
    optimizer, plateau = SGD(model.parameters(), 0.4), ReduceOnPlateau(factor=0.1, patience=1, floor=0.1)
    schedule = StepDecay(2, 0.5)
    schedule.attach(optimizer)
    plateau.observe(optimizer, 1.0)
    found = []
    for _ in range(4):
        schedule.advance()
        plateau.observe(optimizer, 1.0)
        found.append(optimizer.lr)
    # 0.4 is reduced to the floor, a quarter; the schedule halves that, and there it stays: below the floor already.
    assert found == pytest.approx([0.1, 0.05, 0.05, 0.025])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProductSchedule(), "ProductSchedule: expected two schedules or more, got 0"),
        (lambda: ProductSchedule(StepDecay(2)), "ProductSchedule: expected two schedules or more, got 1"),
        (
            lambda: ProductSchedule(StepDecay(2), 0.1),  # type: ignore[arg-type]
            "ProductSchedule: expected each schedule to be a Schedule, got 0.1",
        ),
        (
            lambda: ProductSchedule(StepDecay(2), ReduceOnPlateau()),  # type: ignore[arg-type]
            "ProductSchedule: expected each schedule to be a Schedule, got ReduceOnPlateau()",
        ),
        (
            lambda: ProductSchedule(StepDecay(2), LinearDecay(3, per="step")),
            "ProductSchedule: StepDecay(2) counts by epoch, but LinearDecay(3, per='step') by step: give all one per",
        ),
    ],
)
def test_what_cannot_be_multiplied_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == message


def test_it_prints_as_it_is_made() -> None:
    assert repr(ProductSchedule(StepDecay(2), CosineDecay(5))) == "ProductSchedule(StepDecay(2), CosineDecay(5))"
