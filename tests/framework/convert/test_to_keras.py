"""Models become Keras's that give the same, and what they held comes back bit for bit."""

import os

import numpy as np
import pytest

from lamina import Bidirectional, Residual, Sequential, convert
from lamina.convert.keras_makers import MAKERS
from lamina.errors import ArgumentError, ConversionError, MissingPackageError, ShapeError
from lamina.layers import (
    CELU,
    ELU,
    GELU,
    GRU,
    LRU,
    LSTM,
    SELU,
    AveragePool1D,
    BatchNorm,
    Conv1D,
    Conv1DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool1D,
    Mish,
    Permute,
    PReLU,
    RecurrentDropout,
    ReLU,
    ReLU6,
    RepeatVector,
    Rescaling,
    Reshape,
    RMSNorm,
    SelfAttention,
    Sigmoid,
    SiLU,
    SimpleRNN,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)  # fmt: skip

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is imported
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[parity]'")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on PyTorch", allow_module_level=True)
# Keras's own: its variables are arrays in NumPy's older way.
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]

X = np.random.default_rng(0).standard_normal((3, 7, 4)).astype("float32")
IDS = np.random.default_rng(1).integers(0, 9, (3, 7))
MODELS = {
    "recurrent": lambda: Sequential(
        Bidirectional(LSTM(5, return_sequences=True), "sum"), Bidirectional(GRU(5, return_sequences=True), "multiply"),
        Bidirectional(GRU(3, reset_after=False, return_sequences=True)), Dropout(0.1), RecurrentDropout(0.1),
        SimpleRNN(3, activation="relu", return_sequences=True), GRU(3, go_backwards=True, use_bias=False),
    ),
    "windows": lambda: Sequential(
        Conv1D(6, 2, dilation=2), Conv1D(4, 3, padding="causal", groups=2), Conv1D(4, 2, stride=2, padding=0),
        Conv1DTranspose(3, 3, stride=2, padding="valid"), Conv1DTranspose(4, 2, use_bias=False), PReLU(),
        PReLU(shared=True), MaxPool1D(2), AveragePool1D(2, 1, "same"),
    ),
    "norms": lambda: Sequential(
        BatchNorm(), LayerNorm(use_shift=False), RMSNorm(), GroupNorm(2, use_scale=False, use_shift=False),
        GlobalAveragePool1D(), BatchNorm(use_scale=False), PReLU(), Softmax(),
    ),
    "attention": lambda: Sequential(
        Residual(SelfAttention(2, causal=True)), Residual(Sequential(LayerNorm(), Dense(8), GELU(), Dense(4))),
        SelfAttention(4, use_bias=False), GlobalMaxPool1D(),
    ),
    "words": lambda: Sequential(
        Embedding(9, 4), Rescaling(2.0, 0.5), Permute((2, 1)), Reshape((2, -1)), Flatten(), RepeatVector(2),
    ),
    "pointwise": lambda: Sequential(
        CELU(), ELU(0.5), GELU(), SELU(), HardSigmoid(), HardSwish(), LeakyReLU(0.3), Mish(), ReLU(), ReLU6(), SiLU(),
        Softplus(), Softsign(), Tanh(), Sigmoid(), LogSoftmax(),
    ),
}  # fmt: skip


def built(layer):
    words = any(isinstance(one, Embedding) for _, one in layer.walk())
    fixed = any(isinstance(one, Permute) for _, one in layer.walk())
    layer.build((None, 7) if words else (None, 7 if fixed else None, 4), seed=0)
    random = np.random.default_rng(2)
    layer.load_state_dict({path: random.random(one.shape) / 2 + 0.05 for path, one in layer.state_dict().items()})
    return layer, IDS if words else X


