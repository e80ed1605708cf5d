"""Keras's models, layers and files give Lamina's models the same outputs; what has no counterpart is named."""

import os

import numpy as np
import pytest

from lamina import Bidirectional, Sequential, convert
from lamina.errors import ArgumentError, CheckpointError, ConversionError, MissingPackageError, ShapeError
from lamina.layers import GRU, LSTM, BatchNorm, Conv1D, Dense, SelfAttention

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is imported
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[parity]'")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on PyTorch", allow_module_level=True)
# Keras's own: its variables are arrays in NumPy's older way.
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
L = keras.layers

X = np.random.default_rng(0).standard_normal((3, 7, 4)).astype("float32")
IDS = np.random.default_rng(1).integers(0, 9, (3, 7))
KINDS = ("LSTM", "GRU", "SimpleRNN")


def chain(*layers, shape=(None, 4)):
    return lambda: keras.Sequential([keras.Input(shape), *(layer() for layer in layers)])


def attending():
    x = given = keras.Input((None, 4))
    x = L.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)
    x = L.MultiHeadAttention(4, 1, use_bias=False, dropout=0.1)(x, value=x)
    return keras.Model(given, L.GlobalMaxPooling1D()(L.LayerNormalization()(x)))


def nested():
    inner = keras.Sequential([L.LSTM(3, return_sequences=True), L.Dense(4)])
    return keras.Sequential([keras.Input((None,)), L.Embedding(9, 4), inner, L.LSTM(2), L.Dense(3, use_bias=False)])


MODELS = {
    **{
        kind: chain(
            lambda kind=kind: getattr(L, kind)(5, return_sequences=True, dropout=0.1, recurrent_dropout=0.1),
            lambda kind=kind: L.Bidirectional(getattr(L, kind)(3)),
            lambda: L.Dense(2, activation="softmax"),
        )
        for kind in KINDS
    },
    **{
        f"{kind}, no bias, backwards": chain(
            lambda kind=kind: getattr(L, kind)(5, return_sequences=True, use_bias=False),
            lambda kind=kind: getattr(L, kind)(5, go_backwards=True),
        )
        for kind in KINDS
    },
    "GRU, reset before": chain(
        lambda: L.GRU(5, reset_after=False, return_sequences=True), lambda: L.GRU(5, reset_after=False, use_bias=False)
    ),
    **{
        merge: chain(lambda merge=merge: L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode=merge))
        for merge in ("concat", "sum", "mul", "ave")
    },
    "convolutions": chain(
        lambda: L.Conv1D(6, 3, padding="causal", activation="relu", dilation_rate=2), lambda: L.GroupNormalization(2),
        lambda: L.Conv1D(4, 2, padding="same", groups=2), lambda: L.PReLU(shared_axes=[1]),
        lambda: L.Conv1D(4, 2, strides=2), lambda: L.Conv1DTranspose(3, 3, strides=2, activation="tanh"),
        lambda: L.Conv1DTranspose(3, 2, padding="same", use_bias=False), lambda: L.MaxPooling1D(2),
        lambda: L.AveragePooling1D(2, strides=1, padding="same"), lambda: L.SpatialDropout1D(0.1),
        lambda: L.TimeDistributed(L.Dense(4)), lambda: L.GlobalAveragePooling1D(),
    ),
    "norms": chain(
        lambda: L.BatchNormalization(), lambda: L.LayerNormalization(center=False), lambda: L.RMSNormalization(),
        lambda: L.GroupNormalization(2, scale=False, center=False), lambda: L.BatchNormalization(scale=False),
        lambda: L.LayerNormalization(scale=False, center=False), lambda: L.GlobalAveragePooling1D(),
        lambda: L.BatchNormalization(momentum=0.9, epsilon=0.01),
    ),
    "attention": attending,
    "nested": nested,
    "pointwise": chain(
        lambda: L.Dense(4, activation="gelu"), *(
            lambda name=name: L.Activation(name)
            for name in ("elu", "silu", "mish", "softplus", "selu", "leaky_relu", "hard_sigmoid", "hard_silu",
                         "softsign", "celu", "relu6", "relu", "linear", "tanh", "sigmoid", "log_softmax")
        ),
        lambda: L.ReLU(), lambda: L.ReLU(6), lambda: L.ReLU(negative_slope=0.1), lambda: L.LeakyReLU(0.2),
        lambda: L.ELU(0.5), lambda: L.Softmax(), lambda: L.Identity(), lambda: L.Dropout(0.1),
    ),
    "shapes": chain(
        lambda: L.Permute((2, 1)), lambda: L.Reshape((2, -1)), lambda: L.Rescaling(2.0, 0.5), lambda: L.Flatten(),
        lambda: L.PReLU(), lambda: L.RepeatVector(3), lambda: L.PReLU(shared_axes=[1, 2]), lambda: L.Flatten(),
        shape=(7, 4),
    ),
}  # fmt: skip


