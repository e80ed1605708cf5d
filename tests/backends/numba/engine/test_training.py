"""Whole planned steps: every loss and optimizer behind a recurrent layer, against model, loss and optimizer by hand."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.errors import DataError
from lamina.losses import (
    CTC,
    BinaryCrossEntropy,
    MeanSquaredError,
    PoissonNegativeLogLikelihood,
    Quantile,
    SoftmaxCrossEntropy,
)
from lamina.optimization.joint import JointOptimizer
from lamina.optimizers import SGD, Adam, Lookahead, NAdam

RNG = np.random.default_rng(0)


def shares(shape):
    found = RNG.random(shape)
    return found / found.sum(axis=-1, keepdims=True)


LOSSES = [
    (BinaryCrossEntropy(positive_weight=2.0, label_smoothing=0.1), lambda shape: RNG.integers(0, 2, shape), 4),
    (BinaryCrossEntropy(), lambda shape: RNG.integers(0, 2, shape).astype(bool), 1),
    (MeanSquaredError(), RNG.standard_normal, 2),
    (SoftmaxCrossEntropy(class_weight=[1, 2, 3]), lambda shape: RNG.integers(0, 3, shape[:-1]), 3),
    (SoftmaxCrossEntropy(), shares, 3),
    (SoftmaxCrossEntropy(-1, reduction="sum"), lambda shape: RNG.integers(-1, 3, shape[:-1]), 3),
    (PoissonNegativeLogLikelihood(), lambda shape: RNG.poisson(2, shape), 2),
    (Quantile([0.1, 0.9]), lambda shape: RNG.standard_normal((*shape[:-1], 1)), 2),
    (CTC(zero_infinity=True), lambda shape: RNG.integers(1, 3, (shape[0], 2)), 3),
]
OPTIMIZERS = {
    "clipped": lambda p: SGD(p, lr=0.1, momentum=0.9, clip_norm=0.5),
    "groups": lambda p: Adam(p, lr=0.01, groups={"*.b": {"lr": 0.1}}),
    "asked": lambda p: NAdam(p, clip_value=0.1),
    "joint": lambda p: JointOptimizer({"first": Adam(p[:3]), "rest": SGD(p[3:])}),
    "of its own": lambda p: Lookahead(SGD(p), period=2),
}


def model(sequences, outputs):
    with lamina.use_backend("numba"):
        made = lamina.Sequential(lamina.layers.GRU(6, return_sequences=sequences), lamina.layers.Dense(outputs))
        made.build((None, None, 3), seed=0)
    return made


CASES = [(loss, sequences) for loss in LOSSES for sequences in (False, True) if sequences or loss[0].masks_steps]


@pytest.mark.parametrize(("loss", "sequences"), CASES, ids=lambda one: repr(one[0]) if isinstance(one, tuple) else None)
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_compiled_steps_are_those_by_hand(make, loss, sequences):
    loss, target, outputs = loss
    one, other = model(sequences, outputs), model(sequences, outputs)
    planned, optimizer = make(one.parameters()), make(other.parameters())
    step = lamina.compile(one, loss, planned)
    for turn in range(6):
        rows = (5, 5, 3, 5, 1, 5)[turn]
        x, lengths = (
            RNG.standard_normal((rows, 7, 3)).astype(np.float32),
            RNG.integers(1, 8, rows) if turn % 2 else None,
        )
        y = target((rows, 7, outputs) if sequences else (rows, outputs))
        got = step(x, y, lengths)
        options = {} if lengths is None else {"lengths": lengths}
        optimizer.zero_grad()
        prediction, saved = other.forward(x, **options)
        value, of_loss = loss.forward_on(other.backend, prediction, y, **(options if sequences else {}))
        other.backward(loss.backward(of_loss), saved)
        optimizer.step()
        assert got == pytest.approx(float(value), rel=2e-5, abs=1e-6)
        if turn == 3:
            planned.load_state_dict(planned.state_dict())  # its arrays are others from now on
        if turn == 4:
            planned.lr = optimizer.lr = 0.02
        for parameter, expected in zip(one.parameters(), other.parameters(), strict=True):
            np.testing.assert_allclose(parameter.data, expected.data, atol=2e-5)
    assert planned.steps == optimizer.steps == 6


def test_targets_that_are_none_are_seen_in_every_step():
    one, x = model(False, 1), np.zeros((2, 4, 3), np.float32)
    step = lamina.compile(one, BinaryCrossEntropy(), SGD(one.parameters()))
    step(x, np.array([[0.0], [1.0]]))
    before = one[1].w.data.copy()
    with pytest.raises(DataError, match="targets from 0 to 1, got 2"):
        step(x, np.array([[0.0], [2.0]]))
    np.testing.assert_array_equal(one[1].w.data, before)
    steps = model(True, 3)
    step = lamina.compile(steps, CTC(), SGD(steps.parameters()))
    step(x, np.array([[1, 2], [1, -1]]))
    with pytest.raises(DataError, match="expected labels from 0 to 2"):
        step(x, np.array([[1, 7], [1, -1]]))


@pytest.mark.parametrize("lengths", [None, RNG.integers(1, 6, 30)])
@pytest.mark.parametrize("weights", [None, RNG.random(30), RNG.random((30, 5))])
@pytest.mark.parametrize("name", ["bce", "mse", "cross_entropy"])
def test_a_trainer_weighs_rows_and_steps(name, weights, lengths):
    x = np.random.default_rng(1).normal(size=(30, 5, 3)).astype(np.float32)
    y = np.random.default_rng(2).integers(0, 2, (30, 5) if name == "cross_entropy" else (30, 5, 2))
    found = []
    for backend in ("numba", "numpy"):
        with lamina.use_backend(backend):
            made = lamina.Sequential(lamina.layers.GRU(6, return_sequences=True), lamina.layers.Dense(2))
            made.build((None, None, 3), seed=0)
            options = {"compile": True} if backend == "numba" else {}
            trainer = lamina.Trainer(made, loss=name, optimizer="sgd", **options)
            history = trainer.fit(
                x, y, lengths=lengths, sample_weight=weights, epochs=2, batch_size=8, shuffle=False, verbose=False
            )
        found.append((history["loss"], [one.data for one in made.parameters()]))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