@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_the_same_and_its_weights_come_back(name):
    model, x = built(MODELS[name]())
    theirs = convert.to_keras(model)
    y = np.asarray(theirs.predict(x, verbose=0))
    error = np.abs(model(x) - y).max() / max(1, np.abs(y).max())
    assert error <= 1e-6, error
    before = model.state_dict()
    model.load_state_dict({path: array * 0 + 1 for path, array in before.items()})
    convert.from_keras(theirs, model)
    assert all((before[path] == array).all() for path, array in model.state_dict().items())


def test_every_layer_that_keras_has_is_shown():
    shown = {type(layer) for make in MODELS.values() for _, layer in make().walk()}
    assert set(MAKERS) <= shown


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_files_are_written(ending, tmp_path):
    model, x = built(MODELS["recurrent"]())
    path = tmp_path / f"a{ending}"
    assert convert.to_keras(model, path) == path
    theirs = keras.saving.load_model(path) if ending == ".keras" else convert.to_keras(built(MODELS["recurrent"]())[0])
    if ending != ".keras":
        theirs.load_weights(path)
    np.testing.assert_allclose(np.asarray(theirs.predict(x, verbose=0)), model(x), rtol=1e-5, atol=1e-6)


def of(*layers):
    model = Sequential(*layers)
    model.build((None, None, 4), seed=0)
    return model


def dense(units):
    return keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(units, name="out")], name="model")


REFUSED = {
    "layers": (
        lambda: convert.to_keras(of(
            Conv1D(3, 3, padding=1), Conv1D(3, 3, stride=2), Conv1DTranspose(3, 2, stride=2), MaxPool1D(2, ceil=True),
            GRU(3, go_backwards=True, return_sequences=True), GELU("tanh"), Softplus(2.0), CELU(0.5),
            RMSNorm(use_scale=False), SelfAttention(3, return_scores=True),
        )),
        "to_keras: no counterpart: Conv1D '0': padding=1, Conv1D '1': padding='same' with a stride: Keras's windows "
        "differ, Conv1DTranspose '2': stride: Keras's windows differ, MaxPool1D '3': padding='valid', dilation, ceil "
        "or count_padding, GRU '4': go_backwards with return_sequences: outputs are turned, GELU '5': "
        "approximate='tanh', Softplus '6': beta=2.0, CELU '7': alpha=0.5, RMSNorm '8': use_scale=False, "
        "SelfAttention '9': return_scores or additive_mask",
    ),
    "layers with arrays": (
        lambda: convert.to_keras(of(LSTM(4, projection=2, return_sequences=True), LRU(3))),
        "no counterpart in Keras: LSTM '0': a projection, which Keras does not have, LRU '1'",
    ),
    "a path": (
        lambda: convert.to_keras(of(Dense(3)), "a.h5"),
        "to_keras: expected a path that ends in .keras or .weights.h5, got 'a.h5'",
    ),
    "something else": (
        lambda: convert.to_keras(of(Dense(3)), 3), "to_keras: expected a Keras model or a path, got 3",
    ),
    "a count": (
        lambda: convert.to_keras(of(Dense(3), Dense(3)), dense(3)),
        "expected 2 layers with arrays (Dense '0', Dense '1'), got 1 ('model/out')",
    ),
    "a shape": (
        lambda: convert.to_keras(of(Dense(3)), dense(5)),
        "Dense '0' to 'model/out': expected kernel of (4, 5), got (4, 3)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(name):
    call, message = REFUSED[name]
    with pytest.raises((ConversionError, ArgumentError, ShapeError)) as caught:
        call()
    assert str(caught.value) == message


def test_what_fails_leaves_the_model_as_it_was():
    theirs = keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(3), keras.layers.Dense(2)])
    before = theirs.get_weights()
    with pytest.raises(ShapeError):
        convert.to_keras(of(Dense(3), Dense(3)), theirs)
    assert all((one == other).all() for one, other in zip(before, theirs.get_weights(), strict=True))


def test_without_keras_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    with pytest.raises(
        MissingPackageError, match=r"^to_keras needs Keras 3: pip install 'keras>=3' and one of its backen"
    ):
        convert.to_keras(of(Dense(3)))
