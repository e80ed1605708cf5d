"""Which optimizer trains a model: one that there is, or one that is made once the model is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lamina.core.arguments import instance
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.errors import ArgumentError
from lamina.optimization.optimizer import Optimizer

__all__ = ["OptimizerChoice", "OptimizerLike"]

OptimizerLike: TypeAlias = "str | Optimizer | Callable[[list[Parameter]], Optimizer]"


class OptimizerChoice:
    """A trainer's optimizer, as it was given.

    Parameters
    ----------
    wanted : str, Optimizer or callable
        As for `Trainer`.

    Raises
    ------
    UnknownNameError
        If no optimizer has that name.
    ArgumentError
        If it is none of these.
    """

    def __init__(self, wanted: OptimizerLike) -> None:
        self._wanted: Any = Optimizer.registry.find(wanted) if isinstance(wanted, str) else wanted
        self._made: Optimizer | None = None
        if not isinstance(wanted, Optimizer) and not callable(self._wanted):
            raise ArgumentError(f"Trainer: expected an optimizer, its name or a function, got {wanted!r}")

    @property
    def is_made(self) -> bool:
        """Whether an optimizer was given itself."""
        return isinstance(self._wanted, Optimizer)

    def of(self, model: Layer, parameters: list[Parameter] | None = None) -> Optimizer:
        """Return the optimizer of a model; it is made when first asked for, and again for other parameters.

        Parameters
        ----------
        model : Layer
        parameters : list of Parameter, optional
            All of the model's, where they are known already.

        Raises
        ------
        NotBuiltError
            If it cannot be made yet, as the model is not built.
        ArgumentError
            If it is over another model's parameters.
        """
        own = {id(one) for one in (model.named_parameters().values() if parameters is None else parameters)}
        found = self._wanted if self.is_made else self._made
        if found is None or not (self.is_made or _is_over(found, own)):
            made = self._wanted(model.parameters())
            found = self._made = instance("Trainer", "optimizer", made, Optimizer)
        if not _is_over(found, own):
            raise ArgumentError(
                f"Trainer: the {found.label} is over parameters of another model: make it from this model's, "
                "once it is built, or pass its name or a function of the parameters"
            )
        return found

    def __repr__(self) -> str:
        return repr(self._made or self._wanted)


def _is_over(optimizer: Optimizer, own: set[int]) -> bool:
    return own.issuperset(map(id, optimizer.parameters))
