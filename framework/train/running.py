"""What a training run is made of, as its loop, its callbacks and its checkpoints see it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamina.backends.numpy.threads import threads_of_products
from lamina.core.layer import Layer
from lamina.core.version import __version__
from lamina.optimization.optimizer import Optimizer
from lamina.train.accumulation import JointDraws
from lamina.train.callback import Callback, Training
from lamina.train.feeds import ArrayFeed
from lamina.train.finite_guard import FiniteGuard
from lamina.train.interruption import Interruption
from lamina.train.parts import Parts, Plan
from lamina.train.place import Place
from lamina.train.progress import Progress
from lamina.train.saver import Saver

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
    ) -> None:
        self.parts = parts
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
        self._draws = JointDraws(parts.model) if parts.accumulate > 1 and plan.truncate is None else None

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
    def taken_by(self) -> str:
        """What takes the steps."""
        how = "kernels" if self.plan.planned is None else f"a plan on {threads_of_products()} threads"
        return f"{how} of backend {self.model.backend.name!r}"

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
        }


def _overrides(callback: Callback, hook: str) -> bool:
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
