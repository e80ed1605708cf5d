"""What holds for every loss of the registry: weights, lengths and reductions equal a calculation by NumPy alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import losses
from lamina.errors import ArgumentError, DTypeError, SavedStateError, ShapeError, UnknownNameError
from tests.framework.losses.every import EVERY, WIDTH

BATCH, TIME = 5, 3
STEPS = np.array([[0.5, 0.0, 1.0], [2.0, 1.0, 0.25], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
ROWS = np.array([0.5, 2.0, 0.0, 1.0, 0.0])
LENGTHS = np.array([3, 1, 2, 0, 2])
# By name: what is given to forward, and the weight with which each step then counts.
WAYS: dict[str, tuple[dict[str, Any], Any]] = {
    "nothing": ({}, np.ones((BATCH, TIME))),
    "rows": ({"mask": ROWS}, np.repeat(ROWS[:, None], TIME, 1)),
    "steps": ({"mask": STEPS}, STEPS),
    "yes or no": ({"mask": STEPS > 0}, 1.0 * (STEPS > 0)),
    "lengths": ({"lengths": LENGTHS}, 1.0 * (np.arange(TIME) < LENGTHS[:, None])),
    "rows and lengths": (
        {"mask": ROWS, "lengths": LENGTHS},
        ROWS[:, None] * (np.arange(TIME) < LENGTHS[:, None]),
    ),
    "none": ({"mask": np.zeros(BATCH)}, np.zeros((BATCH, TIME))),
}
names = pytest.mark.parametrize("name", EVERY)


def data(name: str, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    prediction = 2 * rng.standard_normal((BATCH, TIME, WIDTH))
    return prediction, EVERY[name].draw(rng, prediction.shape)


def terms(name: str, prediction: Any, target: Any, weights: Any) -> tuple[Any, Any]:
    """Return the loss of each row, or step, that counts, 0 elsewhere, and what each weighs."""
    term = EVERY[name].term
    loss = EVERY[name].make()
    if not loss.over_rows:
        found = np.zeros((BATCH, TIME))
        for place in np.argwhere(weights):
            found[tuple(place)] = term(prediction[tuple(place)], target[tuple(place)])
        return found, weights
    found, each = np.zeros(BATCH), weights.max(axis=1)
    for row in np.flatnonzero(each):
        if name == "CTC":
            found[row] = term(prediction[row][weights[row] > 0], target[row])
        else:  # within a row a step counts with its share of the largest weight
            share = (weights[row] / each[row])[:, None]
            s = share / (1 + np.exp(-prediction[row]))
            t = share * target[row]
            found[row] = 1 - (2 * np.sum(s * target[row]) + 1) / (s.sum() + t.sum() + 1)
    return found, each


def slopes(function: Callable[[Any], float], at: Any) -> Any:
    """Return central differences of a function along each element."""
    gradient = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        moved = [at.copy(), at.copy()]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        gradient[place] = (function(moved[0]) - function(moved[1])) / 2e-6
    return gradient


def refuses(name: str, way: str) -> bool:
    return name == "CTC" and way in ("steps", "yes or no")


def garbage(prediction: Any, target: Any, weights: Any, name: str, value: float) -> tuple[Any, Any]:
    """Return both with a value that is no number where nothing counts."""
    out = weights == 0
    prediction, target = np.where(out[..., None], value, prediction), target.copy()
    if name == "CTC":
        target[out.all(axis=1)] = 99
    else:
        target[out] = 99 if target.dtype.kind in "iu" else value
    return prediction, target


def test_every_loss_of_the_registry_is_here() -> None:
    own = {name for name in lamina.Loss.registry.names() if hasattr(losses, name)}
    assert set(EVERY) == own == set(losses.__all__) - {"ElementwiseLoss"}


@names
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
def test_weights_divide_the_mean_and_what_weighs_nothing_is_as_if_not_there(name: str, way: str, value: float) -> None:
    options, weights = WAYS[way]
    if refuses(name, way):
        pytest.skip("cannot leave out steps")
    plain, target = data(name)

    def wanted(prediction: Any) -> float:
        found, each = terms(name, prediction, target, weights)
        return float((found * each).sum() / (each.sum() or 1.0))

    prediction, given = garbage(plain, target, weights, name, value)
    loss = EVERY[name].make()
    number, saved = loss.forward(prediction, given, **options)
    gradient = loss.backward(saved)
    assert float(number) == pytest.approx(wanted(plain), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(gradient, slopes(wanted, plain), rtol=1e-6, atol=1e-8)
    assert not gradient[weights == 0].any()
    assert loss.terms(prediction, given, **options) == pytest.approx(terms(name, plain, target, weights)[1].sum())
    if way != "none":
        # The same rows alone, of which none weighs nothing: nothing is changed by those that are not there.
        rows = weights.any(axis=1)
        alone = {key: values[rows] for key, values in options.items()}
        assert loss(prediction[rows], given[rows], **alone) == pytest.approx(float(number), rel=1e-12)


@names
@pytest.mark.parametrize("way", WAYS)
def test_a_sum_and_all_losses(name: str, way: str) -> None:
    options, weights = WAYS[way]
    if refuses(name, way):
        pytest.skip("cannot leave out steps")
    plain, target = data(name, seed=1)
    found, each = terms(name, plain, target, weights)
    dloss = np.random.default_rng(2).standard_normal(found.shape)

    def weighted(prediction: Any, by: Any) -> float:
        return float((terms(name, prediction, target, weights)[0] * each * by).sum())

    prediction, given = garbage(plain, target, weights, name, np.nan)
    total = EVERY[name].make(reduction="sum")
    number, saved = total.forward(prediction, given, **options)
    assert float(number) == pytest.approx((found * each).sum(), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(total.backward(saved), slopes(lambda p: weighted(p, 1.0), plain), rtol=1e-6, atol=1e-7)
    every = EVERY[name].make(reduction="none")
    values, saved = every.forward(prediction, given, **options)
    np.testing.assert_allclose(values, found * each, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(every(prediction, given, **options), values)
    # What has no weight has no gradient, also where that of the loss is no number there.
    gradient = every.backward(saved, np.where(each == 0, np.nan, dloss))
    np.testing.assert_allclose(gradient, slopes(lambda p: weighted(p, dloss), plain), rtol=1e-6, atol=1e-7)


@names
def test_the_gradient_of_all_losses_must_be_there_and_fit(name: str) -> None:
    prediction, target = data(name)
    loss = EVERY[name].make(reduction="none")
    values, saved = loss.forward(prediction, target)
    with pytest.raises(ArgumentError) as caught:
        loss.backward(saved)
    assert str(caught.value) == (f"{name}: reduction='none' needs backward(saved, dloss), the gradient of all losses")
    with pytest.raises(ShapeError, match=rf"^{name}: expected a gradient of shape \(5.*\), got \(7,\)$"):
        loss.backward(saved, np.ones(7))
    with pytest.raises(ShapeError, match=rf"^{name}: expected a gradient of shape \(5.*\), got None$"):
        loss.backward(saved, [1.0])
    with pytest.raises(DTypeError, match=rf"^{name}: expected a gradient of float64, got float32$"):
        loss.backward(saved, np.ones(values.shape, np.float32))
    assert loss.backward(saved, np.ones(values.shape)).shape == prediction.shape  # no wrong one has used it up
    with pytest.raises(SavedStateError, match="is used up"):
        loss.backward(saved, np.ones(values.shape))
    for reduction in ("mean", "sum"):
        loss = EVERY[name].make(reduction=reduction)
        _, saved = loss.forward(prediction, target)
        with pytest.raises(ArgumentError) as caught:
            loss.backward(saved, np.ones(()))
        assert str(caught.value) == f"{name}: expected no gradient of a loss that is one number, got ndarray"
        loss.backward(saved)


@names
def test_a_reduction_is_printed_and_kept_where_it_is_not_the_mean(name: str) -> None:
    plain = getattr(losses, name)()
    assert repr(plain) == f"{name}()" and "reduction" not in plain.config()
    assert plain.reduction == "mean"
    plain.require_number("Trainer")
    for reduction in ("sum", "none"):
        loss = getattr(losses, name)(reduction=reduction)
        assert repr(loss) == f"{name}(reduction={reduction!r})"
        assert loss.config() == plain.config() | {"reduction": reduction}
    with pytest.raises(ArgumentError) as caught:
        loss.require_number("Trainer")
    assert str(caught.value) == (
        f"Trainer: expected a loss with reduction='mean' or 'sum', got {loss!r}, which gives an array"
    )
    with pytest.raises(UnknownNameError, match=f"^unknown reduction of {name} 'average': "):
        getattr(losses, name)(reduction="average")


@names
def test_half_precision_stays_that_of_the_gradient(name: str) -> None:
    prediction, target = data(name)
    prediction = prediction.astype(np.float16)
    loss = EVERY[name].make(reduction="none")
    values, saved = loss.forward(prediction, target)
    assert values.dtype == np.float32
    assert loss.backward(saved, np.ones_like(values)).dtype == np.float16
