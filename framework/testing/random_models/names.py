"""Layers of random models that are written out, as no number of theirs is drawn."""

from __future__ import annotations

__all__ = ["ACTIVATIONS", "NORMALIZATIONS", "OVER_ROWS"]

ACTIVATIONS = (
    *("Tanh()", "ReLU()", "Sigmoid()", "GELU()", "GELU('tanh')", "SiLU()", "ELU()", "LeakyReLU(0.2)"),
    *("Softmax()", "LogSoftmax()", "Softplus()", "Softplus(2.0)", "Softsign()", "SELU()", "Mish()", "CELU(0.5)"),
    *("PReLU()", "PReLU(shared=True)", "ReLU6()", "HardSigmoid()", "HardSigmoid(0.4, 0.3)", "HardSwish()"),
    *("Rescaling(-1.0, 1.0)", "Sequential(Tanh(), Power(2))", "Lambda('rational')"),
)
NORMALIZATIONS = (
    *("LayerNorm()", "LayerNorm(use_shift=False)", "LayerNorm(use_scale=False)", "LayerNorm(epsilon=0.1)"),
    *("RMSNorm()", "RMSNorm(epsilon=0.1)", "RMSNorm(use_scale=False)", "Standardize()"),
)
# These take all steps of a row together.
OVER_ROWS = (
    *("GroupNorm(1)", "GroupNorm(1, epsilon=0.1, use_shift=False)", "Softmax(axis=1)", "LogSoftmax(axis=1)"),
    *(
        "LayerNorm(axis=(1, 2), use_scale=False, use_shift=False)",
        "LayerNorm(axis=1, use_scale=False, use_shift=False)",
    ),
)
