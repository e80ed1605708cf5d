"""The relation of planned training: a step that a backend runs as one is the step by kernels."""

from __future__ import annotations

from contextlib import suppress

from lamina.errors import ArgumentError, NonFiniteError
from lamina.testing.proofs.model_copies import is_here
from lamina.testing.proofs.model_fits import fitting, require_training
from lamina.testing.proofs.model_rounding import expect_trained
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.report import Skip

__all__ = ["planned"]

_BACKEND = "numba"
_REFUSED = "compile=True, but "


def planned(trial: ModelTrial) -> float:
    """Check that two epochs of planned steps, rows in a new order each, train as steps by kernels do; also guarded."""
    require_training(trial)
    if not is_here(_BACKEND):
        raise Skip("no backend here plans steps")
    options = {"epochs": 2, "batch_size": 2}
    compiled, guarded, plain = (trial.precise(new=True).to(_BACKEND) for _ in range(3))
    try:
        fitting(trial, settings={"compile": True}, **options)(compiled)
    except ArgumentError as error:
        if _REFUSED in str(error):
            raise Skip(f"not planned: {str(error).partition(_REFUSED)[2]}") from None
        raise
    fit = fitting(trial, settings={"compile": False}, **options)
    expected, found = fit(plain).to(trial.backend), [("planned", compiled)]
    with suppress(NonFiniteError):  # where the others went on with what is not finite
        fitting(trial, settings={"compile": True, "check_finite": True}, **options)(guarded)
        found.append(("planned, with check_finite", guarded))
    return max(expect_trained(trial, how, own.to(trial.backend), expected, fit, [_BACKEND]) for how, own in found)
