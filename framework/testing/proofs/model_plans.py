"""The relation of planned training: a step that a backend runs as one is the step by kernels."""

from __future__ import annotations

from lamina.errors import ArgumentError
from lamina.testing.proofs.model_copies import is_here
from lamina.testing.proofs.model_fits import expect_trained, fitted, require_training
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
    compiled, plain = (trial.precise(new=True).to(_BACKEND) for _ in range(2))
    options = {"epochs": 2, "batch_size": 2}
    try:
        fitted(trial, compiled, {"compile": True}, **options)
    except ArgumentError as error:
        if _REFUSED in str(error):
            raise Skip(f"not planned: {str(error).partition(_REFUSED)[2]}") from None
        raise
    fitted(trial, plain, {"compile": False}, **options)
    return expect_trained(trial, "planned", compiled, plain)
