"""Numbers as a person reads them."""

from __future__ import annotations

import math

__all__ = ["figure"]


def figure(value: float) -> str:
    """Return a figure as it is shown: four decimals, or three digits where those would show nothing.

    Examples
    --------
    >>> figure(0.61234), figure(0.00001234)
    ('0.6123', '1.23e-05')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 or not math.isfinite(value) else f"{value:.2e}"
