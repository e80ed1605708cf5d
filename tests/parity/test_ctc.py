"""CTC equals torch's ``ctc_loss`` on a log-softmax, with the gradient of the logits.

Torch's mean divides each row's loss by its number of labels; ours is the plain mean over the rows that have a step.
So torch's losses by row are averaged here.
"""

import numpy as np
import pytest

import lamina
from lamina.losses import CTC

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
F = torch.nn.functional


def rows(time, batch, width, classes, blank, scale, seed=0):
    """Return logits, padded labels, and for each row a length into which its labels fit."""
    rng = np.random.default_rng((seed, time, batch, width, classes))
    logits = scale * rng.standard_normal((batch, time, classes))
    counts = rng.integers(0, width + 1, batch)
    counts[0], counts[-1] = width, 0
    labels = rng.integers(0, classes - 1, (batch, width))
    labels += labels >= blank
    labels[np.arange(width) >= counts[:, None]] = -1
    repeats = ((labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] >= 0)).sum(axis=1)
    least = np.maximum(counts + repeats, 1)
    lengths = np.array([rng.integers(n, time + 1) for n in least])
    lengths[0] = time
    return logits, labels, counts, lengths


def ours(backend, logits, labels, **settings):
    options = {name: settings.pop(name) for name in ("lengths", "target_lengths") if name in settings}
    loss = CTC(**settings)
    loss.backend = lamina.get_backend(backend)
    number, saved = loss.forward(logits, labels, **options)
    return number, loss.backward(saved)


def theirs(logits, labels, counts, lengths, blank, zero_infinity=False):
    logits_t = torch.tensor(logits, requires_grad=True)
    log_probability = F.log_softmax(logits_t, dim=-1).transpose(0, 1)
    target = torch.tensor(np.maximum(labels, 0))
    number = F.ctc_loss(
        log_probability,
        target,
        torch.tensor(lengths),
        torch.tensor(counts),
        blank=blank,
        reduction="none",
        zero_infinity=zero_infinity,
    ).mean()
    number.backward()
    return number, logits_t.grad


SIZES = [(12, 5, 4, 6), (30, 6, 10, 3), (9, 3, 1, 4), (60, 4, 20, 11)]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("given", ["padding", "target_lengths", "list"])
def test_ctc(equal, backend, size, blank, scale, given):
    logits, labels, counts, lengths = rows(*size, blank, scale)
    number_t, gradient_t = theirs(logits, labels, counts, lengths, blank)
    options = {"target_lengths": counts} if given == "target_lengths" else {}
    target = [list(row[:n]) for row, n in zip(labels, counts, strict=True)] if given == "list" else labels
    number, gradient = ours(backend, logits, target, lengths=lengths, blank=blank, **options)
    equal("CTC", number, number_t)
    equal("CTC", gradient, gradient_t)


def test_repeats_that_just_fit(equal):
    labels = np.array([[1, 1, 1], [2, 2, 1], [1, 2, 1]])
    logits, lengths, counts = np.random.default_rng(0).standard_normal((3, 5, 3)), np.array([5, 4, 3]), np.full(3, 3)
    number, gradient = ours("numpy", logits, labels, lengths=lengths)
    number_t, gradient_t = theirs(logits, labels, counts, lengths, 0)
    equal("CTC, just long enough", number, number_t)
    equal("CTC, just long enough", gradient, gradient_t)


def test_zero_infinity(equal):
    labels, counts = np.array([[1, 1, 2], [1, 2, -1]]), np.array([3, 2])
    logits, lengths = np.random.default_rng(0).standard_normal((2, 4, 3)), np.array([3, 4])
    number, gradient = ours("numpy", logits, labels, lengths=lengths, zero_infinity=True)
    number_t, gradient_t = theirs(logits, labels, counts, lengths, 0, zero_infinity=True)
    equal("CTC, zero_infinity", number, number_t)
    equal("CTC, zero_infinity", gradient, gradient_t)
