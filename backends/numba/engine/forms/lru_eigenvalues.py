"""The LRU's eigenvalues l = exp(-n + i p) and gains g: of their logarithms, and back."""

from __future__ import annotations

import math
from typing import Any

from lamina.backends.numba.engine.memory import compiled, separate, uint

__all__ = ["add_eigenvalues", "add_gains", "add_scaled", "eigenvalues", "scale"]


@compiled
def eigenvalues(units: Any, given: Any, real: Any, imaginary: Any, gain: Any, n: Any, p: Any) -> None:
    """Write the real and the imaginary part of l, then g, n and p, from log n, log p and log g."""
    separate()
    for k in range(units):
        shrunk, angle = math.exp(given[k]), math.exp(given[uint(units + k)])
        size = math.exp(-shrunk)
        real[k], imaginary[k], gain[k] = size * math.cos(angle), size * math.sin(angle), math.exp(given[2 * units + k])
        n[k], p[k] = shrunk, angle


@compiled
def scale(rows: Any, units: Any, gain: Any, w: Any, into: Any) -> None:
    """Write w_b times g."""
    separate()
    for row in range(2 * rows):
        for k in range(units):
            into[uint(row * units + k)] = w[uint(row * units + k)] * gain[k]


@compiled
def add_eigenvalues(
    units: Any, real: Any, imaginary: Any, gain: Any, n: Any, p: Any, sums: Any, sums_imaginary: Any, dgain: Any,
    target: Any,
) -> None:  # fmt: skip
    """Add the gradients of log n, log p and log g, from those of l's parts and of g."""
    separate()
    for k in range(units):
        a, b, x, y = real[k], imaginary[k], sums[k], sums_imaginary[k]
        target[k] -= (x * a + y * b) * n[k]
        target[units + k] += (y * a - x * b) * p[k]
        target[2 * units + k] += dgain[k] * gain[k]


@compiled
def add_gains(rows: Any, units: Any, w: Any, d_into: Any, dgain: Any) -> None:
    """Add the gradient of g, from that of w_b times g."""
    separate()
    for row in range(2 * rows):
        for k in range(units):
            dgain[k] += w[uint(row * units + k)] * d_into[uint(row * units + k)]


@compiled
def add_scaled(rows: Any, units: Any, gain: Any, d_into: Any, target: Any) -> None:
    """Add the gradient of w_b."""
    separate()
    for row in range(2 * rows):
        for k in range(units):
            target[uint(row * units + k)] += d_into[uint(row * units + k)] * gain[k]
