"""The generic kernels over NumPy, unoptimised: what every faster kernel is compared with."""

from __future__ import annotations

import numpy as np

from lamina.backends.backend import Backend

__all__ = ["ReferenceBackend"]


class ReferenceBackend(Backend):
    """The base class over NumPy, with nothing overridden."""

    name = "reference"
    xp = np
    array_type = np.ndarray
