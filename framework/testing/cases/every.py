"""The registry of cases: every layer, loss and optimizer, in the configurations that cover its options.

A new class is added to one of the modules below, and with that it is proven on every backend; a test fails until
it is.
"""

from __future__ import annotations

from lamina.testing.cases import (
    arithmetic,
    embedding,
    layers,
    losses,
    modern,
    normalization,
    optimizers,
    parts,
    pointwise,
    recurrent,
    sequences,
)
from lamina.testing.cases.case import LayerCase, LossCase, OptimizerCase

__all__ = ["layer_cases", "loss_cases", "optimizer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of all layers and containers."""
    return (
        *layers.layer_cases(),
        *recurrent.layer_cases(),
        *modern.layer_cases(),
        *parts.layer_cases(),
        *arithmetic.layer_cases(),
        *pointwise.layer_cases(),
        *normalization.layer_cases(),
        *sequences.layer_cases(),
        *embedding.layer_cases(),
    )


def loss_cases() -> tuple[LossCase, ...]:
    """Return the cases of all losses."""
    return losses.loss_cases()


def optimizer_cases() -> tuple[OptimizerCase, ...]:
    """Return the cases of all optimizers."""
    return optimizers.optimizer_cases()
