"""The losses equal torch's, with their gradients.

Where classes are weighted, torch's mean divides by the weights of the labels that happen to be in the batch; ours
divides by the number of steps that count. So torch's sum over that number is the oracle.
"""

import numpy as np
import pytest

import lamina
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
F = torch.nn.functional

CLASSES, IGNORED = 5, -100
SHAPES = [(7,), (4, 6)]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def run(loss, backend, prediction, target, **options):
    loss.backend = lamina.get_backend(backend)
    number, saved = loss.forward(prediction, target, **options)
    return number, loss.backward(saved)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("steps", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weights"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["labels", "some labels", "probabilities"])
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_softmax_cross_entropy(equal, backend, steps, weighted, smoothing, kind, scale):
    rng = np.random.default_rng(3)
    logits = scale * numbers(*steps, CLASSES)
    weight = rng.random(CLASSES) + 0.5 if weighted else None
    labelled, ignore = kind != "probabilities", kind == "some labels"
    if labelled:
        target = rng.integers(0, CLASSES, steps)
        if ignore:
            target[rng.random(steps) < 0.4] = IGNORED
        count = (target != IGNORED).sum()
    else:
        target = rng.dirichlet(np.ones(CLASSES), steps)
        count = np.prod(steps)
    loss = SoftmaxCrossEntropy(ignore_index=IGNORED if ignore else None, class_weight=weight, label_smoothing=smoothing)
    number, gradient = run(loss, backend, logits, target)

    logits_t = torch.tensor(logits, requires_grad=True)
    rows = logits_t.reshape(-1, CLASSES)
    target_t = torch.tensor(target).reshape(-1) if labelled else torch.tensor(target).reshape(-1, CLASSES)
    number_t = (
        F.cross_entropy(
            rows,
            target_t,
            weight=None if weight is None else torch.tensor(weight),
            ignore_index=IGNORED,
            label_smoothing=smoothing,
            reduction="sum",
        )
        / count
    )
    number_t.backward()
    part = f"SoftmaxCrossEntropy {kind}"
    equal(part, number, number_t)
    equal(part, gradient, logits_t.grad)


def test_softmax_cross_entropy_mean(equal):
    logits, labels = numbers(7, CLASSES), np.arange(7) % CLASSES
    number, gradient = run(SoftmaxCrossEntropy(), "numpy", logits, labels)
    logits_t = torch.tensor(logits, requires_grad=True)
    number_t = F.cross_entropy(logits_t, torch.tensor(labels))
    number_t.backward()
    equal("SoftmaxCrossEntropy, mean", number, number_t)
    equal("SoftmaxCrossEntropy, mean", gradient, logits_t.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("loss", ["cross entropy", "squares"])
def test_lengths(equal, backend, loss):
    lengths, steps = np.array([3, 0, 6, 1]), (4, 6)
    prediction = numbers(*steps, CLASSES)
    counts = torch.tensor(np.arange(6)[None, :] < lengths[:, None])
    prediction_t = torch.tensor(prediction, requires_grad=True)
    if loss == "cross entropy":
        target = np.random.default_rng(1).integers(0, CLASSES, steps)
        number, gradient = run(SoftmaxCrossEntropy(), backend, prediction, target, lengths=lengths)
        number_t = F.cross_entropy(prediction_t[counts], torch.tensor(target)[counts])
    else:
        target = numbers(*steps, CLASSES, seed=1)
        number, gradient = run(MeanSquaredError(), backend, prediction, target, lengths=lengths)
        number_t = F.mse_loss(prediction_t[counts], torch.tensor(target)[counts])
    number_t.backward()
    equal(f"{loss}, lengths", number, number_t)
    equal(f"{loss}, lengths", gradient, prediction_t.grad)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 3)], ids=str)
def test_mean_squared_error(equal, backend, shape):
    prediction, target = numbers(*shape), numbers(*shape, seed=1)
    number, gradient = run(MeanSquaredError(), backend, prediction, target)
    prediction_t = torch.tensor(prediction, requires_grad=True)
    number_t = F.mse_loss(prediction_t, torch.tensor(target))
    number_t.backward()
    equal("MeanSquaredError", number, number_t)
    equal("MeanSquaredError", gradient, prediction_t.grad)
