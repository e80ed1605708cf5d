"""The cases that Lamina is proven with: every layer, loss and optimizer, in the settings that cover its options."""

from lamina.testing.cases.case import LayerCase, LossCase, OptimizerCase
from lamina.testing.cases.every import layer_cases, loss_cases, optimizer_cases

__all__ = ["LayerCase", "LossCase", "OptimizerCase", "layer_cases", "loss_cases", "optimizer_cases"]
