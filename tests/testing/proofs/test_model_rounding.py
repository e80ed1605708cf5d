"""Passes and trained models are the same but for rounding, however far that moves them; faults are seen even there."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from lamina import Layer, Sequential, Trainer
from lamina.layers import (
    GRU,
    Attention,
    BatchNorm,
    Dense,
    Embedding,
    Flatten,
    LayerNorm,
    LayerNormGRU,
    LayerNormLSTM,
    PositionalEncoding,
)
from lamina.losses import MeanSquaredError
from lamina.optimizers import SGD, Adafactor, Lion
from lamina.testing import CheckError, check_model
from lamina.testing.models import MODEL_RELATIONS
from lamina.testing.proofs.arrays import expect_close, expect_same_bits
from lamina.testing.proofs.model_rounding import expect_trained, unless_rounding
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.random_models.parts import Graph, KeywordLSTM
from lamina.testing.report import Skip


def enlarging() -> tuple[Layer, list[Any], dict[str, Any]]:
    """Return a model that a random run found: a gradient of rounding before a layer norm, and Adafactor's steps."""
    rng = np.random.default_rng(1)
    layers = [PositionalEncoding(), KeywordLSTM(1), Attention(1, 2), Attention(1, 2)]
    layers.append(LayerNormGRU(1, return_sequences=True))
    model = Graph(layers, [(0, 0), (1, 2), (2, 1, 2), (3, 4, 2), (4, 5, 3)], [2, 6])
    inputs = [rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 5, 2))]
    lengths = (np.ones(3, int), np.ones(3, int))
    return model, inputs, {"lengths": lengths, "optimizer": partial(Adafactor, lr=0.01), "seed": 1}


def plain() -> tuple[Layer, list[Any], dict[str, Any]]:
    return Sequential(Dense(3), Dense(2)), [(5, 3)], {"optimizer": partial(SGD, lr=0.05)}


def trial_of(made: Any) -> ModelTrial:
    model, inputs, options = made()
    losses = (MeanSquaredError(), MeanSquaredError()) if made is enlarging else MeanSquaredError()
    return ModelTrial(model, inputs, loss=losses, **options)


def fit(trial: ModelTrial, model: Layer, rate: float = 1.0) -> Layer:
    goals = trial.require_goals()
    trainer = Trainer(model, optimizer=trial.optimizer, **goals.settings())
    trainer.optimizer.lr *= rate
    trainer.fit(trial.x, trial.target, lengths=trial.lengths, epochs=2, batch_size=2, shuffle=False, verbose=False)
    return model


def from_nearby(trial: ModelTrial, roundings: float) -> Layer:
    model = trial.built()
    for parameter in model.parameters():
        parameter.data = parameter.numpy() * (1 + roundings * np.finfo(float).eps)
    return model


def test_a_random_model_that_enlarges_rounding_is_skipped_and_told() -> None:
    model, inputs, options = enlarging()
    skip = set(MODEL_RELATIONS) - {"moved in training", "parts apart"}
    report = check_model(model, *inputs, loss=("mse", "mse"), skip=skip, **options)
    assert report.passed == ["parts apart"]  # on one backend rounding is the same
    assert report.skipped["moved in training"].startswith("rounding alone moves the trained model as far: ")


def test_terms_of_a_gradient_that_cancel_are_no_direction() -> None:
    # Of two rows BatchNorm gives 1 and -1, so the signs that MeanAbsoluteError's gradient has may add up to nothing.
    model = Sequential(GRU(3, return_sequences=True), Flatten(), LayerNorm(), BatchNorm())
    options = {"lengths": None, "loss": "mean_absolute_error", "optimizer": partial(Lion, lr=0.002), "seed": 2}
    report = check_model(model, (4, 5, 2), skip=set(MODEL_RELATIONS) - {"moved in training"}, **options)
    assert report.skipped["moved in training"].startswith("rounding alone moves the trained model as far: ")


