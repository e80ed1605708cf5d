"""The guard against NaN and infinity in training: one check a step, and a search for the layer once it fails."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

import numpy as np

from lamina.backends import Array, Backend
from lamina.compose.watched import watched
from lamina.core.finite import first_non_finite
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.errors import NonFiniteError
from lamina.train.batches import Batch
from lamina.train.before import Before
from lamina.train.objective import Objective

__all__ = ["Carried", "FiniteGuard"]


class Carried(Protocol):
    """What is known of a chunk: the state before it, None at a batch's start, and its first step in its batch."""

    @property
    def before(self) -> Any:
        """The state."""

    @property
    def start(self) -> int:
        """The step."""


class _FoundError(Exception):
    """What the search found; it ends the step that is run again."""


class FiniteGuard:
    """Raises `NonFiniteError` where a step's loss or gradients are not finite, before the weights are changed.

    Parameters
    ----------
    model : Layer
    objective : Objective
    planned : bool
        Whether a plan takes the steps, and kernels run again what went wrong.
    """

    def __init__(self, model: Layer, objective: Objective, *, planned: bool = False) -> None:
        self._planned = planned
        self._model = model
        self._objective = objective
        self._before = Before(model)
        self._at_first: list[Array] = []
        self._start = 0
        self._batch = 0
        storages = {id(one.storage): one.storage for one in model.parameters() if one.storage is not None}
        self._storages = list(storages.values())

    def keep(self, begins: bool = True) -> None:
        """Note, before a batch, what its forward pass changes: to run it again, and to leave nothing of the step.

        Parameters
        ----------
        begins : bool
            Whether it is the step's first.
        """
        self._before.keep()
        self._batch += 1
        if begins:
            self._batch, self._at_first = 1, self._before.statistics

    def is_finite(self, value: Array) -> bool:
        """Tell whether a step's loss and all gradients are finite; waits for the device once."""
        gradients = [storage.read_grad() for storage in self._storages]
        return self._model.backend.every_finite([value, *gradients])

    def check(
        self,
        epoch: int,
        step: int,
        value: Array,
        batch: Batch,
        chunks: Carried | None = None,
        weight: float | None = None,
    ) -> None:
        """Raise `NonFiniteError` where a batch went wrong; to be called after `keep` and backward, before the update.

        Parameters
        ----------
        epoch, step : int
            For the message, from 1.
        value : 0-d array
            The batch's loss.
        batch : Batch
        chunks : Carried, optional
            Of the chunk that the batch is.
        weight : float, optional
            Where several batches make a step: what the gradient of this one's loss was multiplied by.
        """
        if not self.is_finite(value):
            self.refuse(epoch, step, batch, chunks, weight)

    def refuse(
        self, epoch: int, step: int, batch: Batch, chunks: Carried | None = None, weight: float | None = None
    ) -> NoReturn:
        """Raise `NonFiniteError` of a batch that went wrong; see `check`."""
        self._before.put_statistics()
        try:
            found = self._search(batch, chunks, weight)
        finally:
            self._before.put_statistics(self._at_first)
        where = f"epoch {epoch}, step {step}" + ("" if weight is None else f", batch {self._batch} of it")
        raise NonFiniteError(f"{where}: {found}; the weights are those before the step")

    def _search(self, batch: Batch, chunks: Carried | None, weight: float | None) -> str:
        """Run the batch again, layer by layer, and return what first gave NaN or infinity."""
        twin = watched(self._model, forward=self._forward, stream=self._forward, backward=self._backward)
        self._before.put_draws(twin)
        self._start = 0 if chunks is None else chunks.start
        try:
            with np.errstate(all="ignore"):
                if chunks is not None:
                    state = {"state": chunks.before, "training": True}
                    prediction, _, saved = twin.stream(*batch.inputs, **state, **batch.options)
                else:
                    prediction, saved = twin.forward(*batch.inputs, **batch.options)
                lengths = lengths_after(twin, batch.options.get("lengths"))
                self._search_losses(prediction, batch, lengths, weight)
                value, _, content = self._objective.forward(self._model.backend, prediction, batch, lengths)
                self._refuse(value, "the sum of the losses gave")
                gradient = self._objective.backward(content)
                if weight is not None and weight != 1:
                    gradient = gradient * weight
                twin.backward(gradient, saved, input_gradient=False)
            if weight is not None:
                self._refuse_sum()
        except _FoundError as found:
            return str(found)
        if self._planned:
            return "NaN or infinity, but not when the step was run again by kernels"
        return "NaN or infinity, but not when the step was run again: a layer of it is not deterministic"

    def _search_losses(self, prediction: Any, batch: Batch, lengths: Any, weight: float | None) -> None:
        """Run each output's loss alone, and refuse what it gives."""
        for term in self._objective.each(prediction, batch, lengths):
            loss = term.loss
            label = f"loss {loss.label}" + (f" of {term.name!r}" if term.name else "")
            value, content = loss.forward_on(self._model.backend, term.prediction, term.target, **term.options)
            self._refuse(value, f"{label} gave")
            gradient = loss.backward(content)
            self._refuse(gradient, f"backward of {label} gave")
            if term.factor != 1:
                self._refuse(value * term.factor, f"{label} gave, times {term.factor:g},")
                gradient = gradient * term.factor
                self._refuse(gradient, f"backward of {label} gave, times {term.factor:g},")
            if weight is not None:
                gradient = gradient * weight
                self._refuse(gradient, f"backward of {label} gave, times the batch's {weight:g} terms,")

    def _refuse_sum(self) -> None:
        """Refuse infinity in what a step's batches add up to; NaN is no sum of finite gradients."""
        for name, parameter in self._model.named_parameters().items():
            found = first_non_finite(self._model.backend, parameter.read_grad())
            if found is not None and found[0] == "infinity":
                raise _FoundError(f"backward gave, in the sum of the step's batches for parameter {name!r}, infinity")

    def _forward(self, layer: Layer, method: Any, *inputs: Any, **options: Any) -> Any:
        result = method(*inputs, **options)
        hint = ""
        for name, parameter in layer.named_parameters().items():  # one may use those of layers in it
            found = first_non_finite(layer.backend, parameter.data)
            if found is not None:
                hint = f", as its parameter {name!r} holds {found[0]}"
                break
        else:
            # An input that another layer gave was looked at before: what is left are states.
            found = first_non_finite(layer.backend, _arrays(layer.backend, (*inputs, options.get("state"))))
            if found is not None:
                hint = f", as the state from the steps before holds {found[0]}"
        self._refuse(result[0], f"forward of {layer.label} gave", hint)
        return result

    def _backward(self, layer: Layer, method: Any, dy: Any, saved: Any, **options: Any) -> Any:
        dx = method(dy, saved, **options)
        for name, parameter in layer.named_parameters().items():  # one may use those of layers in it
            self._refuse(parameter.grad, f"backward of {layer.label} gave", f" in the gradient of {name!r}", False)
        self._refuse(dx, f"backward of {layer.label} gave", " in the gradient of its input")
        return dx

    def _refuse(self, values: Any, what: str, hint: str = "", places: bool = True) -> None:
        found = first_non_finite(self._model.backend, values)
        if found is None:
            return
        name, place = found
        where = ""
        if places and place:
            where = f" at row {place[0]}" + (f", time step {self._start + place[1]}" if len(place) > 2 else "")
        raise _FoundError(f"{what} {name}{hint}{where}")


def _arrays(backend: Backend, state: Any) -> tuple[Any, ...]:
    """Return the backend's arrays in a state: an array, a tuple of states, or None."""
    if isinstance(state, tuple):
        return tuple(array for part in state for array in _arrays(backend, part))
    return (state,) if backend.is_array(state) else ()
