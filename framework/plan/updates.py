"""An optimizer's update as kernels of a program: which, over which arrays, and their settings from step to step."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, TypeAlias

from lamina.backends import Array
from lamina.backends.program import Update
from lamina.backends.step import Step
from lamina.core.lowering import NotPlanned
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.optimizer import Optimizer
from lamina.optimization.pieces import Piece, Run, noted_call, update_together
from lamina.optimization.rule import Rule, is_one_kernel

__all__ = ["Updates"]

# What of an optimizer decides which updates there are: where one of these is not what it was, the plan is another.
_SHAPING = ("_runs", "clip_norm", "clip_value")
# What an optimizer of one's own may not define anew.
_STEPPING = ("step", "_clip", "_follow", "_follow_moves")
# In this order.
_CLIPPING = (("clip_value", "clip_values"), ("clip_norm", "clip_global_norm"))
_Call: TypeAlias = tuple[str, tuple[Array, ...], dict[str, Any]]
_NUMBERS = (bool, int, float)


class Updates:
    """The updates of an optimizer whose rule is one kernel, element by element, and the clipping before them.

    Tables that it updates by rows are left to it.

    Parameters
    ----------
    optimizer : Optimizer
        With groups or without; a `JointOptimizer` of such too.

    Attributes
    ----------
    calls : list of Update
        One for each stretch of weights, each optimizer's clipping before its own.

    Raises
    ------
    NotPlanned
        If the optimizer does more.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.calls: list[Update] = []
        self._tables: list[Run] = []
        self._lost = False
        #: All whose steps are counted, and the groups that follow their optimizers.
        self._counted: list[Optimizer] = []
        self._groups: list[tuple[Optimizer, Optimizer]] = []
        self._sources: list[_Source | _Asked] = []
        self._plan: Step | None = None
        self._add(optimizer)
        #: Where there is one source, and nothing but the count of steps changes.
        self._only: _Source | None = None
        if len(self._sources) == 1 and self._counted == [optimizer] and not self._groups:
            (only,) = self._sources
            self._only = only if isinstance(only, _Source) and not only.counts else None

    def _add(self, optimizer: Optimizer) -> None:
        label, cls = optimizer.label, type(optimizer)
        self._counted.append(optimizer)
        if cls.step is JointOptimizer.step and "step" not in vars(optimizer):
            for member in optimizer.members.values():  # type: ignore[attr-defined]
                self._add(member)
            return
        plain = all(getattr(cls, name) is getattr(Optimizer, name) for name in _STEPPING)
        plain &= not optimizer.needs_closure and not vars(optimizer).keys() & {*_STEPPING, "update"}
        if not plain or not is_one_kernel(optimizer) or not optimizer.elementwise:
            raise NotPlanned(f"{label} is no update of one kernel")
        self._groups += [(member, optimizer) for member in optimizer._members]
        pieces: list[Piece] = []
        tables = [run for run in optimizer._runs if run.parameters[0].row_wise]
        if any(run.parameters[0].trainable for run in tables) and (optimizer.clip_norm or optimizer.clip_value):
            raise NotPlanned(f"{label} clips gradients by rows")
        self._tables += tables
        for run in optimizer._runs:
            if run not in tables:
                pieces += run.pieces()
        pieces = [piece for piece in pieces if piece.data.size]
        sources = {id(optimizer): _Source(optimizer, _SHAPING)}
        for attribute, kernel in _CLIPPING if pieces else ():
            if getattr(optimizer, attribute) is not None:
                sources[id(optimizer)].add(len(self.calls), {"limit": attribute}, {})
                self.calls.append(Update(kernel, tuple(piece.grad for piece in pieces), ("limit",)))
        for piece in pieces:
            kernel, arrays, settings = call = _next_call(piece)
            if not _own(piece, arrays):
                raise NotPlanned(f"{label} updates other arrays than its own")
            found = _attributes(piece, settings)
            if found is None:
                self._sources.append(_Asked(piece, len(self.calls), call))
            else:
                constant = {name: value for name, value in settings.items() if name not in found}
                source = sources.setdefault(id(piece.rule), _Source(piece.rule))
                source.add(len(self.calls), found, constant)
            self.calls.append(Update(kernel, arrays, tuple(settings)))
        self._sources += sources.values()

    def refresh(self, plan: Step) -> bool:
        """Count a step, as `Optimizer.step` does, and set what changed of the updates' settings since the step before.

        Returns
        -------
        bool
            Whether these updates are still the optimizer's. Where they are not, nothing is counted: it has to make
            the step itself.
        """
        anew, only = plan is not self._plan, self._only
        if only is not None and not anew:
            own = only.rule.__dict__
            if only.read(own) == only.before and len(own) == only.size:  # as most often
                self.optimizer.steps += 1
                return True
        for optimizer in self._counted:
            optimizer.steps += 1
        for member, whole in self._groups:
            member._follow(whole)
        for source in self._sources:
            if not source.write(plan, anew):
                self._lost, self._plan = True, None
                self.take_back()
                return False
        self._plan = plan
        return True

    def finish(self) -> None:
        """Update what is left to the optimizer: rows of tables, of which each step uses others."""
        if self._tables:
            update_together(piece for run in self._tables for piece in run.pieces())

    def take_back(self) -> None:
        """Forget that the latest step was counted, as it was not made."""
        for optimizer in self._counted:
            optimizer.steps -= 1
        for member, whole in self._groups:
            member._follow(whole)

    @property
    def stands(self) -> bool:
        """Whether they are still the optimizer's, as far as the latest `refresh` has found."""
        return not self._lost


class _Source:
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
        # Two at least, so that they come as a tuple.
        self._attributes = [*{**self.settings, **dict.fromkeys(self.shaping)}, "parameters", "parameters"]
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


class _Asked:
    """Settings that a rule computes: it is asked for them in every step.

    Parameters
    ----------
    piece : Piece
    update : int
    call : (str, tuple of array, dict)
        As it will be in the next step.
    """

    def __init__(self, piece: Piece, update: int, call: _Call) -> None:
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


def _next_call(piece: Piece, **attributes: Any) -> _Call:
    """Return the call that a piece's update will be in the next step, with other attributes if some are given.

    A copy of the rule is asked, so that nothing is counted.
    """
    rule: Any = piece.rule
    twin = object.__new__(type(rule))
    vars(twin).update({**vars(rule), "steps": rule.steps + 1, **attributes})
    return noted_call(piece._replace(rule=twin))


def _attributes(piece: Piece, settings: dict[str, Any]) -> dict[str, str] | None:
    """Return the attribute that each setting of a piece's update is; None where the rule computes any of them."""
    rule: Any = piece.rule
    own = {**vars(rule), "steps": rule.steps + 1}
    marks = {name: _Mark() for name, value in vars(rule).items() if type(value) in _NUMBERS}
    try:
        marked = _next_call(piece, **marks)[2]
    except Exception:  # whatever comes of it
        return None
    names = {id(mark): name for name, mark in marks.items()}
    found = {name: names[id(value)] for name, value in marked.items() if id(value) in names}
    now = {**marked, **{name: own[attribute] for name, attribute in found.items()}}
    plain = all(type(value) in _NUMBERS for value in now.values())
    return found if plain and now == settings else None


def _own(piece: Piece, arrays: tuple[Array | None, ...]) -> bool:
    """Tell whether arrays are a piece's weights, gradient and state themselves."""
    data, grad, *states = arrays
    known = [id(one) for one in piece.state.values()]
    return data is piece.data and grad is piece.grad and all(one is None or id(one) in known for one in states)
