"""Half precision, huge, tiny and infinite numbers: losses and normalization equal torch's in float64.

An infinite logit is the limit of ever larger ones; 1e300 stands for it in torch, which has no limits.
"""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import losses
from lamina.layers import BatchNorm, GroupNorm, LayerNorm, RMSNorm

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("error")]
F = torch.nn.functional
INF = float("inf")

ROWS, CLASSES = 6, 5
LABELS = np.array([0, 1, 2, 3, 4, 0])
SIGNS = np.random.default_rng(0).choice([-1.0, 1.0], (ROWS, CLASSES))
NUMBERS = np.random.default_rng(1).standard_normal((ROWS, CLASSES))
ODDS = np.random.default_rng(2).dirichlet(np.ones(CLASSES), ROWS)


def ctc(z: Any, target: Any) -> Any:
    """Three rows of two steps, one label each."""
    rows = z.reshape(3, 2, CLASSES).permute(1, 0, 2).log_softmax(-1)
    return F.ctc_loss(rows, target, [2] * 3, [1] * 3, reduction="sum") / 3


def terms(loss: Any) -> Any:
    """Return the mean of a loss's terms, in torch."""
    from tests.parity.torch_losses import TERMS

    return lambda z, t: TERMS[type(loss)](loss, z, t).mean()


# The loss, its targets, and the same in torch.
CASES: dict[str, tuple[Any, Any, Any]] = {
    "labels": (losses.SoftmaxCrossEntropy(), LABELS, F.cross_entropy),
    "odds": (losses.SoftmaxCrossEntropy(), ODDS, F.cross_entropy),
    "smoothed": (
        losses.SoftmaxCrossEntropy(label_smoothing=0.1), LABELS, lambda z, t: F.cross_entropy(z, t, label_smoothing=0.1)
    ),
    "likelihood": (losses.NegativeLogLikelihood(), LABELS, F.nll_loss),
    "binary": (losses.BinaryCrossEntropy(), SIGNS.clip(0), F.binary_cross_entropy_with_logits),
    "squared": (losses.MeanSquaredError(), NUMBERS, F.mse_loss),
    "absolute": (losses.MeanAbsoluteError(), NUMBERS, F.l1_loss),
    "huber": (losses.Huber(), NUMBERS, F.huber_loss),
    "cosine": (losses.CosineSimilarity(), NUMBERS, lambda z, t: (1 - F.cosine_similarity(z, t)).mean()),
    "ctc": (losses.CTC(), np.array([[1], [2], [4]]), ctc),
    "binary, smoothed": (losses.BinaryCrossEntropy(label_smoothing=0.1), SIGNS.clip(0), lambda z, t: (
        F.binary_cross_entropy_with_logits(z, 0.9 * t + 0.05))),
    "divergence": (losses.KLDivergence(), ODDS, terms(losses.KLDivergence())),
    "hinge": (losses.Hinge(), SIGNS, terms(losses.Hinge())),
    "categorical hinge": (losses.CategoricalHinge(), LABELS, terms(losses.CategoricalHinge())),
    "every hinge": (losses.CategoricalHinge(True, True), LABELS, terms(losses.CategoricalHinge(True, True))),
    "focal": (losses.SoftmaxFocalCrossEntropy(), LABELS, terms(losses.SoftmaxFocalCrossEntropy())),
    "focal odds": (losses.SoftmaxFocalCrossEntropy(1.0), ODDS, terms(losses.SoftmaxFocalCrossEntropy(1.0))),
    "binary focal": (losses.BinaryFocalCrossEntropy(), SIGNS.clip(0), terms(losses.BinaryFocalCrossEntropy())),
    "quantile": (losses.Quantile(0.2), NUMBERS, terms(losses.Quantile(0.2))),
    "log cosh": (losses.LogCosh(), NUMBERS, terms(losses.LogCosh())),
    "percentage": (losses.MeanAbsolutePercentageError(), NUMBERS, terms(losses.MeanAbsolutePercentageError())),
    "logarithmic": (losses.MeanSquaredLogarithmicError(), abs(NUMBERS), terms(losses.MeanSquaredLogarithmicError())),
    "dice": (losses.Dice(), SIGNS.clip(0), terms(losses.Dice())),
}  # fmt: skip


