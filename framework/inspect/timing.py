"""Where the time goes: milliseconds, arithmetic and memory of each layer."""

from __future__ import annotations

import gc
import time
from typing import Any

from lamina.backends import Array, Backend
from lamina.compose.sequential import Sequential
from lamina.compose.watched import watched
from lamina.core.arguments import whole
from lamina.core.layer import Layer
from lamina.core.shapes import show
from lamina.inspect.batch import as_batch, name_of
from lamina.inspect.cells import cell_paths
from lamina.inspect.profiles import LayerProfile, Profile
from lamina.inspect.work import Retained, flops_of

__all__ = ["gemm_peak", "profile"]


def gemm_peak(backend: Backend, dtype: str, size: int | None = None, repeat: int = 5) -> float:
    """Return the rate of a square matrix product, in FLOP a second: the fastest of some.

    Parameters
    ----------
    backend : Backend
    dtype : str
    size : int, optional
        Of the matrices; 1024 on the host and 4096 on a device if not given.
    repeat : int
    """
    size = size or (1024 if backend.on_host else 4096)
    a, b = (backend.full((size, size), value, backend.dtype(dtype)) for value in (0.5, 0.25))
    best = float("inf")
    for _ in range(repeat + 1):  # the first one warms up
        backend.synchronize()
        start = time.perf_counter()
        backend.xp.matmul(a, b)
        backend.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


def profile(model: Layer, x: Any, *, lengths: Any = None, repeat: int = 10) -> Profile:
    """Return where the time of a training pass goes, layer by layer.

    Parameters
    ----------
    model : Layer
        Built; it and its gradients stay as they are.
    x, lengths : as for `Trainer.fit`
        Taken as one batch.
    repeat : int
        How many passes to time; each figure is the fastest one's.

    Returns
    -------
    Profile
        Of all layers but a `Sequential`, which only hands on, and the cells of recurrent layers, whose time is
        theirs.

    Raises
    ------
    NotBuiltError, ShapeError, DTypeError, DataError, ArgumentError

    Notes
    -----
    On a device each layer is waited for, so the sum is more than a pass takes when nobody looks. A layer of
    your own that defines ``flops(*shapes)``, from its inputs' shapes to a number, is counted with it.

    Examples
    --------
    >>> import numpy as np
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.SimpleRNN(8), lamina.layers.Dense(2))
    >>> model.build((None, None, 3), seed=0)
    (None, 2)
    >>> found = profile(model, np.ones((4, 6, 3)), repeat=1)
    >>> [(one.name, one.label, one.flops) for one in found.layers]
    [('0', 'SimpleRNN', 4224.0), ('1', 'Dense', 128.0)]
    """
    repeat = whole("profile", "repeat", repeat)
    batch = as_batch(model, x, lengths=lengths)
    backend, dtype = model.backend, model.dtype
    watch = _Watch(backend, cell_paths(model))
    twin = watched(model, forward=watch.forward, backward=watch.backward)
    collects = gc.isenabled()
    gc.disable()  # as timeit does
    try:
        for turn in range(repeat + 1):  # the first one warms up, and is measured in bytes
            watch.begin(Retained(backend, model, batch.inputs) if turn == 0 else None)
            y, saved = twin.forward(*batch.inputs, **batch.options)
            dy = tuple(_ones_like(backend, one) for one in y) if isinstance(y, tuple) else _ones_like(backend, y)
            twin.backward(dy, saved, input_gradient=False)  # as in training
            watch.end(turn > 0)
    finally:
        if collects:
            gc.enable()
    peak = gemm_peak(backend, dtype)
    layers = []
    for name, record in watch.records.items():
        if record.only_hands_on:
            continue
        forward, backward = record.best
        share = None
        if record.flops is not None and forward + backward > 0:
            share = 3 * record.flops / (forward + backward) / peak
        layers.append(
            LayerProfile(
                name,
                record.label,
                record.output,
                forward * 1e3,
                backward * 1e3,
                record.flops,
                share,
                record.bytes / 1e6,
            )
        )
    return Profile(layers, peak, backend.name, dtype)


class _Record:
    """What is known of one layer."""

    def __init__(self, layer: Layer) -> None:
        self.label = type(layer).__name__
        self.only_hands_on = isinstance(layer, Sequential)
        self.output = ""
        self.flops: float | None = None
        self.bytes = 0
        self.now = [0.0, 0.0]
        self.best = [float("inf"), float("inf")]


class _Watch:
    """Measures the calls of a watched model's layers; a container's time is without its layers'."""

    def __init__(self, backend: Backend, cells: set[str]) -> None:
        self.records: dict[str, _Record] = {}
        self._backend = backend
        self._cells = cells
        self._retained: Retained | None = None
        self._inner = [0.0]  # for each running call, the time of those in it

    def begin(self, retained: Retained | None) -> None:
        """Begin a pass; with something that counts bytes where they are to be counted."""
        self._retained = retained
        for record in self.records.values():
            record.now = [0.0, 0.0]

    def end(self, counts: bool) -> None:
        """End a pass, and keep what was fastest, where it counts."""
        for record in self.records.values() if counts else ():
            record.best = [min(best, now) for best, now in zip(record.best, record.now, strict=True)]

    def forward(self, layer: Layer, method: Any, *inputs: Any, **options: Any) -> Any:
        """Call a layer's forward."""
        if layer.path in self._cells:
            return method(*inputs, **options)
        record = self.records.get(name_of(layer))
        first = record is None
        if record is None:
            record = self.records[name_of(layer)] = _Record(layer)
        y, saved = self._timed(record, 0, method, *inputs, **options)
        if self._retained is not None:
            record.bytes += self._retained.count(saved)
            work = flops_of(layer, inputs, y, options.get("lengths"))
            record.flops = work if first or work is None else (record.flops or 0.0) + work
            record.output = show(y[0].shape if isinstance(y, tuple) else y.shape)
        return y, saved

    def backward(self, layer: Layer, method: Any, dy: Any, saved: Any, **options: Any) -> Any:
        """Call a layer's backward."""
        if layer.path in self._cells:
            return method(dy, saved, **options)
        return self._timed(self.records[name_of(layer)], 1, method, dy, saved, **options)

    def _timed(self, record: _Record, which: int, method: Any, *arguments: Any, **options: Any) -> Any:
        self._inner.append(0.0)
        self._backend.synchronize()
        start = time.perf_counter()
        result = method(*arguments, **options)
        self._backend.synchronize()
        passed = time.perf_counter() - start
        record.now[which] += passed - self._inner.pop()
        self._inner[-1] += passed
        return result


def _ones_like(backend: Backend, array: Array) -> Array:
    return backend.full(tuple(array.shape), 1.0, array.dtype)
