"""Steps past each row's end, and around it, on NumPy: set to 0 in the array itself, where it is a kernel's own."""

from __future__ import annotations

from lamina.backends.arrays import Array
from lamina.backends.backend import Backend
from lamina.backends.generic.windows import Windows

__all__ = ["clear_past", "padded_rows"]


def clear_past(backend: Backend, steps: Array, lengths: Array | None) -> None:
    """Set (batch, time, ...) to 0 past each row's end; nothing without lengths."""
    if lengths is not None:
        steps[~backend.valid_steps(lengths, steps.shape[1])] = 0


def padded_rows(backend: Backend, x: Array, lengths: Array | None, windows: Windows) -> Array:
    """Return x with 0 past each row's end, and on both sides as far as windows reach."""
    batch, time, features = x.shape
    padded = backend.empty((batch, max(windows.extent, windows.before + time), features), x.dtype)
    padded[:, : windows.before] = 0
    padded[:, windows.before + time :] = 0
    within = padded[:, windows.before : windows.before + time]
    within[...] = x
    clear_past(backend, within, lengths)
    return padded