def ours(loss: Any, prediction: Any, target: Any, backend: str) -> tuple[Any, Any]:
    on = lamina.testing.register_strict_backend() if backend == "array-api-strict" else lamina.get_backend(backend)
    if type(loss) is losses.CTC:
        prediction = prediction.reshape(3, 2, CLASSES)
    value, saved = loss.forward_on(on, on.asarray(prediction), target)
    return on.item(value), on.to_numpy(loss.backward(saved)).reshape(ROWS, CLASSES)


def theirs(function: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
    z = torch.tensor(prediction.astype(np.float64), requires_grad=True)
    value = function(z, torch.tensor(target))
    value.backward()
    return float(value.detach()), z.grad.numpy()


BACKENDS = ["numpy", "reference", "numba", "array-api-strict"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1e4, 1e15])
@pytest.mark.parametrize("name", CASES)
def test_large_predictions(name: str, size: float, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    loss, target, function = CASES[name]
    prediction = (SIGNS * size + NUMBERS * (size / 10)).astype(np.float32)
    value, gradient = ours(loss, prediction, target, backend)
    wanted, slope = theirs(function, prediction, target)
    np.testing.assert_allclose(value, wanted, rtol=2e-6)
    np.testing.assert_allclose(gradient, slope, rtol=2e-5, atol=abs(slope).max() * 1e-6)


@pytest.mark.parametrize("backend", ["numpy", "reference", "numba"])  # the standard has no half precision
@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("name", CASES)
def test_half_precision(name: str, size: float, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    loss, target, function = CASES[name]
    prediction = (SIGNS * size + NUMBERS * (size / 10)).astype(np.float16)
    value, gradient = ours(loss, prediction, target, backend)
    wanted, slope = theirs(function, prediction, target)
    assert gradient.dtype == np.float16
    np.testing.assert_allclose(value, wanted, rtol=2e-6)  # 1e8 for a square: more than half precision holds
    np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name",
    ["labels", "odds", "smoothed", "binary", "ctc", "divergence", "focal", "binary focal", "dice", "binary, smoothed"],
)
@pytest.mark.parametrize(
    "row",
    [
        [INF, 0, 1, 2, 3], [-INF, 0, 1, 2, 3], [INF, -INF, 0, 1, 2], [0, INF, 0, INF, -INF], [1, 2, -INF, -INF, 4],
        [INF] * 5, [-INF] * 5,
    ],
    ids=str,
)  # fmt: skip
def test_infinite_logits(row: list[float], name: str, dtype: Any, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    loss, target, function = CASES[name]
    prediction = np.array([row, *NUMBERS[1:]], dtype)
    value, gradient = ours(loss, prediction, target, backend)
    wanted, slope = theirs(function, np.clip(prediction.astype(np.float64), -1e300, 1e300), target)
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    if wanted > 1e200:  # in the limit
        assert value == INF
    else:
        np.testing.assert_allclose(value, wanted, rtol=tolerance)
    np.testing.assert_allclose(gradient, slope, rtol=10 * tolerance, atol=tolerance / 10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["likelihood", "squared", "absolute", "huber"])
@pytest.mark.parametrize("row", [[INF, 0, 1, 2, 3], [-INF, 0, 1, 2, 3], [1, -INF, 0, INF, 2]], ids=str)
def test_infinite_predictions(row: list[float], name: str, dtype: Any, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    loss, target, function = CASES[name]
    prediction = np.array([row, *SIGNS[1:]], dtype)
    value, gradient = ours(loss, prediction, target, backend)
    wanted, slope = theirs(function, prediction, target)  # torch's formula needs no limit here
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [LayerNorm, BatchNorm, RMSNorm, GroupNorm])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("epsilon", [1e-5, 1e-30, 1e-60])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-25, 1e-12, 1.0, 1e10, 1e20, 1e36, 1e150])
def test_normalization_of_any_size(kind: Any, backend: str, epsilon: float, dtype: str, size: float) -> None:
    """Rows, or features, of ordinary size beside those of this size."""
    if backend == "numba":
        pytest.importorskip("numba")
    if dtype == "float32" and size > 1e37:
        pytest.skip("float32 holds no such number")
    if backend == "array-api-strict":
        lamina.testing.register_strict_backend()
    layer = kind(1, epsilon=epsilon) if kind is GroupNorm else kind(epsilon=epsilon)
    layer.build((None, 8), backend=backend, dtype=dtype, seed=0)
    on, rng = layer.backend, np.random.default_rng(0)
    x, dy = rng.standard_normal((8, 8)).astype(dtype), rng.standard_normal((8, 8)).astype(dtype)
    if kind is not BatchNorm:
        x[::2] *= np.asarray(size, dtype)
    else:
        x[:, ::2] *= np.asarray(size, dtype)
    y, saved = layer.forward(on.asarray(x))
    dx = on.to_numpy(layer.backward(on.asarray(dy), saved))

    z = torch.tensor(x.astype(np.float64), requires_grad=True)
    axis = 0 if kind is BatchNorm else -1
    wide = torch.tensor(abs(x).max(axis=axis, keepdims=True).astype(np.float64))
    scaled = z / wide  # so that float64 squares what it holds
    centred = scaled if kind is RMSNorm else scaled - scaled.mean(axis, keepdim=True)
    wanted = centred / ((centred**2).mean(axis, keepdim=True) + (epsilon**0.5 / wide) ** 2).sqrt()
    wanted.backward(torch.tensor(dy.astype(np.float64)))
    for found, right in ((on.to_numpy(y), wanted.detach().numpy()), (dx, z.grad.numpy())):
        largest = abs(right).max(axis=axis, keepdims=True)
        tolerance = 2e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(found / largest, right / largest, rtol=0, atol=tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e10, 1e18, 1e25])
