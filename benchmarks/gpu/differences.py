"""How far results lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["largest_difference"]

# Below it, an array is zero but for rounding.
_SMALLEST = 1e-4


def largest_difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, float]:
    """Return where results differ most, and by how much of the array's largest element; NaN differs infinitely."""
    worst, place = 0.0, "nothing"
    for name, array in expected.items():
        largest = max(float(np.abs(array).max(initial=0.0)), _SMALLEST)
        difference = float(np.abs(np.asarray(found[name], np.float64) - array).max(initial=0.0)) / largest
        if not difference <= worst:
            worst, place = (difference if difference == difference else float("inf")), name
    return place, worst
