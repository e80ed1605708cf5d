"""A layer on trial: fresh builds of it, the arrays it is fed with, and what comes out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from lamina.backends import Array, Backend, get_backend
from lamina.core.calls import takes, within
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths, lengths_after
from lamina.core.shapes import Lengths, as_tuple
from lamina.errors import ArgumentError
from lamina.kinds.random import fixed_draws
from lamina.kinds.recurrent import RecurrentLayer
from lamina.testing.proofs.arrays import HostArray, as_list, freeze
from lamina.testing.proofs.drawn import is_shape, read_input
from lamina.testing.proofs.passes import Outcome, hosts, parameter_gradients
from lamina.testing.report import CheckError

__all__ = ["Trial"]


class Trial:
    """Makes everything a check needs, from seeds, so that checks do not depend on each other.

    Parameters
    ----------
    layer : Layer
        Not built; it stays as it is.
    inputs : sequence of shapes or arrays
        With the batch; an array is used as it is, such as the integers of an embedding.
    state : sequence of shapes
        Of further inputs without a time axis.
    backend : str or Backend, optional
    lengths : bool or "auto"
        Whether rows of unequal length are tried.
    ignores_padding : bool, optional
    seed : int
    """

    def __init__(
        self,
        layer: Layer,
        inputs: Sequence[Any],
        state: Sequence[Any] = (),
        backend: str | Backend | None = None,
        lengths: bool | str = "auto",
        ignores_padding: bool | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(layer, Layer):
            raise ArgumentError(f"check_layer: expected a layer, got {layer!r}")
        if any(below.is_built for _, below in layer.walk()):
            raise ArgumentError(f"check_layer: expected {layer.label} as its constructor made it, not built")
        if not inputs:
            raise ArgumentError("check_layer: expected the shape of an input, such as (4, 5, 3)")
        self.template = layer
        self.label = type(layer).__name__
        self.backend = get_backend(backend)
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.values = [read_input("check_layer", rng, value) for value in (*inputs, *state)]
        # Inputs that came as arrays: only values that occur in them are known to make sense.
        self.given = [not is_shape(value) for value in (*inputs, *state)]
        self.batch = self.values[0].shape[0]
        if self.batch < 2 or any(value.shape[0] != self.batch for value in self.values):
            shapes = [value.shape for value in self.values]
            raise ArgumentError(f"check_layer: expected inputs with one batch of at least 2 rows, got {shapes}")
        self.takes_lengths = takes(type(layer).forward, "lengths", anything=False) and layer._heeds_lengths()
        self.time = self._find_time(lengths)
        self.states = len(state)
        self.lengths = None if self.time is None else _ragged(rng, self.batch, self.time)
        if ignores_padding is None:
            # What a container does with padding is up to the layers in it; a recurrent one guards its cell.
            ignores_padding = self.takes_lengths and (isinstance(layer, RecurrentLayer) or not layer.children())
        self.ignores_padding = ignores_padding
        self._expected: dict[bool, Outcome] = {}
        self._gradients: dict[tuple[tuple[int, ...], ...], list[HostArray]] = {}

    def _find_time(self, lengths: bool | str) -> int | None:
        first = self.values[0]
        has_time = first.ndim >= 3 or (first.ndim == 2 and first.dtype.kind in "iu")
        if lengths is True and not has_time:
            raise ArgumentError(f"check_layer: lengths need an input (batch, time, ...), got {first.shape}")
        wanted = lengths is True or (lengths == "auto" and has_time and (first.ndim <= 3 or self.takes_lengths))
        return first.shape[1] if wanted else None

    def new(self) -> Layer:
        """Return a copy of the layer, not built."""
        return copy.deepcopy(self.template)

    def build(self, dtype: str = "float64", backend: Backend | None = None, any_time: bool = False) -> Layer:
        """Return a new layer with the same weights every time, none of them at a first value such as 0 or 1."""
        layer = self.new()
        shapes: list[Any] = [value.shape for value in self.values]
        if any_time:
            shapes = [
                (None, None, *shape[2:]) if self.has_time(value, index) else shape
                for index, (shape, value) in enumerate(zip(shapes, self.values, strict=True))
            ]
        layer.build(*shapes, backend=backend or self.backend, dtype=dtype, seed=self.seed)
        rng = np.random.default_rng(self.seed + 1)
        for parameter in layer.parameters():
            noise = 0.1 * rng.standard_normal(parameter.shape)
            if parameter.trainable:
                parameter.data = parameter.numpy() + noise
        return layer

    def arrays(self, layer: Layer, values: Sequence[HostArray] | None = None) -> list[Array]:
        """Return inputs as new arrays of the layer's backend and dtype, read-only where that can be said."""
        given = self.values if values is None else values
        return [freeze(layer.as_input(value.copy(), index)) for index, value in enumerate(given)]

    def gradients_for(self, shapes: Sequence[tuple[int, ...]]) -> list[HostArray]:
        """Return random gradients for outputs of these shapes, read-only."""
        key = tuple(shapes)
        if key not in self._gradients:
            rng = np.random.default_rng(self.seed + 2)
            self._gradients[key] = [freeze(rng.standard_normal(shape)) for shape in shapes]
        return self._gradients[key]

    def forward(self, layer: Layer, values: Sequence[HostArray] | None = None, lengths: Any = None) -> tuple[Any, Any]:
        """Run forward on new arrays, with lengths, or a tuple of them for several inputs."""
        options: dict[str, Any] = {}
        if lengths is not None:
            several = isinstance(lengths, tuple)
            options["lengths"] = tuple(map(_frozen, lengths)) if several else _frozen(lengths)
        arrays = self.arrays(layer, values)
        # One that must leave out padding itself shows what it gives, not what a model's outermost call makes of it.
        with fixed_draws(self.seed), within if self.ignores_padding else nullcontext():
            y, saved = layer.forward(*arrays, **options)
        return y, saved

    def backward(
        self,
        layer: Layer,
        y: Any,
        saved: Any,
        dy: Sequence[HostArray] | None = None,
        input_gradient: bool = True,
    ) -> list[Any]:
        """Run backward with these gradients, or random ones, and return one gradient for each input."""
        given = self.gradients_for([tuple(output.shape) for output in as_list(y)]) if dy is None else dy
        arrays = [freeze(layer.backend.asarray(array, layer.dtype)) for array in given]
        given_dy = tuple(arrays) if isinstance(y, tuple) else arrays[0]
        dx = as_tuple(layer.backward(given_dy, saved, input_gradient=input_gradient))
        if len(dx) != len(self.values):
            raise CheckError(f"backward: expected gradients of {len(self.values)} inputs, got {len(dx)}")
        return list(dx)

    def run(
        self,
        layer: Layer,
        values: Sequence[HostArray] | None = None,
        lengths: Any = None,
        dy: Sequence[HostArray] | None = None,
    ) -> Outcome:
        """Run forward and backward, from gradients of zero, and return everything on the host."""
        parameters = layer.parameters()  # looked for once, not for each use
        for parameter in parameters:
            parameter.zero_grad()
        y, saved = self.forward(layer, values, lengths)
        dx = self.backward(layer, y, saved, dy)
        return Outcome(hosts(layer, y), hosts(layer, dx), parameter_gradients(layer, parameters))

    def expected(self, lengths: Lengths | None = None) -> Outcome:
        """Return what a new layer's first pass gives, without lengths or with the ragged ones, run once for all checks.

        Read-only. That a second new layer, and a second pass, give the same is a check of its own.
        """
        ragged = lengths is not None
        if ragged not in self._expected:
            outcome = self.run(self.build(), lengths=lengths)
            for array in outcome.named().values():
                freeze(array)
            self._expected[ragged] = outcome
        return self._expected[ragged]

    def has_time(self, value: HostArray, index: int) -> bool:
        """Tell whether an input is a sequence, with the time axis that lengths speak of."""
        sequence = value.ndim >= 3 or (value.ndim == 2 and value.dtype.kind in "iu")
        return sequence and value.shape[1] == self.time and index < len(self.values) - self.states

    def past_end(self, values: Sequence[HostArray], lengths: Lengths) -> list[HostArray | None]:
        """Return, for each input, which of its (batch, time) steps are padding; None where it has no time axis."""
        return [
            _past(lengths, value.shape[1]) if self.has_time(value, index) else None
            for index, value in enumerate(values)
        ]

    def past_end_of_outputs(self, layer: Layer, outputs: Sequence[HostArray], lengths: Any) -> list[HostArray | None]:
        """Return the same for outputs, whose lengths may differ."""
        after = lengths_after(layer, lengths)
        each = each_lengths(after, len(outputs))
        return [
            _past(np.asarray(own), output.shape[1]) if own is not None and output.ndim >= 3 else None
            for own, output in zip(each, outputs, strict=True)
        ]

    def padded(self, past: Sequence[HostArray | None], value: float) -> list[HostArray]:
        """Return the inputs with a value past each row's end; with the largest one of inputs that came as arrays."""
        padded = [array.copy() for array in self.values]
        for array, steps, given in zip(padded, past, self.given, strict=True):
            if steps is not None:
                own = given and (array.dtype.kind in "iu" or not self.ignores_padding)
                array[steps] = array.max() if own else value
        return padded

    def other_batch(self, more: int) -> list[HostArray]:
        """Return other inputs, of a batch larger by some rows."""
        rng = np.random.default_rng(self.seed + 3 + more)
        rows = rng.integers(self.batch, size=self.batch + more)
        return [
            value[rows] if given else rng.standard_normal((len(rows), *value.shape[1:]))
            for value, given in zip(self.values, self.given, strict=True)
        ]


def _frozen(lengths: Lengths | None) -> Lengths | None:
    return None if lengths is None else freeze(lengths.copy())


def _ragged(rng: np.random.Generator, batch: int, time: int) -> Lengths:
    """Return lengths in no order: half, none and all of the steps, one step, then random ones."""
    lengths = rng.integers(0, time + 1, size=batch)
    if batch == 2:
        lengths[:] = [time // 2, time]
    else:
        lengths[:4] = [max(time // 2, 1), 0, time, 1][: min(batch, 4)]
    return np.asarray(lengths, dtype=np.int64)


def _past(lengths: Any, time: int) -> HostArray:
    past: HostArray = np.arange(time)[None, :] >= lengths[:, None]
    return past
