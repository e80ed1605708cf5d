"""Callbacks for one part: they see its optimizer, and set its rate alone."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, ForPart, LearningRateSchedule
from lamina.errors import ArgumentError, UnknownNameError
from lamina.layers import Dense
from lamina.optimizers.schedules import CosineDecay, ReduceOnPlateau, StepDecay

X, Y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2
PARTS = {"*": lambda parameters: lamina.optimizers.SGD(parameters, lr=0.1), "1.*": "adam"}


def model() -> lamina.Sequential:
    return lamina.Sequential(Dense(4), Dense(2))


def test_each_part_has_its_own_schedule() -> None:
    callbacks = [ForPart("*", StepDecay(2, factor=0.5)), ForPart("1.*", CosineDecay(4))]
    history = lamina.Trainer(model(), optimizer=PARTS, callbacks=callbacks).fit(X, Y, epochs=4, verbose=False)
    assert history["learning_rate_*"] == history["learning_rate"] == [0.1, 0.1, 0.05, 0.05]
    expected = [0.001 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert history["learning_rate_1.*"] == pytest.approx(expected)


def test_other_callbacks_see_the_part() -> None:
    seen = []

    class Note(Callback):
        def on_train_begin(self, trainer):
            seen.append(trainer.optimizer.label)

        def on_epoch_end(self, trainer, epoch, values):
            seen.append((epoch, trainer.epochs, trainer.optimizer.label))

    lamina.Trainer(model(), optimizer=PARTS, callbacks=ForPart("1.*", Note())).fit(X, Y, epochs=1, verbose=False)
    assert seen == ["Adam", (1, 1, "Adam")]
    plateau = ForPart("1.*", ReduceOnPlateau("loss", patience=1, min_delta=10))
    history = lamina.Trainer(model(), optimizer=PARTS, callbacks=plateau).fit(X, Y, epochs=4, verbose=False)
    assert history["learning_rate_1.*"][-1] < 0.001
    assert history["learning_rate_*"] == [0.1] * 4


def test_two_that_set_one_part_s_rate_are_refused() -> None:
    rate = LearningRateSchedule(lambda epoch: 0.1)
    for others in ([ForPart("*", rate), ForPart("*", StepDecay(1))], [StepDecay(1), ForPart("*", rate)]):
        for callbacks in (others, others[::-1]):
            with pytest.raises(ArgumentError, match="both set the learning rate"):
                lamina.Trainer(model(), optimizer=PARTS, callbacks=callbacks)


def test_a_part_that_is_none_is_refused_before_training() -> None:
    with pytest.raises(UnknownNameError, match="part of the optimizer"):
        lamina.Trainer(model(), optimizer=PARTS, callbacks=ForPart("2.*", StepDecay(1))).fit(X, Y, verbose=False)
    with pytest.raises(ArgumentError, match="expected a trainer with an optimizer for each part, got SGD"):
        lamina.Trainer(model(), optimizer="sgd", callbacks=ForPart("*", StepDecay(1))).fit(X, Y, verbose=False)
