"""The optimizers equal torch's over 200 steps, and clipping equals torch's."""

from functools import partial

import numpy as np
import pytest

import lamina
from lamina import optimizers
from lamina.optimizers import SGD, AdaDelta, AdaGrad, Adam, AdamW, AMSGrad, RMSprop
from lamina.testing import register_strict_backend

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

STEPS = 200
BETAS = {"beta1": None, "beta2": None}  # torch has them in one pair
CASES = {
    "SGD": (SGD, torch.optim.SGD, {"lr": 0.1}, {}),
    "SGD weight decay": (SGD, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.02}, {}),
    "SGD momentum": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}, {}),
    "SGD nesterov": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}, {}),
    "SGD everything": (SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.02}, {}),
    "AdaGrad": (AdaGrad, torch.optim.Adagrad, {"lr": 0.1}, {}),
    "AdaGrad weight decay": (AdaGrad, torch.optim.Adagrad, {"lr": 0.1, "weight_decay": 0.02}, {}),
    "AdaGrad accumulator": (
        AdaGrad,
        torch.optim.Adagrad,
        {"lr": 0.1},
        {"initial_accumulator": "initial_accumulator_value"},
    ),
    "AdaGrad epsilon": (AdaGrad, torch.optim.Adagrad, {"lr": 0.1}, {"epsilon": "eps"}),
    "RMSprop": (RMSprop, torch.optim.RMSprop, {}, {}),
    "RMSprop centered": (RMSprop, torch.optim.RMSprop, {"lr": 0.02, "centered": True}, {"decay": "alpha"}),
    "RMSprop momentum": (RMSprop, torch.optim.RMSprop, {"lr": 0.02, "momentum": 0.9}, {"epsilon": "eps"}),
    "RMSprop everything": (
        RMSprop,
        torch.optim.RMSprop,
        {"lr": 0.02, "momentum": 0.9, "centered": True, "weight_decay": 0.02},
        {"epsilon": "eps", "decay": "alpha"},
    ),
    "AdaDelta": (AdaDelta, torch.optim.Adadelta, {}, {}),
    "AdaDelta everything": (
        AdaDelta,
        torch.optim.Adadelta,
        {"lr": 0.5, "weight_decay": 0.02},
        {"epsilon": "eps", "decay": "rho"},
    ),
    "Adam": (Adam, torch.optim.Adam, {}, {}),
    "Adam everything": (Adam, torch.optim.Adam, {"lr": 0.02, "weight_decay": 0.02}, {"epsilon": "eps"} | BETAS),
    "AMSGrad": (AMSGrad, partial(torch.optim.Adam, amsgrad=True), {}, {}),
    "AMSGrad everything": (
        AMSGrad,
        partial(torch.optim.Adam, amsgrad=True),
        {"lr": 0.02, "weight_decay": 0.02},
        {"epsilon": "eps"} | BETAS,
    ),
    "AdamW": (AdamW, torch.optim.AdamW, {}, {}),
    "AdamW everything": (AdamW, torch.optim.AdamW, {"lr": 0.02, "weight_decay": 0.1}, {"epsilon": "eps"} | BETAS),
}
VALUES = {"initial_accumulator": 0.3, "epsilon": 1e-3, "decay": 0.8, "beta1": 0.8, "beta2": 0.95}


def model(backend="numpy"):
    """Return a model, and torch parameters of the same values."""
    ours = lamina.Sequential(lamina.layers.SimpleRNN(4), lamina.layers.Dense(3))
    ours.build((None, None, 2), dtype="float64", seed=2, backend=backend)
    theirs = [torch.nn.Parameter(torch.tensor(parameter.numpy())) for parameter in ours.parameters()]
    return ours, theirs


