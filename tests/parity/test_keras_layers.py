"""What says Keras's layers has Keras's numbers and gradients; recurrent ones stand in ``test_recurrent_dropout.py``."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Recurrent, Sequential, layers
from tests.parity.onnx_said import Say

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is imported
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[parity]'")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on PyTorch", allow_module_level=True)
pytestmark = pytest.mark.parity
theirs = keras.layers
SHAPE = (3, 6, 4)  # (batch, time, features)


@pytest.fixture(autouse=True)
def in_float64():
    for name in ("float64", "float32"):  # the policy is kept from where it was first asked for
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)
        if name == "float64":
            yield


@dataclass
class Pair:
    """Keras's layer, ours, and how our weights, by name, come to be Keras's, in a list."""

    theirs: Any
    ours: Any
    weights: Any = lambda state: list(state.values())
    shape: tuple = SHAPE
    training: bool = False
    tolerance: float = 1e-6  # Keras computes products, means and more in float32


def _say(function, **parts):
    return Say(function, parts)


def _convolution(options, ours):
    return lambda: Pair(theirs.Conv1D(5, 2, **options), layers.Conv1D(5, 2, **ours))


def _pool(kind, options, ours):
    return lambda: Pair(getattr(theirs, f"{kind}Pooling1D")(2, **options), getattr(layers, f"{kind}Pool1D")(2, **ours))


def _gates(array):
    """Return a GRU's array as Keras has it, its z first."""
    r, z, n = np.split(array, 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)


def _lstms(state):
    return [state[key] for key in state]


def _turned(state):
    return [state["w"].swapaxes(1, 2), state["b"]]


def _depthwise(state):
    # (2, 1, 4 x 3) of ours; Keras has features and their multiples apart.
    return [state["w"].reshape(2, 4, 3), state["b"]]