def filled(make):
    model = make()
    random = np.random.default_rng(2)
    model.set_weights([random.random(one.shape) / 2 + 0.05 for one in model.get_weights()])
    x = IDS if len(model.input_shape) == 2 else X
    return model, x, np.asarray(model.predict(x, verbose=0))


def same(model, other):
    mine, theirs = model.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    return all(np.array_equal(mine[path], theirs[path]) for path in mine)


def emptied(model):
    model.load_state_dict({path: array * 0 + 1 for path, array in model.state_dict().items()})
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_model_its_file_and_its_weights_give_the_same(name, tmp_path):
    theirs, x, y = filled(MODELS[name])
    model = convert.from_keras(theirs)
    error = np.abs(model(x) - y).max() / max(1, np.abs(y).max())
    assert error <= 1e-6, error
    theirs.save(tmp_path / "a.keras")
    read = convert.from_keras(tmp_path / "a.keras")
    assert same(model, read)
    if model.parameters():
        theirs.save_weights(tmp_path / "a.weights.h5")
        for source in (tmp_path / "a.weights.h5", tmp_path / "a.keras", theirs):
            assert convert.from_keras(source, emptied(read)) is read
            assert same(model, read), source


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("convolutions", "nested")])
def test_a_model_comes_back_from_what_it_is_made_to(name):
    """But for the two biases of Keras's GRU, of which Lamina keeps one where they are added."""
    theirs, x, y = filled(MODELS[name])
    model = convert.from_keras(theirs)
    again = convert.to_keras(model)
    np.testing.assert_allclose(np.asarray(again.predict(x, verbose=0)), y, rtol=1e-6, atol=1e-6)
    if name not in ("GRU", "GRU, no bias, backwards"):
        for one, other in zip(theirs.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    convert.to_keras(model, theirs)
    assert same(convert.from_keras(theirs), model)


def built(*layers, shape=(None, None, 4)):
    model = Sequential(*layers)
    model.build(shape, seed=0)
    return model


def test_one_layer_gives_its_weights():
    layer = L.GRU(3)
    layer.build((None, None, 4))
    model = convert.from_keras(layer, built(GRU(3, return_sequences=True)))
    np.testing.assert_allclose(model(X)[:, -1], np.asarray(layer(X).detach()), rtol=1e-5, atol=1e-6)


def test_a_model_of_ones_own_class_gives_its_weights_in_order():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = L.LSTM(3), L.Dense(2)

        def call(self, x):
            return self.out(self.rnn(x))

    theirs = Own()
    y = np.asarray(theirs(X).detach())
    np.testing.assert_allclose(convert.from_keras(theirs, built(LSTM(3), Dense(2)))(X), y, rtol=1e-5, atol=1e-6)
    with pytest.raises(ConversionError) as caught:
        convert.from_keras(theirs)
    assert "give into=model" in str(caught.value)


def residual():
    x = given = keras.Input((None, 4))
    return keras.Model(given, L.Add()([x, L.Dense(4)(x)]))


def two_inputs():
    one, two = keras.Input((None, 4)), keras.Input((None, 4))
    return keras.Model([one, two], L.Dense(4)(one))


REFUSED = {
    "layers": (
        chain(lambda: L.LSTM(3, return_sequences=True, activation="relu"), lambda: L.UnitNormalization(name="unit"),
              lambda: L.GaussianNoise(0.1, name="noise")),
        ["activation='relu'", "'unit' (UnitNormalization), 'noise' (GaussianNoise)"],
    ),
    "mask": (chain(lambda: L.Embedding(9, 3, mask_zero=True), shape=(None,)), ["mask_zero=True: Lamina's layers"]),
    "stateful": (
        lambda: keras.Sequential([keras.Input((7, 4), batch_size=3), L.GRU(3, stateful=True)]), ["stateful=True"],
    ),
    "windows": (chain(lambda: L.Conv1D(3, 3, strides=2, padding="same")), ["padding='same' with strides"]),
    "backwards": (chain(lambda: L.GRU(3, go_backwards=True, return_sequences=True)), ["outputs are turned"]),
    "axis": (chain(lambda: L.BatchNormalization(axis=1), shape=(7, 4)), ["axis=1"]),
    "residual": (residual, ["no chain of layers: give into=model"]),
    "two inputs": (two_inputs, ["expected one input and one output, got 2 and 1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_named_in_one_line(name):
    make, told = REFUSED[name]
    with pytest.raises(ConversionError) as caught:
        convert.from_keras(make())
    assert all(one in str(caught.value) for one in told), str(caught.value)
    assert "\n" not in str(caught.value)


def dense(units=3, **options):
    return chain(lambda: L.Dense(units, name="dense", **options))()


UNFIT = {
    "a count": (lambda m: convert.from_keras(dense(), built(Dense(3), Dense(3))), ConversionError,
                "expected arrays for 2 layers (Dense '0', Dense '1'), got 1 ('"),
    "a bias": (lambda m: convert.from_keras(dense(use_bias=False), m), ConversionError,
               "Dense '0' from '{}/dense': expected kernel, bias, got 1 arrays, (4, 3)"),
    "a shape": (lambda m: convert.from_keras(dense(5), m), ShapeError,
                "Dense '0' from '{}/dense': expected kernel of (4, 3), got (4, 5)"),
    "shape for a model": (lambda m: convert.from_keras(dense(), m, shape=(None, 4)), ArgumentError,
                          "from_keras: shape is of a new model, and into is one that is built"),
    "something else": (lambda m: convert.from_keras(3), ArgumentError,
                       "from_keras: expected a Keras model, a layer or a path, got 3"),
    "weights alone": (lambda m: convert.from_keras("a.weights.h5"), ArgumentError,
                      "from_keras: 'a.weights.h5' holds weights alone: give into=model, built"),
    "no file": (lambda m: convert.from_keras("nowhere.keras"), CheckpointError,
                "'nowhere.keras': there is no such file"),
    "no file of weights": (lambda m: convert.from_keras("nowhere.weights.h5", m), CheckpointError,
                           "'nowhere.weights.h5': no readable file of weights ("),
    "epsilon": (lambda m: convert.from_keras(chain(L.BatchNormalization)(), built(BatchNorm())), ConversionError,
                "other settings: BatchNorm '0' from '"),
    "heads": (lambda m: convert.from_keras(attending_alone(), built(SelfAttention(4))), ConversionError,
              "other settings: SelfAttention '0' from '"),
    "windows": (lambda m: convert.from_keras(chain(lambda: L.Conv1D(3, 3))(), built(Conv1D(3, 3))), ConversionError,
                "other settings: Conv1D '0' from '"),
    "both directions": (
        lambda m: convert.from_keras(chain(lambda: L.Bidirectional(L.GRU(3), merge_mode="sum"))(),
                                     built(Bidirectional(GRU(3)))), ConversionError,
        "other settings: Bidirectional '0' from '"),
}  # fmt: skip


def attending_alone():
    given = keras.Input((None, 4))
    return keras.Model(given, L.MultiHeadAttention(2, 2)(given, given))


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_leaves_the_model_as_it_was(name):
    call, kind, told = UNFIT[name]
    model = built(Dense(3))
    before = model.state_dict()
    with pytest.raises(kind) as caught:
        call(model)
    head, _, tail = told.partition("{}")
    assert str(caught.value).startswith(head)
    assert tail in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all((before[path] == array).all() for path, array in model.state_dict().items())


def test_files_of_weights_say_what_they_lack(tmp_path):
    dense().save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(
        ConversionError, match=r"LSTM '0' from '.*': expected one group lstm that fits, got layers/dense$"
    ):
        convert.from_keras(tmp_path / "a.weights.h5", built(LSTM(3)))
    with pytest.raises(ConversionError, match=r"Dense '1' from '.*': expected one group dense that fits, got none$"):
        convert.from_keras(tmp_path / "a.weights.h5", built(Dense(3), Dense(3)))
    two = chain(lambda: L.Dense(3), lambda: L.LSTM(2))()
    two.save_weights(tmp_path / "b.weights.h5")
    with pytest.raises(ConversionError, match=r"arrays that no layer has: layers/lstm$"):
        convert.from_keras(tmp_path / "b.weights.h5", built(Dense(3)))


def test_damaged_files_are_told_of(tmp_path):
    path = tmp_path / "a.keras"
    for content in (b"", b"PK", b"no zip file at all"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"a.keras': no readable .keras file \("):
            convert.from_keras(path)
    import zipfile

    for config in (b"{}", b"[", b'{"class_name": "Sequential", "config": {}}', b'{"class_name": 3, "config": []}'):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("config.json", config)
            file.writestr("model.weights.h5", b"")
        with pytest.raises((CheckpointError, ConversionError)) as caught:
            convert.from_keras(path)
        assert "\n" not in str(caught.value)


def test_files_that_mean_harm_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    other, path = tmp_path / "other.h5", tmp_path / "a.weights.h5"
    with h5py.File(other, "w") as file:
        file["0"] = np.ones((4, 3), "float32")

    def written(fill):
        with h5py.File(path, "w") as file:
            fill(file.create_group("layers/dense/vars"), file)
        return path

    def linked(group, file):
        group["0"] = h5py.ExternalLink(str(other), "0")
        group["1"] = np.ones(3)

    def huge(group, file):
        group.create_dataset("0", (10**6, 10**6), "float32", chunks=(1, 10))
        group["1"] = np.ones(3)

    def outside(group, file):
        group.create_dataset("0", (4, 3), "float32", external=[(str(other), 0, 48)])
        group["1"] = np.ones(3)

    for fill in (linked, huge, outside):
        with pytest.raises(CheckpointError, match=r"layers/dense/: expected array 0 to lie in the file$"):
            convert.from_keras(written(fill), built(Dense(3)))

    def in_itself(group, file):
        file["layers/dense/layers"] = file["layers"]

    def elsewhere(group, file):
        del file["layers"]
        file["layers"] = h5py.ExternalLink(str(other), "/")

    for fill in (in_itself, elsewhere):
        with pytest.raises(ConversionError, match="expected one group dense that fits, got"):
            convert.from_keras(written(fill), built(Dense(3)))


def test_a_file_that_asks_for_more_than_it_brings_gets_no_memory(tmp_path):
    import json
    import zipfile

    path, other = tmp_path / "a.keras", tmp_path / "b.keras"
    dense().save(path)
    with zipfile.ZipFile(path) as file:
        config, weights = json.loads(file.read("config.json")), file.read("model.weights.h5")
    for units in (10**9, 10**30):
        config["config"]["layers"][1]["config"]["units"] = units
        with zipfile.ZipFile(other, "w") as file:
            file.writestr("config.json", json.dumps(config))
            file.writestr("model.weights.h5", weights)
        with pytest.raises((CheckpointError, ConversionError)):
            convert.from_keras(other)
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", bytes(10**7))
    with pytest.raises(CheckpointError, match=r"no readable .keras file \(config.json is packed\)"):
        convert.from_keras(other)


def test_keras_is_not_needed_for_its_files_and_h5py_is(tmp_path, monkeypatch):
    import subprocess
    import sys

    theirs, _, _ = filled(MODELS["GRU"])
    theirs.save(tmp_path / "a.keras")
    program = f"""
import sys, lamina
lamina.convert.from_keras({str(tmp_path / "a.keras")!r})
print(sorted({{"torch", "keras", "jax", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackageError, match=r"Keras's files need h5py: pip install h5py$"):
        convert.from_keras(tmp_path / "a.keras")


def test_double_stays_double():
    keras.config.set_dtype_policy("float64")
    try:
        theirs, x, y = filled(MODELS["LSTM"])
    finally:
        keras.config.set_dtype_policy("float32")
    model = convert.from_keras(theirs)
    assert model.dtype == "float64"
    np.testing.assert_allclose(model(x), y, rtol=1e-6)
