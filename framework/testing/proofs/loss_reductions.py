"""A loss on trial: that its mean, its sum and the losses of all rows or steps are of one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.losses.loss import Loss
from lamina.testing.gradients import check_gradients
from lamina.testing.proofs.arrays import HostArray, expect_close, freeze, to_host
from lamina.testing.proofs.loss_trial import LossTrial
from lamina.testing.report import CheckError

__all__ = ["reductions"]

_ROUNDING = 1e-12


def reductions(trial: LossTrial, tolerance: float, seed: int) -> None:
    """Check a loss whose backward takes the gradient of the loss with each reduction, whatever is left out.

    The sum is that of all rows' or steps' losses, and the mean times its terms; so are the gradients; and the one of
    losses that are weighted at random equals central differences.
    """
    backend, rng = trial.backend, np.random.default_rng(seed)
    mean, total, each = (_with(trial, reduction) for reduction in ("mean", "sum", "none"))
    shape = trial.prediction.shape[:1] if each.over_rows else trial.prediction.shape[:-1]
    for name, options in trial.all_options():

        def run(
            prediction: HostArray, dloss: HostArray, options: dict[str, Any] = options
        ) -> tuple[HostArray, HostArray]:
            target = freeze(trial.target.copy())
            value, saved = each.forward(trial.array(prediction), target, **options)
            gradient = each.backward(saved, freeze(backend.asarray(dloss)))
            return to_host(backend, value), to_host(backend, gradient)

        ones = np.ones(shape)
        values, gradient = run(trial.prediction, ones)
        if values.shape != shape:
            raise CheckError(f"with reduction='none' and {name}: expected losses {shape}, got {values.shape}")
        summed = trial.run(total, trial.prediction, trial.target, **options)
        averaged = trial.run(mean, trial.prediction, trial.target, **options)
        terms = mean.terms(trial.prediction, trial.target, **options)
        of_mean = f"with {name}, against the mean times {terms:g} terms"
        expect_close(f"sum {of_mean}", summed[0], averaged[0] * terms, _ROUNDING)
        expect_close(f"gradient of the sum {of_mean}", summed[1], averaged[1] * terms, _ROUNDING)
        expect_close(f"sum of all losses with {name}, against the sum", values.sum(), summed[0], _ROUNDING)
        expect_close(f"gradient of all losses with {name}, against the sum's", gradient, summed[1], _ROUNDING)
        weights = rng.standard_normal(shape)

        def weighted(prediction: HostArray, weights: HostArray = weights, run: Any = run) -> tuple[float, HostArray]:
            values, gradient = run(prediction, weights)
            return float(np.sum(weights * values)), gradient

        try:
            check_gradients(weighted, trial.prediction, tolerance=tolerance, directions=1)
        except CheckError as failure:
            raise CheckError(f"with reduction='none' and {name}: {failure}") from None


def _with(trial: LossTrial, reduction: str) -> Loss:
    loss = trial.new()
    loss.reduction = reduction
    return loss
