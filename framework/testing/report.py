"""What a check returns, and what it raises."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from lamina.errors import ArgumentError, unknown
from lamina.files.html import table

__all__ = [
    "Check",
    "CheckError",
    "LayerCheckError",
    "LossCheckError",
    "ModelCheckError",
    "OptimizerCheckError",
    "Report",
    "Runner",
    "Skip",
]


class CheckError(AssertionError):
    """A check failed: one line saying what was checked, what was expected and what came.

    Attributes
    ----------
    check : str
        The name of the check; empty where it was no part of a report.
    difference : float or None
        How far numbers were apart at most, where that was it.
    """

    check = ""
    difference: float | None = None


class LayerCheckError(CheckError):
    """A layer failed a check of `check_layer`."""


class LossCheckError(CheckError):
    """A loss failed a check of `check_loss`."""


class ModelCheckError(CheckError):
    """A model failed a relation of `check_model`."""


class OptimizerCheckError(CheckError):
    """An optimizer failed a check of `check_optimizer`."""


class Skip(Exception):
    """Raised inside a check that does not apply; the message says why."""


class Check(NamedTuple):
    """One line of a report.

    Attributes
    ----------
    name : str
    passed : bool
        False where the check was skipped; a check that fails raises instead.
    detail : str
        What was measured, or why it was skipped.
    """

    name: str
    passed: bool
    detail: str


class Report:
    """What was checked, and with what result; printed, it is a table.

    Attributes
    ----------
    subject : str
        What was checked.
    checks : list of Check
    worst_error : float
        The largest error of the gradient checks.
    worst : dict of str to float
        The largest difference that was measured, by check, where one was.
    worst_by_backend : dict of str to float
        Between the backend and each other one, where that was looked at.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.checks: list[Check] = []
        self.worst_error = 0.0
        self.worst: dict[str, float] = {}
        self.worst_by_backend: dict[str, float] = {}

    @property
    def passed(self) -> list[str]:
        """The names of the checks that ran and passed."""
        return [check.name for check in self.checks if check.passed]

    @property
    def skipped(self) -> dict[str, str]:
        """The checks that did not apply, with the reason."""
        return {check.name: check.detail for check in self.checks if not check.passed}

    def __str__(self) -> str:
        width = max((len(check.name) for check in self.checks), default=0)
        lines = [
            f"  {check.name.ljust(width)}  {'passed' if check.passed else 'skipped'}  {check.detail}".rstrip()
            for check in self.checks
        ]
        return "\n".join([self.subject, *lines])

    def _repr_html_(self) -> str:
        rows = [(check.name, "passed" if check.passed else "skipped", check.detail) for check in self.checks]
        note = f"{len(self.passed)} passed, {len(self.skipped)} skipped"
        return table(("check", "result", "detail"), rows, "lll", caption=self.subject, note=note)

    def __repr__(self) -> str:
        return f"<Report of {self.subject}: {len(self.passed)} passed, {len(self.skipped)} skipped>"


class Runner:
    """Runs checks one after another into a report, and makes one line of whatever goes wrong.

    Parameters
    ----------
    subject : str
        What is checked, for the messages.
    error : type of CheckError
    checks : dict
        By name: called without arguments; returns what was measured, or None.
    skip : collection of str
        Names of checks to leave out.
    report : Report, optional
        To fill; a new one if not given.

    Raises
    ------
    UnknownNameError
        If ``skip`` holds a name that is none of the checks'.
    """

    def __init__(
        self,
        subject: str,
        error: type[CheckError],
        checks: dict[str, Callable[[], str | None]],
        skip: Collection[str] = (),
        report: Report | None = None,
    ) -> None:
        if isinstance(skip, str):
            raise ArgumentError(f"skip: expected a collection of names, got {skip!r}")
        for name in skip:
            if name not in checks:
                raise unknown("check", name, checks)
        self.report = report or Report(subject)
        self._error = error
        self._checks = checks
        self._skip = skip

    def run(self) -> Report:
        """Run all checks and return the report, or raise at the first that fails."""
        for name, check in self._checks.items():
            if name in self._skip:
                self.report.checks.append(Check(name, False, "as asked"))
                continue
            where = f"{self.report.subject}: {name}"
            try:
                detail = check() or ""
            except Skip as reason:
                self.report.checks.append(Check(name, False, str(reason)))
            except CheckError as failure:
                raise self._failed(name, f"{where}: {failure}") from None
            except Exception as failure:
                message = f"{type(failure).__name__}: {str(failure).strip().splitlines()[0] if str(failure) else ''}"
                if isinstance(failure, ValueError) and "read-only" in message:
                    message = f"expected arguments to be left alone, got a write into one ({message})"
                    raise self._failed(name, f"{where}: {message}") from failure
                raise self._failed(name, f"{where}: raised {message}") from failure
            else:
                self.report.checks.append(Check(name, True, detail))
        return self.report

    def _failed(self, name: str, message: str) -> CheckError:
        error = self._error(message)
        error.check = name
        return error
