"""How parameters get their first values. All are drawn on the host, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from lamina.core.arguments import number
from lamina.core.config import Configured
from lamina.core.registry import Registry, register
from lamina.errors import ArgumentError, shown

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "InitializerLike",
    "Normal",
    "Ones",
    "Orthogonal",
    "Ring",
    "Side",
    "Uniform",
    "Zeros",
    "find_initializer",
]

_Array: TypeAlias = np.ndarray[Any, Any]


class Initializer(Configured):
    """The base class: an object that is called with a shape and a generator and returns an array."""

    registry: ClassVar[Registry[Initializer]] = Registry("initializer")

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        """Return a new float64 array of the shape, its random numbers drawn from the generator."""
        raise NotImplementedError


# Twice of it is a number too.
_MOST_LIMIT = float(np.finfo(np.float64).max / 2)
# A name, an object, or a number for a constant.
InitializerLike: TypeAlias = str | float | Initializer


def find_initializer(spec: InitializerLike) -> Initializer:
    """Return the initializer of that name, the object itself, or a `Constant` for a number.

    Parameters
    ----------
    spec : str, Initializer or float
        A name such as ``"glorot_uniform"``, an object, or a number.

    Raises
    ------
    UnknownNameError
        If no initializer has the name.
    ArgumentError
        If it is none of these, or the named one needs an argument.

    Examples
    --------
    >>> find_initializer("glorot_uniform"), find_initializer(1.0)
    (GlorotUniform(), Constant(1.0))
    """
    if isinstance(spec, str):
        cls = Initializer.registry.find(spec)
        try:
            return cls()
        except TypeError as error:
            raise ArgumentError(f"initializer {spec!r}: {error}: pass an object such as {cls.__name__}(...)") from error
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        return Constant(spec)
    if isinstance(spec, Initializer):
        return spec
    raise ArgumentError(f"initializer: expected a name, a number or an Initializer, got {shown(spec)}")


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return how many inputs and outputs a weight (..., features, units) connects."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


@register
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return np.zeros(shape)


@register
class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return np.ones(shape)


@register
class Constant(Initializer):
    """One value everywhere.

    Parameters
    ----------
    value : float
    """

    def __init__(self, value: float) -> None:
        self.value = number(self, "value", value)

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return np.full(shape, float(self.value))


@register
class Normal(Initializer):
    """Normal with mean 0.

    Parameters
    ----------
    deviation : float
        The standard deviation.
    """

    def __init__(self, deviation: float = 0.05) -> None:
        self.deviation = number(self, "deviation", deviation, least=0)

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return self.deviation * rng.standard_normal(shape)


@register
class Uniform(Initializer):
    """Uniform over [-limit, limit).

    Parameters
    ----------
    limit : float
    """

    def __init__(self, limit: float = 0.05) -> None:
        self.limit = number(self, "limit", limit, least=0, most=_MOST_LIMIT) + 0.0  # not -0.0

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return rng.uniform(-self.limit, self.limit, shape)


@register
class GlorotUniform(Initializer):
    """Uniform with limit sqrt(6 / (inputs + outputs)) (Glorot & Bengio, 2010)."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        limit = math.sqrt(6 / max(sum(_fans(shape)), 1))
        return rng.uniform(-limit, limit, shape)


@register
class GlorotNormal(Initializer):
    """Normal with variance 2 / (inputs + outputs) (Glorot & Bengio, 2010)."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return math.sqrt(2 / max(sum(_fans(shape)), 1)) * rng.standard_normal(shape)


@register
class HeUniform(Initializer):
    """Uniform with limit sqrt(6 / inputs), for ReLU (He et al., 2015)."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        limit = math.sqrt(6 / max(_fans(shape)[0], 1))
        return rng.uniform(-limit, limit, shape)


@register
class HeNormal(Initializer):
    """Normal with variance 2 / inputs, for ReLU (He et al., 2015)."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        return math.sqrt(2 / max(_fans(shape)[0], 1)) * rng.standard_normal(shape)


@register
class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    Axes but the last are taken as one.

    Parameters
    ----------
    gain : float
        What the matrix is multiplied by.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = number(self, "gain", gain)

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        if len(shape) < 2:
            raise ArgumentError(f"Orthogonal: expected a shape of two axes or more, got {tuple(shape)}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        draws = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(draws)
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # without this the draw would not be uniform
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


@register
class Side(Initializer):
    """Blocks side by side along the last axis, each drawn by an initializer of its own: the gates of a layer.

    Parameters
    ----------
    blocks : list of str, float or Initializer

    Examples
    --------
    >>> Side(["zeros", "ones"])((4,), np.random.default_rng(0))
    array([0., 0., 1., 1.])
    """

    def __init__(self, blocks: Sequence[InitializerLike]) -> None:
        if not isinstance(blocks, (list, tuple)) or not blocks:
            raise ArgumentError(f"Side: expected blocks to be a list of initializers, got {shown(blocks)}")
        self.blocks = [find_initializer(block) for block in blocks]

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        *lead, last = shape
        size, rest = divmod(last, len(self.blocks))
        if rest:
            raise ArgumentError(f"Side: expected a last axis divisible by {len(self.blocks)}, got {tuple(shape)}")
        return np.concatenate([block((*lead, size), rng) for block in self.blocks], axis=-1)


@register
class Ring(Initializer):
    """The logarithms of n, p and g side by side, for `LRU`: eigenvalues exp(-n + i p) on a ring (Orvieto et al., 2023).

    Even over the ring's area, and g = sqrt(1 - exp(-2 n)), so that noise leaves the state the size it has.

    Parameters
    ----------
    least, most : float
        Between which their absolute values, exp(-n), lie; both in (0, 1).
    angle : float
        The largest p, over 0; the smaller, the slower what the state keeps may turn.

    Examples
    --------
    >>> n, p, g = np.exp(Ring()((3000,), np.random.default_rng(0)).reshape(3, 1000))
    >>> bool(n.min() > 0.001), bool(n.max() < 0.106), round(float(p.max()), 1)
    (True, True, 6.3)
    """

    def __init__(self, least: float = 0.9, most: float = 0.999, angle: float = 2 * math.pi) -> None:
        self.least = number(self, "least", least, above=0, below=1)
        self.most = number(self, "most", most, least=self.least, below=1)
        self.angle = number(self, "angle", angle, above=0)

    def __call__(self, shape: Sequence[int], rng: np.random.Generator) -> _Array:
        *lead, last = shape
        units, rest = divmod(last, 3)
        if rest:
            raise ArgumentError(f"Ring: expected a last axis divisible by 3, got {tuple(shape)}")
        area, turn = rng.random((*lead, units)), 1 - rng.random((*lead, units))
        square = self.least**2 + area * (self.most**2 - self.least**2)
        parts = np.log(-0.5 * np.log(square)), np.log(self.angle * turn), 0.5 * np.log1p(-square)
        return np.concatenate(parts, axis=-1)
