"""An optimizer's update as kernels of a program: which, over which arrays, and their settings from step to step."""

from __future__ import annotations

from collections.abc import Callable

from lamina.backends.program import Update
from lamina.backends.step import Step
from lamina.core.changes import changes
from lamina.core.lowering import NotPlanned
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.optimizer import Optimizer
from lamina.optimization.pieces import Piece, Run, update_together
from lamina.optimization.rule import is_one_kernel
from lamina.plan.settings import Asked, Source, attributes_of, is_own, next_call

__all__ = ["Updates"]

# What of an optimizer decides which updates there are: where one of these is not what it was, the plan is another.
_SHAPING = ("_runs", "clip_norm", "clip_value")
# What an optimizer of one's own may not define anew.
_STEPPING = ("step", "_clip", "_follow", "_follow_moves")
# In this order.
_CLIPPING = (("clip_value", "clip_values"), ("clip_norm", "clip_global_norm"))


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
        self._sources: list[Source | Asked] = []
        self._plan: Step | None = None
        self._add(optimizer)
        #: Where there is one source, and nothing but the count of steps changes.
        self._only: Source | None = None
        if len(self._sources) == 1 and self._counted == [optimizer] and not self._groups:
            (only,) = self._sources
            self._only = only if isinstance(only, Source) and not only.counts else None

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
        sources = {id(optimizer): Source(optimizer, _SHAPING)}
        for attribute, kernel in _CLIPPING if pieces else ():
            if getattr(optimizer, attribute) is not None:
                sources[id(optimizer)].add(len(self.calls), {"limit": attribute}, {})
                self.calls.append(Update(kernel, tuple(piece.grad for piece in pieces), ("limit",)))
        for piece in pieces:
            kernel, arrays, settings = call = next_call(piece)
            if not is_own(piece, arrays):
                raise NotPlanned(f"{label} updates other arrays than its own")
            found = attributes_of(piece, settings)
            if found is None:
                self._sources.append(Asked(piece, len(self.calls), call))
            else:
                constant = {name: value for name, value in settings.items() if name not in found}
                source = sources.setdefault(id(piece.rule), Source(piece.rule))
                source.add(len(self.calls), found, constant)
            self.calls.append(Update(kernel, arrays, tuple(settings)))
        self._sources += sources.values()

    def replay(self, plan: Step, slow: Callable[[], bool | None]) -> Callable[[], bool | None]:
        """Return what counts a step and takes it as the latest, where nothing has changed since; else calls another.

        A step of the smallest takes two microseconds: what this asks is at hand, and it calls nothing else.
        """
        only, count = self._only, plan.first
        if only is None or count < 0:
            return slow
        optimizer, rule, read, size = self.optimizer, only.rule, only.read, only.size
        known, run = changes.count, plan.replay()

        def again() -> bool | None:
            own = rule.__dict__
            if read(own) != only.before or len(own) != size or changes.count != known or plan.first != count:
                return slow()
            if self._plan is not plan:
                return slow()
            optimizer.steps += 1
            if run():
                return True
            self.take_back()
            return False

        return again

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
