"""The rule: what an optimizer defines, its state and its update, for arrays of any backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from lamina.backends import Array, Backend
from lamina.core.config import Configured
from lamina.core.parameter import Parameter

__all__ = ["Rule", "is_one_kernel", "one_kernel"]

Update = TypeVar("Update", bound=Callable[..., None])


class Rule(Configured):
    """What is done with an array of weights and its gradient, and what is kept for it from step to step.

    Attributes
    ----------
    elementwise : bool
        Whether each weight's step depends on that weight alone, so that neighbours may come as one flat array.
    parameters : list of Parameter
        To which it is applied.
    clip_norm, clip_value : float or None
    """

    elementwise: ClassVar[bool] = True

    parameters: list[Parameter]
    clip_norm: float | None = None
    clip_value: float | None = None
    _first_lr: float
    _ungrouped: list[Parameter]
    _members: Sequence[Rule]

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return new arrays of ``data``'s shape and dtype, by name; none by default.

        With ``elementwise = False`` they may have any shape.
        """
        return {}

    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step ``data`` in place along ``grad``, and write what is kept into ``state``, in place."""
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    @property
    def label(self) -> str:
        """The name used in messages."""
        return type(self).__name__


def one_kernel(update: Update) -> Update:
    """Mark an `update` that is one call of an update kernel of the backend, its arrays by position, and no more.

    A backend may then run the updates of several parameters together. An override of the method is not marked.
    """
    update.__dict__["one_kernel"] = True
    return update


def is_one_kernel(rule: Rule) -> bool:
    """Tell whether a rule's update is marked as one call of a kernel."""
    return getattr(rule.update, "one_kernel", False)
