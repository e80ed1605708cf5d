"""The optimizer: writes its state and its update, for arrays of any backend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from lamina.backends import Array, Backend
from lamina.configured import Configured
from lamina.errors import ArgumentError, CheckpointError, NotBuiltError
from lamina.parameter import Parameter, Storage
from lamina.registry import Registry

__all__ = ["Optimizer"]


class Optimizer(Configured):
    """The base class of optimizers.

    One of your own defines two methods, both over arrays of whichever backend the model is on::

        create_state(self, backend, data) -> dict of arrays like data
        update(self, backend, data, grad, state)            writes into data and state, never into grad

    Parameters that lie side by side in memory come as one flat array, so an update costs one call for the
    whole model. An optimizer that needs each parameter in its own shape sets ``elementwise = False``.

    Parameters
    ----------
    parameters : iterable of Parameter
        ``model.parameters()`` of a built model.
    lr : float
        The learning rate; may be assigned between steps.
    clip_norm : float, optional
        Before each update, scale all gradients so that their global norm is at most this
        (Pascanu et al., 2013).
    clip_value : float, optional
        Before each update, bound every gradient's elements to [-clip_value, clip_value].

    Attributes
    ----------
    steps : int
        How many steps were taken.

    Raises
    ------
    NotBuiltError
        If there are no parameters, or they have no values yet.
    ArgumentError
        If a setting is out of range.
    """

    registry: ClassVar[Registry[Optimizer]] = Registry("optimizer")
    elementwise: ClassVar[bool] = True
    _transient: ClassVar[tuple[str, ...]] = ("parameters",)

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.require("lr", lr, above=0)
        if clip_norm is not None:
            self.require("clip_norm", clip_norm, above=0)
        if clip_value is not None:
            self.require("clip_value", clip_value, above=0)
        if not isinstance(parameters, Iterable):
            raise ArgumentError(f"{self.label}: expected model.parameters(), got {type(parameters).__name__}")
        self.parameters = list({id(parameter): parameter for parameter in parameters}.values())
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise ArgumentError(f"{self.label}: expected Parameters, got {type(parameter).__name__}")
        if not self.parameters or any(parameter.storage is None for parameter in self.parameters):
            raise NotBuiltError(f"{self.label}: the model has no parameters yet: call model.build(shape) first")
        self.lr = lr
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.steps = 0
        self._runs = self._make_runs()

    # What an optimizer defines.

    def create_state(self, backend: Backend, data: Array) -> dict[str, Array]:
        """Return new arrays of ``data``'s shape and dtype, by name; none by default."""
        return {}

    def update(self, backend: Backend, data: Array, grad: Array, state: dict[str, Array]) -> None:
        """Step ``data`` in place along ``grad``, and write what is kept into ``state``, in place."""
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    # What every optimizer has.

    def step(self) -> None:
        """Update every trainable parameter from its gradient."""
        if any(run.moved for run in self._runs):
            self.load_state_dict(self.state_dict())  # the model was moved: the state follows it
        self.steps += 1
        pieces = [piece for run in self._runs for piece in run.pieces()]
        if self.clip_value is not None:
            for backend, _, grad, _ in pieces:
                backend.clip_value(grad, self.clip_value)
        if self.clip_norm is not None and pieces:
            pieces[0][0].clip_global_norm([grad for _, _, grad, _ in pieces], self.clip_norm)
        for backend, data, grad, state in pieces:
            self.update(backend, data, grad, state)

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for run in self._runs:
            if run.moved:
                for parameter in run.parameters:
                    parameter.zero_grad()
            else:
                run.grad[...] = 0

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of everything the optimizer keeps, arrays on the host.

        Returns
        -------
        dict
            ``"steps"``, ``"lr"``, and ``"parameters"``: arrays by parameter path and state name.
        """
        arrays: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
        for run in self._runs:
            for parameter, state in run.states():
                if state and parameter.name in arrays:
                    raise CheckpointError(
                        f"{self.label}: two parameters are named {parameter.name!r}: build them as parts of one model"
                    )
                arrays[parameter.name] = {
                    name: np.array(run.storage.backend.to_numpy(array)).reshape(parameter.shape)
                    for name, array in state.items()
                }
        return {"steps": self.steps, "lr": self.lr, "parameters": arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; nothing is changed unless all of it fits.

        Raises
        ------
        CheckpointError
            Names every missing, unexpected and misshapen array.
        """
        runs = self._make_runs()
        expected = {
            (parameter.name, name): (array, parameter.shape, run.storage.backend)
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
        if problems or not {"steps", "lr"} <= set(state):
            raise CheckpointError(f"state does not fit {self.label}: {'; '.join(problems) or 'no steps or lr'}")
        for key, (array, _, backend) in expected.items():
            array[...] = backend.astype(backend.asarray(found[key].reshape(array.shape)), array.dtype)
        self._runs, self.steps, self.lr = runs, int(state["steps"]), float(state["lr"])

    @property
    def label(self) -> str:
        """The name used in messages."""
        return type(self).__name__

    def require(
        self,
        name: str,
        value: Any,
        *,
        above: float | None = None,
        at_least: float | None = None,
        below: float | None = None,
    ) -> None:
        """Raise `ArgumentError` unless a setting is a finite number within bounds."""
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if number and math.isfinite(value):
            low = (above is None or value > above) and (at_least is None or value >= at_least)
            if low and (below is None or value < below):
                return
        bounds = [
            f"{word} {bound}"
            for word, bound in (("above", above), ("at least", at_least), ("below", below))
            if bound is not None
        ]
        raise ArgumentError(f"{self.label}: expected {name} {' and '.join(bounds)}, got {value!r}")

    def _make_runs(self) -> list[_Run]:
        # Storages in the order in which they first occur: the same in every process, as ids are not.
        first = {id(parameter.storage): place for place, parameter in reversed(list(enumerate(self.parameters)))}
        ordered = sorted(self.parameters, key=lambda parameter: (first[id(parameter.storage)], parameter.offset))
        groups: list[list[Parameter]] = []
        for parameter in ordered:
            last = groups[-1][-1] if groups else None
            adjacent = (
                last is not None and last.storage is parameter.storage and last.offset + last.size == parameter.offset
            )
            if adjacent and self.elementwise:
                groups[-1].append(parameter)
            else:
                groups.append([parameter])
        return [_Run(self, group) for group in groups]


class _Run:
    """Parameters side by side in one storage, and the optimizer's state for them."""

    def __init__(self, optimizer: Optimizer, parameters: list[Parameter]) -> None:
        first, last = parameters[0], parameters[-1]
        assert first.storage is not None
        self.parameters = parameters
        self.storage: Storage = first.storage
        self._whole = slice(first.offset, last.offset + last.size)
        self._shape = None if optimizer.elementwise else first.shape
        # Kept, because the parameters' own offsets change when they are moved.
        starts = [parameter.offset - first.offset for parameter in parameters]
        self._spans: list[Any] = (
            [slice(start, start + parameter.size) for start, parameter in zip(starts, parameters, strict=True)]
            if self._shape is None
            else [...]
        )
        self.state = optimizer.create_state(self.storage.backend, self.data)

    # Not kept: a copied view would no longer be a view of the copied storage.

    @property
    def data(self) -> Array:
        """The values, flat, or in the parameter's shape."""
        return self._view(self.storage.data)

    @property
    def grad(self) -> Array:
        """The gradients, like the values."""
        return self._view(self.storage.grad)

    def _view(self, buffer: Array) -> Array:
        flat = buffer[self._whole]
        return flat if self._shape is None else self.storage.backend.reshape(flat, self._shape)

    @property
    def moved(self) -> bool:
        """Whether a parameter has left the storage, because the model, or a part of it, was moved."""
        return any(parameter.storage is not self.storage for parameter in self.parameters)

    def pieces(self) -> Iterator[tuple[Backend, Array, Array, dict[str, Array]]]:
        """Yield backend, values, gradients and state of each stretch of trainable parameters."""
        backend, data, grad = self.storage.backend, self.data, self.grad
        if all(parameter.trainable for parameter in self.parameters):
            yield backend, data, grad, self.state
            return
        for (parameter, state), span in zip(self.states(), self._spans, strict=True):
            if parameter.trainable:
                yield backend, data[span], grad[span], state

    def states(self) -> Iterator[tuple[Parameter, dict[str, Array]]]:
        """Yield each parameter with its own part of the state."""
        for parameter, span in zip(self.parameters, self._spans, strict=True):
            yield parameter, {name: array[span] for name, array in self.state.items()}
