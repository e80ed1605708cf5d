"""Proofs, each one call: of a layer, a model, a loss, an optimizer or a backend, yours or ours.

>>> import lamina
>>> report = lamina.testing.check_layer(lamina.layers.Dense(2), (4, 5, 3))
>>> print(report)  # doctest: +ELLIPSIS
Dense(2)
  shapes             passed
...

Nothing here needs a test framework. What fails raises a `CheckError`, an `AssertionError` of one line. The cases
that Lamina itself is proven with are in `lamina.testing.cases`; ``python -m lamina.testing numpy`` runs them.
In a clone, ``pytest -m parity`` compares every part with PyTorch, and prints the largest difference of each.
"""

from lamina.testing.backends import check_backend
from lamina.testing.gradients import check_gradients
from lamina.testing.layers import check_layer
from lamina.testing.losses import check_loss
from lamina.testing.models import check_model
from lamina.testing.optimizers import check_optimizer
from lamina.testing.report import (
    Check,
    CheckError,
    LayerCheckError,
    LossCheckError,
    ModelCheckError,
    OptimizerCheckError,
    Report,
)
from lamina.testing.strict import StrictBackend, register_strict_backend

__all__ = [
    "Check",
    "CheckError",
    "LayerCheckError",
    "LossCheckError",
    "ModelCheckError",
    "OptimizerCheckError",
    "Report",
    "StrictBackend",
    "check_backend",
    "check_gradients",
    "check_layer",
    "check_loss",
    "check_model",
    "check_optimizer",
    "register_strict_backend",
]
