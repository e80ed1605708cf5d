"""How random models are trained: a loss that fits the output, an optimizer with its settings, a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lamina.testing.random_models.fragment import Choices

__all__ = ["Training", "draw_training"]

_OPTIMIZERS = (
    "SGD(p, lr=0.05",
    "SGD(p, lr=0.05, momentum=0.9",
    "SGD(p, lr=0.05, momentum=0.5, nesterov=True, weight_decay=0.01",
    "AdaGrad(p, lr=0.05",
    "AdaGrad(p, lr=0.05, initial_accumulator=0.1, weight_decay=0.01",
    "RMSprop(p, lr=0.01",
    "RMSprop(p, lr=0.01, centered=True, momentum=0.5",
    "AdaDelta(p, lr=1.0, epsilon=0.0001",
    "Adam(p, lr=0.01",
    "Adam(p, lr=0.01, beta1=0.8, weight_decay=0.01",
    "AdamW(p, lr=0.01",
    "AMSGrad(p, lr=0.01",
    "AMSGrad(p, lr=0.01, weight_decay=0.01, decoupled=True",
    "NAdam(p, lr=0.01, weight_decay=0.01",
    "RAdam(p, lr=0.01, beta2=0.9",
    "Adamax(p, lr=0.01",
    "Lion(p, lr=0.002, weight_decay=0.1",
    "Adafactor(p, lr=0.01",
    "Muon(p, lr=0.01",
    "Lookahead(AdaGrad(p, lr=0.05",
)

_SCHEDULES = (
    "ExponentialDecay(0.5)",
    "CosineDecay(9)",
    "LinearDecay(9)",
    "LinearWarmup(3)",
    "StepDecay(1)",
    "PolynomialDecay(9, 2.0)",
    "InverseTimeDecay(2, per='step')",
    "Cyclic(2, floor=0.001, per='step')",
    "PiecewiseConstant([1], [0.5, 0.25])",
    "SequentialSchedule(LinearWarmup(1), CosineDecay(5), milestones=[1])",
    "CosineDecay(9, per='step')",
    "LinearWarmup(3, per='step')",
)


@dataclass(frozen=True)
class Training:
    """A loss, or a tuple of one, or None, for each output; an optimizer and a schedule.

    Attributes
    ----------
    loss, optimizer : str
    schedule : str or None
    head : str
        A layer to be put behind the model, for a loss that wants logarithms of probabilities; empty if none.
    """

    loss: str
    optimizer: str
    schedule: str | None
    head: str = ""


def draw_training(c: Choices, kinds: Sequence[Any], rows: int) -> Training | None:
    """Return how a model is trained, each of several outputs by a loss of its own, or not; None once in a while."""
    if c.one_in(12):
        return None
    if len(kinds) == 1:
        loss = _draw_loss(c, kinds[0], True)
    else:
        untrained = c.number(0, len(kinds) - 1) if c.one_in(4) else -1  # one at most
        each = ["None" if place == untrained else _draw_loss(c, kind, False) for place, kind in enumerate(kinds)]
        loss = f"({', '.join(each)})"
    optimizer = c.pick(_OPTIMIZERS)
    clipping = c.pick(("", "", ", clip_norm=0.5", ", clip_value=0.05"))
    groups = ""
    if c.one_in(3):
        groups = c.pick((", groups=every_second(p, lr=0.02)", ", groups=every_second(p, weight_decay=0.1)"))
    schedule = f"lambda: {c.pick(_SCHEDULES)}" if c.one_in(3) else None
    head = "LogSoftmax()" if loss.startswith("Negative") else ""
    end = "), period=2)" if optimizer.startswith("Lookahead") else ")"
    return Training(loss, f"lambda p: {optimizer}{clipping}{groups}{end}", schedule, head)


def _draw_loss(c: Choices, kind: Any, heads: bool) -> str:
    """Return a loss that fits an output; one that wants a layer before it only where that can be put there."""
    units, timed = kind.features, bool(kind.time)
    weight = f"[{', '.join(str(1 + place % 3) for place in range(units))}]"
    losses = ["'mse'", "MeanAbsoluteError()", "Huber(0.7)", "BinaryCrossEntropy()", f"BinaryCrossEntropy({weight})"]
    losses += ["LogCosh()", "Hinge()", "Hinge(squared=True)", "MeanAbsolutePercentageError(0.1)", "Quantile(0.3)"]
    losses += ["PoissonNegativeLogLikelihood(full=True)", "MeanSquaredLogarithmicError()", "Dice()"]
    losses += ["BinaryCrossEntropy(label_smoothing=0.1)", f"BinaryFocalCrossEntropy(1.5, 0.25, {weight})"]
    losses += [] if units % 2 else ["GaussianNegativeLogLikelihood(epsilon=0.01)", "Quantile([0.2, 0.7])"]
    if units > 1:
        losses += ["SoftmaxCrossEntropy()", "SoftmaxCrossEntropy(ignore_index=-1)", "CosineSimilarity()"]
        losses += [f"SoftmaxCrossEntropy(class_weight={weight}, label_smoothing=0.1)"]
        if heads:
            losses += ["NegativeLogLikelihood(ignore_index=-1)", f"NegativeLogLikelihood(class_weight={weight})"]
        losses += ["KLDivergence()", "SoftmaxFocalCrossEntropy(1.5)", f"SoftmaxFocalCrossEntropy(alpha={weight})"]
        losses += ["CategoricalHinge(ignore_index=-1)", f"CategoricalHinge(True, True, class_weight={weight})"]
        losses += ["CTC(zero_infinity=True)"] if timed else []
    return str(c.pick(losses))
