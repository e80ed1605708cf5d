"""The notebook that Lamina grew from, against the same calculation written out: loops, and BPTT by hand."""

import math

import numpy as np
import pytest

import lamina
from lamina.initializers import Normal
from lamina.layers import Dense, SimpleRNN
from lamina.losses import SoftmaxCrossEntropy
from lamina.optimizers import SGD

X = np.array([[[1, 2], [2, 3], [3, 4]], [[2, 1], [3, 2], [4, 3]]]) / 100
TARGET = np.array([[1, 0], [0, 1]])
FEATURES, UNITS, CLASSES, TIME = 2, 4, 2, 3
RATE, EPOCHS, SEED = 0.1, 20, 1

Weights = dict[str, np.ndarray]


def first_weights(seed: int) -> Weights:
    """Return 0.01 * randn for the matrices, in order; ones and zeros for the biases."""
    rng = np.random.default_rng(seed)
    w_x, w_h = 0.01 * rng.standard_normal((FEATURES, UNITS)), 0.01 * rng.standard_normal((UNITS, UNITS))
    w = 0.01 * rng.standard_normal((UNITS, CLASSES))
    return {"0.w_x": w_x, "0.w_h": w_h, "0.b": np.ones(UNITS), "1.w": w, "1.b": np.zeros(CLASSES)}


def epoch(weights: Weights) -> tuple[float, Weights]:
    """Return the loss, averaged over the batch, and the gradient of every weight."""
    w_x, w_h, b, w, c = weights.values()
    loss, gradients = 0.0, {name: np.zeros(values.shape) for name, values in weights.items()}
    dw_x, dw_h, db, dw, dc = gradients.values()
    for x, target in zip(X, TARGET, strict=True):
        h = [[0.0] * UNITS]
        for t in range(TIME):
            h.append(
                [
                    math.tanh(
                        b[j]
                        + sum(x[t, i] * w_x[i, j] for i in range(FEATURES))
                        + sum(h[t][k] * w_h[k, j] for k in range(UNITS))
                    )
                    for j in range(UNITS)
                ]
            )
        z = [c[n] + sum(h[TIME][k] * w[k, n] for k in range(UNITS)) for n in range(CLASSES)]
        total = sum(math.exp(value) for value in z)
        p = [math.exp(value) / total for value in z]
        loss -= sum(target[n] * math.log(p[n]) for n in range(CLASSES)) / len(X)

        dz = [(p[n] - target[n]) / len(X) for n in range(CLASSES)]
        dh = [sum(dz[n] * w[k, n] for n in range(CLASSES)) for k in range(UNITS)]
        for n in range(CLASSES):
            dc[n] += dz[n]
            for k in range(UNITS):
                dw[k, n] += h[TIME][k] * dz[n]
        for t in range(TIME - 1, -1, -1):
            da = [dh[j] * (1 - h[t + 1][j] ** 2) for j in range(UNITS)]
            for j in range(UNITS):
                db[j] += da[j]
                for i in range(FEATURES):
                    dw_x[i, j] += x[t, i] * da[j]
                for k in range(UNITS):
                    dw_h[k, j] += h[t][k] * da[j]
            dh = [sum(da[j] * w_h[k, j] for j in range(UNITS)) for k in range(UNITS)]
    return loss, gradients


def classifier(backend: str, dtype: str) -> lamina.Sequential:
    small = Normal(0.01)
    model = lamina.Sequential(
        SimpleRNN(UNITS, w_x_initializer=small, w_h_initializer=small, b_initializer="ones"),
        Dense(CLASSES, w_initializer=small),
    )
    model.build(X.shape, backend=backend, dtype=dtype, seed=SEED)
    return model


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_the_forward_pass_gives_the_notebooks_numbers(backend: str) -> None:
    layer = SimpleRNN(4)
    layer.build((None, None, 2), backend=backend, dtype="float64")
    layer.w_x.data = np.array([[1, 3, 5, 7], [3, 5, 7, 8]]) / 100
    layer.w_h.data = np.array([[1, 3, 5, 7], [2, 4, 6, 8], [3, 5, 7, 8], [4, 6, 8, 10]]) / 100
    layer.b.data = np.ones(4)
    last = layer(X[:1])
    assert last.dtype == np.float64
    assert [[f"{value:.8f}" for value in row] for row in last] == [
        ["0.79494228", "0.81839002", "0.83939649", "0.85584174"]
    ]


@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_every_weight_of_every_epoch_is_the_one_worked_out_by_hand(backend: str) -> None:
    model, expected = classifier(backend, "float64"), first_weights(SEED)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(model.parameters(), lr=RATE)
    assert list(model.state_dict()) == list(expected)
    printed = []
    for number in range(EPOCHS + 1):
        for name, values in model.state_dict().items():
            np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-12, err_msg=f"{name}, epoch {number}")
        value_expected, gradients = epoch(expected)
        optimizer.zero_grad()
        logits, saved = model.forward(X)
        value, loss_saved = loss.forward(logits, TARGET)
        assert float(value) == pytest.approx(value_expected, abs=1e-13)
        printed.append(f"{float(value):.4f}")
        model.backward(loss.backward(loss_saved), saved)
        for parameter in model.parameters():
            np.testing.assert_allclose(parameter.grad, gradients[parameter.name], rtol=1e-10, atol=1e-15)
        optimizer.step()
        expected = {name: values - RATE * gradients[name] for name, values in expected.items()}
    assert (printed[0], printed[-1]) == ("0.6932", "0.6931")


def test_in_float32_it_takes_the_same_path_to_that_precision() -> None:
    model, expected = classifier("numpy", "float32"), first_weights(SEED)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(model.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        logits, saved = model.forward(X.astype("float32"))
        _, loss_saved = loss.forward(logits, TARGET)
        model.backward(loss.backward(loss_saved), saved)
        optimizer.step()
        _, gradients = epoch(expected)
        expected = {name: values - RATE * gradients[name] for name, values in expected.items()}
    for name, values in model.state_dict().items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)
