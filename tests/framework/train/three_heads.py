"""A model of three outputs, and its losses, gradients and figures written out in NumPy, in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import lamina
from lamina.layers import Dense, LastStep, Tanh
from lamina.losses import BinaryCrossEntropy, SoftmaxCrossEntropy

__all__ = ["NAMES", "Rows", "ThreeHeads", "built", "drawn", "losses", "written_out"]

NAMES = ("tags", "sizes", "marks")


@lamina.register
class ThreeHeads(lamina.Composite):
    """Classes of a sequence's steps, numbers of its last one; yes or no for each step of another of its own lengths."""

    def __init__(self) -> None:
        self.body, self.bend, self.last = Dense(4), Tanh(), LastStep()
        self.tags, self.sizes, self.marks = Dense(3), Dense(2), Dense(1)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        first = t(self.bend, t(self.body, a))
        other = t(self.bend, t(self.body, b))
        return t(self.tags, first), t(self.sizes, t(self.last, first)), t(self.marks, other)


def built(backend: Any = "numpy", dtype: str = "float64", seed: int = 3) -> ThreeHeads:
    model = ThreeHeads()
    model.build((None, None, 3), (None, None, 3), backend=backend, dtype=dtype, seed=seed)
    return model


def losses() -> dict[str, Any]:
    return {"tags": SoftmaxCrossEntropy(), "sizes": "mse", "marks": BinaryCrossEntropy()}


@dataclass(frozen=True)
class Rows:
    """Data of the model: two sequences with their lengths, three targets, and a weight, or None, for each of these."""

    a: Any
    b: Any
    ends: tuple[Any, Any]
    y: tuple[Any, Any, Any]
    weights: tuple[Any, Any, Any] = (None, None, None)

    def take(self, rows: Any) -> Rows:
        def each(values: Any) -> Any:
            return tuple(None if one is None else one[rows] for one in values)

        return Rows(self.a[rows], self.b[rows], each(self.ends), each(self.y), each(self.weights))

    def weighed(self, *weights: Any) -> Rows:
        return replace(self, weights=weights)

    def given(self) -> tuple[tuple[Any, Any], dict[str, Any]]:
        """Return what a trainer is given: x and y, and the rest by name."""
        options: dict[str, Any] = {"lengths": self.ends}
        if any(one is not None for one in self.weights):
            options["sample_weight"] = self.weights
        return ((self.a, self.b), self.y), options


def drawn(count: int = 11, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    ends = rng.integers(1, 6, count), rng.integers(0, 5, count)  # of the other sequence some rows are empty
    y = rng.integers(0, 3, (count, 5)), rng.normal(size=(count, 2)), rng.integers(0, 2, (count, 4, 1)).astype(float)
    return Rows(rng.normal(size=(count, 5, 3)), rng.normal(size=(count, 4, 3)), ends, y)


def counted(rows: Rows) -> list[Any]:
    """Return with what weight each step of the first and third output, and each row of the second, counts."""
    inside = [np.arange(x.shape[1]) < own[:, None] for x, own in zip((rows.a, rows.b), rows.ends, strict=True)]
    found = []
    for one, own in zip((inside[0], np.ones(len(rows.a)), inside[1]), rows.weights, strict=True):
        more = 1.0 if own is None else own[:, None] if own.ndim < one.ndim else own
        found.append(one * np.asarray(more, float))
    return found


def written_out(
    state: dict[str, Any], rows: Rows, factors: Any = (1.0, 1.0, 1.0), classes: Any = (1.0, 1.0, 1.0)
) -> tuple[float, list[float], dict[str, Any]]:
    """Return the sum of the losses, each of them (NaN where nothing counts), and the sum's gradients by parameter.

    ``factors`` are the losses' weights, ``classes`` those of the first output's classes.
    """
    p = {name: np.asarray(value, np.float64) for name, value in state.items()}
    first, other = (np.tanh(x @ p["body.w"] + p["body.b"]) for x in (rows.a, rows.b))
    last = first[np.arange(len(first)), rows.ends[0] - 1]
    z = [h @ p[f"{name}.w"] + p[f"{name}.b"] for name, h in zip(NAMES, (first, last, other), strict=True)]
    each, dz = [], []
    for index, weight in enumerate(counted(rows)):
        total = weight.sum()
        share = weight / total if total else weight
        if index == 0:
            softmax = np.exp(z[0]) / np.exp(z[0]).sum(axis=-1, keepdims=True)
            label = np.where(share > 0, rows.y[0], 0)
            scale = share * np.asarray(classes)[label]
            value = -(scale * np.log(np.take_along_axis(softmax, label[..., None], -1)[..., 0])).sum()
            slope = scale[..., None] * (softmax - np.eye(3)[label])
        elif index == 1:
            apart = np.where(share[:, None] > 0, z[1] - rows.y[1], 0.0)
            value, slope = (share * (apart**2).mean(axis=-1)).sum(), share[:, None] * apart  # 2 / 2 outputs
        else:
            truth = np.where(share[..., None] > 0, rows.y[2], 0.0)
            value = (share * (np.logaddexp(0, z[2]) - truth * z[2])[..., 0]).sum()
            slope = share[..., None] * (1 / (1 + np.exp(-z[2])) - truth)
        each.append(float(value) if total else float("nan"))
        dz.append(factors[index] * slope)
    found: dict[str, Any] = {name: np.zeros_like(one) for name, one in p.items()}
    dh = [dz[0] @ p["tags.w"].T, dz[2] @ p["marks.w"].T]
    dh[0][np.arange(len(first)), rows.ends[0] - 1] += dz[1] @ p["sizes.w"].T
    for name, h, slope in zip(NAMES, (first, last, other), dz, strict=True):
        found[f"{name}.w"] = h.reshape(-1, 4).T @ slope.reshape(-1, slope.shape[-1])
        found[f"{name}.b"] = slope.reshape(-1, slope.shape[-1]).sum(axis=0)
    for x, h, slope in zip((rows.a, rows.b), (first, other), dh, strict=True):
        before = (slope * (1 - h**2)).reshape(-1, 4)
        found["body.w"] += x.reshape(-1, 3).T @ before
        found["body.b"] += before.sum(axis=0)
    total = sum(factor * value for factor, value in zip(factors, each, strict=True) if not np.isnan(value))
    return float(total), each, found
