"""The names of classes: found in the targets, kept with the model, and given back with what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.core.host import is_plain
from lamina.core.layer import Layer
from lamina.data.classes import Classes
from lamina.data.columns import as_numbers
from lamina.data.goals import Goal, each_goal, output_key
from lamina.errors import ArgumentError, DataError

__all__ = ["Naming"]

#: Under which name a model's facts hold the classes' names.
_FACT = "class_names"


class Naming:
    """Turns targets that name classes into labels, for the outputs whose losses are over classes.

    Parameters
    ----------
    goals : tuple of Goal
    model : Layer
        Its ``facts["class_names"]`` are the names that it was trained for, where there are any.
    given : sequence of names, optional
        Those of the caller; for several outputs a dict of them by the outputs' names.

    Raises
    ------
    ArgumentError, DTypeError, DataError
        If they are no names, or others than the model's.
    """

    def __init__(self, goals: tuple[Goal, ...], model: Layer, given: Any = None) -> None:
        self._goals = goals
        self._several = bool(goals[0].name)
        self._known: dict[str, Classes] = {}
        kept = model.facts.get(_FACT)
        for source in (kept, given):
            if source is None:
                continue
            if self._several != isinstance(source, Mapping):
                if source is kept:
                    continue  # of another way to train it
                wanted = "a dict by the outputs' names" if self._several else "a sequence of names"
                raise ArgumentError(f"class_names: expected {wanted}, got {type(source).__name__}")
            each = source if self._several else {"": source}
            for name, names in each.items():
                found = Classes(names)
                known = self._known.get(name)
                if known is not None and known.names != found.names:
                    raise ArgumentError(
                        f"class_names: expected {list(known.names)}, as the model has, got {list(names)}"
                    )
                self._known[name] = found

    @property
    def is_known(self) -> bool:
        """Whether any output's classes have names."""
        return bool(self._known)

    def names(self, output: str = "") -> Sequence[Any] | None:
        """Return the names of an output's classes; None where they are numbers."""
        found = self._known.get(output)
        return found.names if found is not None and found.names else None

    def all_names(self) -> Any:
        """Return the names of the output's classes, or a dict of those of each of several."""
        return {goal.name: self.names(goal.name) for goal in self._goals} if self._several else self.names()

    def classes(self, output: str = "") -> Classes:
        """Return an output's classes."""
        return self._known.get(output) or Classes()

    def learn(self, y: Any) -> Any:
        """Return targets as labels; the names that they have are the classes' from now on, where there are none yet."""
        return self._each(y, True)

    def encode(self, y: Any) -> Any:
        """Return targets as labels, by the names that are known.

        Raises
        ------
        DataError
            If one is unknown, or missing.
        """
        return self._each(y, False)

    def keep(self, model: Layer) -> Any:
        """Note the names on a model, as JSON can hold them, and return them; None where there are none."""
        found = {name: list(known.names) for name, known in self._known.items() if known.names} if self._known else {}
        if not found:
            return None
        names = model.facts[_FACT] = found if self._several else found[""]
        return names

    def require_as_many(self, output: Any) -> None:
        """Raise `DataError` where an output of this shape, or of these, tells another number of classes apart."""
        for index, (goal, shape) in enumerate(zip(self._goals, output if self._several else (output,), strict=True)):
            names = self.names(goal.name)
            if (
                names is not None
                and goal.loss is not None
                and goal.loss.takes_names == "any"
                and len(names) != shape[-1]
            ):
                raise DataError(
                    f"{output_key('y', goal.name, index)}: expected names of {shape[-1]} classes, as the model tells "
                    f"apart, got {len(names)}: {list(names)[:8]}: pass class_names where some do not occur"
                )

    def _each(self, y: Any, learns: bool) -> Any:
        if not self._several:
            return self._encoded(self._goals[0], y, "y", learns)
        names = tuple(goal.name for goal in self._goals)
        each = each_goal("y", y, names)
        pairs = enumerate(zip(self._goals, each, strict=True))
        return tuple(
            self._encoded(goal, own, output_key("y", goal.name, index), learns) for index, (goal, own) in pairs
        )

    def _encoded(self, goal: Goal, y: Any, label: str, learns: bool) -> Any:
        if y is None or (is_plain(y) and y.dtype.kind in "iuf" and not self._known):
            return y  # numbers, as they mostly are
        if goal.loss is None or not goal.loss.takes_names:
            return as_numbers(y, label)
        known = self._known.get(goal.name)
        if known is None and learns:
            known = Classes.read(y, label)
            if goal.loss.takes_names == "two" and known.names not in ((), (False, True)) and len(known) != 2:
                raise DataError(f"{label}: expected the names of two classes, got {len(known)}: {list(known.names)}")
            if known.names:
                self._known[goal.name] = known
        return (known or Classes()).encode(y, label, (None, 1) if goal.loss.takes_names == "two" else None)
