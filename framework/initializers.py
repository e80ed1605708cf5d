"""How parameters get their first values, under ``lamina.initializers``. All are drawn on the host, in float64."""

from lamina.core.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    InitializerLike,
    Normal,
    Ones,
    Orthogonal,
    Ring,
    Side,
    Uniform,
    Zeros,
    find_initializer,
)

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
