"""Where the settings of an optimizer's updates come from: attributes of its rule, or the rule, asked in each step."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, TypeAlias

from lamina.backends import Array
from lamina.backends.step import Step
from lamina.optimization.pieces import Piece, noted_call
from lamina.optimization.rule import Rule

__all__ = ["Asked", "Call", "Source", "attributes_of", "is_own", "next_call"]

Call: TypeAlias = tuple[str, tuple[Array, ...], dict[str, Any]]
_NUMBERS = (bool, int, float)


class Source:
    """Attributes of a rule that are settings of updates as they are.

    Parameters
    ----------
    rule : Rule
    shaping : tuple of str
        Attributes that have to stay as they are; of numbers, only whether there is one.

    Attributes
    ----------
    read : callable
        Gives the attributes that matter, of the rule's dict.
    before : tuple
        What they were.
    size : int
        How many attributes the rule has.
    """

    def __init__(self, rule: Rule, shaping: tuple[str, ...] = ()) -> None:
        self.rule = rule
        self.shaping = shaping
        #: By attribute, the settings of updates that it is; and those that are none, by update.
        self.settings: dict[str, list[tuple[int, str]]] = {}
        self.counts: list[tuple[int, str]] = []
        self.constant: dict[int, dict[str, Any]] = {}
        self._look()

    def add(self, update: int, settings: dict[str, str], constant: dict[str, Any]) -> None:
        """Take an update, by setting the attribute that it is, and the settings that are none."""
        for name, attribute in settings.items():
            one = self.counts if attribute == "steps" else self.settings.setdefault(attribute, [])
            one.append((update, name))
        self.constant[update] = constant
        self._look()

    def _look(self) -> None:
        self._attributes = [*{**self.settings, **dict.fromkeys(self.shaping)}, "parameters"]
        if len(self._attributes) == 1:
            self._attributes *= 2  # so that they come as a tuple
        self.read = itemgetter(*self._attributes)
        own = vars(self.rule)
        self.size, self.before = len(own), self.read(own)

    def write(self, plan: Step, anew: bool) -> bool:
        """Set what changed, all where that is asked for; return False where the updates are no longer these."""
        own = self.rule.__dict__
        found = self.read(own)
        if (anew or found != self.before) and not self._write_changed(plan, found, anew):
            return False
        for update, name in self.counts:
            plan.set(update, {name: own["steps"]})
        # An attribute that was the class's and is now the rule's own may be a setting.
        return len(own) == self.size

    def _write_changed(self, plan: Step, found: tuple[Any, ...], anew: bool) -> bool:
        for attribute, value, before in zip(self._attributes, found, self.before, strict=True):
            if value is before and not anew:
                continue
            if attribute in self.shaping and value is not before and (value is None or before is None):
                return False
            if attribute == "_runs" and value is not before:
                return False
            for update, name in self.settings.get(attribute, ()):
                if type(value) not in _NUMBERS:
                    return False
                plan.set(update, {name: value})
        for update, constant in self.constant.items() if anew else ():
            plan.set(update, constant)
        self.before = found
        return True


class Asked:
    """Settings that a rule computes: it is asked for them in every step.

    Parameters
    ----------
    piece : Piece
    update : int
    call : (str, tuple of array, dict)
        As it will be in the next step.
    """

    def __init__(self, piece: Piece, update: int, call: Call) -> None:
        self.piece = piece
        self.update = update
        self.kernel, self.arrays, self.known = call
        self._ids = list(map(id, self.arrays))

    def write(self, plan: Step, anew: bool) -> bool:
        """Set what changed, all where that is asked for; return False where the update is no longer this one."""
        kernel, arrays, settings = noted_call(self.piece)
        known = self.known
        if kernel != self.kernel or list(map(id, arrays)) != self._ids or settings.keys() != known.keys():
            return False
        changed = settings if anew else {name: value for name, value in settings.items() if value != known[name]}
        if changed:
            plan.set(self.update, changed)
        self.known = settings
        return True


class _Mark:
    """Stands for a number with which nothing can be done: what a rule hands on of it, it hands on as it is."""

    __slots__ = ()

    def _refuse(self, *others: object) -> Any:
        raise TypeError("no number")

    __bool__ = __eq__ = __ne__ = __hash__ = __repr__ = __str__ = _refuse


def next_call(piece: Piece, **attributes: Any) -> Call:
    """Return the call that a piece's update will be in the next step, with other attributes if some are given.

    A copy of the rule is asked, so that nothing is counted.
    """
    rule: Any = piece.rule
    twin = object.__new__(type(rule))
    vars(twin).update({**vars(rule), "steps": rule.steps + 1, **attributes})
    return noted_call(piece._replace(rule=twin))


def attributes_of(piece: Piece, settings: dict[str, Any]) -> dict[str, str] | None:
    """Return the attribute that each setting of a piece's update is; None where the rule computes any of them."""
    rule: Any = piece.rule
    own = {**vars(rule), "steps": rule.steps + 1}
    marks = {name: _Mark() for name, value in vars(rule).items() if type(value) in _NUMBERS}
    try:
        marked = next_call(piece, **marks)[2]
    except Exception:  # whatever comes of it
        return None
    names = {id(mark): name for name, mark in marks.items()}
    found = {name: names[id(value)] for name, value in marked.items() if id(value) in names}
    now = {**marked, **{name: own[attribute] for name, attribute in found.items()}}
    plain = all(type(value) in _NUMBERS for value in now.values())
    return found if plain and now == settings else None


def is_own(piece: Piece, arrays: tuple[Array | None, ...]) -> bool:
    """Tell whether arrays are a piece's weights, gradient and state themselves."""
    data, grad, *states = arrays
    known = [id(one) for one in piece.state.values()]
    return data is piece.data and grad is piece.grad and all(one is None or id(one) in known for one in states)
