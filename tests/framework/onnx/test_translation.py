"""Layers and cells of one's own, said by a function of one's own."""

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ExportError
from lamina.kinds.cell import Cell
from lamina.layers import GRU, Dense, Tanh
from lamina.onnx import Tensor, call, translates
from lamina.onnx.verification import session_of
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS


class Every(lamina.Layer):
    """Gives every second step, so that its lengths are others."""

    def build(self, shape):
        return (None, None, shape[2])

    def output_lengths(self, lengths):
        return None if lengths is None else -(-lengths // 2)

    def forward(self, x, lengths=None):
        return x[:, ::2], x.shape


class Leaky(Cell):
    """Keeps half of its state."""

    def __init__(self, inner):
        self.inner, self.units = inner, inner.units

    def build(self, x, h):
        self.inner.build(x)
        return h

    def forward(self, x, h):
        y, saved = self.inner.forward(x)
        return (y + h) / 2, saved


class Counting(lamina.Layer):
    """Adds up what came so far."""

    def build(self, shape):
        return shape

    def stream_state(self, batch):
        return (self.backend.zeros((batch, self.input_shapes[0][-1]), self.bound().dtype_object),)

    def forward(self, x, lengths=None):
        return self.backend.xp.cumsum(self.backend.zero_past(x, lengths), axis=1), None

    def stream(self, x, state=None, lengths=None, training=False):
        (before,) = state or self.stream_state(x.shape[0])
        y = self.forward(x, lengths=lengths)[0] + before[:, None]
        return y, (y[:, -1],), None


def built(*layers, shape=(None, None, 3)):
    model = lamina.Sequential(*layers)
    model.build(shape, seed=0)
    return model


def test_a_layer_with_lengths_of_its_own_gives_them_by_a_tensor(tmp_path):
    model = built(Every(), GRU(2))
    translates(Every)(lambda graph, layer, x: graph.add("Slice", x, [0], [2**40], [1], [2]))
    with pytest.raises(ExportError, match=r"^Every '0': its translation must tell the lengths of its outputs"):
        lamina.onnx.export(model, tmp_path / "model.onnx")

    @translates(Every)
    def every(graph, layer, x):
        lengths = None if x.lengths is None else graph.chain(x.lengths, ("Add", 1), ("Div", 2))
        return Tensor(graph.add("Slice", x, [0], [2**40], [1], [2]), (None, None, x.shape[2]), lengths)

    assert lamina.onnx.export(model, tmp_path / "model.onnx").difference < 1e-6


def test_a_cell_of_ones_own_calls_the_layers_in_it(tmp_path):
    model = built(lamina.Recurrent(Leaky(Dense(4)), return_sequences=True, go_backwards=True), Tanh())
    with pytest.raises(ExportError, match=r"^Leaky '0.cell': cannot be said in ONNX"):
        lamina.onnx.export(model, tmp_path / "model.onnx")
    translates(Leaky)(lambda graph, layer, x, h: graph.chain(call(graph, layer.inner, x), ("Add", h), ("Div", 2.0)))
    assert lamina.onnx.export(model, tmp_path / "model.onnx").difference < 1e-6


def test_a_layer_with_a_state_in_a_stream_gives_the_one_after(tmp_path):
    path, model = tmp_path / "model.onnx", built(Counting(), Dense(2))

    def summed(graph, x):
        return graph.add("CumSum", graph.fill_past(x, 3, x.lengths), 1)

    translates(Counting)(lambda graph, layer, x: summed(graph, x))
    assert lamina.onnx.export(model, path).difference < 1e-6
    with pytest.raises(ExportError, match=r"^Counting '0': has states in a stream: its translation must take them"):
        lamina.onnx.export(model, path, states=True)

    def counting(graph, layer, states, x, gives=1):
        if not states:
            return summed(graph, x), ()
        y = graph.add("Add", summed(graph, x), graph.add("Unsqueeze", states[0], [1]))
        return y, (graph.add("Gather", y, -1, axis=1),) * gives

    translates(Counting, streams=True)(counting)
    exported = lamina.onnx.export(model, path, states=True)
    assert exported.inputs == ("x", "lengths", "state_0.0") and exported.outputs == ("y", "state_0.0.after")
    assert lamina.onnx.export(model, path).difference < 1e-6
    translates(Counting, streams=True)(lambda *given: counting(*given, gives=0))
    with pytest.raises(ExportError, match=r"^Counting '0': expected 1 states of its translation, got 0"):
        lamina.onnx.export(model, path, states=True)


def test_the_number_of_outputs_is_checked(tmp_path):
    class Alone(Tanh):
        def forward(self, x):
            return super().forward(x)

    translates(Alone)(lambda graph, layer, x: graph.add_several("Split", 2, x, axis=-1, num_outputs=2))
    with pytest.raises(ExportError, match=r"^Alone '0': expected 1 outputs of its translation, got 2"):
        lamina.onnx.export(built(Alone()), tmp_path / "model.onnx")


def test_only_layers_are_translated():
    for wrong in (int, Dense(2), "Dense"):
        with pytest.raises(ArgumentError, match=r"^translates: expected a class of layers, got"):
            translates(wrong)


def test_node_names_begin_with_the_layer_s_path(tmp_path):
    import onnx

    path = tmp_path / "model.onnx"
    lamina.onnx.export(built(lamina.Residual(Dense(3)), GRU(2)), path)
    names = [node.name for node in onnx.load(path).graph.node]
    assert any(name.startswith("0.inner/matmul") for name in names) and any(name.startswith("1/gru") for name in names)


def test_a_composite_is_said_by_what_it_calls(tmp_path):
    class Gated(lamina.Composite):
        def __init__(self):
            self.encoder, self.gate = GRU(4, return_sequences=True), Dense(4)

        def compose(self, t, a, b):
            h = t(self.encoder, a)
            z = t(self.gate, b)
            return (1 - z) * h[:, ::-1] + z / 2, h[:, -1] ** 2

    path, model = tmp_path / "model.onnx", Gated()
    model.build((None, None, 3), (None, 2), seed=0)
    exported = lamina.onnx.export(model, path)
    assert exported.inputs == ("a", "b", "lengths") and exported.outputs == ("y_0", "y_1")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4, 3)).astype("float32"), rng.normal(size=(3, 2)).astype("float32")
    given = session_of(path.read_bytes()).run(None, {"a": a, "b": b, "lengths": np.array([4, 0, 2])})
    for y, expected in zip(given, model(a, b, lengths=([4, 0, 2], None)), strict=True):
        np.testing.assert_allclose(y, expected, atol=1e-6)
