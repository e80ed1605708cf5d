"""Optimizers that compute a batch anew: the trainer gives them the closure that a loop of one's own would."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.layers import GRU, BatchNorm, Dense, Dropout
from lamina.optimizers import LBFGS, Adam, Lookahead

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 4, 3)), RNG.integers(0, 2, 20)


def made(*between: lamina.Layer) -> lamina.Sequential:
    model = lamina.Sequential(GRU(4), *between, Dense(2))
    model.build((None, None, 3), seed=0, dtype="float64")
    return model


def lbfgs(parameters: list[lamina.Parameter]) -> LBFGS:
    return LBFGS(parameters, max_iterations=3)


def test_the_trainer_does_what_the_loop_written_out_does() -> None:
    trained, by_hand = made(), made()
    lamina.Trainer(trained, optimizer=lbfgs).fit(X, Y, epochs=3, batch_size=20, shuffle=False, verbose=False)
    loss, optimizer = lamina.losses.SoftmaxCrossEntropy(), lbfgs(by_hand.parameters())

    def closure():
        optimizer.zero_grad()
        y, saved = by_hand.forward(X)
        value, of_loss = loss.forward(y, Y)
        by_hand.backward(loss.backward(of_loss), saved)
        return value

    for _ in range(3):
        optimizer.step(closure)
    for name, array in trained.state_dict().items():
        np.testing.assert_array_equal(array, by_hand.state_dict()[name])


@pytest.mark.parametrize("wrap", [False, True])
def test_figures_are_those_before_the_step_and_it_goes_down(wrap: bool) -> None:
    model = made()
    before = lamina.Trainer(model).evaluate(X, Y)["loss"]
    optimizer = (lambda parameters: Lookahead(lbfgs(parameters))) if wrap else lbfgs
    history = lamina.Trainer(model, optimizer=optimizer).fit(X, Y, epochs=6, batch_size=20, verbose=False)
    assert history["loss"][0] == pytest.approx(before, rel=1e-12)
    assert history["loss"][-1] < 0.8 * before


def test_every_evaluation_has_the_same_masks_and_statistics_move_once() -> None:
    model = made(Dropout(0.5), BatchNorm(momentum=0.9))
    seen: list[float] = []

    class Noting(LBFGS):
        def step(self, closure=None):
            seen.extend(float(closure()) for _ in range(4))

    trainer = lamina.Trainer(model, optimizer=Noting)
    trainer.fit(X, Y, epochs=1, batch_size=20, shuffle=False, verbose=False)
    assert len(set(seen)) == 1
    plain = made(Dropout(0.5), BatchNorm(momentum=0.9))
    plain.forward(X)
    moving = [name for name, one in model.named_parameters().items() if not one.trainable]
    assert moving
    for name in moving:
        np.testing.assert_allclose(model.state_dict()[name], plain.state_dict()[name], rtol=1e-12)


def test_train_on_batch_takes_the_same_step() -> None:
    one, other = made(), made()
    lamina.Trainer(one, optimizer=lbfgs).train_on_batch(X, Y)
    lamina.Trainer(other, optimizer=lbfgs).fit(X, Y, epochs=1, batch_size=20, shuffle=False, verbose=False)
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])


def test_steps_of_several_batches_are_refused() -> None:
    model = made()
    with pytest.raises(ArgumentError, match="LBFGS computes a batch anew in each step, expected whole ones"):
        lamina.Trainer(model, optimizer=lbfgs, accumulate=2).fit(X, Y, verbose=False)
    tagger = lamina.Sequential(GRU(4, return_sequences=True), Dense(2))
    with pytest.raises(ArgumentError, match="got truncate=2"):
        lamina.Trainer(tagger, optimizer=lbfgs).fit(X, np.zeros((20, 4), int), truncate=2, verbose=False)
    assert Adam(model.parameters()).needs_closure is False
