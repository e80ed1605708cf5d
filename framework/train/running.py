"""What a training run is made of, as its loop, its callbacks and its checkpoints see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends.numpy.threads import threads_of_products
from lamina.core.layer import Layer
from lamina.core.version import __version__
from lamina.optimization.optimizer import Optimizer
from lamina.train.accumulation import draws_for
from lamina.train.alignment import align, have_come_apart
from lamina.train.callback import Callback, Training
from lamina.train.feeds import ArrayFeed
from lamina.train.finite_guard import FiniteGuard
from lamina.train.interruption import Interruption, SharedInterruption
from lamina.train.parts import Parts, Plan
from lamina.train.place import Place
from lamina.train.progress import Progress
from lamina.train.ranks import Ranks
from lamina.train.reduction import Reduction
from lamina.train.saver import Saver
from lamina.train.shared_saver import SharedSaver

__all__ = ["Running"]


class Running:
    """The base class of a run of `Trainer.fit`.

    Parameters
    ----------
    parts : Parts
    plan : Plan
    training : Training
        What callbacks see.
    callbacks : list of Callback
    progress : Progress
    interruption : Interruption
        Entered.
    saver : Saver or None
        Opened; keeps the run.
    ranks : Ranks or None
        That train together.

    Attributes
    ----------
    stopped : bool
        Set to end training after the current epoch.
    """

    def __init__(
        self,
        parts: Parts,
        plan: Plan,
        training: Training,
        callbacks: list[Callback],
        progress: Progress,
        interruption: Interruption,
        saver: Saver | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.parts = parts
        self.ranks = ranks
        self.plan = plan
        self.training = training
        self.callbacks = callbacks
        self.progress = progress
        self.interruption = interruption
        self.saver = saver
        self.stopped = False
        self._steps_taken, self._began = 0, 0.0
        self._here: Callable[[], Place] = Place
        self.steps = self._count_steps()
        self._told = [one.on_step_end for one in callbacks if _overrides(one, "on_step_end")]
        self._zero_grad = parts.zero_grad()
        self._guard = FiniteGuard(parts.model, parts.objective) if parts.check_finite else None
        self._draws = draws_for(parts.model, parts.accumulate, plan.truncate is not None, ranks is not None)
        self._reduction = None if ranks is None else Reduction(ranks, parts.model, self._asked, self._tell)
        if self._reduction is not None and plan.planned is not None:
            plan.planned.reduce_by(self._reduction)
        how = "kernels" if plan.planned is None else f"a plan on {threads_of_products()} threads"
        how = f"{how} of backend {parts.model.backend.name!r}"
        #: What takes the steps.
        self.taken_by: str = how if ranks is None else ranks.first(how)

    @property
    def model(self) -> Layer:
        """What is trained."""
        return self.parts.model

    @property
    def optimizer(self) -> Optimizer:
        """What trains it."""
        return self.parts.optimizer

    @property
    def generator(self) -> np.random.Generator:
        """From which the order of the rows is drawn."""
        assert self.plan.generator is not None
        return self.plan.generator

    @property
    def leads(self) -> bool:
        """Whether this is the rank that measures, writes and shows: there may be no other."""
        return self.ranks is None or self.ranks.leads

    @property
    def rank_count(self) -> int:
        """On how many ranks the model is trained."""
        return 1 if self.ranks is None else self.ranks.size

    def _asked(self) -> tuple[bool, bool]:
        """Return what this rank asks of all, with a step's gradients: to end, and to write a checkpoint."""
        pressed = isinstance(self.interruption, SharedInterruption) and self.interruption.pressed
        return pressed, isinstance(self.saver, SharedSaver) and self.saver.wants_time()

    def _tell(self, pressed: bool, is_time: bool) -> None:
        """Note what any rank asked."""
        self.interruption.requested |= pressed
        if isinstance(self.saver, SharedSaver):
            self.saver.is_time = is_time

    def _count_steps(self) -> int | None:
        """Return how many steps an epoch takes, where that is known beforehand."""
        feed, truncate = self.plan.feed, self.plan.truncate
        if feed.steps is None or (truncate is not None and not isinstance(feed, ArrayFeed)):
            return None
        steps = feed.steps
        if truncate is not None and isinstance(feed, ArrayFeed):
            steps *= -(-feed.data.inputs[0].shape[1] // truncate)
        return -(-steps // self.parts.accumulate)

    def _keep_facts(self) -> None:
        """Note on the model how it was trained: as JSON can hold it, and the same for the same run."""
        parts, history = self.parts, self.training.history
        last = history.last
        last.pop("seconds", None)
        parts.model.facts["training"] = {
            "epochs": len(history),
            "steps": parts.optimizer.steps,
            **self.plan.facts,
            "optimizer": repr(parts.optimizer),
            "history": last,
            "lamina": __version__,
        } | ({} if self.ranks is None else {"ranks": self.ranks.size})

    def _align(self) -> None:
        """Give all ranks what rank 0 has."""
        if self.ranks is not None:
            align(self.ranks, self.model, self.optimizer, self.generator)

    def _agree(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return rank 0's figures of an epoch, and see that ranks have not come apart."""
        if self.ranks is None:
            return values
        if have_come_apart(self.ranks, self.model):
            self.training.note("ranks had come to other weights: they go on with those of rank 0")
            self._align()
        figures: dict[str, Any] = self.ranks.first(values)
        return figures


def _overrides(callback: Callback, hook: str) -> bool:
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
