"""The relation of planned training: a step that a backend runs as one is the step by kernels."""

from __future__ import annotations

from lamina.errors import ArgumentError
from lamina.testing.proofs.model_copies import is_here
from lamina.testing.proofs.model_fits import fitting, require_training
from lamina.testing.proofs.model_rounding import expect_trained
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.report import Skip

__all__ = ["planned"]

_BACKEND = "numba"
_REFUSED = "compile=True, but "


def planned(trial: ModelTrial) -> float:
    """Check that two epochs of planned steps, rows in a new order each, train as steps by kernels do."""
    require_training(trial)
    if not is_here(_BACKEND):
        raise Skip("no backend here plans steps")
    options = {"epochs": 2, "batch_size": 2}
    compiled, plain = (trial.precise(new=True).to(_BACKEND) for _ in range(2))
    try:
        fitting(trial, settings={"compile": True}, **options)(compiled)
    except ArgumentError as error:
        if _REFUSED in str(error):
            raise Skip(f"not planned: {str(error).partition(_REFUSED)[2]}") from None
        raise
    fit = fitting(trial, settings={"compile": False}, **options)
    return expect_trained(trial, "planned", compiled.to(trial.backend), fit(plain).to(trial.backend), fit, [_BACKEND])
