"""A random model as text: what it is, what it is fed with, and how it is trained; it prints as code that runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina import layers, losses, optimizers
from lamina.optimizers import schedules
from lamina.testing.models import check_model
from lamina.testing.proofs.model_goals import read_losses
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.random_models import parts
from lamina.testing.report import Report

__all__ = ["Description"]

_HEAD = """\
import numpy as np
import lamina
from lamina import *
from lamina.layers import *
from lamina.losses import *
from lamina.optimizers import *
from lamina.optimizers.schedules import *
from lamina.testing.random_models.parts import *
"""


@dataclass(frozen=True)
class Description:
    """A model, its data and its training, in Python's words.

    Attributes
    ----------
    model : str
        An expression.
    inputs : tuple of str
        Expressions of the generator ``rng`` of NumPy.
    shared : tuple of (str, str)
        Layers that stand in several places: name and expression, in order.
    lengths : str
        An expression.
    loss, optimizer, schedule : str or None
    dtype, backend : str
    seed : int
    can : frozenset of str
        The relations of `check_model` whose precondition can hold, by what the model is made of.
    """

    model: str
    inputs: tuple[str, ...]
    shared: tuple[tuple[str, str], ...] = ()
    lengths: str = "None"
    loss: str | None = None
    optimizer: str | None = None
    schedule: str | None = None
    dtype: str = "float64"
    backend: str = "numpy"
    seed: int = 0
    can: frozenset[str] = field(default=frozenset(), compare=False)

    def __str__(self) -> str:
        lines = [_HEAD]
        if self.backend == "array-api-strict":
            lines.append("lamina.testing.register_strict_backend()")
        lines += [f"rng = np.random.default_rng({self.seed})"]
        lines += [f"{name} = {expression}" for name, expression in self.shared]
        options = [f"lengths={self.lengths}"]
        for name in ("loss", "optimizer", "schedule"):
            value = getattr(self, name)
            options += [] if value is None else [f"{name}={value}"]
        options += [f"dtype={self.dtype!r}", f"backend={self.backend!r}", f"seed={self.seed}"]
        given = ",\n    ".join([self.model, *self.inputs, *options])
        return "\n".join([*lines, f"print(lamina.testing.check_model(\n    {given},\n))"])

    __repr__ = __str__

    def made(self) -> tuple[Any, list[Any], dict[str, Any]]:
        """Return the model, not built, its inputs, and the options of `check_model`."""
        names = _names() | {"rng": np.random.default_rng(self.seed)}
        for name, expression in self.shared:
            names[name] = eval(expression, names)
        model = eval(self.model, names)
        inputs = [eval(one, names) for one in self.inputs]
        options: dict[str, Any] = {"lengths": eval(self.lengths, names), "dtype": self.dtype, "backend": self.backend}
        for name in ("loss", "optimizer", "schedule"):
            value = getattr(self, name)
            options[name] = None if value is None else eval(value, names)
        return model, inputs, options | {"seed": self.seed}

    def trial(self) -> ModelTrial:
        """Return what a relation needs: the model with drawn weights, its data and a target."""
        model, inputs, options = self.made()
        return ModelTrial(model, inputs, loss=read_losses(options.pop("loss")), **options)

    def check(self, **options: Any) -> Report:
        """Hold the model to all relations; see `check_model` for the options."""
        model, inputs, own = self.made()
        return check_model(model, *inputs, **own, **options)


_known: dict[str, Any] = {}


def _names() -> dict[str, Any]:
    if not _known:
        root = sys.modules["lamina"]  # no import, which would run up; what is being run has imported it
        _known.update({"np": np, "lamina": root})
        for module in (root, layers, losses, optimizers, schedules, parts):
            _known.update({name: getattr(module, name) for name in module.__all__})
    return dict(_known)
