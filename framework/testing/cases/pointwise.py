"""The cases of further rectifiers, soft and gated activations, and those along an axis."""

from __future__ import annotations

import numpy as np

from lamina.layers import (
    CELU,
    GLU,
    SELU,
    HardSigmoid,
    HardSwish,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU6,
    Softmax,
    Softplus,
    Softsign,
)
from lamina.testing.cases.case import LayerCase, layer_case

__all__ = ["layer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of these layers."""
    return (
        layer_case("ReLU6", ReLU6),
        layer_case("ReLU6-wide", ReLU6, _WIDE),
        layer_case("HardSigmoid", HardSigmoid),
        layer_case("HardSigmoid-slope", lambda: HardSigmoid(0.8, 0.3), (5, 7)),
        layer_case("HardSwish", HardSwish),
        layer_case("HardSwish-wide", HardSwish, _WIDE),
        layer_case("Softplus", Softplus),
        layer_case("Softplus-beta", lambda: Softplus(3.0), (5, 7)),
        layer_case("Softsign", Softsign),
        layer_case("SELU", SELU),
        layer_case("Mish", Mish),
        layer_case("Mish-rows", Mish, (5, 7)),
        layer_case("CELU", CELU),
        layer_case("CELU-alpha", lambda: CELU(0.3), (5, 7)),
        layer_case("PReLU", PReLU),
        layer_case("PReLU-shared", lambda: PReLU(shared=True), (5, 7)),
        layer_case("PReLU-four-axes", PReLU, (4, 3, 2, 5)),
        layer_case("GLU", GLU, (5, 4, 6)),
        layer_case("GLU-tanh", lambda: GLU("tanh"), (5, 4, 6)),
        layer_case("GLU-relu", lambda: GLU("relu"), (5, 8)),
        layer_case("GLU-gelu", lambda: GLU("gelu"), (5, 4, 6)),
        layer_case("GLU-silu", lambda: GLU("silu"), (5, 4, 6)),
        layer_case("GLU-linear", lambda: GLU("linear"), (5, 4, 6)),
        layer_case("Softmax-time", lambda: Softmax(axis=1)),
        layer_case("Softmax-axis", lambda: Softmax(axis=2), (5, 4, 2, 3), lengths=True),
        layer_case("LogSoftmax-time", lambda: LogSoftmax(axis=1)),
        layer_case("LogSoftmax-axis", lambda: LogSoftmax(axis=-2), (5, 4, 2, 3), lengths=True),
    )


# So wide that every piece of a rectifier gets some.
_WIDE = 5 * np.random.default_rng(9).standard_normal((5, 4, 3))
