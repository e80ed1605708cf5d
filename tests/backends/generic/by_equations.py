"""Recurrent kernels against equations of one row's step, with gradients by complex steps, exact to rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends import get_backend

__all__ = ["normalized", "prove", "sigmoid"]

BATCH, TIME = 3, 3


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def normalized(a: Any, scale: Any, epsilon: float) -> Any:
    centred = a - a.mean()
    return centred / np.sqrt((centred * centred).mean() + epsilon) * scale


def _run(step: Callable[..., Any], lengths: Any, reverse: bool, states: list[str], values: dict[str, Any]) -> list[Any]:
    """Return the outputs, and the last states, of a step of one row over the valid steps of each."""
    x, last = values["x"], [values[name].copy() for name in states]
    others = {name: value for name, value in values.items() if name not in ("x", *states)}
    outputs = np.zeros((BATCH, TIME, last[0].shape[1]), x.dtype)
    for n in range(BATCH):
        own = {name: value[n] if name == "state_mask" else value for name, value in others.items()}
        for t in list(range(lengths[n]))[:: -1 if reverse else 1]:
            after = step(x[n, t], *[state[n] for state in last], **own)
            for state, new in zip(last, after, strict=True):
                state[n] = new
            outputs[n, t] = after[0]
    return [outputs, *last]


def prove(
    kernel: str,
    backend: str,
    step: Callable[..., Any],
    shapes: dict[str, Any],
    states: list[str],
    lengths: Any,
    reverse: bool,
    options: dict[str, Any],
    arrays: tuple[str, ...] = (),
) -> None:
    """Prove a kernel's outputs and all its gradients.

    Parameters
    ----------
    kernel, backend : str
    step : callable
        Takes one row's x and states, and the other values by name; returns the states after.
    shapes : dict
        Of what the kernel takes, in its order.
    states : list of str
        Which of these are states.
    lengths : tuple of int or None
    reverse : bool
    options : dict
        Of the kernel, beside the arrays.
    arrays : tuple of str
        What it takes by keyword of ``shapes``; a mask has no gradient.
    """
    rng = np.random.default_rng(2)
    values = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    if "state_mask" in values:
        values["state_mask"] = rng.choice([0.0, 2.0], values["state_mask"].shape)
    steps = lengths or (TIME,) * BATCH
    size = shapes[states[0]][1]
    dy = [rng.standard_normal(shape) for shape in ((BATCH, TIME, size), *(shapes[name] for name in states))]
    for row, length in enumerate(steps):
        values["x"][row, length:] = dy[0][row, length:] = 0
    expected = _run(step, steps, reverse, states, values)
    gradients = {}
    for name, array in values.items():
        gradients[name] = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            moved = {key: value + 0j for key, value in values.items()}
            moved[name][place] += 1e-30j
            results = _run(step, steps, reverse, states, moved)
            gradients[name][place] = sum((r.imag * d).sum() for r, d in zip(results, dy, strict=True)) / 1e-30

    for row, length in enumerate(steps):
        values["x"][row, length:] = dy[0][row, length:] = np.nan  # never looked at
    for array in (*values.values(), *dy):
        array.flags.writeable = False
    run = get_backend(backend).select(kernel, **options)
    own = None if lengths is None else np.array(lengths)
    taken = [value for name, value in values.items() if name not in arrays]
    keywords = {name: values[name] for name in arrays}
    h, last, saved = run.forward(*taken, own, reverse=reverse, **options, **keywords)
    for got, wanted in zip((h, *(last if isinstance(last, tuple) else (last,))), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-13)
    dx, *dweights, dstates = run.backward(*dy, saved, values["w_x"], values["w_h"])
    names = [name for name in shapes if name not in ("x", "state_mask", *states)]
    for name, got in zip(["x", *names], [dx, *dweights], strict=True):
        np.testing.assert_allclose(got, gradients[name], rtol=1e-10, atol=1e-12, err_msg=name)
    for name, got in zip(states, dstates if isinstance(dstates, tuple) else (dstates,), strict=True):
        np.testing.assert_allclose(got, gradients[name], rtol=1e-10, atol=1e-12, err_msg=name)
