"""Softmax cross-entropy: the loss, and the gradient of the logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.forms.loss import LOSS, LossForm, terms_of
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at, uint
from lamina.backends.program import Call

__all__ = ["SoftmaxCrossEntropyForm"]

_FURTHER = "ignoring ignored"
_loss_at = record_at(fields(f"{LOSS} {_FURTHER}"))


class SoftmaxCrossEntropyForm(LossForm):
    """Of labels."""

    further = _FURTHER

    @staticmethod
    def refuses(call: Call) -> str:
        """Return why a call has no compiled form."""
        if not call.inputs[1].integers:
            return "of probabilities"
        return ""

    def settings(self) -> dict[str, int]:
        """Return which label is ignored."""
        ignored = self.call.options.get("ignore_index")
        return {"ignoring": ignored is not None, "ignored": 0 if ignored is None else ignored}


@compiled
def _compute(address: Any, dtype: Any) -> None:
    p = _loss_at(address)
    terms, classes = terms_of(p), p.features
    logits, gradient = array_at(p.prediction, terms * classes, dtype), array_at(p.gradient, terms * classes, dtype)
    target, weights = integers_at(p.target, terms), array_at(p.weights, terms, dtype)
    share, loss = array_at(p.share, 1, np.float64)[0], 0.0
    for k in range(terms):
        own, label = k * classes, target[k]
        weight = dtype(share) * (weights[k] if p.weights != 0 else dtype(1))
        if weight == 0 or (p.ignoring != 0 and label == p.ignored):
            for j in range(classes):
                gradient[uint(own + j)] = 0
            continue
        most = logits[own]
        for j in range(1, classes):
            most = max(most, logits[uint(own + j)])
        total = dtype(0)
        for j in range(classes):
            gradient[uint(own + j)] = math.exp(logits[uint(own + j)] - most)
            total += gradient[uint(own + j)]
        loss += weight * (math.log(total) + most - logits[uint(own + label)])
        scale = weight / total
        for j in range(classes):
            gradient[uint(own + j)] *= scale
        gradient[uint(own + label)] -= weight
    array_at(p.total, 1, np.float64)[0] = loss


def compute_float32(address: Any) -> None:
    """Write the loss and the gradient."""
    _compute(address, np.float32)


def compute_float64(address: Any) -> None:
    """Write the loss and the gradient."""
    _compute(address, np.float64)
