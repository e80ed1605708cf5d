"""`check_optimizer`: one call that proves an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from lamina.backends import Backend, get_backend
from lamina.core.parameter import Parameter
from lamina.optimization.optimizer import Optimizer
from lamina.testing.proofs.optimizer_trial import OptimizerTrial
from lamina.testing.report import OptimizerCheckError, Report, Runner

__all__ = ["check_optimizer"]


def check_optimizer(
    factory: Callable[[Iterable[Parameter]], Optimizer],
    *,
    backend: str | Backend | None = None,
    steps: int = 1000,
    seed: int = 0,
    skip: Collection[str] = (),
) -> Report:
    """Prove an optimizer: that its step is its own, the same everywhere, and goes down.

    Parameters
    ----------
    factory : callable
        Makes the optimizer from parameters: the class, or ``lambda parameters: SGD(parameters, lr=0.1)``.
    backend : str or Backend, optional
        The default backend if not given.
    steps : int
        In how many steps it must bring a convex quadratic, whose curvatures lie between 0.5 and 1, to a tenth
        of its first value.
    seed : int
    skip : collection of str
        Names of checks to leave out, as they stand in the report.

    Returns
    -------
    Report

    Raises
    ------
    OptimizerCheckError
        At the first check that fails: one line with the optimizer, the check, what was expected and what came.

    Examples
    --------
    >>> from lamina.optimizers import SGD
    >>> report = check_optimizer(lambda parameters: SGD(parameters, lr=0.1, momentum=0.9))
    >>> "continued" in report.passed
    True
    """
    trial = OptimizerTrial(factory, get_backend(backend), steps, seed)
    checks: dict[str, Callable[[], str | None]] = {
        "dtypes": trial.dtypes,
        "gradients left alone": trial.gradients_left_alone,
        "zero_grad": trial.zero_grad,
        "frozen": trial.frozen,
        "placement": trial.placement,
        "generic kernel": trial.generic_kernel,
        "deterministic": trial.deterministic,
        "continued": trial.continued,
        "moved": trial.moved,
        "learning rate": trial.learning_rate,
        "converges": trial.converges,
        "repr": trial.representation,
    }
    runner = Runner(repr(trial.make(trial.build())), OptimizerCheckError, checks, skip)
    return runner.run()
