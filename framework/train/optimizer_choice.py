"""Which optimizer trains a model: one that there is, or one that is made once the model is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from lamina.core.arguments import instance
from lamina.core.layer import Layer
from lamina.core.parameter import Parameter
from lamina.errors import ArgumentError
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.optimizer import Optimizer

__all__ = ["OptimizerChoice", "OptimizerLike"]

OptimizerLike: TypeAlias = (
    "str | Optimizer | Callable[[list[Parameter]], Optimizer] | Sequence[Optimizer] | Mapping[str, Any]"
)


class OptimizerChoice:
    """An optimizer, as it was given.

    Parameters
    ----------
    wanted : str, Optimizer or callable
        As for `Trainer`.
    where : str
        Who was given it, for errors.

    Raises
    ------
    UnknownNameError
        If no optimizer has that name.
    ArgumentError
        If it is none of these.
    """

    def __init__(self, wanted: OptimizerLike, where: str = "Trainer") -> None:
        self._where = where
        self._wanted: Any = _read(wanted, where)
        self._made: Optimizer | None = None
        if not isinstance(self._wanted, Optimizer) and not callable(self._wanted):
            raise ArgumentError(f"{where}: expected an optimizer, its name or a function, got {wanted!r}")

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
            found = self._made = instance(self._where, "optimizer", made, Optimizer)
        if not _is_over(found, own):
            raise ArgumentError(
                f"{self._where}: the {found.label} is over parameters of another model: make it from this model's, "
                "once it is built, or pass its name or a function of the parameters"
            )
        return found

    def __repr__(self) -> str:
        return repr(self._made or self._wanted)


class _Parts:
    """Makes an optimizer for each part of a model: for the parameters whose names match its pattern, and no later one.

    Parameters
    ----------
    wanted : mapping of str to optimizer, name or function
        By patterns of parameters' names, as in a shell.
    where : str
        As for `OptimizerChoice`.
    """

    def __init__(self, wanted: Mapping[str, Any], where: str) -> None:
        self._where = where
        self._wanted: dict[str, Callable[[list[Parameter]], Optimizer]] = {}
        for pattern, one in wanted.items():
            found = Optimizer.registry.find(one) if isinstance(one, str) else one
            if not isinstance(pattern, str) or isinstance(found, Optimizer) or not callable(found):
                raise ArgumentError(
                    f"{where}: expected a name or a function of the parameters for each pattern of parameters' names, "
                    f"got {one!r} for {pattern!r}"
                )
            self._wanted[pattern] = found

    def __call__(self, parameters: list[Parameter]) -> Optimizer:
        parts: dict[str, list[Parameter]] = {pattern: [] for pattern in self._wanted}
        for parameter in parameters:
            matching = [pattern for pattern in parts if fnmatchcase(parameter.name, pattern)]
            if not matching:
                raise ArgumentError(
                    f"{self._where}: no pattern matches parameter {parameter.name!r}: add '*' for the rest"
                )
            parts[matching[-1]].append(parameter)
        empty = next((pattern for pattern, own in parts.items() if not own), None)
        if empty is not None:
            names = ", ".join(parameter.name for parameter in parameters[:8])
            raise ArgumentError(f"{self._where}: no parameter is left for {empty!r} in optimizer: {names}")
        return JointOptimizer({pattern: make(parts[pattern]) for pattern, make in self._wanted.items()})

    def __repr__(self) -> str:
        return f"parts {list(self._wanted)}"


def _read(wanted: Any, where: str) -> Any:
    """Return an optimizer, or a function of the parameters that makes one."""
    if isinstance(wanted, str):
        return Optimizer.registry.find(wanted)
    if isinstance(wanted, Mapping):
        return _Parts(wanted, where)
    if isinstance(wanted, (tuple, list)):
        return JointOptimizer({str(index): one for index, one in enumerate(wanted)})
    return wanted


def _is_over(optimizer: Optimizer, own: set[int]) -> bool:
    return own.issuperset(map(id, optimizer.parameters))
