"""What a user does with a model on the device: move it, keep it, stream, look inside."""

import copy
import pickle

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Sequential, Stream, Trainer, inspect
from lamina.errors import BackendError
from lamina.inspect import UpdateRatios, timing
from lamina.layers import (
    GRU,
    LSTM,
    AveragePool1D,
    Conv1D,
    Dense,
    Embedding,
    GlobalAveragePool1D,
    LastStep,
    LayerNorm,
    MaxPool1D,
    PositionalEncoding,
    SelfAttention,
    SimpleRNN,
)  # fmt: skip
from lamina.optimizers import Adam

ROWS, TIME, FEATURES = 6, 7, 5
RNG = np.random.default_rng(1)
X = RNG.normal(size=(ROWS, TIME, FEATURES))
IDS, LENGTHS, LABELS = RNG.integers(0, 20, (ROWS, TIME)), np.array([7, 3, 0, 5, 1, 7]), RNG.integers(0, 4, ROWS)


def built(make, backend, shape=(None, None, FEATURES)):
    model = make()
    model.build(shape, seed=0, dtype="float64", backend=backend)
    return model


def classifier():
    return Sequential(LSTM(8), Dense(4))


@pytest.mark.parametrize(
    "make",
    [lambda: Sequential(Conv1D(4, 3), MaxPool1D(2), LayerNorm(), Dense(3)),
     lambda: Sequential(SelfAttention(heads=1), GlobalAveragePool1D()),
     lambda: Sequential(PositionalEncoding(), AveragePool1D(2), LastStep()),
     lambda: Sequential(Bidirectional(GRU(4, return_sequences=True), "average"))],
    ids=["convolution", "attention", "pooling", "bidirectional"],
)  # fmt: skip
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_a_call_gives_what_the_host_gives(device, make, lengths):
    own, host = (built(make, backend)(X, lengths=lengths) for backend in (device, "numpy"))
    np.testing.assert_allclose(device.to_numpy(own), host, atol=1e-12)


@pytest.mark.parametrize("make", [lambda: LSTM(4), lambda: Sequential(GRU(4, return_sequences=True), Dense(2))])
@pytest.mark.parametrize("shape", [(0, TIME), (2, 0)], ids=["no rows", "no steps"])
def test_nothing_at_all(device, make, shape):
    x = np.zeros((*shape, FEATURES))
    own, host = (built(make, backend)(x) for backend in (device, "numpy"))
    np.testing.assert_array_equal(device.to_numpy(own), host)


def test_there_and_back_keeps_the_bits(device):
    model = built(classifier, "numpy")
    before, expected = model.state_dict(), model(X, lengths=LENGTHS)
    np.testing.assert_allclose(device.to_numpy(model.to(device)(X, lengths=LENGTHS)), expected, atol=1e-12)
    model.to("numpy")
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_training_goes_on_wherever_the_model_is(device):
    still, moving = (built(classifier, "numpy") for _ in range(2))
    trainers = [Trainer(one, optimizer=Adam(one.parameters(), lr=0.01)) for one in (still, moving)]
    for backend in ("numpy", device, "numpy"):
        moving.to(backend)
        for trainer in trainers:
            trainer.fit(X, LABELS, lengths=LENGTHS, epochs=1, verbose=False)
    for name, array in still.state_dict().items():
        np.testing.assert_allclose(moving.state_dict()[name], array, rtol=1e-7, atol=1e-9)


def test_saved_on_one_and_loaded_on_the_other(device, tmp_path):
    def make():
        return Sequential(Embedding(20, 5), Bidirectional(GRU(4)), Dense(3))

    for source, target in (("numpy", device), (device, "numpy")):
        model, path = built(make, source, (None, None)), tmp_path / "model.safetensors"
        model.save(path)
        loaded = lamina.load(path, backend=target)
        assert loaded.backend is lamina.get_backend(target)
        host = [one.backend.to_numpy(one(IDS, lengths=LENGTHS)) for one in (model, loaded)]
        np.testing.assert_allclose(*host, atol=1e-12)


def test_copies_share_no_weights(device):
    model = built(classifier, device)
    expected = device.to_numpy(model(X))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(device.to_numpy(twin(X)), expected)
        twin.layers[0].w_x.data += 1
        assert (device.to_numpy(twin(X)) != expected).any()
    np.testing.assert_array_equal(device.to_numpy(model(X)), expected)


