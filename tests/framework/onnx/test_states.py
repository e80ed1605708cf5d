"""Files of streams: what is given piece by piece comes out as what is given whole."""

import numpy as np
import pytest

import lamina
from lamina.layers import (
    GRU,
    LRU,
    LSTM,
    SLSTM,
    AveragePool1D,
    Conv1D,
    Conv1DTranspose,
    Dense,
    Embedding,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    LastStep,
    LayerNormLSTM,
    MaxPool1D,
    MinGRU,
    PositionalEncoding,
    Select,
    SelfAttention,
    SimpleRNN,
)
from lamina.onnx.verification import session_of
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS

MODELS = {
    "SimpleRNN": lambda: SimpleRNN(3, return_sequences=True),
    "GRU": lambda: GRU(3),
    "stack": lambda: lamina.Sequential(LSTM(4, return_sequences=True), MinGRU(3, return_sequences=True), LRU(2)),
    "SLSTM": lambda: SLSTM(3, return_sequences=True, return_state=True),
    "LayerNormLSTM": lambda: LayerNormLSTM(3),
    "cells": lambda: lamina.Recurrent(
        lamina.layers.StackedCells(lamina.layers.LSTMCell(3), Dense(2)), return_sequences=True
    ),
    "convolution": lambda: Conv1D(2, 3, padding="causal", dilation=2),
    "transposed": lambda: Conv1DTranspose(2, 3, padding="causal"),
    "maximum": lambda: MaxPool1D(3, 1, (2, 0)),
    "average": lambda: AveragePool1D(3, 1, (2, 0)),
    "average with padding": lambda: AveragePool1D(3, 1, (2, 0), count_padding=True),
    "attention": lambda: lamina.Sequential(PositionalEncoding(), SelfAttention(2, causal=True), LastStep()),
    "shared": lambda: shared(),
    "pooled": lambda: lamina.Concat(GlobalAveragePool1D(), GlobalMaxPool1D(), LastStep(), Select(0), Select(-1)),
}


def shared():
    layer = GRU(4, return_sequences=True)
    return lamina.Sequential(layer, lamina.layers.Tanh(), layer)


def begun(session, rows):
    """Return zeros for each state of a file."""
    kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}
    states = [one for one in session.get_inputs() if one.name.startswith("state")]
    return {
        one.name: np.zeros([rows] + [0 if isinstance(size, str) else size for size in one.shape[1:]], kinds[one.type])
        for one in states
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_pieces_give_what_the_whole_gives(name, dtype, tmp_path):
    model, path = MODELS[name](), tmp_path / "model.onnx"
    model.build((None, None, 4), dtype=dtype, seed=0)
    exported = lamina.onnx.export(model, path, states=True)
    assert exported.difference < (1e-6 if dtype == "float32" else 1e-13)
    session = session_of(path.read_bytes())
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 7, 4)).astype(dtype)
    states, given = begun(session, 3), []
    for start, stop in ((0, 3), (3, 4), (4, 7)):
        feeds = {"x": x[:, start:stop], "lengths": np.full(3, stop - start), **states}
        outputs = session.run(None, feeds)
        states = dict(zip(states, outputs[-len(states) :], strict=True))
        given.append(outputs[0])
    whole = model(x)
    whole = whole[0] if isinstance(whole, tuple) else whole
    y = np.concatenate(given, axis=1) if whole.ndim == 3 else given[-1]
    np.testing.assert_allclose(y, whole, atol=2e-6 if dtype == "float32" else 1e-13)
    assert repr(lamina.onnx.load(path)) == repr(model)


def test_rows_that_get_no_more_steps_stay_as_they_are(tmp_path):
    path, model = tmp_path / "model.onnx", LSTM(3)
    model.build((None, None, 2), seed=0)
    lamina.onnx.export(model, path, states=True)
    session = session_of(path.read_bytes())
    x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("float32")
    y, *first = session.run(None, {"x": x, "lengths": np.array([3, 2]), **begun(session, 2)})
    again, *after = session.run(
        None, {"x": x, "lengths": np.array([0, 1]), **dict(zip(begun(session, 2), first, strict=True))}
    )
    np.testing.assert_array_equal(again[0], y[0])
    for before, one in zip(first, after, strict=True):
        np.testing.assert_array_equal(one[0], before[0])
        assert (one[1] != before[1]).all()


def test_states_are_named_by_layer_with_open_rows_and_keys(tmp_path):
    import onnx

    path, model = (
        tmp_path / "model.onnx",
        lamina.Sequential(Embedding(5, 4), SelfAttention(2, causal=True), LSTM(3, return_sequences=True)),
    )
    model.build((None, None), seed=0)
    exported = lamina.onnx.export(model, path, states=True)
    names = ("state_0.1", "state_1.1", "state_2.1", "state_3.2", "state_4.2")
    assert exported.inputs == ("x", "lengths", *names) and exported.outputs == ("y", *(f"{one}.after" for one in names))
    ports = {one.name: one.type.tensor_type for one in onnx.load(path).graph.input}
    shapes = {name: [one.dim_param or one.dim_value for one in port.shape.dim] for name, port in ports.items()}
    assert shapes["state_0.1"] == ["batch", "state_0.1_1", 4] and shapes["state_3.2"] == ["batch", 3]
    assert shapes["state_2.1"] == ["batch"] and ports["state_2.1"].elem_type == 7
