"""What says Keras's losses, metrics, schedules and optimizers has Keras's numbers, and a loss its gradients."""

import os

import numpy as np
import pytest

import lamina
from lamina import metrics, optimizers
from lamina.optimizers import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LinearWarmup,
    PiecewiseConstant,
    PolynomialDecay,
    StepDecay,
)
from tests.parity.keras_losses import LOSSES, METRICS

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is imported
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[parity]'")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on PyTorch", allow_module_level=True)
pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def in_float64():
    for name in ("float64", "float32"):  # the policy is kept from where it was first asked for
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)
        if name == "float64":
            yield


WEIGHTS = np.array([0.5, 2.0, 0.0, 1.0, 3.0, 0.25, 1.0, 1.5])


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    ("reduction", "own"), [("mean_with_sample_weight", "mean"), ("sum", "sum"), (None, "none")], ids=str
)
@pytest.mark.parametrize("name", LOSSES)
def test_loss(equal, name, reduction, own, weighted):
    pair = LOSSES[name]
    z, target = pair.given(np.random.default_rng(0))
    weights = WEIGHTS if weighted else None
    loss = getattr(keras.losses, pair.theirs)(**pair.options, reduction=reduction, dtype="float64")
    given = torch.tensor(pair.prediction(z), requires_grad=True)
    value_t = loss(torch.tensor(pair.target(target)), given, sample_weight=weights)
    ours = pair.ours(reduction=own)
    value, saved = ours.forward(z, target, mask=weights)
    each = np.ones(len(z)) if weights is None else weights
    change = {"mean": pair.change, "sum": pair.change * each.sum(), "none": pair.change * each}[own]
    part = f"{name}, Keras"
    equal(part, np.asarray(value, np.float64) - change, value_t.double(), pair.tolerance)  # Keras's mean is float32
    if name.endswith("probabilities") or pair.prediction(z) is not z:
        return
    dloss = np.random.default_rng(1).standard_normal(len(z)) if own == "none" else None
    dz = ours.backward(saved) if dloss is None else ours.backward(saved, dloss)
    value_t.backward(None if dloss is None else torch.tensor(dloss))
    equal(f"{part}, gradient", dz, given.grad, pair.tolerance)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("name", METRICS)
def test_metric(name, weighted):
    """In two batches."""
    pair = METRICS[name]
    random = np.random.default_rng(2)
    theirs, ours = getattr(keras.metrics, pair.theirs)(**pair.options), pair.ours()
    whole = []
    for _ in range(2):
        z, target = pair.given(random)
        theirs.update_state(pair.target(target), pair.prediction(z), sample_weight=WEIGHTS if weighted else None)
        whole.append((z, target))
    z, target = (np.concatenate(part) for part in zip(*whole, strict=True))
    weights = np.concatenate([WEIGHTS, WEIGHTS]) if weighted else None
    value = ours(z, target, sample_weight=weights)
    assert value == pytest.approx(float(theirs.result()) * (-1 if pair.change else 1) + pair.change, rel=1e-6)


