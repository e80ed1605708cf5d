"""Models equal their PyTorch twins: every case of the registry, and models nested by hand.

The twin runs each row alone, cut to its length. So lengths, padding, and what parts hand on to each other are compared
with something that has none of these.
"""

import inspect

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Composite, Concat, Recurrent, Residual, Sequential, losses, optimizers
from lamina.layers import (
    GRU,
    LSTM,
    BatchNorm,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePool1D,
    LayerNorm,
    MaxPool1D,
    SelfAttention,
    Tanh,
)
from lamina.losses import SoftmaxCrossEntropy
from lamina.testing.cases import layer_cases, loss_cases, optimizer_cases
from lamina.testing.random_models import parts

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")

from tests.parity.twin import NotExpressible, Rows, Twin  # noqa: E402 (torch is known to be there)
from tests.parity.twin_compare import compare_outputs, compare_steps, compare_training  # noqa: E402
from tests.parity.twin_losses import LOSSES, Projection, loss_of  # noqa: E402
from tests.parity.twin_optimizers import OPTIMIZERS  # noqa: E402
from tests.parity.twin_rows import BASES, LAYERS  # noqa: E402

pytestmark = pytest.mark.parity
CASES = {case.name: case for case in layer_cases()}
# Where padding is taken for data, rows that are cut to their lengths are other data.
TAKE_PADDING = ("Concat-time", "Flatten", "Permute", "Reshape", "Select-features", "Sequential-flat")
# Parameters of a time of fixed size are of all its steps.
TAKE_PADDING += ("LayerNorm-fixed-time", "LayerNorm-row")


def is_timed(x):
    return x.ndim > 2 or (x.ndim == 2 and x.dtype.kind in "iu")


def built(model, inputs, seed=0):
    """Return a model built for inputs, in float64, with weights that are all other than they start."""
    rng = np.random.default_rng(seed)
    model.build(*[(None, *x.shape[1:]) for x in inputs], dtype="float64", seed=seed)
    for name, parameter in model.named_parameters().items():
        values = 0.5 * rng.standard_normal(parameter.shape)
        parameter.data = parameter.numpy() + (abs(values) if name.endswith("variance") else values)
    return model


def arrays_of(case):
    """Return the inputs that a case of the registry is checked with, and ragged lengths where it has some."""
    rng = np.random.default_rng(1)
    state = case.options.get("state", ())
    shapes = (*case.inputs, *(state if isinstance(state, list) else [state] if state else []))
    inputs = [x if isinstance(x, np.ndarray) else rng.standard_normal(x) for x in shapes]
    batch, time = inputs[0].shape[0], inputs[0].shape[1] if is_timed(inputs[0]) else 0
    lengths = np.array([time, *rng.integers(0, time + 1, batch)])[:batch] if time else None
    if lengths is not None and batch > 2:
        lengths[-1] = 0
    return inputs, lengths


def shapes_of(model):
    given = model.output_shape
    return given if isinstance(given[0], tuple) else (given,)


WAYS = [
    (name, ragged) for name, case in CASES.items() for ragged in (False, True)[: 1 + (arrays_of(case)[1] is not None)]
]


@pytest.mark.parametrize(("name", "ragged"), WAYS, ids=[f"{name}{', ragged' * ragged}" for name, ragged in WAYS])
def test_case(equal, name, ragged):
    inputs, lengths = arrays_of(CASES[name])
    lengths = lengths if ragged else None
    model = built(CASES[name].make(), inputs)
    part = f"twin, {name.split('-')[0]}"
    if ragged and name in TAKE_PADDING:
        with pytest.raises(NotExpressible):
            Twin(model).outputs(inputs, lengths)
        return
    compare_outputs(equal, part, model, inputs, lengths)
    outputs = model(*inputs, lengths=lengths)
    rng = np.random.default_rng(2)
    targets = tuple(rng.standard_normal(y.shape) for y in (outputs if isinstance(outputs, tuple) else (outputs,)))
    loss = tuple(Projection() for _ in targets)
    compare_training(equal, part, model, inputs, lengths, loss, targets)


LOSS_WAYS = [
    (case, ragged, masked)
    for case in loss_cases()
    for ragged in (False, True)[: 1 + (len(case.shape) == 3)]
    for masked in (False, True)[: 1 + (not case.name.startswith("CTC"))]
]


