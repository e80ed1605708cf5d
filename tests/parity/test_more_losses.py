"""The losses beyond cross-entropy and squares equal torch's, with their gradients; and so do reductions."""

import numpy as np
import pytest

import lamina
from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    BinaryFocalCrossEntropy,
    CategoricalHinge,
    Dice,
    ElementwiseLoss,
    GaussianNegativeLogLikelihood,
    Hinge,
    KLDivergence,
    LogCosh,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    PoissonNegativeLogLikelihood,
    Quantile,
    SoftmaxCrossEntropy,
    SoftmaxFocalCrossEntropy,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
F = torch.nn.functional

WAYS = [((7,), False), ((4, 6), False), ((4, 6), True)]
LENGTHS, STEPS = np.array([3, 0, 6, 1]), np.arange(6) < np.array([3, 0, 6, 1])[:, None]
WEIGHTS = [0.5, 2.0, 3.0, 1.0]


def numbers(*shape):
    return np.random.default_rng(1).standard_normal(shape)


def yes(*shape):
    return np.random.default_rng(2).integers(0, 2, shape).astype(float)


def shares(*shape):
    return np.random.default_rng(3).dirichlet(np.ones(shape[-1]), shape[:-1])


def counts(*shape):
    return np.random.default_rng(4).poisson(2.0, shape).astype(float)


def labels(*shape):
    return np.random.default_rng(5).integers(0, shape[-1], shape[:-1])


def halves(*shape):
    return numbers(*shape[:-1], shape[-1] // 2)


CASES = {
    "GaussianNegativeLogLikelihood": (GaussianNegativeLogLikelihood(), halves),
    "GaussianNegativeLogLikelihood, full": (GaussianNegativeLogLikelihood(True, 0.2), halves),
    "PoissonNegativeLogLikelihood": (PoissonNegativeLogLikelihood(), counts),
    "PoissonNegativeLogLikelihood, full": (PoissonNegativeLogLikelihood(full=True), counts),
    "Quantile": (Quantile(0.3), numbers),
    "Quantile, several": (Quantile([0.1, 0.8]), halves),
    "KLDivergence": (KLDivergence(), shares),
    "KLDivergence, logarithms": (KLDivergence(log_target=True), lambda *shape: np.log(shares(*shape))),
    "LogCosh": (LogCosh(), numbers),
    "Hinge": (Hinge(), yes),
    "Hinge, squared": (Hinge(squared=True), yes),
    "CategoricalHinge": (CategoricalHinge(), labels),
    "CategoricalHinge, squared": (CategoricalHinge(True, margin=0.5, class_weight=WEIGHTS), labels),
    "CategoricalHinge, every": (CategoricalHinge(every=True), labels),
    "CategoricalHinge, everything": (CategoricalHinge(True, True, 2.0, None, WEIGHTS), labels),
    "BinaryFocalCrossEntropy": (BinaryFocalCrossEntropy(), yes),
    "BinaryFocalCrossEntropy, everything": (BinaryFocalCrossEntropy(0.5, 0.25, WEIGHTS), shares),
    "SoftmaxFocalCrossEntropy": (SoftmaxFocalCrossEntropy(), labels),
    "SoftmaxFocalCrossEntropy, alpha": (SoftmaxFocalCrossEntropy(1.5, 0.25), labels),
    "SoftmaxFocalCrossEntropy, everything": (SoftmaxFocalCrossEntropy(1.0, WEIGHTS), shares),
    "MeanAbsolutePercentageError": (MeanAbsolutePercentageError(0.1), numbers),
    "MeanSquaredLogarithmicError": (MeanSquaredLogarithmicError(), counts),
}


def run(loss, backend, prediction, target, **options):
    loss.backend = lamina.get_backend(backend)
    number, saved = loss.forward(prediction, target, **options)
    return number, loss.backward(saved)


def theirs(loss, prediction, target, dloss=None):
    from tests.parity.torch_losses import TERMS

    prediction = torch.tensor(prediction, requires_grad=True)
    terms = TERMS[type(loss)](loss, prediction, torch.tensor(target))
    (terms.mean() if dloss is None else (terms * torch.tensor(dloss)).sum()).backward()
    return terms.detach(), prediction.grad


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("steps", "ragged"), WAYS, ids=str)
@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("name", CASES)
def test_more_losses(equal, backend, steps, ragged, scale, name):
    loss, draw = CASES[name]
    prediction, target = scale * np.random.default_rng(0).standard_normal((*steps, 4)), draw(*steps, 4)
    number, gradient = run(loss, backend, prediction, target, **({"lengths": LENGTHS} if ragged else {}))
    counted = STEPS if ragged else np.ones(steps, bool)
    terms, slope = theirs(loss, prediction[counted], target[counted])
    equal(name, number, terms.mean())
    equal(name, gradient[counted], slope)
    assert not gradient[~counted].any()


