"""Where the sLSTM's gates and states lie far from 0: its kernels against the generic one in float64, which scales."""

from typing import Any

import numpy as np

from lamina.backends import get_backend

ROWS, TIME, UNITS, FEATURES = 5, 60, 3, 2
FORGET = ("sigmoid", "exp")


def steps(*changes: tuple[int, float]) -> Any:
    """Return what is added at each step: from each place on, another number."""
    pushed = np.zeros(TIME)
    for start, value in changes:
        pushed[start:] = value
    return pushed


# What is added to the exponents of i and f, in the row of that number and in no other.
PUSHES: dict[str, tuple[dict[int, Any], dict[int, Any]]] = {
    "one row up, one down": ({1: steps((20, 100)), 3: steps((30, -100))}, {}),
    "far up and far down": ({0: steps((9, 1e4)), 2: steps((11, -1e4))}, {}),
    "there and back": ({1: steps((10, 100), (20, 0)), 2: steps((10, -100), (20, 0)), 3: steps((5, -60), (25, 60))}, {}),
    "from the first step on": ({0: steps((0, 100)), 1: steps((0, -100)), 2: steps((0, 1e4)), 3: steps((0, -1e4))}, {}),
    "shut, and nothing new": ({1: steps((20, -100))}, {1: steps((20, -100)), 2: steps((20, -100))}),
    "shut far": ({}, {0: steps((20, -1e4)), 1: steps((20, -1e4), (30, 0)), 3: steps((0, -1e4))}),
    "open far": ({2: steps((30, -100))}, {2: steps((20, 100)), 4: steps((20, 1e4))}),
    "each step another": (
        {1: 100.0 * (-1) ** np.arange(TIME), 2: np.linspace(-1e4, 1e4, TIME).round()},
        {1: 50.0 * (-1) ** (np.arange(TIME) // 3), 4: -100.0 * (np.arange(TIME) % 5 == 0)},
    ),
}
# n of the first states, by row, and m.
STATES: dict[str, tuple[list[float], list[float]] | None] = {
    "none": None,
    "plain": ([1, 0, 2, 0.5, 3], [0, 0, 1, -1, 0.5]),
    "m far": ([1, 0, 2, 1, 0], [1e4, 1e4, -1e4, -300, -1e4]),
    "n far": ([1e-20, 1e3, 1e-9, 50, 0], [0, 0, 3, -3, 5]),
    "n of one row far": ([1, 1e-12, 1, 1, 2], [0, 0, 0, 0, 0]),
}
LENGTHS = {"full": None, "ragged": [60, 3, 0, 41, 25]}


def results(backend: str, dtype: str, pushes: str, states: str, lengths: str, forget: str, reverse: bool) -> list[Any]:
    """Return all that the kernels give: h, c, n, m, and the gradients of everything."""
    rng = np.random.default_rng(5)
    x = np.zeros((ROWS, TIME, FEATURES + 2))
    x[..., :FEATURES] = rng.standard_normal((ROWS, TIME, FEATURES))
    for place, pushed in enumerate(PUSHES[pushes], FEATURES):
        for row, values in pushed.items():
            x[row, :, place] = values[::-1] if reverse else values
    w_x, w_h = rng.standard_normal((FEATURES + 2, 4 * UNITS)), rng.standard_normal((UNITS, 4 * UNITS)) / 3
    w_x[FEATURES:] = np.repeat(np.eye(2, 4), UNITS, axis=1)
    dy, *dlast = (rng.standard_normal(shape) for shape in ((ROWS, TIME, UNITS), *[(ROWS, UNITS)] * 4))
    first: list[Any] = [None] * 4
    own = STATES[states]
    if own is not None:
        n, m = (np.repeat(np.array(values, float)[:, None], UNITS, axis=1) for values in own)
        first = [rng.standard_normal(n.shape), n * rng.uniform(-1, 1, n.shape), n, m]
    cast = [None if one is None else one.astype(dtype) for one in (x, w_x, w_h, dy, *dlast, *first)]
    x, w_x, w_h, dy, *rest = cast
    ends = None if LENGTHS[lengths] is None else np.array(LENGTHS[lengths])
    kernel = get_backend(backend).select("slstm", forget=forget)
    h, last, saved = kernel.forward(x, w_x, w_h, None, *rest[4:], ends, forget=forget, reverse=reverse)
    *gradients, dfirst = kernel.backward(dy, *rest[:4], saved, w_x, w_h)
    return [h, *last, *gradients, *dfirst]


def hold(backend: str, dtype: str, pushes: str, states: str, lengths: str, forget: str, reverse: bool) -> None:
    """Compare a backend with the generic kernel in float64."""
    case = pushes, states, lengths, forget, reverse
    names = "h", "last h", "c", "n", "m", "dx", "dw_x", "dw_h", "db", "dh", "dc", "dn", "dm"
    # A float32 of 10,000 is off by as much as 0.0005, and so is an exponent: and e to it by that part of it.
    tolerance = 1e-8 if dtype == "float64" else 1e-2
    with np.errstate(all="ignore"):
        expected = results("reference", "float64", *case)
    for name, one, other in zip(names, results(backend, dtype, *case), expected, strict=True):
        assert np.isfinite(other).all() and one.dtype == dtype
        scale = max(1.0, float(np.abs(other).max()))
        np.testing.assert_allclose(one / scale, other / scale, rtol=0, atol=tolerance, err_msg=f"{name}, {case}")