theirs = keras.optimizers.schedules
# Ours, by steps of training, and Keras's, which holds the first rate; 50 counts are compared.
SCHEDULES = {
    "ExponentialDecay": (ExponentialDecay(0.96**0.1), theirs.ExponentialDecay(0.3, 10, 0.96)),
    "ExponentialDecay, staircase": (StepDecay(3, 0.96), theirs.ExponentialDecay(0.3, 3, 0.96, staircase=True)),
    # Keras's values hold up to and with their boundary.
    "PiecewiseConstantDecay": (
        PiecewiseConstant([11, 21], [1.0, 0.5, 0.1]),
        theirs.PiecewiseConstantDecay([10, 20], [0.3, 0.15, 0.03]),
    ),
    "PolynomialDecay": (PolynomialDecay(20, 1.0, 0.01), theirs.PolynomialDecay(0.3, 20, 0.01)),
    "PolynomialDecay, square root": (PolynomialDecay(20, 0.5), theirs.PolynomialDecay(0.3, 20, 0.0, power=0.5)),
    "PolynomialDecay, cycle": (
        PolynomialDecay(9, 1.5, 0.01, cycle=True),
        theirs.PolynomialDecay(0.3, 9, 0.01, power=1.5, cycle=True),
    ),
    "InverseTimeDecay": (InverseTimeDecay(10, 0.96), theirs.InverseTimeDecay(0.3, 10, 0.96)),
    "InverseTimeDecay, staircase": (
        InverseTimeDecay(10, 0.96, staircase=True),
        theirs.InverseTimeDecay(0.3, 10, 0.96, staircase=True),
    ),
    "CosineDecay": (CosineDecay(40, 0.03), theirs.CosineDecay(0.3, 40, alpha=0.1)),
    "CosineDecay, warmup": (
        LinearWarmup(8, CosineDecay(30), start=0.1),
        theirs.CosineDecay(0.03, 30, warmup_target=0.3, warmup_steps=8),
    ),
    "CosineDecayRestarts": (CosineDecay(7, 0.03, True), theirs.CosineDecayRestarts(0.3, 7, 1.0, 1.0, 0.1)),
    "CosineDecayRestarts, longer": (
        CosineDecay(5, restarts=True, growth=2),
        theirs.CosineDecayRestarts(0.3, 5, t_mul=2.0),
    ),
    "CosineDecayRestarts, lower": (
        CosineDecay(5, 0.03, restarts=True, growth=2, factor=0.6),
        theirs.CosineDecayRestarts(0.3, 5, t_mul=2.0, m_mul=0.6, alpha=0.1),
    ),
    "CosineDecayRestarts, alike but lower": (
        CosineDecay(5, restarts=True, factor=0.6),
        theirs.CosineDecayRestarts(0.3, 5, t_mul=1.0, m_mul=0.6),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(equal, name):
    ours, other = SCHEDULES[name]
    wanted = np.array([float(other(count)) for count in range(50)])
    equal(f"{name}, Keras", [ours.rate(count, 0.3) for count in range(50)], wanted, 1e-6)


TINY = {"epsilon": 1e-15}  # which stands elsewhere in some of Keras's
DECAY = {"weight_decay": 0.02}
# Ours and its options, Keras's and what differs there.
OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 0.1}, {}),
    "SGD, momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}, {}),
    "SGD, Nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, {}),
    "SGD, decay": ("SGD", {"lr": 0.1, **DECAY}, {}),
    "SGD, values": ("SGD", {"lr": 0.1, "clip_value": 0.5}, {"clipvalue": 0.5}),
    "SGD, norm": ("SGD", {"lr": 0.1, "clip_norm": 0.5}, {"global_clipnorm": 0.5}),
    "AdaGrad": ("Adagrad", {"lr": 0.1, "initial_accumulator": 0.1, **TINY}, {"initial_accumulator_value": 0.1}),
    "AdaDelta": ("Adadelta", {"lr": 0.5, "decay": 0.95, "epsilon": 1e-7}, {"rho": 0.95}),
    "RMSprop": ("RMSprop", {"lr": 0.01, "decay": 0.9, **TINY}, {"rho": 0.9}),
    "RMSprop, centered": (
        "RMSprop",
        {"lr": 0.01, "decay": 0.9, "centered": True, "momentum": 0.5, **TINY},
        {"rho": 0.9},
    ),
    "Adam": ("Adam", {"lr": 0.01, **TINY}, {}),
    "AdamW": ("AdamW", {"lr": 0.01, **TINY, **DECAY}, {}),
    "AdamW of Adam": ("Adam", {"lr": 0.01, **TINY, **DECAY}, {}),
    "AMSGrad": ("Adam", {"lr": 0.01, **TINY}, {"amsgrad": True}),
    "Adamax": ("Adamax", {"lr": 0.01, **TINY}, {}),
    "NAdam": ("Nadam", {"lr": 0.01, "momentum_decay": 1.0, **TINY}, {}),
    "NAdam, decay": ("Nadam", {"lr": 0.01, "momentum_decay": 1.0, "decoupled": True, **TINY, **DECAY}, {}),
    "Lion": ("Lion", {"lr": 0.01, **DECAY}, {}),
    "Adafactor": ("Adafactor", {"lr": 0.05, "epsilon": 1e-30}, {"epsilon_1": 1e-30}),
    # Keras's rate has that bound also without its relative_step.
    "Adafactor, slower": (
        "Adafactor",
        {"lr": 0.5, "epsilon": 1e-15, "decay_power": 0.65, "clip_threshold": 0.9},
        {"epsilon_1": 1e-15, "beta_2_decay": -0.65, "relative_step": False},
    ),
    "Muon": ("Muon", {"lr": 0.02, **DECAY, **TINY}, {"adam_weight_decay": 0.02}),
}
NAMES = {"lr": "learning_rate", "beta1": "beta_1", "beta2": "beta_2"}
# What Keras's takes in another way, which stands in its own options.
OURS = ("initial_accumulator", "decay", "decay_power", "momentum_decay", "decoupled", "clip_value", "clip_norm")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's NAdam, of NumPy
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(equal, name):
    other, options, further = OPTIMIZERS[name]
    layer = lamina.layers.Dense(3)
    layer.build((None, 4), dtype="float64", seed=0)
    random = np.random.default_rng(3)
    for parameter in layer.parameters():
        parameter.data = random.standard_normal(parameter.shape)
    made = getattr(optimizers, name.split(",")[0].split(" of ")[0])(layer.parameters(), **options)
    variables = [keras.Variable(one.numpy(), dtype="float64") for one in layer.parameters()]
    shared = {
        NAMES.get(key, key): value
        for key, value in options.items()
        if key not in OURS and (key, other) != ("epsilon", "Adafactor")
    }
    keras_made = getattr(keras.optimizers, other)(**shared, **further)
    for _ in range(20):
        gradients = [random.standard_normal(parameter.shape) for parameter in layer.parameters()]
        for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
            parameter.grad = gradient
        made.step()
        keras_made.apply([torch.tensor(one) for one in gradients], variables)
    for parameter, variable in zip(layer.parameters(), variables, strict=True):
        equal(f"{name}, Keras", parameter.numpy(), variable.value, 1e-6)


