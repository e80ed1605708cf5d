"""BatchNorm in training: every feature over all valid steps of the batch, and the running statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import clear, size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.layer_norm import LEAST, MOST, affine
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, compiled, record_at, separate, uint
from lamina.backends.numba.engine.room import address_of_array

__all__ = ["BatchNormForm"]

#: Of each feature, float64: ``means``, ``sizes``, ``inverses`` and ``squares``, the variance; ``sums`` and ``others``
#: are for backward.
_FURTHER = "scale shift running_mean running_variance means sizes inverses squares dscale dshift sums others"
_norm_at = record_at(fields(f"{MAP} {_FURTHER}"))


class BatchNormForm(MapForm):
    """Of all rows: the program is ``alone``."""

    further = _FURTHER

    def numbers(self) -> Sequence[float]:
        """Return epsilon, momentum, and the largest variance that is kept."""
        options = self.call.options
        largest = math.sqrt(float(np.finfo(self.room.dtype).max)) / 2
        return options["epsilon"], options["momentum"], largest * largest

    def kept(self) -> int:
        """Return how many normalized numbers there are."""
        return self.most * self.call.inputs[0].features

    def settings(self) -> dict[str, int]:
        """Return the weights, the running statistics, and room for what each feature has."""
        weights, room, features = self.call.weights, self.room, self.call.inputs[0].features
        each = ("means", "sizes", "inverses", "squares", "sums", "others")
        return {
            "scale": affine(room, weights.get("scale"), features, 1),
            "shift": affine(room, weights.get("shift"), features, 0),
            "running_mean": room.weights(weights["running_mean"]),
            "running_variance": room.weights(weights["running_variance"]),
            **{name: address_of_array(room.take(features, np.float64)) for name in each},
        }

    def gradients(self) -> dict[str, int]:
        """Return where those of the weights are added."""
        return {f"d{name}": self.room.gradient_of(self.call.weights.get(name)) for name in ("scale", "shift")}


@compiled
def _find_units(rows: Any, n: Any, root: Any, x: Any, units: Any) -> None:
    """Write what numbers are divided by, so that no square overflows or vanishes."""
    separate()
    for k in range(rows):
        for j in range(n):
            v = abs(x[uint(k * n + j)])
            units[j] = v if v > units[j] or v != v else units[j]
    for j in range(n):
        size = units[j]
        units[j] = size if MOST <= size < np.inf or (root < LEAST and 0 < size <= LEAST) else 1.0


@compiled
def _add_steps(rows: Any, n: Any, x: Any, units: Any, means: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            means[j] += np.float64(x[uint(k * n + j)]) / units[j]


@compiled
def _add_squares(rows: Any, n: Any, x: Any, units: Any, means: Any, squares: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            apart = np.float64(x[uint(k * n + j)]) / units[j] - means[j]
            squares[j] += apart * apart


@compiled
def _normalize(
    rows: Any, n: Any, units: Any, means: Any, inverses: Any, scale: Any, shift: Any, x: Any, normal: Any, y: Any
) -> None:
    separate()
    kind = x.dtype.type
    for k in range(rows):
        first = k * n
        for j in range(n):
            v = kind((np.float64(x[uint(first + j)]) / units[j] - means[j]) * inverses[j])
            normal[uint(first + j)] = v
            y[uint(first + j)] = v * scale[j] + shift[j]


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _norm_at(address)
    rows, n, numbers = rows_of(p), p.features, array_at(p.numbers, 3, np.float64)
    x, root, count = array_at(p.x, rows * n, dtype), math.sqrt(numbers[0]), max(rows, 1)
    means, units = array_at(p.means, n, np.float64), array_at(p.sizes, n, np.float64)
    inverses, squares = array_at(p.inverses, n, np.float64), array_at(p.squares, n, np.float64)
    for j in range(n):
        means[j], squares[j], units[j] = 0.0, 0.0, 0.0 if size_of(dtype) == 8 else 1.0
    if size_of(dtype) == 8:
        _find_units(rows, n, root, x, units)
    _add_steps(rows, n, x, units, means)
    for j in range(n):
        means[j] /= count
    _add_squares(rows, n, x, units, means, squares)
    for j in range(n):
        squares[j] /= count
        added = root / units[j]
        inverses[j] = 1 / math.sqrt(squares[j] + added * added)
    scale, shift = array_at(p.scale, n, dtype), array_at(p.shift, n, dtype)
    _normalize(
        rows, n, units, means, inverses, scale, shift, x, array_at(p.kept, rows * n, dtype),
        array_at(p.y, rows * n, dtype),
    )  # fmt: skip
    running, moving = array_at(p.running_mean, n, dtype), array_at(p.running_variance, n, dtype)
    momentum, largest = numbers[1], numbers[2]
    for j in range(n):
        unit = units[j]
        inverses[j] /= unit
        if rows > 0:
            running[j] += dtype(momentum * (means[j] * unit - running[j]))
        if rows > 1:
            deviation = math.sqrt(squares[j]) * unit
            variance = squares[j] if unit == 1 else deviation * deviation
            variance = largest if variance > largest else variance
            moving[j] += dtype(momentum * (variance * (rows / (rows - 1)) - moving[j]))


@compiled
def _add_up(rows: Any, n: Any, normal: Any, dy: Any, sums: Any, others: Any) -> None:
    separate()
    for k in range(rows):
        for j in range(n):
            d = np.float64(dy[uint(k * n + j)])
            sums[j] += d
            others[j] += d * np.float64(normal[uint(k * n + j)])


@compiled
def _back(rows: Any, n: Any, factors: Any, sums: Any, others: Any, normal: Any, dy: Any, dx: Any) -> None:
    separate()
    kind = dy.dtype.type
    for k in range(rows):
        for j in range(n):
            at = uint(k * n + j)
            d = np.float64(dy[at]) - sums[j] - np.float64(normal[at]) * others[j]
            dx[at] = kind(factors[j] * d)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _norm_at(address)
    rows, n, count = rows_of(p), p.features, max(rows_of(p), 1)
    normal, dy = array_at(p.kept, rows * n, dtype), array_at(p.dy, rows * n, dtype)
    sums, others = array_at(p.sums, n, np.float64), array_at(p.others, n, np.float64)
    inverses, scale = array_at(p.inverses, n, np.float64), array_at(p.scale, n, dtype)
    clear(n, p.sums, np.float64)
    clear(n, p.others, np.float64)
    _add_up(rows, n, normal, dy, sums, others)
    dscale, dshift = array_at(p.dscale, n, dtype), array_at(p.dshift, n, dtype)
    for j in range(n):
        if p.dscale != 0:
            dscale[j] += dtype(others[j])
        if p.dshift != 0:
            dshift[j] += dtype(sums[j])
    if p.dx != 0:
        factors = array_at(p.squares, n, np.float64)
        for j in range(n):
            sums[j] /= count
            others[j] /= count
            factors[j] = inverses[j] * np.float64(scale[j])
        _back(rows, n, factors, sums, others, normal, dy, array_at(p.dx, rows * n, dtype))


def forward_float32(address: Any) -> None:
    """Write the output, and move the running statistics."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output, and move the running statistics."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float64)
