"""The losses, in PyTorch: over the rows of a prediction, of which none has padding, one term a row or step."""

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from lamina import losses
from tests.parity.torch_losses import TERMS, dice
from tests.parity.twin_rows import NotExpressible

__all__ = ["LOSSES", "Projection", "loss_of"]

LOSSES = {}


class Projection:
    """The sum of a prediction's elements, each times a weight of its own that the target holds: any gradient there is.

    It is no mean, and so also for predictions that no loss takes, such as four axes with lengths.
    """


def _projection(loss, rows, target, mask):
    parts = []
    for place, row in enumerate(rows.each):
        own = target[place][: row.shape[1]] if rows.cut[place] else target[place]
        if rows.cut[place] and own.ndim > 2:  # an attention's scores: as many as there are keys
            own = own[tuple(slice(size) for size in row.shape[1:])]
        parts.append((row[0] * torch.from_numpy(np.array(own))).sum())
    return torch.stack(parts).sum()


def loss_of(loss, rows, target, mask=None):
    """Return a loss over rows as a tensor.

    Parameters
    ----------
    loss : Loss
    rows : Rows
    target : array, or a list of label sequences
        As the loss takes it, of rows padded to one length.
    mask : (batch,) or (batch, time), optional
    """
    if type(loss) not in LOSSES:
        raise NotExpressible(f"loss {type(loss).__name__}")
    return LOSSES[type(loss)](loss, rows, target, mask)


def _over_terms(function):
    """Make a loss of one over terms: predictions (terms, features), their targets, and each one's weight."""

    def over_rows(loss, rows, target, mask):
        target = np.asarray(target)
        predictions, targets, weights = [], [], []
        for place, row in enumerate(rows.each):
            terms = row[0].shape[:-1]
            predictions.append(row[0].reshape(-1, row.shape[-1]))
            own = target[place] if not terms else target[place][: terms[0]]
            width = own.shape[len(terms) :]
            targets.append(torch.from_numpy(np.array(own)).reshape(len(predictions[-1]), *width))
            weight = np.asarray(1.0 if mask is None else mask[place], float)
            weight = weight[: terms[0]] if weight.ndim else weight
            weight = weight.reshape(weight.shape + (1,) * (len(terms) - weight.ndim))
            weights.append(torch.from_numpy(np.broadcast_to(weight, terms).copy()).reshape(-1))
        prediction, target, weight = (torch.cat(parts) for parts in (predictions, targets, weights))
        if not target.is_floating_point() and target.ndim == 1 and getattr(loss, "ignore_index", None) is not None:
            weight = weight * (target != loss.ignore_index)
        counted = weight != 0  # what does not count may be no label, or no number, at all
        total = (function(loss, prediction[counted], target[counted]) * weight[counted]).sum()
        return total / (weight.sum() if counted.any() and loss.reduction == "mean" else 1.0)

    return over_rows


def _weights(values):
    return None if values is None else torch.as_tensor(values, dtype=torch.float64)


def _cross_entropy(loss, logits, target):
    # Sums of each term: torch's own mean would divide by the weights of the labels.
    target = target.to(logits.dtype) if target.ndim == 2 else target.long()
    settings = {"weight": _weights(loss.class_weight), "label_smoothing": loss.label_smoothing}
    return F.cross_entropy(logits, target, reduction="none", **settings)


def _likelihood(loss, scores, target):
    return F.nll_loss(scores, target.long(), weight=_weights(loss.class_weight), reduction="none")


def _binary(loss, logits, target):
    positive = None if loss.positive_weight is None else torch.atleast_1d(_weights(loss.positive_weight))
    settings = {"weight": _weights(loss.class_weight), "pos_weight": positive, "reduction": "none"}
    target = target.to(logits.dtype) * (1 - loss.label_smoothing) + loss.label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logits, target, **settings).mean(-1)


def _of_each(function, *names):
    """Make a regression loss of torch's, with settings of the same names."""

    def run(loss, prediction, target):
        settings = {name: getattr(loss, name) for name in names}
        return function(prediction, target.to(prediction.dtype), reduction="none", **settings).mean(-1)

    return run


def _cosine(loss, prediction, target):
    # Torch's own gives the same number, and a gradient that takes no notice of its eps.
    def unit(rows):
        return rows / rows.norm(dim=-1, keepdim=True).clamp(min=loss.epsilon)

    return 1 - (unit(prediction) * unit(target.to(prediction.dtype))).sum(-1)


def _ctc(loss, rows, target, mask):
    """Return the mean over rows of one step or more; labels end at the first padding."""
    total, count = 0.0, 0
    for row, labels in zip(rows.each, target, strict=True):
        time = row.shape[1]
        if not time:
            continue
        labels = [int(label) for label in labels]
        if loss.padding in labels:
            labels = labels[: labels.index(loss.padding)]
        repeats = sum(one == other for one, other in pairwise(labels))
        impossible = len(labels) + repeats > time
        own = F.ctc_loss(
            F.log_softmax(row, -1).transpose(0, 1),
            torch.tensor([labels], dtype=torch.long),
            torch.tensor([time]),
            torch.tensor([len(labels)]),
            blank=loss.blank,
            reduction="sum",
            zero_infinity=True,  # an infinite loss has no gradient here, and a NaN in torch
        )
        total = total + own + (np.inf if impossible and not loss.zero_infinity else 0.0)
        count += 1
    if loss.reduction != "mean" and count:
        return total
    return total / count if count else 0.0 * sum(row.sum() for row in rows.each)


def _dice(loss, rows, target, mask):
    """Return the mean over rows of one step or more, each of which weighs as the one of its steps that weighs most."""
    total, weights = 0.0 * sum(row.sum() for row in rows.each), 0.0
    for place, row in enumerate(rows.each):
        steps = row[0].shape[:-1]
        own = torch.from_numpy(np.array(target[place] if not steps else target[place][: steps[0]], float))
        weight = np.asarray(1.0 if mask is None else mask[place])
        weight = np.broadcast_to(weight[: steps[0]] if weight.ndim else weight, steps)
        largest = weight.max(initial=0.0)
        if largest:
            share = torch.from_numpy(np.array(weight / largest))[..., None]
            total = total + largest * dice(loss, row, own[None], share)[0]
            weights += largest
    return total / (weights if weights and loss.reduction == "mean" else 1.0)


LOSSES |= {kind: _over_terms(terms) for kind, terms in TERMS.items()}
LOSSES |= {
    losses.Dice: _dice,
    Projection: _projection,
    losses.SoftmaxCrossEntropy: _over_terms(_cross_entropy),
    losses.NegativeLogLikelihood: _over_terms(_likelihood),
    losses.BinaryCrossEntropy: _over_terms(_binary),
    losses.MeanSquaredError: _over_terms(_of_each(F.mse_loss)),
    losses.MeanAbsoluteError: _over_terms(_of_each(F.l1_loss)),
    losses.Huber: _over_terms(_of_each(F.huber_loss, "delta")),
    losses.CosineSimilarity: _over_terms(_cosine),
    losses.CTC: _ctc,
}