PAIRS = {
    "ELU": lambda: Pair(theirs.ELU(0.7), layers.ELU(0.7)),
    "LeakyReLU": lambda: Pair(theirs.LeakyReLU(0.2), layers.LeakyReLU(0.2)),
    "PReLU": lambda: Pair(theirs.PReLU(shared_axes=[1]), layers.PReLU(), lambda s: [s["slope"][None]]),
    "ReLU": lambda: Pair(theirs.ReLU(), layers.ReLU()),
    "ReLU, at most 1": lambda: Pair(
        theirs.ReLU(1.0), _say(lambda t, own, x: t(own.relu, x) - t(own.relu, x - 1.0), relu=layers.ReLU())
    ),
    "ReLU, leaking": lambda: Pair(
        theirs.ReLU(1.0, 0.5),
        _say(lambda t, own, x: t(own.leaky, x) - t(own.relu, x - 1.0), leaky=layers.LeakyReLU(0.5), relu=layers.ReLU()),
    ),
    "Softmax": lambda: Pair(theirs.Softmax(), layers.Softmax()),
    "Softmax, axis": lambda: Pair(theirs.Softmax(axis=1), layers.Softmax(axis=1)),
    "Activation": lambda: Pair(theirs.Activation(keras.activations.gelu), layers.GELU()),
    "Conv1D": _convolution({}, {"padding": "valid"}),
    "Conv1D, same": _convolution({"padding": "same", "dilation_rate": 2}, {"padding": "same", "dilation": 2}),
    "Conv1D, causal": _convolution({"padding": "causal", "dilation_rate": 2}, {"padding": "causal", "dilation": 2}),
    "Conv1D, strides": _convolution({"strides": 2}, {"padding": "valid", "stride": 2}),
    "Conv1D, groups": lambda: Pair(theirs.Conv1D(6, 2, groups=2), layers.Conv1D(6, 2, padding="valid", groups=2)),
    "Conv1DTranspose": lambda: Pair(
        theirs.Conv1DTranspose(5, 2, 2), layers.Conv1DTranspose(5, 2, stride=2, padding="valid"), _turned
    ),
    "Conv1DTranspose, output padding": lambda: Pair(
        theirs.Conv1DTranspose(5, 2, 3, padding="same", output_padding=1),
        layers.Conv1DTranspose(5, 2, stride=3, padding=(0, 1)),
        _turned,
    ),
    "DepthwiseConv1D": lambda: Pair(
        theirs.DepthwiseConv1D(2, depth_multiplier=3), layers.Conv1D(12, 2, padding="valid", groups=4), _depthwise
    ),
    "SeparableConv1D": lambda: Pair(
        theirs.SeparableConv1D(5, 2, depth_multiplier=3),
        Sequential(layers.Conv1D(12, 2, padding="valid", groups=4, use_bias=False), layers.Conv1D(5, 1)),
        lambda s: [s["0.w"].reshape(2, 4, 3), s["1.w"], s["1.b"]],
    ),
    "Dense": lambda: Pair(theirs.Dense(5), layers.Dense(5)),
    "Dense, activation": lambda: Pair(
        theirs.Dense(5, activation="relu", use_bias=False), Sequential(layers.Dense(5, use_bias=False), layers.ReLU())
    ),
    "Identity": lambda: Pair(theirs.Identity(), layers.Rescaling()),
    "Lambda": lambda: Pair(theirs.Lambda(lambda x: x**2), layers.Lambda(lambda x: x**2, derivative=lambda x: 2 * x)),
    "LayerNormalization": lambda: Pair(theirs.LayerNormalization(epsilon=1e-5), layers.LayerNorm()),
    "LayerNormalization, axes": lambda: Pair(
        theirs.LayerNormalization(axis=[-1, -2], epsilon=1e-3), layers.LayerNorm(axis=(-1, -2), epsilon=1e-3)
    ),
    "RMSNormalization": lambda: Pair(theirs.RMSNormalization(epsilon=1e-6), layers.RMSNorm()),
    "GroupNormalization": lambda: Pair(theirs.GroupNormalization(2, epsilon=1e-5), layers.GroupNorm(2)),
    "BatchNormalization": lambda: Pair(theirs.BatchNormalization(epsilon=1e-5), layers.BatchNorm(), training=True),
    "BatchNormalization, inference": lambda: Pair(theirs.BatchNormalization(epsilon=1e-5), layers.BatchNorm()),
    "AveragePooling1D": _pool("Average", {"strides": 1}, {"stride": 1}),
    "AveragePooling1D, two": _pool("Average", {}, {}),
    "MaxPooling1D": _pool("Max", {"strides": 1}, {"stride": 1}),
    "MaxPooling1D, same": _pool("Max", {"strides": 1, "padding": "same"}, {"stride": 1, "padding": "same"}),
    "GlobalAveragePooling1D": lambda: Pair(theirs.GlobalAveragePooling1D(), layers.GlobalAveragePool1D()),
    "GlobalMaxPooling1D": lambda: Pair(theirs.GlobalMaxPooling1D(), layers.GlobalMaxPool1D()),
    "GlobalMaxPooling1D, kept": lambda: Pair(
        theirs.GlobalMaxPooling1D(keepdims=True), Sequential(layers.GlobalMaxPool1D(), layers.Reshape((1, 4)))
    ),
    "Rescaling": lambda: Pair(theirs.Rescaling(1 / 255, 0.5), layers.Rescaling(1 / 255, 0.5)),
    "Cropping1D": lambda: Pair(theirs.Cropping1D((1, 2)), layers.Slice(1, -2)),
    "Flatten": lambda: Pair(theirs.Flatten(), layers.Flatten()),
    "Permute": lambda: Pair(theirs.Permute((2, 1)), layers.Permute((2, 1))),
    "RepeatVector": lambda: Pair(theirs.RepeatVector(3), layers.RepeatVector(3), shape=(3, 4)),
    "Reshape": lambda: Pair(theirs.Reshape((-1, 8)), layers.Reshape((-1, 8))),
    "UpSampling1D": lambda: Pair(
        theirs.UpSampling1D(3),
        Sequential(lamina.Concat(layers.Rescaling(), layers.Rescaling(), layers.Rescaling()), layers.Reshape((-1, 4))),
    ),
    "ZeroPadding1D": lambda: Pair(
        theirs.ZeroPadding1D((1, 2)), _say(lambda t, own, x: t.concatenate(x[:, :1] * 0, x, x[:, :2] * 0, axis=1))
    ),
    "TimeDistributed": lambda: Pair(theirs.TimeDistributed(theirs.Dense(5)), layers.Dense(5)),
    "RNN of cells": lambda: Pair(
        theirs.RNN([theirs.LSTMCell(5), theirs.LSTMCell(2)], return_sequences=True),
        Recurrent(layers.StackedCells(layers.LSTMCell(5), layers.LSTMCell(2)), return_sequences=True),
        _lstms,
    ),
    **{
        f"Bidirectional, {merge}": lambda merge=merge, own=own: Pair(
            theirs.Bidirectional(theirs.LSTM(5, return_sequences=True), merge_mode=merge),
            Bidirectional(layers.LSTM(5, return_sequences=True), own),
            _lstms,
        )
        for merge, own in {"concat": "concat", "sum": "sum", "mul": "multiply", "ave": "average"}.items()
    },
}


