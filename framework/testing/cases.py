"""The registry of cases: every layer, loss and optimizer, in the configurations that cover its options.

A new class is added to one of the modules below, and with that it is proven on every backend; a test fails until
it is.
"""

from __future__ import annotations

from lamina.testing import (
    cases_embedding,
    cases_layers,
    cases_losses,
    cases_optimizers,
    cases_parts,
    cases_recurrent,
    cases_sequences,
)
from lamina.testing.case import LayerCase, LossCase, OptimizerCase

__all__ = ["LayerCase", "LossCase", "OptimizerCase", "layer_cases", "loss_cases", "optimizer_cases"]


def layer_cases() -> tuple[LayerCase, ...]:
    """Return the cases of all layers and containers."""
    return (
        *cases_layers.layer_cases(),
        *cases_recurrent.layer_cases(),
        *cases_parts.layer_cases(),
        *cases_sequences.layer_cases(),
        *cases_embedding.layer_cases(),
    )


def loss_cases() -> tuple[LossCase, ...]:
    """Return the cases of all losses."""
    return cases_losses.loss_cases()


def optimizer_cases() -> tuple[OptimizerCase, ...]:
    """Return the cases of all optimizers."""
    return cases_optimizers.optimizer_cases()
