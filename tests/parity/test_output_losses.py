"""The losses with a target for each output, and the negative log-likelihood, equal torch's, with their gradients."""

import numpy as np
import pytest

import lamina
from lamina.losses import BinaryCrossEntropy, CosineSimilarity, Huber, MeanAbsoluteError, NegativeLogLikelihood

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
F = torch.nn.functional

CLASSES, IGNORED = 5, -100
# The steps' shape, and whether the rows are of unequal length.
WAYS = [((7,), False), ((4, 6), False), ((4, 6), True)]
LENGTHS = np.array([3, 0, 6, 1])
EACH = [0.5, 2.0, 3.0]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def run(loss, backend, prediction, target, **options):
    loss.backend = lamina.get_backend(backend)
    number, saved = loss.forward(prediction, target, **options)
    return number, loss.backward(saved)


def binary(positive, weight):
    def theirs(prediction, target):
        positive_t = None if positive is None else torch.tensor(positive, dtype=torch.float64)
        weight_t = None if weight is None else torch.tensor(weight, dtype=torch.float64)
        return F.binary_cross_entropy_with_logits(prediction, target, weight=weight_t, pos_weight=positive_t)

    return BinaryCrossEntropy(positive, weight), theirs


def unit(rows):
    # F.cosine_similarity gives the same number, and a gradient that takes no notice of its eps.
    return rows / rows.norm(dim=-1, keepdim=True).clamp(min=2.0)


CASES = {
    "MeanAbsoluteError": lambda: (MeanAbsoluteError(), F.l1_loss),
    "Huber": lambda: (Huber(), F.huber_loss),
    "Huber, delta 0.3": lambda: (Huber(0.3), lambda p, t: F.huber_loss(p, t, delta=0.3)),
    "CosineSimilarity": lambda: (CosineSimilarity(), lambda p, t: (1 - F.cosine_similarity(p, t, dim=-1)).mean()),
    "CosineSimilarity, epsilon 2": lambda: (
        CosineSimilarity(2.0),
        lambda p, t: (1 - (unit(p) * unit(t)).sum(-1)).mean(),
    ),
    "BinaryCrossEntropy": lambda: binary(None, None),
    "BinaryCrossEntropy, positive": lambda: binary(3.0, None),
    "BinaryCrossEntropy, positives": lambda: binary(EACH, None),
    "BinaryCrossEntropy, weights": lambda: binary(None, EACH),
    "BinaryCrossEntropy, everything": lambda: binary(EACH, EACH[::-1]),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("steps", "ragged"), WAYS, ids=str)
@pytest.mark.parametrize("scale", [1.0, 50.0])
@pytest.mark.parametrize("name", CASES)
def test_a_target_for_each_output(equal, backend, steps, ragged, scale, name):
    loss, theirs = CASES[name]()
    prediction = scale * numbers(*steps, 3)
    target = numbers(*steps, 3, seed=1)
    if isinstance(loss, BinaryCrossEntropy):
        target = 1 / (1 + np.exp(-3 * target))
    options = {"lengths": LENGTHS} if ragged else {}
    number, gradient = run(loss, backend, prediction, target, **options)

    prediction_t, target_t = torch.tensor(prediction, requires_grad=True), torch.tensor(target)
    if ragged:
        counts = torch.tensor(np.arange(steps[1])[None, :] < LENGTHS[:, None])
        number_t = theirs(prediction_t[counts], target_t[counts])
    else:
        number_t = theirs(prediction_t, target_t)
    number_t.backward()
    equal(name, number, number_t)
    equal(name, gradient, prediction_t.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("steps", "ragged"), WAYS, ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weights"])
@pytest.mark.parametrize("ignore", [False, True], ids=["all", "some"])
def test_negative_log_likelihood(equal, backend, steps, ragged, weighted, ignore):
    rng = np.random.default_rng(3)
    prediction = np.log(rng.dirichlet(np.ones(CLASSES), steps))
    weight = rng.random(CLASSES) + 0.5 if weighted else None
    target = rng.integers(0, CLASSES, steps)
    if ignore:
        target[rng.random(steps) < 0.4] = IGNORED
    loss = NegativeLogLikelihood(IGNORED if ignore else None, weight)
    number, gradient = run(loss, backend, prediction, target, **({"lengths": LENGTHS} if ragged else {}))

    counted = np.where(np.arange(6)[None, :] < LENGTHS[:, None], target, IGNORED) if ragged else target
    prediction_t = torch.tensor(prediction, requires_grad=True)
    # Torch's mean divides by the weights of the labels that happen to be there; ours by the number of steps.
    number_t = (
        F.nll_loss(
            prediction_t.reshape(-1, CLASSES),
            torch.tensor(counted).reshape(-1),
            weight=None if weight is None else torch.tensor(weight),
            ignore_index=IGNORED,
            reduction="sum",
        )
        / (counted != IGNORED).sum()
    )
    number_t.backward()
    equal("NegativeLogLikelihood", number, number_t)
    equal("NegativeLogLikelihood", gradient, prediction_t.grad)
