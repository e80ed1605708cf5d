"""Random models equal their PyTorch twins: what they give, their gradients, and their weights after some steps.

The models are those of `lamina.testing.random_models`, in float64 on NumPy: that other backends and dtypes agree with
it is a relation of `check_model`.
"""

from collections import Counter
from dataclasses import replace

import pytest

from lamina.core.shapes import as_tuple
from lamina.testing.random_models import run

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")

from tests.parity.twin import NotExpressible  # noqa: E402 (torch is known to be there)
from tests.parity.twin_compare import compare_outputs, compare_steps, compare_training  # noqa: E402
from tests.parity.twin_losses import Projection  # noqa: E402

pytestmark = pytest.mark.parity
MODELS, STEPS = 100, 3
# Of all models, the least that the twin has to express: a part that it has to learn is seen here.
LEAST = 0.9


class Comparison:
    """Compares the models that it is called with, and counts what could be expressed."""

    def __init__(self, equal):
        self.equal = equal
        self.counts = Counter()
        self.reasons = Counter()

    def __call__(self, description):
        self.counts["models"] += 1
        trial = replace(description, backend="numpy", dtype="float64").trial()
        data = [trial.values, trial.lengths]

        loss, target = trial.loss, trial.target
        if loss is None:  # several outputs, say: each of them gets a gradient of its own
            outputs = as_tuple(trial.fresh()(*data[0], lengths=data[1]))
            loss, target = tuple(Projection() for _ in outputs), tuple(trial.gradients_for(outputs))
        try:
            compare_outputs(self.equal, "random models", trial.fresh(), *data)
            self.counts["outputs"] += 1
            compare_training(self.equal, "random models", trial.fresh(), *data, loss, target)
            self.counts["gradients"] += 1
            model = trial.fresh()
            if trial.loss is not None and model.parameters():
                optimizer = trial.optimizer(model.parameters())
                schedule = None if trial.schedule is None else trial.schedule()
                rates = None if schedule is None else [schedule.rate(step, optimizer.lr) for step in range(STEPS)]
                found = compare_steps(self.equal, "random models", model, *data, loss, target, optimizer, STEPS, rates)
                self.counts["trained"] += 1
                self.counts.update(dict(zip(("weights compared", "weights"), found, strict=True)))
        except NotExpressible as reason:
            self.reasons[str(reason)] += 1

    def __str__(self):
        counts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        return f"{counts}; not expressible: {dict(self.reasons) or 'none'}"


def test_random_models(equal):
    comparison = Comparison(equal)
    run(MODELS, each=comparison, shrink=False)
    print(comparison)
    assert comparison.counts["models"] == MODELS
    assert comparison.counts["gradients"] >= LEAST * MODELS
    assert comparison.counts["trained"] >= 0.6 * MODELS
    assert comparison.counts["weights compared"] >= 0.9 * comparison.counts["weights"]
