"""What is done to single numbers: tanh and the logistic sigmoid of either dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lamina.backends.numba.engine.memory import OPTIONS, compiled

__all__ = ["sigmoid", "squash"]

_HALF, _ONE = np.float32(0.5), np.float32(1)

# tanh x = x P(x^2) / Q(x^2), a minimax fit of the relative error on [0, 9], where float32's tanh reaches 1: it is off
# by at most 3.0e-7. A quotient of polynomials is what a compiler can vectorize.
_LARGEST = np.float32(9)
_P0, _P1, _P2 = np.float32(9.999999794770803e-1), np.float32(1.3381024109676914e-1), np.float32(3.4955863354731486e-3)
_P3, _P4 = np.float32(2.0609054412758664e-5), np.float32(1.3354626265251967e-8)
_Q1, _Q2 = np.float32(4.6714339707428226e-1), np.float32(2.587697530445747e-2)
_Q3, _Q4 = np.float32(3.2856319519691113e-4), np.float32(7.776543139385504e-7)


def squash(x: Any) -> Any:
    """Return tanh x; of a float32 by a quotient of polynomials."""
    return math.tanh(x)


def _squash32(x: Any) -> Any:
    bounded = _LARGEST if x > _LARGEST else x
    bounded = -_LARGEST if bounded < -_LARGEST else bounded
    square = bounded * bounded
    over = (((_P4 * square + _P3) * square + _P2) * square + _P1) * square + _P0
    under = (((_Q4 * square + _Q3) * square + _Q2) * square + _Q1) * square + _ONE
    y = bounded * over / under
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


@overload(squash, jit_options=OPTIONS, strict=False)
def _squash(x: Any) -> Any:
    return _squash32 if x == types.float32 else squash


@compiled
def sigmoid(x: Any, half: Any) -> Any:
    """Return the logistic sigmoid; ``half`` is 1/2 of x's dtype."""
    return half * squash(half * x) + half
