"""The cases of the optimizers."""

from __future__ import annotations

from lamina.optimizers import SGD, AdaGrad
from lamina.testing.case import OptimizerCase

__all__ = ["optimizer_cases"]


def optimizer_cases() -> tuple[OptimizerCase, ...]:
    """Return the cases of all optimizers."""
    return (
        OptimizerCase("SGD", SGD),
        OptimizerCase("SGD-weight-decay", lambda p: SGD(p, lr=0.1, weight_decay=0.01)),
        OptimizerCase("SGD-momentum", lambda p: SGD(p, lr=0.1, momentum=0.9)),
        OptimizerCase("SGD-nesterov", lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
        OptimizerCase("SGD-clipped", lambda p: SGD(p, lr=0.1, clip_norm=1.0, clip_value=0.5)),
        OptimizerCase("AdaGrad", AdaGrad),
        OptimizerCase("AdaGrad-options", lambda p: AdaGrad(p, lr=0.1, initial_accumulator=0.1, weight_decay=0.01)),
        OptimizerCase("AdaGrad-clipped", lambda p: AdaGrad(p, lr=0.1, epsilon=1e-8, clip_norm=1.0)),
    )
