"""A running average of a model's weights, which often does better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.backends import Array
from lamina.core.arguments import instance, number
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.stretch import Stretch, neighbours
from lamina.errors import ArgumentError, CheckpointError
from lamina.train.callback import Callback, Training

__all__ = ["WeightAverage"]


class WeightAverage(Callback):
    """The exponential moving average of a model's weights.

        a = a + (w - a) (1 - decay) / (1 - decay^n)

    after the n-th update: the mean of the weights after each, where the latest counts most and each earlier one
    ``decay`` times as much as the next; the weights from before the first do not count (Polyak and Juditsky,
    1992; without the bias towards the start, as in Adam).

    Parameters
    ----------
    model : Layer
        Built at the latest when the first average is taken.
    decay : float
        From 0 up to but not including 1; the average is over about 1 / (1 - decay) updates.

    Attributes
    ----------
    updates : int
        How many were averaged; a second `fit` goes on from there.

    Raises
    ------
    ArgumentError
        If ``decay`` is out of range; before training, if the trainer's model is another one.

    Examples
    --------
    As a callback it takes note of every step. Before there was one, the average is the weights as they are.

    >>> import lamina
    >>> model = lamina.layers.Dense(3)
    >>> average = lamina.WeightAverage(model, decay=0.99)
    >>> trainer = lamina.Trainer(model, optimizer="sgd", callbacks=average)
    >>> x, y = np.random.default_rng(0).normal(size=(32, 4)), np.arange(32) % 3
    >>> history = trainer.fit(x, y, epochs=2, verbose=False)
    >>> with average.applied():
    ...     figures = trainer.evaluate(x, y)
    """

    def __init__(self, model: Layer, decay: float = 0.999) -> None:
        self.model = instance("WeightAverage", "model", model, Layer)
        self.decay = number("WeightAverage", "decay", decay, least=0, below=1)
        self.updates = 0
        self._stretches: list[Stretch] = []
        self._averages: list[Array] = []
        self._applied = False

    def update(self) -> None:
        """Take the model's weights into the average.

        Raises
        ------
        NotBuiltError
            If the model is not built.
        ArgumentError
            Inside `applied`.
        """
        self._ready()
        self.updates += 1
        rate = (1 - self.decay) / (1 - self.decay**self.updates)
        for stretch, average in zip(self._stretches, self._averages, strict=True):
            average += (stretch.data - average) * rate

    @contextmanager
    def applied(self) -> Iterator[Layer]:
        """Give the model its averaged weights inside a with block, and its own back after it."""
        self._ready()
        stretches = self._stretches
        own = [stretch.storage.backend.copy(stretch.data) for stretch in stretches]
        self.apply()
        self._applied = True
        try:
            yield self.model
        finally:
            self._applied = False
            if any(stretch.moved for stretch in stretches):
                arrays = _by_parameter(stretches, own)
                for parameter in self.model.parameters():
                    parameter.data = arrays[id(parameter)]
            else:
                for stretch, values in zip(stretches, own, strict=True):
                    stretch.data[...] = values

    def apply(self) -> None:
        """Give the model its averaged weights for good."""
        self._ready()
        for stretch, average in zip(self._stretches, self._averages, strict=True):
            stretch.data[...] = average

    def state_dict(self) -> dict[str, Any]:
        """Return ``"updates"`` and ``"parameters"``: the averages by path, copied to the host."""
        self._follow()
        arrays = _by_parameter(self._stretches, self._averages)
        named = self.model.named_parameters()
        return {"updates": self.updates, "parameters": {path: arrays[id(own)] for path, own in named.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned; nothing is changed unless all of it fits.

        Raises
        ------
        CheckpointError
            Names every missing, unexpected and misshapen array.
        """
        self.model.bound()
        expected = {path: parameter.shape for path, parameter in self.model.named_parameters().items()}
        found = {path: as_host(array, f"array {path!r}") for path, array in state.get("parameters", {}).items()}
        problems = [f"missing {path}" for path in expected if path not in found]
        problems += [f"unexpected {path}" for path in found if path not in expected]
        problems += [
            f"{path}: expected {shape}, got {found[path].shape}"
            for path, shape in expected.items()
            if path in found and found[path].shape != shape
        ]
        if problems or "updates" not in state:
            raise CheckpointError(f"state does not fit WeightAverage: {'; '.join(problems) or 'no updates'}")
        self.updates = int(state["updates"])
        self._start()
        self._fill({id(parameter): found[path] for path, parameter in self.model.named_parameters().items()})

    def check(self, trainer: Training) -> None:
        """Raise where the trainer trains another model."""
        if trainer.model is not self.model:
            raise ArgumentError("WeightAverage: its model is another one than the trainer's")

    def on_step_end(self, trainer: Training, epoch: int, step: int, loss: Array) -> None:
        """Take the step's weights into the average."""
        self.update()

    def __repr__(self) -> str:
        return f"<WeightAverage: {self.model.label}, decay {self.decay:g}, {self.updates} updates>"

    def _ready(self) -> None:
        if self._applied:
            raise ArgumentError("WeightAverage: the averaged weights are applied: leave that block first")
        self._follow()

    def _follow(self) -> None:
        """Start where there is no average yet; go with the parameters where they were moved."""
        if not self._stretches:
            self._start()
        elif any(stretch.moved for stretch in self._stretches):
            kept = _by_parameter(self._stretches, self._averages)
            self._start()
            self._fill(kept)

    def _start(self) -> None:
        """Let the average be the weights as they are."""
        self._stretches = [Stretch(parameters) for parameters in neighbours(self.model.parameters())]
        self._averages = [stretch.storage.backend.copy(stretch.data) for stretch in self._stretches]

    def _fill(self, arrays: Mapping[int, np.ndarray[Any, Any]]) -> None:
        """Set the averages from arrays by the parameters' ids."""
        for stretch, average in zip(self._stretches, self._averages, strict=True):
            for parameter, span in zip(stretch.parameters, stretch.spans, strict=True):
                array = arrays[id(parameter)].reshape(-1)
                average[span] = stretch.storage.backend.asarray(array, stretch.storage.dtype)


def _by_parameter(stretches: list[Stretch], arrays: list[Array]) -> dict[int, np.ndarray[Any, Any]]:
    """Return copies of what stretches of flat arrays hold, on the host, by the parameters' ids."""
    return {
        id(parameter): np.array(stretch.storage.backend.to_numpy(array[span])).reshape(parameter.shape)
        for stretch, array in zip(stretches, arrays, strict=True)
        for parameter, span in zip(stretch.parameters, stretch.spans, strict=True)
    }
