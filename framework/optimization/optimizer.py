"""The optimizer: writes its state and its update, for arrays of any backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from operator import attrgetter
from typing import Any, ClassVar, TypedDict

import numpy as np

from lamina.backends import Array, Backend
from lamina.core.arguments import number
from lamina.core.parameter import Parameter
from lamina.core.registry import Registry
from lamina.core.stretch import Stretch, neighbours
from lamina.errors import ArgumentError, CheckpointError, NotBuiltError
from lamina.optimization.groups import Groups, make_groups, read_groups
from lamina.optimization.pieces import Piece, Run, update_together
from lamina.optimization.rule import Rule
from lamina.optimization.state import fitting_kept, fitting_rates, kept_by, rates_of, read_numbers

__all__ = ["General", "Optimizer"]

# The attributes of `Optimizer` itself and of its bases, which its state says in other ways, or not at all.
_OWN = (
    "parameters",
    "steps",
    "lr_factor",
    "_lr",
    "_first_lr",
    "_ungrouped",
    "_members",
    "_runs",
    "_stretches",
    "_given",
)


class General(TypedDict, total=False):
    """What every optimizer takes by keyword and hands on to `Optimizer`."""

    clip_norm: float | None
    clip_value: float | None
    groups: Groups | None


class Optimizer(Rule):
    """The base class of optimizers.

    One of your own defines two methods, both over arrays of whichever backend the model is on::

        create_state(self, backend, data) -> dict of arrays like data
        update(self, backend, data, grad, state)            writes into data and state, never into grad

    Parameters that lie side by side in memory come as one flat array, so an update costs one call for the
    whole model. An optimizer that needs each parameter in its own shape sets ``elementwise = False``. It keeps
    its settings as attributes of their names before it calls ``super().__init__``, and hands on what it does
    not take: then ``self.lr`` and the others are, in `update`, those of the parameters at hand. What it counts
    from step to step beside arrays it keeps as attributes too; those that JSON can hold are in the state.

    Parameters
    ----------
    parameters : iterable of Parameter
        ``model.parameters()`` of a built model.
    lr : float
        The learning rate; may be assigned between steps, also 0.
    clip_norm : float, optional
        Before each update, scale all gradients so that their global norm is at most this
        (Pascanu et al., 2013). What is not finite is dealt with as `clip_global_norm` says.
    clip_value : float, optional
        Before each update, bound every gradient's elements to [-clip_value, clip_value].
    groups : dict of str to dict, optional
        Settings that differ for some parameters, by a pattern of their names, as in a shell: ``{"*.b":
        {"weight_decay": 0.0}, "0.*": {"lr": 1e-4}}``. A parameter takes the options of every pattern that
        matches it; where two differ, the later one's. A rate of a group stays in its proportion to ``lr`` when
        that is assigned. Clipping is over all gradients together.

    Attributes
    ----------
    steps : int
        How many steps were taken.
    lr_factor : float
        By how much the rate was multiplied since a schedule set it, as by `ReduceOnPlateau`: the schedule's next
        rate is multiplied by it too.
    needs_closure : bool
        Whether `step` takes a function that computes the loss and its gradients anew, and returns the loss, as
        `LBFGS`'s does.

    Raises
    ------
    NotBuiltError
        If there are no parameters, or they have no values yet.
    ArgumentError
        If a setting is out of range, or a pattern of ``groups`` matches no parameter.
    UnknownNameError
        If ``groups`` has an option that this optimizer has not.
    """

    registry: ClassVar[Registry[Optimizer]] = Registry("optimizer")
    needs_closure: bool = False
    _lr: float
    _members: list[Optimizer]
    _transient: ClassVar[tuple[str, ...]] = ("parameters",)

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        groups: Groups | None = None,
    ) -> None:
        if not isinstance(parameters, Iterable):
            raise ArgumentError(f"{self.label}: expected model.parameters(), got {type(parameters).__name__}")
        self.parameters = list({id(parameter): parameter for parameter in parameters}.values())
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise ArgumentError(f"{self.label}: expected Parameters, got {type(parameter).__name__}")
        if not self.parameters or any(parameter.storage is None for parameter in self.parameters):
            raise NotBuiltError(f"{self.label}: the model has no parameters yet: call model.build(shape) first")
        self.lr = number(self, "lr", lr, above=0)
        self.clip_norm = None if clip_norm is None else number(self, "clip_norm", clip_norm, above=0)
        self.clip_value = None if clip_value is None else number(self, "clip_value", clip_value, above=0)
        self.groups = None if groups is None else read_groups(self, groups)
        self.steps = 0
        self.lr_factor = 1.0
        self._first_lr = self.lr
        self._ungrouped, self._members = make_groups(self, self.groups or {})
        for member in self._members:
            member._runs = []  # the state is the whole optimizer's
        self._runs: list[Run] = self._make_runs()
        self._stretches = self._make_stretches()

    def _set_lr(self, lr: float) -> None:
        # Always a float of Python's own: one of NumPy's would widen float32.
        self._lr = lr if type(lr) is float and 0 <= lr < inf else number(self, "lr", lr, least=0)

    # Read in every update, and so without a call of Python.
    lr: float = property(attrgetter("_lr"), _set_lr)  # type: ignore[assignment]

    # What every optimizer has.

    def step(self) -> None:
        """Update every trainable parameter from its gradient."""
        self._follow_moves()
        self.steps += 1
        for member in self._members:
            member._follow(self)
        pieces: list[Piece] = []
        for run in self._runs:
            pieces += run.pieces()
        if pieces and (self.clip_value is not None or self.clip_norm is not None):
            self._clip(pieces)
        if pieces and pieces[0].backend.joins_calls:
            update_together(pieces)
        else:
            for piece in pieces:
                piece.update()

    def _follow_moves(self) -> None:
        for run in self._runs:
            if run.moved:
                self.load_state_dict(self.state_dict())  # the model was moved: the state follows it
                return

    def _clip(self, pieces: list[Piece]) -> None:
        if self.clip_value is not None:
            arrays: dict[Backend, list[Array]] = {}
            for piece in pieces:
                arrays.setdefault(piece.backend, []).append(piece.grad)
            for backend, several in arrays.items():
                backend.clip_values(several, self.clip_value)
        if self.clip_norm is not None:
            pieces[0].backend.clip_global_norm([piece.grad for piece in pieces], self.clip_norm)
        for piece in pieces:
            piece.keep_grad()

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for stretch in self._stretches:
            stretch.zero_grad()

    def scale_grad(self, factor: float) -> None:
        """Multiply all gradients by a number, such as the share of one batch among several."""
        for stretch in self._stretches:
            stretch.scale_grad(factor)

    def rates(self) -> dict[str, float]:
        """Return the learning rates, as a history names them."""
        return {"learning_rate": float(self.lr)}

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of everything the optimizer keeps, arrays on the host.

        Returns
        -------
        dict
            ``"steps"``; ``"lr"``, ``"first_lr"`` and ``"lr_factor"``; ``"group_rates"``: the first rate of each
            parameter in a group, by path; ``"kept"``: what else the class keeps from step to step as attributes
            that JSON can hold; and ``"parameters"``: arrays by parameter path and state name.
        """
        arrays: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
        for run in self._runs:
            for parameter, state in run.states():
                if state and parameter.name in arrays:
                    raise CheckpointError(
                        f"{self.label}: two parameters are named {parameter.name!r}: build them as parts of one model"
                    )
                arrays[parameter.name] = {
                    name: np.array(run.storage.backend.to_numpy(array)).reshape(run.shape_of(parameter, array))
                    for name, array in state.items()
                }
        return {
            "steps": self.steps,
            "lr": self.lr,
            "first_lr": self._first_lr,
            "lr_factor": self.lr_factor,
            "group_rates": rates_of(self._members),
            "kept": {key: kept_by(rule, _OWN) for key, rule in self._rules().items()},
            "parameters": arrays,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; nothing is changed unless all of it fits.

        The rates are then those of the state, of groups too. A state of an earlier version has no rates of groups:
        they keep the proportion to ``lr`` that this optimizer was made with.

        Raises
        ------
        CheckpointError
            Names every missing, unexpected and misshapen array, and every rate that no group here can have.
        """
        runs = self._make_runs()
        expected = {
            (parameter.name, name): (array, run.shape_of(parameter, array), run.storage.backend)
            for run in runs
            for parameter, own in run.states()
            for name, array in own.items()
        }
        found = {
            (path, name): np.asarray(array)
            for path, arrays in state.get("parameters", {}).items()
            for name, array in arrays.items()
        }
        problems = [f"missing {'/'.join(key)}" for key in expected if key not in found]
        problems += [f"unexpected {'/'.join(key)}" for key in found if key not in expected]
        problems += [
            f"{'/'.join(key)}: expected {expected[key][1]}, got {found[key].shape}"
            for key in expected
            if key in found and found[key].shape != expected[key][1]
        ]
        numbers = read_numbers(state, {"lr_factor": 1.0, "first_lr": self._first_lr}, problems)
        rates = fitting_rates(self, numbers["first_lr"], state.get("group_rates"), problems)
        kept = fitting_kept(self._rules(), state.get("kept", {}), _OWN, problems)
        if problems:
            raise CheckpointError(f"state does not fit {self.label}: {'; '.join(problems)}")
        for key, (array, _, backend) in expected.items():
            array[...] = backend.astype(backend.asarray(found[key].reshape(array.shape)), array.dtype)
        self._runs, self.steps, self.lr = runs, int(numbers["steps"]), numbers["lr"]
        self._stretches = self._make_stretches()
        self._first_lr, self.lr_factor = numbers["first_lr"], numbers["lr_factor"]
        for member, rate in zip(self._members, rates, strict=True):
            member._first_lr = rate
        for name, rule in self._rules().items():
            vars(rule).update(kept.get(name, {}))

    def _rules(self) -> dict[str, Optimizer]:
        """Return this optimizer and those of its groups, by the first name in each."""
        return {"": self} | {member.parameters[0].name: member for member in self._members}

    def _make_runs(self) -> list[Run]:
        runs = [Run(self, parameters) for parameters in neighbours(self._ungrouped, self.elementwise)]
        return runs + [run for member in self._members for run in member._make_runs()]

    def _make_stretches(self) -> list[Stretch]:
        """Return all parameters, neighbours together whatever their group: what is done to gradients alone."""
        return [Stretch(parameters) for parameters in neighbours(self.parameters)]

    def _follow(self, whole: Optimizer) -> None:
        """Step as a group of an optimizer: with its count of steps, and at its rate, or in proportion to it."""
        self.steps, self._lr = whole.steps, whole._lr
        if self._first_lr != whole._first_lr:
            self._lr = self._first_lr * (whole._lr / whole._first_lr)
