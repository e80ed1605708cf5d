"""LayerNorm and RMSNorm: each row by its own mean and deviation, or by its root mean square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.mapping import MAP, MapForm
from lamina.backends.numba.engine.frames import rows_of
from lamina.backends.numba.engine.memory import array_at, array_or, compiled, record_at, separate, summing, uint
from lamina.backends.numba.engine.room import Room, address_of_array
from lamina.backends.program import Weights

__all__ = ["LEAST", "MOST", "NormForm", "affine"]

#: Between them no square of a float64 overflows, or vanishes; float32 are squared as float64.
MOST, LEAST = np.finfo(np.float64).max ** 0.25, np.finfo(np.float64).smallest_normal ** 0.25

#: ``means``, ``sizes`` and ``inverses`` (rows,) float64; ``spare`` and ``other`` are where gradients go that nobody
#: wants.
_FURTHER = "centred scale shift means sizes inverses dscale dshift spare other"
_norm_at = record_at(fields(f"{MAP} {_FURTHER}"))


def affine(room: Room, weights: Weights | None, features: int, otherwise: float) -> int:
    """Return where a scale or shift lies; numbers that change nothing where there is none."""
    if weights is not None:
        return room.weights(weights)
    array = room.take(features)
    array[:] = otherwise
    return address_of_array(array)


class NormForm(MapForm):
    """Over the last axis."""

    further = _FURTHER

    def numbers(self) -> Sequence[float]:
        """Return epsilon."""
        return (self.call.options["epsilon"],)

    def kept(self) -> int:
        """Return how many normalized numbers there are."""
        return self.most * self.call.inputs[0].features

    def settings(self) -> dict[str, int]:
        """Return the weights, and room for what each row has."""
        call, room, features = self.call, self.room, self.call.inputs[0].features
        means, units, inverses = (address_of_array(room.take(max(self.most, 1), np.float64)) for _ in range(3))
        return {
            "centred": call.kernel == "layer_norm",
            "scale": affine(room, call.weights.get("scale"), features, 1),
            "shift": affine(room, call.weights.get("shift"), features, 0),
            "means": means,
            "sizes": units,
            "inverses": inverses,
            "spare": room.floats(features),
            "other": room.floats(features),
        }

    def gradients(self) -> dict[str, int]:
        """Return where those of the weights are added."""
        return {f"d{name}": self.room.gradient_of(self.call.weights.get(name)) for name in ("scale", "shift")}


@summing
def _statistics(
    rows: Any, n: Any, centred: Any, wide: Any, epsilon: Any, x: Any, means: Any, units: Any, inverses: Any
) -> None:
    separate()
    root = math.sqrt(epsilon)
    for k in range(rows):
        first, unit = k * n, 1.0
        if wide:
            size = 0.0
            for j in range(n):
                v = abs(x[uint(first + j)])
                size = v if v > size or v != v else size
            if MOST <= size < np.inf or (root < LEAST and 0 < size <= LEAST):
                unit = size
        share, mean, squares = 1 / unit, 0.0, 0.0
        if centred:
            if unit == 1:
                for j in range(n):
                    mean += np.float64(x[uint(first + j)])
            else:
                for j in range(n):
                    mean += np.float64(x[uint(first + j)]) / unit
            mean /= n
        if unit == 1:
            for j in range(n):
                apart = np.float64(x[uint(first + j)]) - mean
                squares += apart * apart
        else:
            for j in range(n):
                apart = np.float64(x[uint(first + j)]) / unit - mean
                squares += apart * apart
        added = root * share
        means[k], units[k], inverses[k] = mean, unit, 1 / math.sqrt(squares / n + added * added)


@compiled
def _normalize(
    rows: Any, n: Any, means: Any, units: Any, inverses: Any, scale: Any, shift: Any, x: Any, normal: Any, y: Any
) -> None:
    separate()
    kind = x.dtype.type
    for k in range(rows):
        first, unit = k * n, kind(units[k])
        mean, inverse = kind(means[k]), kind(inverses[k])
        rest = kind((np.float64(mean) - means[k]) * inverses[k])  # what rounding took from the mean
        if unit == 1:
            for j in range(n):
                v = (x[uint(first + j)] - mean) * inverse + rest
                normal[uint(first + j)] = v
                y[uint(first + j)] = v * scale[j] + shift[j]
        else:
            for j in range(n):
                v = (x[uint(first + j)] / unit - mean) * inverse + rest
                normal[uint(first + j)] = v
                y[uint(first + j)] = v * scale[j] + shift[j]
            inverses[k] /= units[k]


@summing
def _back(
    rows: Any, n: Any, centred: Any, wanted: Any, inverses: Any, scale: Any, normal: Any, dy: Any, dscale: Any,
    dshift: Any, dx: Any,
) -> None:  # fmt: skip
    separate()
    kind = dy.dtype.type
    for k in range(rows):
        first, along, mean = k * n, kind(0), kind(0)
        for j in range(n):
            d, v = dy[uint(first + j)], normal[uint(first + j)]
            product = d * v
            along += product * scale[j]
            mean += d * scale[j]
            dscale[j] += product
            dshift[j] += d
        if wanted:
            mean = mean / kind(n) if centred else kind(0)
            along, inverse = along / kind(n), kind(inverses[k])
            for j in range(n):
                dx[uint(first + j)] = inverse * (
                    (dy[uint(first + j)] * scale[j] - mean) - normal[uint(first + j)] * along
                )


@compiled
def _forward(address: Any, dtype: Any) -> None:
    p = _norm_at(address)
    rows, n = rows_of(p), p.features
    x, y, normal = array_at(p.x, rows * n, dtype), array_at(p.y, rows * n, dtype), array_at(p.kept, rows * n, dtype)
    means, units, inverses = (
        array_at(p.means, rows, np.float64), array_at(p.sizes, rows, np.float64), array_at(p.inverses, rows, np.float64)
    )  # fmt: skip
    epsilon = array_at(p.numbers, 1, np.float64)[0]
    _statistics(rows, n, p.centred != 0, size_of(dtype) == 8, epsilon, x, means, units, inverses)
    scale, shift = array_at(p.scale, n, dtype), array_at(p.shift, n, dtype)
    _normalize(rows, n, means, units, inverses, scale, shift, x, normal, y)


@compiled
def _backward(address: Any, dtype: Any) -> None:
    p = _norm_at(address)
    rows, n = rows_of(p), p.features
    dscale = array_or(p.dscale, p.spare, n, dtype)
    dshift = array_or(p.dshift, p.other, n, dtype)
    _back(
        rows, n, p.centred != 0, p.dx != 0, array_at(p.inverses, rows, np.float64), array_at(p.scale, n, dtype),
        array_at(p.kept, rows * n, dtype), array_at(p.dy, rows * n, dtype), dscale, dshift,
        array_at(p.dx, rows * n, dtype),
    )  # fmt: skip


def forward_float32(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float32)


def forward_float64(address: Any) -> None:
    """Write the output."""
    _forward(address, np.float64)


def backward_float32(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float32)


def backward_float64(address: Any) -> None:
    """Add to the gradients of the weights, and write that of the input."""
    _backward(address, np.float64)