def test_poisson_rates(equal):
    prediction, target = abs(numbers(5, 3)) + 0.1, counts(5, 3)
    loss = PoissonNegativeLogLikelihood(False, True, epsilon=1e-3)
    number, gradient = run(loss, "numpy", prediction, target)
    terms, slope = theirs(loss, prediction, target)
    equal("PoissonNegativeLogLikelihood, rates", number, terms.mean())
    equal("PoissonNegativeLogLikelihood, rates", gradient, slope)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 2)], ids=str)
def test_dice(equal, backend, shape):
    prediction, target = numbers(*shape), yes(*shape)
    number, gradient = run(Dice(0.3), backend, prediction, target)
    terms, slope = theirs(Dice(0.3), prediction, target)
    equal("Dice", number, terms.mean())
    equal("Dice", gradient, slope)


@pytest.mark.parametrize("smoothing", [0.1, 0.6])
def test_smoothing_of_yes_or_no(equal, smoothing):
    logits, target = 3 * numbers(6, 4), yes(6, 4)
    number, gradient = run(BinaryCrossEntropy(label_smoothing=smoothing), "numpy", logits, target)
    logits_t = torch.tensor(logits, requires_grad=True)
    smooth = torch.tensor(target) * (1 - smoothing) + smoothing / 2  # Keras's
    number_t = F.binary_cross_entropy_with_logits(logits_t, smooth)
    number_t.backward()
    equal("BinaryCrossEntropy, smoothing", number, number_t)
    equal("BinaryCrossEntropy, smoothing", gradient, logits_t.grad)


def test_one_of_ones_own_equals_torchs_soft_margin(equal):
    class SoftMargin(ElementwiseLoss):
        def value(self, xp, prediction, target):
            return xp.log1p(xp.exp(-target * prediction))

        def derivative(self, xp, prediction, target):
            return -target / (1 + xp.exp(target * prediction))

    prediction, target = numbers(6, 4), 2 * yes(6, 4) - 1
    number, gradient = run(SoftMargin(), "reference", prediction, target)
    prediction_t = torch.tensor(prediction, requires_grad=True)
    number_t = F.soft_margin_loss(prediction_t, torch.tensor(target))
    number_t.backward()
    equal("ElementwiseLoss", number, number_t)
    equal("ElementwiseLoss", gradient, prediction_t.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("kind", ["labels", "squares", "ctc"])
def test_reductions(equal, backend, kind):
    """The sum and all losses, of which torch takes the gradient that ours is given."""
    logits, dloss = numbers(5, 4, 3), np.random.default_rng(9).standard_normal((5, 4))
    logits_t = torch.tensor(logits, requires_grad=True)
    if kind == "labels":
        cls, target = SoftmaxCrossEntropy, labels(5, 4, 3)
        each_t = F.cross_entropy(logits_t.reshape(-1, 3), torch.tensor(target).reshape(-1), reduction="none")
        each_t = each_t.reshape(5, 4)
    elif kind == "squares":
        cls, target = MeanSquaredError, numbers(5, 4, 3) ** 2
        each_t = F.mse_loss(logits_t, torch.tensor(target), reduction="none").mean(-1)  # ours: a mean over features
    else:
        cls, target, dloss = CTC, np.array([[1], [2], [1], [1], [2]]), dloss[:, 0]
        each_t = F.ctc_loss(
            F.log_softmax(logits_t, -1).transpose(0, 1), torch.tensor(target), [4] * 5, [1] * 5, reduction="none"
        )
    (each_t * torch.tensor(dloss)).sum().backward()
    loss = cls(reduction="none")
    loss.backend = lamina.get_backend(backend)
    each, saved = loss.forward(logits, target)
    equal(f"{cls.__name__}, each", each, each_t)
    equal(f"{cls.__name__}, each", loss.backward(saved, dloss), logits_t.grad)
    number, gradient = run(cls(reduction="sum"), backend, logits, target)
    logits_t.grad = None
    each_t = each_t.detach().sum()
    equal(f"{cls.__name__}, sum", number, each_t)
    _, saved = loss.forward(logits, target)
    equal(f"{cls.__name__}, sum", gradient, loss.backward(saved, np.ones(dloss.shape)))
