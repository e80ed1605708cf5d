"""One case of the registry: a layer, loss or optimizer in one configuration, and the check that proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lamina.backends import Backend
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.losses.loss import Loss
from lamina.optimization.optimizer import Optimizer
from lamina.testing.layers import check_layer
from lamina.testing.losses import check_loss
from lamina.testing.optimizers import check_optimizer
from lamina.testing.report import Report

__all__ = ["LayerCase", "LossCase", "OptimizerCase", "layer_case"]


@dataclass(frozen=True)
class LayerCase:
    """A layer, and what `check_layer` is called with.

    Attributes
    ----------
    name : str
    make : callable
        Returns a new layer, not built.
    inputs : tuple of shapes or arrays
    options : dict
    """

    name: str
    make: Callable[[], Layer]
    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, backend: str | Backend | None = None) -> Report:
        """Run `check_layer` on a backend."""
        return check_layer(self.make(), *self.inputs, backend=backend, **self.options)


@dataclass(frozen=True)
class LossCase:
    """A loss, and what `check_loss` is called with.

    Attributes
    ----------
    name : str
    make : callable
        Returns a new loss.
    shape : tuple of int
        The prediction's.
    target : array or None
    """

    name: str
    make: Callable[[], Loss]
    shape: tuple[int, ...]
    target: Any = None

    def check(self, backend: str | Backend | None = None) -> Report:
        """Run `check_loss` on a backend."""
        return check_loss(self.make(), self.shape, self.target, backend=backend)


@dataclass(frozen=True)
class OptimizerCase:
    """What makes an optimizer from parameters.

    Attributes
    ----------
    name : str
    make : callable
    """

    name: str
    make: Callable[[Iterable[Parameter]], Optimizer]

    def check(self, backend: str | Backend | None = None) -> Report:
        """Run `check_optimizer` on a backend."""
        return check_optimizer(self.make, backend=backend)


def layer_case(
    name: str, make: Callable[[], Layer], *inputs: Any, batch: int = 5, time: int = 4, **options: Any
) -> LayerCase:
    """Return a case of a layer whose one input is (batch, time, 3 features), unless others are given."""
    return LayerCase(name, make, inputs or ((batch, time, 3),), options)
