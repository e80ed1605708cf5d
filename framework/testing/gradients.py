"""The gradient check: every gradient against central differences, by random projections."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.backends import get_backend
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.shapes import as_tuple
from lamina.errors import ArgumentError
from lamina.kinds.random import fixed_draws
from lamina.losses.loss import Loss
from lamina.testing.differences import BlurredError, Place, Stencil, blur, slopes, stencil_of
from lamina.testing.proofs.arrays import HostArray, as_list, to_host
from lamina.testing.proofs.passes import loss_terms
from lamina.testing.report import CheckError

__all__ = ["check_gradients"]


# Beside the sum of what backward is given, what is taken for nothing: times 1e-3 and a tolerance of 1e-6, it is the
# rounding of a double.
_VANISHING = 1e-5


def check_gradients(
    subject: Layer | Loss | Callable[..., Any],
    *inputs: Any,
    loss: Loss | Sequence[Loss | None] | None = None,
    target: Any = None,
    lengths: Any = None,
    mask: Any = None,
    tolerance: float = 1e-6,
    step: float = 1e-6,
    points: int = 2,
    directions: int = 3,
    seed: int = 0,
) -> float:
    r"""Compare the gradients of a layer, a loss, a whole model or a function with central differences.

    For every input and every trainable parameter p, the slope of the value f along random directions v,
    (f(p + h v) - f(p - h v)) / 2h, must be the gradient's inner product with v. All p move at once; if an error
    shows, each moves alone. For a layer without a loss, f is the sum of its outputs weighted with random numbers,
    so no error cancels.

    Parameters
    ----------
    subject : Layer, Loss or callable
        A layer or model built with ``dtype="float64"``; a loss; or a function of arrays that returns
        ``(value, gradients)``, one gradient for each input.
    *inputs : array-like
        For a loss, its prediction. Integers are not differentiated by.
    loss : Loss, or a tuple of one, or None, for each of several outputs, optional
        What the model's output is fed into; several losses are added up.
    target : array-like, or a tuple of one for each output, optional
        For the loss.
    lengths : (batch,) integers, optional
        For the model; the loss gets those that the model's output has.
    mask : array-like, optional
        For the loss.
    tolerance : float
        The largest relative error that passes.
    step : float
        h.
    points : {2, 4}
        With 4, (8 f(p + h v) - 8 f(p - h v) - f(p + 2h v) + f(p - 2h v)) / 12h, which errs by h^4 f'''''/30: for
        values whose rounding is enlarged, where h must be long.
    directions : int
        How many directions are tried for each input and parameter.
    seed : int

    Returns
    -------
    float
        The largest error, relative to the gradient's norm, which is the size a projection typically has; of the
        smallest gradient's, where all passed together.

    Raises
    ------
    CheckError
        If an error is above the tolerance; it names the input or parameter. It says so where rounding alone may be the
        reason, as in values that are nothing but rounding, enlarged.

    Notes
    -----
    A central difference errs by h^2 f'''/6 from truncation and by about 1e-16 f / h from rounding. At h = 1e-6,
    in float64, both are near 1e-10 or below for values of order one. A tolerance of 1e-6 leaves four digits for
    long sums, while a wrong term shows in the first digits. A direction moves all elements at once: one wrong
    element of n still shows as 1/sqrt(n).

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.layers import Dense
    >>> layer = Dense(2)
    >>> layer.build((None, 3), dtype="float64", seed=0)
    (None, 2)
    >>> check_gradients(layer, np.ones((4, 3))) < 1e-6
    True
    """
    rng = np.random.default_rng(seed)
    values = [np.array(value) for value in inputs]
    if isinstance(subject, Layer):
        evaluate, places, size = _of_layer(subject, values, loss, target, lengths, mask, rng)
    elif isinstance(subject, Loss):
        evaluate, places, size = _of_loss(subject, values, target, {"lengths": lengths, "mask": mask})
    else:
        evaluate, places, size = _of_function(subject, values)
    return _compare(evaluate, places, size, tolerance, stencil_of(points, step), directions, rng)


def _compare(
    evaluate: Callable[[], float],
    places: list[Place],
    size: float,
    tolerance: float,
    stencil: Stencil,
    directions: int,
    rng: np.random.Generator,
) -> float:
    # A gradient that vanishes beside the terms of f is hidden by their rounding: it is measured against them.
    floor = max(1e-3 * size, 1e-30)
    norms = []
    for place in places:
        if place.gradient.shape != place.value.shape:
            raise CheckError(
                f"gradient of {place.name}: expected shape {place.value.shape}, got {place.gradient.shape}"
            )
        if not np.all(np.isfinite(place.gradient)):
            raise CheckError(f"gradient of {place.name}: expected finite numbers, got NaN or infinity")
        norms.append(math.sqrt(float(np.sum(place.gradient**2))))
    # All at once first: a fault of one of them shows in full, and is measured against the smallest gradient of all.
    # Where that does not pass, each is tried alone, along directions of its own: that decides, and says which it is.
    alone = copy.deepcopy(rng)
    if len(places) > 1:
        together = _largest(evaluate, places, max(min(norms), floor), tolerance, stencil, directions, rng)
        if together <= tolerance:
            return together
    worst = 0.0
    for place, norm in zip(places, norms, strict=True):
        for _ in range(directions):
            slope, claimed = slopes(evaluate, [place], stencil, alone)
            error = abs(slope - claimed) / max(abs(slope), norm, floor)
            if not error <= tolerance:
                if abs(slope - claimed) <= blur(evaluate, place, stencil, alone):
                    raise BlurredError(
                        f"gradient of {place.name}: rounding hides it: it alone may move a slope of {slope:.3g} as far "
                        f"from {claimed:.3g}: check it at other values"
                    )
                raise CheckError(
                    f"gradient of {place.name}: expected a slope of {slope:.9g} (central difference), "
                    f"got {claimed:.9g}, a relative error of {error:.1e}"
                )
            worst = max(worst, error)
    return worst


def _largest(
    evaluate: Callable[[], float],
    places: list[Place],
    norm: float,
    tolerance: float,
    stencil: Stencil,
    directions: int,
    rng: np.random.Generator,
) -> float:
    """Return the largest error along directions in all places together, or the first that is too large, or NaN."""
    worst = 0.0
    for _ in range(directions):
        slope, claimed = slopes(evaluate, places, stencil, rng)
        error = abs(slope - claimed) / norm
        if not error <= tolerance:
            return error
        worst = max(worst, error)
    return worst


def _input_places(values: list[HostArray], gradients: list[Any], name: str) -> list[Place]:
    def put(index: int) -> Callable[[HostArray], None]:
        def replace(value: HostArray) -> None:
            values[index] = value

        return replace

    places = []
    for index, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        if value.dtype.kind == "f":
            where = name if len(values) == 1 else f"{name} {index}"
            places.append(Place(where, value, np.asarray(gradient), put(index)))
    return places


def _of_layer(
    layer: Layer,
    values: list[HostArray],
    loss: Any,
    target: Any,
    lengths: Any,
    mask: Any,
    rng: np.random.Generator,
) -> tuple[Callable[[], float], list[Place], float]:
    if layer.dtype != "float64":
        raise ArgumentError(f"check_gradients: build {layer.label} with dtype='float64', got {layer.dtype}")
    backend = layer.backend
    options = {} if lengths is None else {"lengths": lengths}

    def forward() -> tuple[Any, Any]:
        # Copies: the layer keeps what it is given, and the values are about to change.
        arrays = [layer.as_input(value.copy(), index) for index, value in enumerate(values)]
        with fixed_draws():
            return layer.forward(*arrays, **options)

    y, saved = forward()
    outputs = as_list(y)
    weights: list[HostArray] = []
    terms: list[tuple[int, Loss, Any, dict[str, Any]]] = []
    if loss is None:
        weights = [rng.standard_normal(tuple(output.shape)) for output in outputs]
        size = sum(float(np.sum(np.abs(w * to_host(backend, o)))) for w, o in zip(weights, outputs, strict=True))
        upstream: list[Any] = [backend.asarray(weight) for weight in weights]
    else:
        if isinstance(y, tuple) != isinstance(loss, tuple):
            has = "several outputs, a loss takes one" if isinstance(y, tuple) else "one output, and losses for several"
            raise ArgumentError(f"check_gradients: {layer.label} has {has}")
        terms, size = loss_terms(loss, target, lengths_after(layer, lengths), mask, len(outputs)), 0.0
        upstream = [backend.zeros(output.shape, output.dtype) for output in outputs]
        for place, one, goal, after in terms:
            number, of_loss = one.forward(outputs[place], goal, **after)
            size += abs(backend.item(number))
            upstream[place] = one.backward(of_loss)
    dy = tuple(upstream) if isinstance(y, tuple) else upstream[0]

    # What vanishes beside the terms of the gradients is hidden by their rounding, as where an output is always 0.
    size = max(size, _VANISHING * sum(float(np.sum(np.abs(to_host(backend, one)))) for one in as_list(dy)))

    def evaluate() -> float:
        outputs = as_list(forward()[0])
        if loss is not None:
            return sum(backend.item(one.forward(outputs[i], goal, **after)[0]) for i, one, goal, after in terms)
        return float(sum(np.sum(w * backend.to_numpy(o)) for w, o in zip(weights, outputs, strict=True)))

    parameters = [parameter for parameter in layer.parameters() if parameter.trainable]
    before = [to_host(backend, parameter.grad) for parameter in parameters]
    for parameter in parameters:
        parameter.zero_grad()
    dx = as_tuple(layer.backward(dy, saved))
    if len(dx) != len(values):
        raise CheckError(f"backward: expected gradients of {len(values)} inputs, got {len(dx)}")
    gradients = [None if own is None else to_host(backend, own) for own in dx]
    places = _input_places(values, gradients, "input")
    for parameter, kept in zip(parameters, before, strict=True):
        value, gradient = to_host(backend, parameter.data), to_host(backend, parameter.grad)
        places.append(Place(parameter.name, value, gradient, _assign(parameter)))
        parameter.grad = backend.asarray(kept)
    return evaluate, places, size


def _assign(parameter: Any) -> Callable[[HostArray], None]:
    def put(value: HostArray) -> None:
        parameter.data = value

    return put


def _of_loss(
    loss: Loss, values: list[HostArray], target: Any, options: dict[str, Any]
) -> tuple[Callable[[], float], list[Place], float]:
    if len(values) != 1 or values[0].dtype != np.float64:
        raise ArgumentError("check_gradients: a loss takes one prediction, in float64")
    backend = loss.backend or get_backend()
    options = {name: value for name, value in options.items() if value is not None}

    def forward() -> tuple[Any, Any]:
        return loss.forward(backend.asarray(values[0].copy()), target, **options)

    number, saved = forward()
    gradient = to_host(backend, loss.backward(saved))
    places = _input_places(values, [gradient], "prediction")
    return (lambda: backend.item(forward()[0])), places, abs(backend.item(number))


def _of_function(
    function: Callable[..., Any], values: list[HostArray]
) -> tuple[Callable[[], float], list[Place], float]:
    number, gradients = function(*(value.copy() for value in values))
    places = _input_places(values, as_list(gradients), "input")
    return (lambda: float(function(*(value.copy() for value in values))[0])), places, abs(float(number))
