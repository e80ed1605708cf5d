"""The guard against NaN and infinity in training: one check a step, and a search for the layer once it fails."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.compose.watched import watched
from lamina.core.finite import first_non_finite
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.errors import NonFiniteError
from lamina.kinds.random import RandomLayer
from lamina.losses.loss import Loss
from lamina.train.batches import Batch

__all__ = ["FiniteGuard"]


class _FoundError(Exception):
    """What the search found; it ends the step that is run again."""


class FiniteGuard:
    """Raises `NonFiniteError` where a step's loss or gradients are not finite, before the weights are changed.

    Parameters
    ----------
    model : Layer
    loss : Loss
    """

    def __init__(self, model: Layer, loss: Loss) -> None:
        self._model = model
        self._loss = loss
        self._random = {path: one for path, one in model.walk() if isinstance(one, RandomLayer)}
        # Such as running means, which forward moves.
        self._moving = [one for one in model.parameters() if not one.trainable]
        self._draws: dict[str, Any] = {}
        self._before: list[Array] = []
        storages = {id(one.storage): one.storage for one in model.parameters() if one.storage is not None}
        self._storages = list(storages.values())

    def keep(self) -> None:
        """Note, before a step, what its forward pass changes: to run it again, and to leave nothing of it."""
        self._draws = {path: copy.copy(layer._draws) for path, layer in self._random.items()}
        self._before = [one.backend.copy(one.data) for one in self._moving]

    def is_finite(self, value: Array) -> bool:
        """Tell whether a step's loss and all gradients are finite; waits for the device once."""
        backend = self._model.backend
        xp = backend.xp
        with np.errstate(all="ignore"):
            total = value
            for storage in self._storages:  # a sum is finite only where every term is
                total = total + xp.sum(storage.read_grad())
            if math.isfinite(backend.item(total)):
                return True
        # Finite terms may have overflowed in the sum.
        return backend.all_finite(value) and all(backend.all_finite(one.read_grad()) for one in self._storages)

    def check(self, epoch: int, step: int, value: Array, batch: Batch, before: Any = None, chunk: bool = False) -> None:
        """Raise `NonFiniteError` where a step went wrong; to be called after `keep` and backward, before the update.

        Parameters
        ----------
        epoch, step : int
            For the message, from 1.
        value : 0-d array
            The step's loss.
        batch : Batch
        before : state
            From which a chunk of a sequence went forward.
        chunk : bool
            Whether the batch is one.
        """
        if self.is_finite(value):
            return
        for parameter, values in zip(self._moving, self._before, strict=True):
            parameter.data = values
        where = f"epoch {epoch}, step {step}"
        raise NonFiniteError(f"{where}: {self._search(batch, before, chunk)}; the weights are those before the step")

    def _search(self, batch: Batch, before: Any, chunk: bool) -> str:
        """Run the step again, layer by layer, and return what first gave NaN or infinity."""
        twin = watched(self._model, forward=self._forward, stream=self._forward, backward=self._backward)
        for path, layer in twin.walk():
            if path in self._draws:
                layer._draws = self._draws[path]
        loss = self._loss
        try:
            with np.errstate(all="ignore"):
                if chunk:
                    prediction, _, saved = twin.stream(*batch.inputs, state=before, training=True, **batch.options)
                else:
                    prediction, saved = twin.forward(*batch.inputs, **batch.options)
                lengths = lengths_after(twin, batch.options.get("lengths"))
                value, loss_saved = loss.forward_on(self._model.backend, prediction, batch.target, lengths=lengths)
                self._refuse(value, f"loss {loss.label} gave")
                gradient = loss.backward(loss_saved)
                self._refuse(gradient, f"backward of loss {loss.label} gave")
                twin.backward(gradient, saved, input_gradient=False)
            for name, parameter in twin.named_parameters().items():  # the sum of several calls' gradients
                self._refuse(parameter.grad, f"backward gave, in the sum for parameter {name!r},")
        except _FoundError as found:
            return str(found)
        return "NaN or infinity, but not when the step was run again: a layer of it is not deterministic"

    def _forward(self, layer: Layer, method: Any, *inputs: Any, **options: Any) -> Any:
        result = method(*inputs, **options)
        hint = ""
        for name, parameter in layer.own_parameters().items():
            found = first_non_finite(layer.backend, parameter.data)
            if found is not None:
                hint = f", as its parameter {name!r} holds {found[0]}"
                break
        self._refuse(result[0], f"forward of {layer.label} gave", hint)
        return result

    def _backward(self, layer: Layer, method: Any, dy: Any, saved: Any, **options: Any) -> Any:
        dx = method(dy, saved, **options)
        for name, parameter in layer.own_parameters().items():
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
            where = f" at row {place[0]}" + (f", time step {place[1]}" if len(place) > 2 else "")
        raise _FoundError(f"{what} {name}{hint}{where}")
