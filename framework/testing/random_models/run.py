"""Running random models, and counting what held, what was skipped, and how far values were apart."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from lamina.errors import BackendError, MissingPackageError
from lamina.testing.models import MODEL_RELATIONS
from lamina.testing.random_models.description import Description
from lamina.testing.random_models.grammar import draw_description
from lamina.testing.report import Report
from lamina.testing.strict import register_strict_backend

__all__ = ["Tally", "descriptions", "run"]


class Tally:
    """What came of the models.

    Attributes
    ----------
    models : int
    held, skipped, possible, missed : Counter
        By relation: how often it held; was skipped; could hold, by what the model is made of; and was skipped though.
    reasons : dict
        Of each relation, why it was skipped, and how often.
    worst, worst_by_backend : dict of str to float
        The largest differences in float64.
    """

    def __init__(self) -> None:
        self.models = 0
        self.held: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.possible: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = {}
        self.worst: dict[str, float] = {}
        self.worst_by_backend: dict[str, float] = {}

    def add(self, description: Description, report: Report) -> None:
        """Count a model."""
        self.models += 1
        self.held.update(report.passed)
        self.possible.update(description.can)
        for name, reason in report.skipped.items():
            self.skipped[name] += 1
            self.missed[name] += name in description.can
            self.reasons.setdefault(name, Counter())[reason.split(":")[0]] += 1
        if description.dtype == "float64":
            for own, found in ((self.worst, report.worst), (self.worst_by_backend, report.worst_by_backend)):
                for name, value in found.items():
                    own[name] = max(own.get(name, 0.0), value)

    def __add__(self, other: Tally) -> Tally:
        """Return the counts of both."""
        total = Tally()
        for own in (self, other):
            total.models += own.models
            for name in ("held", "skipped", "possible", "missed"):
                getattr(total, name).update(getattr(own, name))
            for relation, reasons in own.reasons.items():
                total.reasons.setdefault(relation, Counter()).update(reasons)
            for name in ("worst", "worst_by_backend"):
                into = getattr(total, name)
                for key, value in getattr(own, name).items():
                    into[key] = max(into.get(key, 0.0), value)
        return total

    def too_often(self) -> list[str]:
        """Return the relations that were skipped in more than one in ten of the models for which they could hold."""
        return [name for name in MODEL_RELATIONS if 10 * self.missed[name] > self.possible[name]]

    def __str__(self) -> str:
        width = max(map(len, MODEL_RELATIONS))
        lines = [f"{self.models} models", f"{'relation'.ljust(width)}     held  skipped  though it could hold"]
        for name in MODEL_RELATIONS:
            counts = f"{self.held[name]:9}{self.skipped[name]:9}"
            missed = f"{self.missed[name]:6} of {self.possible[name]}"
            worst = f"   worst {self.worst[name]:.1e}" if name in self.worst else ""
            lines.append(f"{name.ljust(width)}{counts}{missed.ljust(20)}{worst}".rstrip())
        apart = ", ".join(f"{name} {value:.1e}" for name, value in sorted(self.worst_by_backend.items()))
        return "\n".join([*lines, f"worst difference between backends, in float64: {apart}"])


class _Drawn:
    """Choices drawn by Hypothesis."""

    def __init__(self, draw: Callable[[Any], Any], strategies: Any) -> None:
        self._draw = draw
        self._integers = strategies.integers

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self._draw(self._integers(0, len(options) - 1))]

    def number(self, least: int, most: int) -> int:
        return int(self._draw(self._integers(least, most)))

    def one_in(self, count: int) -> bool:
        # One in the middle: the least and the greatest numbers come more often.
        return bool(self._draw(self._integers(0, count - 1)) == (count + 1) // 2 % count)


def _hypothesis() -> Any:
    try:
        return import_module("hypothesis")
    except ImportError as error:
        message = f"random models: hypothesis is not installed; pip install -e '.[test]' ({error})"
        raise MissingPackageError(message) from error


def descriptions() -> Any:
    """Return the Hypothesis strategy of random models' descriptions.

    Raises
    ------
    MissingPackageError
        If Hypothesis is not installed.
    """
    strategies = _hypothesis().strategies

    def described(draw: Callable[[Any], Any]) -> Description:
        return draw_description(_Drawn(draw, strategies))

    return strategies.composite(described)()


def run(
    models: int,
    *,
    seed: int = 0,
    shrink: bool = True,
    each: Callable[[Description], Report | None] | None = None,
    first: int = 1,
    last: int | None = None,
) -> Tally:
    """Draw models and hold each to all relations; at the first that fails, raise, with the smallest such model.

    Parameters
    ----------
    models : int
    seed : int
        The same models for the same seed.
    shrink : bool
        Whether a model that fails is made smaller.
    each : callable, optional
        What to do with a description in place of its `Description.check`.
    first, last : int
        Of the models, counted from 1, hold these alone: a long run in parts, or gone on with where it failed. The
        others are drawn, as the same models must come.

    Returns
    -------
    Tally

    Raises
    ------
    MissingPackageError
        If Hypothesis is not installed.
    Exception
        Whatever the check raised, mostly a `ModelCheckError`; with attributes ``models``, how many were drawn until
        it failed, and ``description``, the smallest model that fails, which prints as code.
    """
    hypothesis = _hypothesis()
    generate, shrinking = hypothesis.Phase.generate, hypothesis.Phase.shrink
    with contextlib.suppress(BackendError):  # without array-api-strict its models fail, and say so
        register_strict_backend()
    tally, drawn = Tally(), 0
    check = each or Description.check

    failed: list[tuple[Description, Exception]] = []

    def hold(description: Description) -> None:
        nonlocal drawn
        drawn += not failed
        if not first <= drawn <= (models if last is None else last):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                report = check(description)
            except Exception as error:
                failed.append((description, error))
                raise
        if report is not None:
            tally.add(description, report)

    settings = hypothesis.settings(
        max_examples=models,
        database=None,
        deadline=None,
        phases=[generate, shrinking] if shrink else [generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )
    held = hypothesis.seed(seed)(settings(hypothesis.given(descriptions())(hold)))
    try:
        held()
    except Exception as error:
        if not failed:
            raise
        description, cause = failed[-1]  # the last one is the smallest, run again
        cause.models, cause.description = drawn, description  # type: ignore[attr-defined]
        cause.add_note(f"failed after {drawn} models; the smallest of them:\n{description}")
        if isinstance(error, hypothesis.errors.Flaky):
            cause.add_note("but held when it was run again: something in it is not deterministic")
        raise cause from None
    return tally
