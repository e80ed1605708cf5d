"""Products in TF32 and bfloat16: operands are rounded so far and no further, and everything else is float32."""

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Sequential, Trainer
from lamina.errors import ArgumentError
from lamina.layers import GRU, LSTM, Dense, SelfAttention, SimpleRNN

RNG = np.random.default_rng(0)
# Bits after the point.
BITS = {"fp32": 23, "tf32": 10, "bf16": 7}


def rounded(x, bits):
    """Return float32 rounded to so many bits after the point, as float64."""
    significand, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(np.ldexp(significand, bits + 1)), exponent - bits - 1)


def drawn(*shape):
    return RNG.normal(size=shape).astype(np.float32)


LAYOUTS = ("matrices", "turned", "cut out", "strided")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_operands_are_rounded_and_sums_are_not(device, precision, layout):
    bits = BITS[precision]
    a, b = drawn(5, 40), drawn(40, 6)
    wanted = rounded(a, bits) @ rounded(b, bits)
    given = [_laid(device, device.asarray(one), layout) for one in (a, b)]
    with device.in_precision(precision):
        got = device.matmul(*given)
    assert got.dtype == np.float32
    assert np.allclose(device.to_numpy(got), wanted, rtol=0, atol=2e-5)
    # That is nearer than the rounding, which is there.
    assert np.abs(a.astype(float) @ b - wanted).max() > 1e-3 * 2.0 ** (7 - bits)


def _laid(device, matrix, layout):
    """Return a device's matrix whose rows or columns lie otherwise in memory."""
    xp = device.xp
    if layout == "matrices":
        return matrix
    if layout == "turned":
        return device.copy(matrix.T).T
    double = xp.stack([matrix, matrix], axis=2)
    return double[:, :, 0] if layout == "strided" else xp.concatenate([matrix, matrix], axis=1)[:, : matrix.shape[1]]


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_batches_of_matrices(device, precision):
    a, b = drawn(2, 3, 4, 30), drawn(2, 3, 30, 5)
    wanted = rounded(a, BITS[precision]) @ rounded(b, BITS[precision])
    with device.in_precision(precision):
        got = device.matmul(device.asarray(a), device.asarray(b))
    assert np.allclose(device.to_numpy(got), wanted, rtol=0, atol=2e-5)


def test_values_that_are_special_stay_so(device):
    # Of the last three, one lies halfway between two bfloat16, and goes to the even one; two are the least and largest.
    special = np.array([np.nan, np.inf, -np.inf, 0, 1.01171875, 2.0**-133, (2 - 2.0**-7) * 2.0**127], np.float32)
    with device.in_precision("bf16"):
        bits = device.to_numpy(device.as_operand(device.asarray(special)))
    back = (bits.astype(np.uint32) << 16).view(np.float32)
    assert np.isnan(back[0])
    assert back[1:].tolist() == [np.inf, -np.inf, 0, 1.015625, *special[5:].tolist()]


BODIES = {
    "SimpleRNN": lambda: SimpleRNN(8),
    "LSTM": lambda: LSTM(8),
    "GRU": lambda: GRU(8),
    "GRU, reset before": lambda: GRU(8, reset_after=False),
    "Bidirectional": lambda: Bidirectional(LSTM(8)),
    "attention": lambda: Sequential(SelfAttention(2), LSTM(8)),
}


@pytest.mark.parametrize("lengths", [None, np.array([6, 2, 0, 5])], ids=["full", "ragged"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("precision", BITS)
def test_results_are_as_near_as_the_operands(device, precision, body, lengths):
    model = Sequential(BODIES[body](), Dense(3))
    model.build((None, None, 4), seed=1, backend=device)
    exact = Sequential(BODIES[body](), Dense(3))
    exact.build((None, None, 4), seed=1, backend="numpy", dtype="float64")
    for one, other in zip(exact.parameters(), model.parameters(), strict=True):
        one.data = other.numpy().astype(np.float64)
    x, dy = drawn(4, 6, 4), drawn(4, 3)

    def results(one):
        asarray = one.backend.asarray
        y, saved = one.forward(asarray(x, one.dtype), lengths=lengths)
        dx = one.backward(asarray(dy, one.dtype), saved)
        assert {str(array.dtype) for array in (y, dx)} == {one.dtype}
        grads = [parameter.grad for parameter in one.parameters()]
        return [one.backend.to_numpy(array) for array in (y, dx, *grads)]

    with device.in_precision(precision):
        got = results(model)
    # Beside 1: what is 0 but for rounding, as the gradient of attention's bias of keys, has no size of its own.
    worst = max(np.abs(a - b).max() / max(np.abs(b).max(), 1) for a, b in zip(got, results(exact), strict=True))
    assert worst < 30 * 2.0 ** -BITS[precision]
    if precision != "fp32":
        assert worst > 2.0 ** -BITS[precision] / 30


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_training(device, precision):
    x = RNG.normal(size=(60, 5, 3))
    y = (x.sum(axis=(1, 2)) > 0).astype(int)
    accuracies = {}
    for own in ("fp32", precision):
        model = Sequential(GRU(16), Dense(2))
        model.build((None, None, 3), seed=0, backend=device)
        trainer = Trainer(model, optimizer="adam", metrics="accuracy", precision=own)
        trainer.fit(x, y, epochs=30, batch_size=10, verbose=False)
        accuracies[own] = trainer.evaluate(x, y)["accuracy"]
        assert {str(parameter.data.dtype) for parameter in model.parameters()} == {"float32"}
        assert model.facts["training"].get("precision", "fp32") == own
    assert device.precision == "fp32"
    assert abs(accuracies["fp32"] - accuracies[precision]) < 0.05
    assert accuracies[precision] > 0.9


def test_float64_is_refused(device):
    model = Sequential(GRU(4), Dense(2))
    model.build((None, None, 3), seed=0, backend=device, dtype="float64")
    with pytest.raises(ArgumentError, match="precision 'bf16' is for models of float32, got one of float64"):
        Trainer(model, precision="bf16")


def test_one_that_it_does_not_have(device):
    with pytest.raises(lamina.errors.BackendError, match="no precision 'fp8', only 'fp32', 'tf32', 'bf16'"):
        device.in_precision("fp8").__enter__()
