"""Lamina on the side of the comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
from benchmarks.gpu.work import CLASSES, RATE, Weights, Work
from lamina.backends import Backend

__all__ = ["Ours"]


class Ours:
    """A model of some work, its data on the device, and what is done with them.

    Parameters
    ----------
    work : Work
    backend : Backend
    dtype : str
    """

    def __init__(self, work: Work, backend: Backend, dtype: str = "float32") -> None:
        self.backend = backend
        self.model = lamina.Sequential([*self._layers(work), lamina.layers.Dense(CLASSES)])
        self.model.build((None, None, work.units), seed=0, backend=backend, dtype=dtype)
        x, labels, self._lengths = work.data()
        self._x = backend.asarray(x, dtype)
        self._labels = backend.asarray(labels)
        self._loss = lamina.losses.SoftmaxCrossEntropy()
        self._optimizer = lamina.optimizers.SGD(self.model.parameters(), lr=RATE)

    @staticmethod
    def _layers(work: Work) -> list[Any]:
        found: list[Any] = []
        for place in range(work.layers):
            cell = getattr(lamina.layers, work.cell)(work.units, return_sequences=place < work.layers - 1)
            found.append(lamina.Bidirectional(cell) if work.bidirectional else cell)
        return found

    def weights(self) -> Weights:
        """Return the weights by name."""
        return {name: np.array(array) for name, array in self.model.state_dict().items()}

    def forward(self) -> Any:
        """Return the logits, keeping nothing."""
        return self.model(self._x, lengths=self._lengths)

    def _gradients(self) -> Any:
        self._optimizer.zero_grad()
        logits, saved = self.model.forward(self._x, lengths=self._lengths)
        _, kept = self._loss.forward(logits, self._labels)
        self.model.backward(self._loss.backward(kept), saved, input_gradient=False)
        return logits

    def step(self) -> None:
        """Take a training step."""
        self._gradients()
        self._optimizer.step()

    def streamed(self) -> dict[str, np.ndarray]:
        """Return the logits after each time step, given one by one."""
        stream = lamina.Stream(self.model)
        steps = range(self._x.shape[1])
        return {f"logits {step}": self.backend.to_numpy(stream(self._x[:, step])) for step in steps}

    def results(self) -> dict[str, np.ndarray]:
        """Return the logits, and the gradients by the parameters' names."""
        found = {"logits": self.backend.to_numpy(self.forward())}
        self._gradients()
        return found | {one.name: self.backend.to_numpy(one.grad) for one in self.model.parameters()}