def set_gradients(ours, theirs, step, scale=1.0):
    rng = np.random.default_rng((9, step))
    for parameter, twin in zip(ours.parameters(), theirs, strict=True):
        gradient = scale * rng.standard_normal(parameter.shape) + parameter.numpy()
        parameter.grad = gradient
        twin.grad = torch.tensor(gradient)


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_optimizer(equal, backend, name):
    cls, torch_cls, shared, names = CASES[name]
    ours, theirs = model(backend)
    optimizer = cls(ours.parameters(), **shared, **{own: VALUES[own] for own in names})
    renamed = {other: VALUES[own] for own, other in names.items() if other}
    if "beta1" in names:
        renamed["betas"] = (VALUES["beta1"], VALUES["beta2"])
    twin = torch_cls(theirs, **shared, **renamed)
    for step in range(STEPS):
        set_gradients(ours, theirs, step)
        optimizer.step()
        twin.step()
        if step == STEPS // 2:  # a schedule changes the rate
            optimizer.lr *= 0.5
            twin.param_groups[0]["lr"] *= 0.5
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        equal(f"{name}, {STEPS} steps", parameter.data, other, 1e-12)


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_groups(equal, name):
    ours, theirs = model()
    groups = {"*.b": {"weight_decay": 0.0}, "0.*": {"lr": 0.001}}
    settings = {"lr": 0.01, "weight_decay": 0.1} | ({"momentum": 0.9} if name == "SGD" else {})
    optimizer = getattr(optimizers, name)(ours.parameters(), **settings, groups=groups)
    options = [
        {"weight_decay": 0.0 if path.endswith("b") else 0.1, "lr": 0.001 if path.startswith("0") else 0.01}
        for path in ours.named_parameters()
    ]
    twin = getattr(torch.optim, name)(
        [{"params": [own], **option} for own, option in zip(theirs, options, strict=True)], **settings
    )
    for step in range(STEPS):
        set_gradients(ours, theirs, step)
        optimizer.step()
        twin.step()
        if step == STEPS // 2:  # a schedule changes all rates
            optimizer.lr *= 0.5
            for group in twin.param_groups:
                group["lr"] *= 0.5
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        equal(f"{name} groups, {STEPS} steps", parameter.data, other, 1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_clip_global_norm(equal, scale):
    ours, theirs = model()
    set_gradients(ours, theirs, 0, scale)
    norm = optimizers.clip_global_norm(ours.parameters(), 1.5)
    # torch divides by the norm plus 1e-6: taken back out, or it would be all the difference.
    limit = 1.5 * (float(norm) + 1e-6) / float(norm)
    norm_t = torch.nn.utils.clip_grad_norm_(theirs, limit)
    equal("clip_global_norm", norm, norm_t, 1e-12)
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        equal("clip_global_norm", parameter.grad, other.grad, 1e-12)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("backend", ["numpy", "reference", "array-api-strict", "numba"])
@pytest.mark.parametrize("way", ["function", "optimizer"])
@pytest.mark.parametrize("bad", [[np.inf], [-np.inf], [np.nan], [np.inf, np.nan], [np.inf, -np.inf]])
def test_clipping_what_is_not_finite(bad, way, backend):
    register_strict_backend()
    ours, theirs = model()
    set_gradients(ours, theirs, 0)
    try:
        ours.to(backend)
    except lamina.errors.BackendError as error:
        pytest.skip(str(error))
    for value, place in zip(bad, (0, 1), strict=False):
        host = np.array(ours.backend.to_numpy(ours.parameters()[place].grad))
        host.reshape(-1)[0] = value
        ours.parameters()[place].grad = host
        theirs[place].grad.view(-1)[0] = value
    if way == "function":
        norm = optimizers.clip_global_norm(ours.parameters(), 1.0)
    else:
        SGD(ours.parameters(), lr=0.1, clip_norm=1.0).step()
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    if way == "function":
        np.testing.assert_array_equal(ours.backend.to_numpy(norm), expected.numpy())
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        np.testing.assert_array_equal(ours.backend.to_numpy(parameter.grad), other.grad.numpy())


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_clipping_by_value_what_is_not_finite(bad):
    ours, theirs = model()
    set_gradients(ours, theirs, 0)
    ours.parameters()[0].grad.reshape(-1)[0] = bad
    theirs[0].grad.view(-1)[0] = bad
    optimizers.clip_value(ours.parameters(), 0.4)
    torch.nn.utils.clip_grad_value_(theirs, 0.4)
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        np.testing.assert_array_equal(parameter.grad, other.grad.numpy())


def test_clip_value(equal):
    ours, theirs = model()
    set_gradients(ours, theirs, 0)
    optimizers.clip_value(ours.parameters(), 0.4)
    torch.nn.utils.clip_grad_value_(theirs, 0.4)
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        equal("clip_value", parameter.grad, other.grad, 0.0)


@pytest.mark.parametrize("kind", ["clip_norm", "clip_value"])
def test_optimizer_that_clips(equal, kind):
    ours, theirs = model()
    optimizer = SGD(ours.parameters(), lr=0.1, momentum=0.9, **{kind: 0.7})
    twin = torch.optim.SGD(theirs, lr=0.1, momentum=0.9)
    for step in range(STEPS):
        set_gradients(ours, theirs, step)
        if kind == "clip_norm":
            norm = torch.nn.utils.get_total_norm([other.grad for other in theirs])
            for other in theirs:
                other.grad *= min(1.0, 0.7 / float(norm))
        else:
            torch.nn.utils.clip_grad_value_(theirs, 0.7)
        optimizer.step()
        twin.step()
    for parameter, other in zip(ours.parameters(), theirs, strict=True):
        equal(f"SGD {kind}, {STEPS} steps", parameter.data, other, 1e-12)


def test_training_a_model(equal):
    """Forward, loss, backward and update together: 100 steps of a real model on ragged data."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((12, 7, 2)), rng.integers(0, 3, 12)
    lengths = rng.integers(1, 8, 12)
    ours, _ = model()
    rnn, dense = ours.layers
    cell = torch.nn.RNN(2, 4, batch_first=True, dtype=torch.float64)
    head = torch.nn.Linear(4, 3, dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih_l0.copy_(torch.tensor(rnn.w_x.data.T.copy()))
        cell.weight_hh_l0.copy_(torch.tensor(rnn.w_h.data.T.copy()))
        cell.bias_ih_l0.copy_(torch.tensor(rnn.b.data))
        cell.bias_hh_l0.zero_()
        head.weight.copy_(torch.tensor(dense.w.data.T.copy()))
        head.bias.copy_(torch.tensor(dense.b.data))
    loss, optimizer = lamina.losses.SoftmaxCrossEntropy(), AdaGrad(ours.parameters(), lr=0.1)
    own = [cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, head.weight, head.bias]
    twin = torch.optim.Adagrad(own, lr=0.1)
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(x), torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    for _ in range(STEPS):
        y, saved = ours.forward(x, lengths=lengths)
        number, of_loss = loss.forward(y, labels)
        optimizer.zero_grad()
        ours.backward(loss.backward(of_loss), saved)
        optimizer.step()

        twin.zero_grad()
        number_t = torch.nn.functional.cross_entropy(head(cell(packed)[1][0]), torch.tensor(labels))
        number_t.backward()
        twin.step()
        equal("a model trained, loss", number, number_t)
    for parameter, other in zip(ours.parameters(), own, strict=True):
        equal("a model trained, weights", parameter.data, other.T if other.ndim == 2 else other)