def test_models_a_rounding_apart_are_alike_or_neither_proven_nor_refuted() -> None:
    trial = trial_of(plain)
    expected = fit(trial, trial.built())
    assert 0 < expect_trained(trial, "", fit(trial, from_nearby(trial, 3)), expected, partial(fit, trial)) < 1e-12
    trial = trial_of(enlarging)
    expected = fit(trial, trial.built())
    with pytest.raises(Skip, match="rounding alone moves the trained model as far: "):
        expect_trained(trial, "", fit(trial, from_nearby(trial, 3)), expected, partial(fit, trial))


@pytest.mark.parametrize("made", [plain, enlarging])
@pytest.mark.parametrize("rate", [0.9, 0.0])
def test_other_steps_are_seen_however_far_rounding_moves_a_model(made: Any, rate: float) -> None:
    trial = trial_of(made)
    got, expected = fit(trial, trial.built(), rate), fit(trial, trial.built())
    with pytest.raises(CheckError, match=r"of the model trained otherwise: expected a difference of at most 1e-05, "):
        expect_trained(trial, "trained otherwise", got, expected, partial(fit, trial))


def vanishing() -> tuple[Layer, list[Any], dict[str, Any]]:
    """Return a model that a random run found: of one feature LayerNorm gives 0, and a gradient that is rounding."""
    inner = LayerNormLSTM(1, return_sequences=True, use_bias=False)
    model = Sequential(Embedding(5, 3), inner, LayerNorm(use_shift=False))
    x = np.random.default_rng(888).integers(0, 5, (3, 6))
    return model, [x], {"lengths": [6, 2, 5], "dtype": "float32", "seed": 888}


def test_gradients_that_are_rounding_are_skipped_and_told() -> None:
    model, inputs, options = vanishing()
    only = {"backends", "forward", "gradients of rows"}
    report = check_model(model, *inputs, skip=set(MODEL_RELATIONS) - only, **options)
    assert "forward" in report.passed
    assert report.skipped["backends"].startswith("rounding alone moves outputs or gradients as far: ")


def test_a_pass_that_is_farther_apart_than_rounding_moves_it_fails_all_the_same() -> None:
    model, inputs, options = vanishing()
    trial = ModelTrial(model, inputs, **options)
    name = "gradient of '1.shift_c'"
    found = trial.run(trial.built()).named("'")

    def relation(by: float, name: str, tolerance: float = 1e-9) -> Any:
        def apart(_: ModelTrial) -> float:
            return expect_close(f"{name}, on another", found[name] + by, found[name], tolerance)

        return unless_rounding(apart)

    with pytest.raises(Skip, match="rounding alone moves outputs or gradients as far: "):
        relation(1e-4, name)(trial)
    assert relation(1e-4, name, 0.1)(trial) > 0
    for by, other in ((3e-3, name), (1e-4, "gradient of '1.scale_c'"), (1e-4, "output 0"), (np.nan, name)):
        with pytest.raises(CheckError, match="on another: expected a difference of at most 1e-09, got "):
            relation(by, other)(trial)


def test_bits_that_differ_are_no_rounding() -> None:
    model, inputs, options = vanishing()
    trial = ModelTrial(model, inputs, **options)

    def apart(_: ModelTrial) -> None:
        expect_same_bits("a copy", np.zeros(1), np.full(1, 1e-12))

    with pytest.raises(CheckError, match="expected the same bits"):
        unless_rounding(apart)(trial)


def test_rounding_is_looked_at_on_the_other_backend_too() -> None:
    # The reference backend's gradient is a plain 0.
    model, inputs, options = vanishing()
    report = check_model(model, *inputs, backend="reference", skip=set(MODEL_RELATIONS) - {"backends"}, **options)
    assert report.skipped["backends"].startswith("rounding alone moves outputs or gradients as far: ")


def test_what_is_no_number_is_no_rounding() -> None:
    trial = trial_of(enlarging)
    got, expected = fit(trial, trial.built()), fit(trial, trial.built())
    name = next(iter(got.state_dict()))
    got.load_state_dict(got.state_dict() | {name: np.full_like(got.state_dict()[name], np.nan)})
    with pytest.raises(CheckError, match="got inf"):
        expect_trained(trial, "", got, expected, partial(fit, trial))