def test_counts_and_overlap_from_one_table():
    """Of each count Keras has a metric."""
    random = np.random.default_rng(4)
    scores, target, weights = random.random(40), random.integers(0, 2, 40), random.random(40)
    table = metrics.ConfusionMatrix()(np.eye(2)[(scores > 0.3).astype(int)], target, sample_weight=weights)
    for name, value in zip(
        ("TrueNegatives", "FalsePositives", "FalseNegatives", "TruePositives"), table.ravel(), strict=True
    ):
        other = getattr(keras.metrics, name)(0.3)
        other.update_state(target, scores, sample_weight=weights)
        assert value == pytest.approx(float(other.result()), rel=1e-6), name
    other = keras.metrics.MeanIoU(num_classes=2, dtype="float64")
    other.update_state(target, scores > 0.3, sample_weight=weights)
    overlap = np.diag(table) / (table.sum(0) + table.sum(1) - np.diag(table))
    assert overlap.mean() == pytest.approx(float(other.result()), rel=1e-6)


@pytest.mark.parametrize("name", ["Precision", "Recall"])
def test_precision_and_recall(name):
    random = np.random.default_rng(5)
    scores, target, weights = random.random(40), random.integers(0, 2, 40), random.random(40)
    other = getattr(keras.metrics, name)(0.7)
    other.update_state(target, scores, sample_weight=weights)
    ours = getattr(metrics, name)(threshold=0.7, from_logits=False)
    assert ours(scores, target, sample_weight=weights) == pytest.approx(float(other.result()), rel=1e-6)


@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_f_score(average, beta):
    random = np.random.default_rng(6)
    scores, target, weights = random.random((40, 3)), random.integers(0, 2, (40, 3)), random.random(40)
    other = keras.metrics.FBetaScore(average=average, beta=beta, threshold=0.6)
    other.update_state(target, scores, sample_weight=weights)
    ours = metrics.FBeta(beta, average, 0.6, multi_label=True, from_logits=False)
    np.testing.assert_allclose(ours(scores, target, sample_weight=weights), np.asarray(other.result()), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "rates"),
    {
        "SensitivityAtSpecificity": ("recall", "specificity"),
        "SpecificityAtSensitivity": ("specificity", "recall"),
        "PrecisionAtRecall": ("precision", "recall"),
        "RecallAtPrecision": ("recall", "precision"),
    }.items(),
)
def test_rate_at_another(name, rates):
    random = np.random.default_rng(8)
    scores, target, weights = random.integers(0, 20, 60) / 20 + 0.02, random.integers(0, 2, 60), random.random(60)
    for least in (0.3, 0.55, 0.8):
        other = getattr(keras.metrics, name)(least, num_thresholds=500)
        other.update_state(target, scores, sample_weight=weights)
        ours = metrics.RateAt(*rates, least, from_logits=False)
        assert ours(scores, target, sample_weight=weights) == pytest.approx(float(other.result()), rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_area(weighted):
    """Keras's, from so many thresholds that each score has its own, is the exact one."""
    random = np.random.default_rng(7)
    scores, target = random.integers(0, 20, 60) / 20 + 0.02, random.integers(0, 2, 60)
    weights = random.random(60) if weighted else None
    other = keras.metrics.AUC(num_thresholds=500)
    other.update_state(target, scores, sample_weight=weights)
    ours = metrics.ROCAUC(from_logits=False)
    assert ours(scores, target, sample_weight=weights) == pytest.approx(float(other.result()), rel=1e-5)