@pytest.mark.parametrize(
    ("case", "ragged", "masked"),
    LOSS_WAYS,
    ids=[f"{case.name}{', ragged' * ragged}{', mask' * masked}" for case, ragged, masked in LOSS_WAYS],
)
def test_loss(equal, case, ragged, masked):
    rng = np.random.default_rng(3)
    loss, target = case.make(), case.target
    prediction = rng.standard_normal(case.shape)
    target = rng.standard_normal(case.shape) if target is None else target
    lengths = mask = None
    if ragged:
        time = case.shape[1]  # the cases of CTC have labels that fit into these
        lengths = np.array([time // 2, 0, time, *rng.integers(1, time + 1, case.shape[0])])[: case.shape[0]]
    if masked:
        mask = rng.choice([0.0, 0.5, 1.0, 2.0], case.shape[:-1])
    options = {} if mask is None else {"mask": mask}
    value, saved = loss.forward(prediction, target, lengths=lengths, **options)
    gradient = loss.backward(saved) if loss.reduction != "none" else loss.backward(saved, np.ones_like(value))
    value = value.sum()
    ends = [None] * len(prediction) if lengths is None else lengths
    each = [
        torch.tensor(row[None] if end is None else row[None, :end]) for row, end in zip(prediction, ends, strict=True)
    ]
    rows = Rows(tuple(row.requires_grad_() for row in each), (lengths is not None,) * len(each))
    expected = loss_of(loss, rows, target, mask)
    expected.backward()
    part = f"twin, {type(loss).__name__}"
    equal(part, np.float64(value), expected.detach())
    wanted = np.zeros(case.shape)
    for place, row in enumerate(each):
        if row.grad is not None:
            (wanted[place] if lengths is None else wanted[place, : row.shape[1]])[...] = row.grad[0]
    equal(part, gradient, wanted)


# What torch has not, or not as an optimizer that steps along gradients: see test_optimizers.
NOT_TORCHS = ("Muon", "LBFGS", "Lookahead", "Adafactor-moment", "Adafactor-rate")
EXPRESSED = [case for case in optimizer_cases() if not case.name.startswith(NOT_TORCHS)]


@pytest.mark.parametrize("case", EXPRESSED, ids=lambda case: case.name)
def test_optimizer(equal, case):
    inputs = [np.random.default_rng(4).standard_normal((6, 3))]
    model = built(lamina.layers.Dense(4), inputs)
    labels = np.arange(6) % 4
    compare_steps(
        equal, f"twin, {case.name.split('-')[0]}", model, inputs, None, SoftmaxCrossEntropy(), labels,
        case.make(model.parameters()), steps=20,
    )  # fmt: skip


def test_every_part_is_expressed():
    known = {name: lamina.Layer.registry.find(name) for name in lamina.Layer.registry.names()}
    ours = {name: cls for name, cls in known.items() if cls.__module__.startswith("lamina.")}
    assert len(ours) >= 50
    missing = [name for name, cls in ours.items() if cls not in LAYERS and not issubclass(cls, tuple(BASES))]
    assert not missing
    for module, base, table in ((losses, lamina.Loss, LOSSES), (optimizers, lamina.Optimizer, OPTIMIZERS)):
        found = {name: getattr(module, name) for name in module.__all__ if name != "ElementwiseLoss"}  # a base
        classes = [one for one in found.values() if inspect.isclass(one) and issubclass(one, base)]
        assert len(classes) > 6
        # L-BFGS needs a closure, torch's Muon is of bfloat16, and it has no Lookahead: see test_optimizers.
        assert set(classes) - {optimizers.LBFGS, optimizers.Muon, optimizers.Lookahead} <= set(table)


# Models nested by hand, each with its inputs, their lengths, and a loss and target for each output.


class Both(Composite):
    """Two sequences of different lengths through one encoder, whose states begin a decoder of the second."""

    def __init__(self):
        self.encoder = LSTM(3, return_sequences=True, return_state=True)
        self.decoder = LSTM(3, return_sequences=True)
        self.mean, self.head = GlobalAveragePool1D(), Dense(4)

    def compose(self, t, a, b):
        ahead, *states = t(self.encoder, a)
        again, _, c = t(self.encoder, b, *states)
        decoded = t(self.decoder, b, t.average(states[0], c), states[1])
        pooled = t.concatenate(t(self.mean, ahead), t(self.mean, decoded))
        return t(self.head, pooled), t.multiply(again, decoded)


class Words(Composite):
    """A table that stands in two places, as one layer and as a parameter tied to another's."""

    def __init__(self):
        self.words, self.more, self.other = Embedding(9, 3), Embedding(9, 3), Embedding(9, 3, row_wise=False)
        self.below, self.above = (GRU(3, return_sequences=True, reset_after=False) for _ in range(2))
        self.out = Bidirectional(Recurrent(parts.Mixing(Dense(4), Dense(4), 4), return_sequences=True), "sum")

    def build(self, *shapes, **options):
        given = super().build(*shapes, **options)
        self.more.w, self.above.w_h = self.words.w, self.below.w_h
        return given

    def compose(self, t, ids):
        x = t.add(t(self.words, ids), t(self.more, ids), t(self.words, ids), t(self.other, ids))
        return t(self.out, t(self.above, t(self.below, x)))


class Cells(Composite):
    """Cells with layers in them that take rows together and that draw, read both ways, from states of another's."""

    def __init__(self):
        inner = Sequential(Dense(3), BatchNorm(), Dropout(0.4))
        every = {"return_sequences": True, "return_state": True}
        self.first = Bidirectional(Recurrent(parts.Remembering(inner, 3), **every), "average")
        self.second = Bidirectional(LSTM(3, **every), "multiply")
        self.third = Bidirectional(Recurrent(parts.Averaging(Dense(4), 4), return_sequences=True), "sum")

    def compose(self, t, x):
        y, *states = t(self.first, x)
        y, *states = t(self.second, y, *states)
        return t(self.third, y), t.concatenate(*states[1:])


def shared():
    layer = Sequential(Dense(3), Dropout(0.4), Tanh())
    return Sequential(
        Residual(layer), parts.frozen(Dense(3)), layer, Concat(layer, Conv1D(2, 3, stride=1, dilation=2)), BatchNorm(),
        MaxPool1D(2, padding="same"), Residual(SelfAttention(1)), Bidirectional(GRU(3)), LayerNorm(), Dense(4),
    )  # fmt: skip


RNG = np.random.default_rng(5)
SEQUENCE, OTHER, IDS = RNG.standard_normal((5, 6, 3)), RNG.standard_normal((5, 4, 3)), RNG.integers(0, 9, (5, 6))
LENGTHS, OTHERS = np.array([6, 0, 3, 1, 4]), np.array([2, 4, 0, 1, 3])
LABELS, STEPS = RNG.integers(0, 4, 5), RNG.integers(0, 4, (5, 6))
NESTED = {
    "two inputs": (
        Both,
        [SEQUENCE, OTHER],
        (LENGTHS, OTHERS),
        (SoftmaxCrossEntropy(), losses.Huber()),
        (LABELS, RNG.standard_normal((5, 4, 3))),
    ),
    "tied tables": (
        Words,
        [IDS],
        LENGTHS,
        SoftmaxCrossEntropy(ignore_index=3, class_weight=[1.0, 2.0, 0.5, 1.0], label_smoothing=0.1),
        STEPS,
    ),
    "cells": (
        Cells,
        [SEQUENCE],
        LENGTHS,
        (SoftmaxCrossEntropy(), losses.CosineSimilarity()),
        (STEPS, RNG.standard_normal((5, 9))),
    ),
    "shared and frozen": (shared, [SEQUENCE], LENGTHS, SoftmaxCrossEntropy(), LABELS),
}
# With momentum and decay, so that a row of a table shows which steps used it.
TRAINED = {
    "SGD": lambda p: optimizers.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, clip_norm=0.5),
    "AdaGrad": lambda p: optimizers.AdaGrad(p, lr=0.05, initial_accumulator=0.1, weight_decay=0.01),
    "RMSprop": lambda p: optimizers.RMSprop(p, momentum=0.5, centered=True, weight_decay=0.01),
    "AdaDelta": lambda p: optimizers.AdaDelta(p, epsilon=1e-4, weight_decay=0.01),
    "Adam": lambda p: optimizers.Adam(p, lr=0.01, weight_decay=0.01, clip_value=0.05),
    "AMSGrad": lambda p: optimizers.AMSGrad(p, lr=0.01, beta2=0.5, weight_decay=0.01),
    "NAdam": lambda p: optimizers.NAdam(p, lr=0.01, weight_decay=0.01),
    "RAdam": lambda p: optimizers.RAdam(p, lr=0.01, beta2=0.6, weight_decay=0.01, decoupled=True),
    "Adamax": lambda p: optimizers.Adamax(p, lr=0.01, weight_decay=0.01),
    "Lion": lambda p: optimizers.Lion(p, lr=0.002, weight_decay=0.1),
    "Adafactor": lambda p: optimizers.Adafactor(p, weight_decay=0.01, epsilon=1e-6),
    "AdamW": lambda p: optimizers.AdamW(p, lr=0.01, groups={"*w_?": {"lr": 0.03}, "*.b": {"weight_decay": 0.0}}),
}


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("name", NESTED)
def test_nested(equal, name, ragged):
    make, inputs, lengths, loss, target = NESTED[name]
    lengths = lengths if ragged else None
    model = built(make(), inputs)
    compare_outputs(equal, f"twin, {name}", model, inputs, lengths)
    compare_training(equal, f"twin, {name}", model, inputs, lengths, loss, target)


@pytest.mark.parametrize("optimizer", TRAINED)
@pytest.mark.parametrize("name", NESTED)
def test_nested_trained(equal, name, optimizer):
    make, inputs, lengths, loss, target = NESTED[name]
    model = built(make(), inputs)
    own = TRAINED[optimizer](model.parameters())
    compare_steps(equal, f"twin, {name}", model, inputs, lengths, loss, target, own, steps=4)


def test_padding_uses_no_row_of_a_table(equal):
    inputs = [IDS % 8 + 1]
    model = built(Sequential(Embedding(9, 3), GRU(4)), inputs)
    own = optimizers.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    compare_steps(equal, "twin, padded ids", model, inputs, LENGTHS, SoftmaxCrossEntropy(), LABELS, own)