def filled(layer, shape):
    """Build ours, with weights that are none of the first; a variance stays positive."""
    layer.build((None, *shape[1:]), dtype="float64", seed=0)
    random = np.random.default_rng(1)
    state = {path: random.random(array.shape) + 0.1 for path, array in layer.state_dict().items()}
    layer.load_state_dict(state)
    return state


@pytest.mark.parametrize("name", PAIRS)
def test_layer(equal, name):
    pair = PAIRS[name]()
    state = filled(pair.ours, pair.shape)
    random = np.random.default_rng(2)
    x = random.standard_normal(pair.shape)
    pair.theirs.build(pair.shape)
    if state:
        pair.theirs.set_weights(pair.weights(state))
    given = torch.tensor(x, requires_grad=True)
    y_t = pair.theirs(given, training=pair.training).double()
    part = f"{name}, Keras"
    if name.endswith("inference"):
        equal(part, pair.ours(x), y_t, pair.tolerance)
        return
    y, saved = pair.ours.forward(x)
    equal(part, y, y_t, pair.tolerance)
    dy = random.standard_normal(y.shape)
    y_t.backward(torch.tensor(dy))
    equal(f"{part}, gradient", pair.ours.backward(dy, saved), given.grad, pair.tolerance)


def test_embedding(equal):
    table, ids = np.random.default_rng(3).standard_normal((7, 4)), np.array([[2, 1, 0], [6, 6, 3]])
    ours, other = layers.Embedding(7, 4), theirs.Embedding(7, 4)
    ours.build((None, 3), dtype="float64")
    ours.load_state_dict({"w": table})
    other.build()
    other.set_weights([table])
    equal("Embedding, Keras", ours(ids), other(ids).double())


@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
def test_attention(equal, ragged):
    """Keras's has no weights and does not scale: here the queries' are the identity times the root of the width."""
    random = np.random.default_rng(4)
    query, value = random.standard_normal((2, 3, 4)), random.standard_normal((2, 5, 4))
    lengths = (np.array([3, 1]), np.array([2, 5])) if ragged else (np.array([3, 3]), np.array([5, 5]))
    ours = layers.Attention(1, use_bias=False, return_scores=True)
    ours.build((None, 3, 4), (None, 5, 4), dtype="float64")
    ours.load_state_dict({path: np.eye(4) * (2 if "q" in path else 1) for path in ours.state_dict()})
    y, scores = ours(query, value, lengths=lengths)
    queries, values = (np.arange(one.shape[1]) < n[:, None] for one, n in zip((query, value), lengths, strict=True))
    y_t, scores_t = theirs.Attention()(
        [torch.tensor(query), torch.tensor(value)],
        mask=[torch.tensor(queries), torch.tensor(values)],
        return_attention_scores=True,
    )
    equal("Attention, Keras", y, y_t.double(), 1e-6)
    equal("Attention, scores, Keras", scores[:, :, 0][queries], scores_t.double().numpy()[queries], 1e-6)