def test_running_statistics_of_any_size(backend: str, size: float) -> None:
    """Ragged sequences; a variance that float32 does not hold stays finite, and is forgotten in time."""
    if backend == "numba":
        pytest.importorskip("numba")
    if backend == "array-api-strict":
        lamina.testing.register_strict_backend()
    layer, peer = BatchNorm(momentum=0.5), torch.nn.BatchNorm1d(4, momentum=0.5, dtype=torch.float64)
    layer.build((None, None, 4), backend=backend, seed=0)
    on, rng = layer.backend, np.random.default_rng(0)
    x, lengths = (size * rng.standard_normal((3, 5, 4))).astype("float32"), np.array([5, 0, 3])
    valid = torch.tensor(np.concatenate([x[0], x[2, :3]]).astype(np.float64))
    y, _ = layer.forward(on.asarray(x), lengths=lengths)
    wanted = peer(valid).detach().numpy()
    y = on.to_numpy(y)
    np.testing.assert_allclose(np.concatenate([y[0], y[2, :3]]), wanted, rtol=1e-4, atol=1e-5)
    mean, variance = layer.running_mean.numpy(), layer.running_variance.numpy()
    np.testing.assert_allclose(mean, peer.running_mean.numpy(), rtol=1e-4, atol=1e-6 * size)
    if size < 1e19:
        np.testing.assert_allclose(variance, peer.running_var.numpy(), rtol=1e-4)
        inferred = on.to_numpy(layer.infer(on.asarray(x)))
        np.testing.assert_allclose(
            inferred[0], peer.eval()(torch.tensor(x[0].astype(np.float64))).detach().numpy(), rtol=1e-3, atol=1e-5
        )
    else:
        assert np.isfinite(variance).all()
        for _ in range(300):
            layer.forward(on.asarray(rng.standard_normal((3, 5, 4)).astype("float32")))
        assert (layer.running_variance.numpy() < 4).all()
