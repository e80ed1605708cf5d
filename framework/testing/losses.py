"""`check_loss`: one call that proves a loss."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from lamina.backends import Backend, get_backend
from lamina.losses.loss import Loss
from lamina.testing.proofs.loss_reductions import reductions
from lamina.testing.proofs.loss_trial import LossTrial
from lamina.testing.report import LossCheckError, Report, Runner

__all__ = ["check_loss"]


def check_loss(
    loss: Loss,
    prediction_shape: Sequence[int],
    target: Any = None,
    *,
    backend: str | Backend | None = None,
    tolerance: float = 1e-6,
    seed: int = 0,
    skip: Collection[str] = (),
) -> Report:
    """Prove a loss: its gradient, and everything else that the interface promises.

    Lengths and masks are tried where the loss takes them: a step that does not count changes nothing, whatever
    stands there, and its gradient is exactly 0; and the others count as they do without it. Where ``backward`` takes
    the gradient of the loss, the reductions to a sum, and to none, are tried as well.

    Parameters
    ----------
    loss : Loss
        It is copied for every check and stays as it is.
    prediction_shape : tuple of int
        With real sizes, such as ``(4, 5, 3)``; of three axes, the first two are batch and time.
    target : array-like, optional
        Random numbers of the prediction's shape if not given.
    backend : str or Backend, optional
        The default backend if not given.
    tolerance : float
        Of the gradient checks; see `check_gradients` for the choice.
    seed : int
    skip : collection of str
        Names of checks to leave out, as they stand in the report.

    Returns
    -------
    Report

    Raises
    ------
    LossCheckError
        At the first check that fails: one line with the loss, the check, what was expected and what came.

    Examples
    --------
    >>> from lamina.losses import MeanSquaredError
    >>> check_loss(MeanSquaredError(), (4, 5, 3)).worst_error < 1e-6
    True
    """
    trial = LossTrial(loss, tuple(prediction_shape), target, get_backend(backend), seed)

    def gradients() -> str:
        runner.report.worst_error = trial.gradients(tolerance)
        return f"worst error {runner.report.worst_error:.1e}"

    checks: dict[str, Callable[[], str | None]] = {
        "dtypes": trial.dtypes,
        "gradients": gradients,
        "read-only": trial.read_only,
        "saved state": trial.saved_state,
        "interleaving": trial.interleaving,
        "left out": trial.left_out,
        "nothing counts": trial.nothing_counts,
        "memory layout": trial.memory_layout,
        "generic kernel": trial.generic_kernel,
        "deterministic": trial.deterministic,
        "configuration": trial.configuration,
    }
    if loss._takes_gradient:  # of one's own, a loss may be one number alone
        checks["reductions"] = lambda: reductions(trial, tolerance, seed)
    runner = Runner(repr(loss), LossCheckError, checks, skip)
    return runner.run()
