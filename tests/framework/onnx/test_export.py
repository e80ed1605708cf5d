"""What is written: names, sizes and versions; and what is refused, before anything is."""

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ExportError, NotBuiltError, OutputError, StreamError
from lamina.layers import GRU, LSTM, Add, Attention, Dense, Embedding, Flatten, Lambda, Select
from lamina.onnx.verification import session_of
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS


def chain(*layers, shape=(None, None, 3), **options):
    model = lamina.Sequential(*layers)
    model.build(shape, seed=0, **options)
    return model


def read(path):
    import onnx

    return onnx.load(path)


def sizes(port):
    return [one.dim_param or one.dim_value for one in port.type.tensor_type.shape.dim]


def test_a_file_is_of_opset_22_and_takes_batches_of_any_size_with_lengths_second(tmp_path):
    path = tmp_path / "model.onnx"
    exported = lamina.onnx.export(chain(GRU(4, return_sequences=True), Dense(2)), path)
    file = read(path)
    assert (file.ir_version, [(one.domain, one.version) for one in file.opset_import]) == (10, [("", 22)])
    assert file.producer_name == "lamina" and file.producer_version == lamina.__version__
    assert exported.inputs == tuple(one.name for one in file.graph.input) == ("x", "lengths")
    assert [sizes(one) for one in file.graph.input] == [["batch", "time", 3], ["batch"]]
    assert exported.outputs == ("y",) and sizes(file.graph.output[0]) == ["batch", "y_1", 2]
    assert exported.difference is not None and exported.difference < 1e-6


def test_recurrences_are_onnx_s_own_in_single_precision_and_loops_in_double(tmp_path):
    path = tmp_path / "model.onnx"
    for dtype, wanted in (("float32", ["LSTM", "GRU", "RNN"]), ("float64", ["Scan"] * 3)):
        layers = (LSTM(4, return_sequences=True), GRU(3, return_sequences=True), lamina.layers.SimpleRNN(2))
        lamina.onnx.export(chain(*layers, dtype=dtype), path)
        assert [node.op_type for node in read(path).graph.node if node.op_type in {*wanted, "Scan"}] == wanted


def test_without_lengths_all_steps_are_valid(tmp_path):
    path, model = tmp_path / "model.onnx", chain(LSTM(4), Dense(2))
    assert lamina.onnx.export(model, path, lengths=False).inputs == ("x",)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    (y,) = session_of(path.read_bytes()).run(None, {"x": x})
    np.testing.assert_allclose(y, model(x), atol=1e-6)


def test_what_lies_past_a_row_s_end_changes_nothing_and_is_0_in_the_output(tmp_path):
    path, model = tmp_path / "model.onnx", chain(LSTM(4, return_sequences=True), Dense(2))
    lamina.onnx.export(model, path)
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    lengths = np.array([2, 0, 5])
    session = session_of(path.read_bytes())
    (expected,) = session.run(None, {"x": x, "lengths": lengths})
    for row, end in enumerate(lengths):
        x[row, end:] = np.nan
        assert not expected[row, end:].any()
    np.testing.assert_array_equal(session.run(None, {"x": x, "lengths": lengths})[0], expected)


def test_several_inputs_have_their_own_names_and_lengths_of_their_own(tmp_path):
    path, model = tmp_path / "model.onnx", Attention(2)
    model.build((None, None, 4), (None, None, 6), seed=0)
    exported = lamina.onnx.export(model, path)
    assert exported.inputs == ("query", "keys", "query_lengths", "keys_lengths")
    rng = np.random.default_rng(0)
    query, keys = rng.normal(size=(2, 3, 4)).astype("float32"), rng.normal(size=(2, 5, 6)).astype("float32")
    lengths = np.array([3, 1]), np.array([2, 4])
    feeds = dict(zip(exported.inputs, (query, keys, *lengths), strict=True))
    (y,) = session_of(path.read_bytes()).run(None, feeds)
    np.testing.assert_allclose(y, model(query, keys, lengths=lengths), atol=1e-6)


def test_joined_inputs_are_checked_with_one_length_for_both(tmp_path):
    model = Add()
    model.build((None, None, 2), (None, None, 2))
    assert lamina.onnx.export(model, tmp_path / "model.onnx").inputs == ("x_0", "x_1", "x_0_lengths", "x_1_lengths")


def test_whole_numbers_come_as_64_bit_integers(tmp_path):
    path, model = tmp_path / "model.onnx", chain(Embedding(7, 3), GRU(2), shape=(None, None))
    lamina.onnx.export(model, path)
    assert [one.type.tensor_type.elem_type for one in read(path).graph.input] == [7, 7]
    ids = np.array([[1, 6, 0], [2, 0, 0]])
    (y,) = session_of(path.read_bytes()).run(None, {"x": ids, "lengths": np.array([3, 1])})
    np.testing.assert_allclose(y, model(ids, lengths=[3, 1]), atol=1e-6)


def test_an_initial_state_is_an_input_and_a_last_one_an_output(tmp_path):
    path, model = tmp_path / "model.onnx", GRU(3, return_sequences=True, return_state=True)
    model.build((None, None, 2), (None, 3), seed=0)
    exported = lamina.onnx.export(model, path)
    assert exported.inputs == ("x", "state", "lengths") and exported.outputs == ("y_0", "y_1")
    x, state = np.ones((2, 4, 2), "float32"), np.full((2, 3), 0.5, "float32")
    y, last = session_of(path.read_bytes()).run(None, {"x": x, "state": state, "lengths": np.array([2, 0])})
    np.testing.assert_allclose(last, model(x, state, lengths=[2, 0])[1], atol=1e-6)
    np.testing.assert_array_equal(last[1], state[1])
    assert not y[1].any()