@pytest.mark.parametrize(
    "make",
    [lambda: Sequential(SimpleRNN(8, return_sequences=True), Dense(3)),
     lambda: Sequential(LSTM(8, return_sequences=True), GRU(4, return_sequences=True)),
     lambda: Sequential(Conv1D(4, 3, padding="causal"), PositionalEncoding(), SelfAttention(heads=1, causal=True))],
    ids=["simple rnn", "lstm and gru", "attention"],
)  # fmt: skip
def test_stream(device, make):
    model = built(make, device)
    stream, expected = Stream(model), device.to_numpy(model(X))
    got = [device.to_numpy(stream(X[:, step])) for step in range(3)]
    kept = stream.state
    np.testing.assert_allclose(np.stack(got, 1), expected[:, :3], atol=1e-12)
    rest = device.to_numpy(stream(X[:, 3:]))
    np.testing.assert_allclose(rest, expected[:, 3:], atol=1e-12)
    stream.state = kept
    np.testing.assert_array_equal(device.to_numpy(stream(X[:, 3:])), rest)
    stream.reset([0, 2])
    begun = device.to_numpy(stream(X[:, 0]))
    np.testing.assert_allclose(begun[[0, 2]], expected[[0, 2], 0], atol=1e-12)
    assert (abs(begun[[1, 3]] - expected[[1, 3], 0]).max(axis=-1) > 1e-3).all()


def test_arrays_of_the_host_are_refused_where_the_devices_are_meant(device):
    """`forward`, `backward` and `stream` convert nothing: a hidden copy would wait at every step."""
    model = built(lambda: Sequential(GRU(4, return_sequences=True), Dense(2)), device)
    own = device.asarray(X)
    y, saved = model.forward(own)
    _, state, _ = model.stream(own)
    on_host = Stream(model)
    on_host(X)
    for call, what in (
        (lambda: model.forward(X), "Sequential: expected"),
        (lambda: model.stream(X), "Sequential: expected"),
        (lambda: model.stream(X, lengths=LENGTHS), "Sequential: expected"),
        (lambda: model.stream(own, state=on_host.state), "Sequential state: expected"),
        (lambda: model.backward(device.to_numpy(y), saved), "Sequential gradient: expected"),
    ):
        with pytest.raises(BackendError) as caught:
            call()
        assert str(caught.value) == f"{what} an array of backend 'cupy', got ndarray"
    model.stream(own, state=state)
    model.backward(y, saved)  # was not used up


def test_looking_inside(device, monkeypatch):
    monkeypatch.setattr(timing, "gemm_peak", lambda backend, dtype: 1e9)  # thousands of rows and columns on a device
    host, own = (
        built(lambda: Sequential(LSTM(6, return_sequences=True), GRU(5), Dense(4)), one) for one in ("numpy", device)
    )
    assert "cupy" in own.summary()
    expected = inspect.gradient_flow(host, X, LABELS, lengths=LENGTHS)
    found = inspect.gradient_flow(own, X, LABELS, lengths=LENGTHS)
    assert str(found).splitlines()[0] == str(expected).splitlines()[0]
    for name, array in expected.rows.items():
        np.testing.assert_allclose(found.rows[name], array, atol=1e-12)
    seen, wanted = (inspect.activations(one, X, lengths=LENGTHS) for one in (own, host))
    np.testing.assert_allclose(seen["1"], wanted["1"], atol=1e-12)
    assert "GRU" in str(inspect.profile(own, X, lengths=LENGTHS, repeat=1))
    ratios = [UpdateRatios(), UpdateRatios()]
    for model, callback in zip((own, host), ratios, strict=True):
        Trainer(model, callbacks=callback).fit(X, LABELS, epochs=1, verbose=False)
    assert ratios[0].ratios["0.w_h"] == pytest.approx(ratios[1].ratios["0.w_h"])


def test_data_that_lie_on_the_device(device):
    model, expected = (built(classifier, backend) for backend in (device, "numpy"))
    x, y, lengths = (device.asarray(one) for one in (X, LABELS, LENGTHS))
    Trainer(model).fit(x, y, lengths=lengths, epochs=1, verbose=False, validation_data=(x, y, lengths))
    Trainer(expected).fit(X, LABELS, lengths=LENGTHS, epochs=1, verbose=False)
    np.testing.assert_allclose(
        Trainer(model).predict(x, lengths=lengths), Trainer(expected).predict(X, lengths=LENGTHS), atol=1e-7
    )
    padded, ends = lamina.pad([device.asarray(X[0]), device.asarray(X[1, :3])])
    assert ends.tolist() == [7, 3]
    np.testing.assert_array_equal(padded[1, :3], X[1, :3])