def test_a_parameter_may_be_called_as_an_input_is(tmp_path):
    class Own(lamina.Layer):
        def build(self, shape):
            self.x = lamina.Parameter((shape[-1],), "ones")
            return shape

        def forward(self, x):
            return x * self.x.data, x

    lamina.onnx.translates(Own)(lambda graph, layer, x: graph.add("Mul", x, graph.weight(layer.x)))
    model = Own()
    model.build((None, 2))
    assert lamina.onnx.export(model, tmp_path / "model.onnx").inputs == ("x_",)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = chain(GRU(4), Dense(2))
    for name in ("a", "b"):
        lamina.onnx.export(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("verify", [True, False])
def test_what_cannot_be_said_is_named_and_nothing_is_written(tmp_path, verify):
    path = tmp_path / "model.onnx"
    path.write_text("before")
    model = chain(Dense(3), lamina.Residual(Lambda(lambda x: x, derivative=lambda x: 1)))
    message = r"^Lambda '1.inner': cannot be said in ONNX: give it a translation, by lamina.onnx.translates\(Lambda\)$"
    with pytest.raises(ExportError, match=message):
        lamina.onnx.export(model, path, verify=verify)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_class_that_changes_what_a_layer_does_is_not_said_as_the_layer_is(tmp_path):
    class Twice(Dense):
        def forward(self, x):
            y, saved = super().forward(x)
            return 2 * y, saved

    class Told(Dense):
        def __init__(self, units, why):
            super().__init__(units)
            self.why = why

    class Named(lamina.layers.Add):
        def combine(self, arrays, lengths):
            return arrays[0], 0

    with pytest.raises(ExportError, match=r"^Twice '0': cannot be said in ONNX"):
        lamina.onnx.export(chain(Twice(2), shape=(None, 3)), tmp_path / "model.onnx")
    joined = Named()
    joined.build((None, 2), (None, 2))
    with pytest.raises(ExportError, match=r"^Named: cannot be said"):
        lamina.onnx.export(joined, tmp_path / "model.onnx")
    hidden = chain(Dense(2), shape=(None, 3))
    hidden[0].forward = lambda x, lengths=None: (x, None)
    with pytest.raises(ExportError, match=r"^Dense '0': cannot be said"):
        lamina.onnx.export(hidden, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    lamina.onnx.export(chain(Told(2, "why"), shape=(None, 3)), tmp_path / "model.onnx")


def test_a_wrong_translation_is_seen_before_anything_is_written(tmp_path):
    class Wrong(Dense):
        def forward(self, x):
            return super().forward(x)

    lamina.onnx.translates(Wrong)(lambda graph, layer, x: graph.add("MatMul", x, graph.weight(layer.w)))
    model = chain(Wrong(2, b_initializer=0.1), shape=(None, 3))
    with pytest.raises(ExportError, match=r"^Sequential: ONNX Runtime gives something else: expected a difference of"):
        lamina.onnx.export(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert lamina.onnx.export(model, tmp_path / "model.onnx", verify=False).difference is None


def test_an_operator_that_there_is_not_is_seen_too(tmp_path):
    class Strange(Dense):
        def forward(self, x):
            return super().forward(x)

    model = chain(Strange(2), shape=(None, 3))
    lamina.onnx.translates(Strange)(lambda graph, layer, x: graph.add("Densely", x))
    with pytest.raises(ExportError, match="no valid ONNX graph"):
        lamina.onnx.export(model, tmp_path / "model.onnx")
    lamina.onnx.translates(Strange)(lambda graph, layer, x: graph.add("MatMul", x, np.ones((7, 2))))
    with pytest.raises(ExportError, match="ONNX Runtime cannot run it"):
        lamina.onnx.export(model, tmp_path / "model.onnx")


def test_what_needs_rows_of_one_length_says_how_it_can_be_written(tmp_path):
    path = tmp_path / "model.onnx"
    joined = chain(lamina.Concat(Dense(2), Dense(2), axis=1), shape=(None, 4, 3))
    for model in (joined, chain(Select(0, axis=2)), chain(lamina.layers.Slice(-2, 3))):
        with pytest.raises(ExportError, match=r": export it with lengths=False$"):
            lamina.onnx.export(model, path)
        assert lamina.onnx.export(model, path, lengths=False).difference < 1e-6


def test_no_stream_is_written_of_what_cannot_stream(tmp_path):
    for layer in (GRU(2, go_backwards=True), Flatten()):
        with pytest.raises(StreamError, match="cannot stream"):
            lamina.onnx.export(chain(layer, shape=(None, 4, 3)), tmp_path / "model.onnx", states=True)


def test_arguments_are_checked(tmp_path):
    with pytest.raises(NotBuiltError):
        lamina.onnx.export(Dense(2), tmp_path / "model.onnx")
    with pytest.raises(ArgumentError, match="expected model to be a"):
        lamina.onnx.export("model", tmp_path / "model.onnx")
    for name in ("lengths", "states", "verify"):
        with pytest.raises(ArgumentError, match=name):
            lamina.onnx.export(chain(Dense(2)), tmp_path / "model.onnx", **{name: "yes"})
    with pytest.raises(OutputError):
        lamina.onnx.export(chain(Dense(2)), tmp_path)


def test_weights_keep_their_names_and_tied_ones_are_written_once(tmp_path):
    path, shared = tmp_path / "model.onnx", Dense(3)
    lamina.onnx.export(chain(shared, lamina.layers.Tanh(), shared, GRU(2)), path)
    names = [one.name for one in read(path).graph.initializer if not one.name.startswith("constant")]
    assert sorted(names) == ["0.b", "0.w", "3.B", "3.R", "3.W"]
