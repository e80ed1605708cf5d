"""Files of PyTorch's two exporters, and graphs that are put together by hand."""

import io
import logging
import warnings

import numpy as np
import pytest

import lamina
from lamina.errors import CheckpointError
from lamina.onnx import OnnxGraph
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS


@pytest.fixture(scope="module")
def networks():
    """Return the networks of PyTorch that are written, each with inputs."""
    import torch
    from torch import nn

    class Last(nn.Module):
        """Takes the last step, the last states, or all steps of a recurrent layer, to a head of its own."""

        def __init__(self, kind, what, **options):
            super().__init__()
            self.what, self.recurrent = what, getattr(nn, kind)(3, 4, batch_first=True, **options)
            self.head = nn.Linear(8 if options.get("bidirectional") else 4, 2)

        def forward(self, x):
            y, last = self.recurrent(x)
            if self.what == "states":
                last = last[0] if isinstance(last, tuple) else last
                two = self.recurrent.bidirectional
                return self.head(torch.cat([last[-2], last[-1]], -1) if two else last[-1])
            return self.head(torch.relu(y[:, -1] if self.what == "step" else y))

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.recurrent = nn.Embedding(7, 3), nn.GRU(3, 4, batch_first=True, bidirectional=True)
            self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 5)

        def forward(self, ids):
            return torch.log_softmax(self.head(self.norm(self.recurrent(self.table(ids))[0])), -1)

    class Both(nn.Module):
        """Gives all steps and the last states, of steps before rows."""

        def __init__(self, kind):
            super().__init__()
            self.recurrent = getattr(nn, kind)(3, 4)

        def forward(self, x):
            y, last = self.recurrent(x)
            return (y, *(one[0] for one in (last if isinstance(last, tuple) else (last,))))

    class Begun(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.GRU(3, 4, batch_first=True)

        def forward(self, x, state):
            return self.recurrent(x, state)

    class Packed(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.recurrent = getattr(nn, kind)(3, 4, batch_first=True, bidirectional=True)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)[0]

    class Convolving(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.recurrent = nn.Conv1d(3, 6, 3, padding=2, groups=3), nn.LSTM(6, 4, batch_first=True)

        def forward(self, x):
            h = torch.tanh(self.convolution(x.transpose(1, 2))).transpose(1, 2)
            return self.recurrent(h)[0].mean(1) * 2 - 1

    torch.manual_seed(0)
    return {name: one for name, one in locals().items() if isinstance(one, type)}


def exported(network, inputs, path, dynamo=False):
    """Write a network by one of PyTorch's exporters; return what it gives."""
    import torch

    if dynamo:
        pytest.importorskip("onnxscript", reason="this exporter needs onnxscript: pip install -e '.[parity]'")
    network.eval()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dynamo:
                rows, steps = torch.export.Dim("rows"), torch.export.Dim("steps")
                open_sizes = ({0: rows, 1: steps}, {1: rows})[: len(inputs)]
                options = {"dynamo": True, "dynamic_shapes": open_sizes, "verbose": False, "external_data": False}
                torch.onnx.export(network, inputs, str(path), **options)
            else:
                content, axes = io.BytesIO(), {"x": {0: "rows", 1: "steps"}, "other": {0: "rows"}}
                names = ["x", "other"][: len(inputs)]
                axes = {name: axes[name] for name in names if len(inputs[-1].shape) == 1 or name == "x"}
                torch.onnx.export(network, inputs, content, dynamo=False, input_names=names, dynamic_axes=axes)
                path.write_bytes(content.getvalue())
    finally:
        logging.disable(logging.NOTSET)
    with torch.no_grad():
        given = network(*inputs)
    return [one.numpy() for one in (given if isinstance(given, tuple) else (given,))]


CASES = [
    (kind, what, options)
    for kind in ("RNN", "GRU", "LSTM")
    for what in ("step", "states", "sequence")
    for options in (
        {},
        {"bidirectional": True, "num_layers": 2},
        {"bias": False, "num_layers": 3, "dropout": 0.3},
    )
]


@pytest.mark.parametrize(("kind", "what", "options"), CASES)
def test_recurrent_networks_of_pytorch_are_read(kind, what, options, networks, tmp_path):
    import torch

    path, x = tmp_path / "model.onnx", torch.randn(2, 5, 3)
    (expected,) = exported(networks["Last"](kind, what, **options), (x,), path)
    model = lamina.onnx.load(path)
    assert isinstance(model, OnnxGraph if what == "states" else lamina.Sequential)
    np.testing.assert_allclose(model(x.numpy()), expected, atol=1e-6)
    # It is a model as any other: it is saved, and written again.
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.safetensors")(x.numpy()), model(x.numpy()))
    lamina.onnx.export(model, path)
    np.testing.assert_array_equal(lamina.onnx.load(path)(x.numpy()), model(x.numpy()))


@pytest.mark.parametrize(("kind", "what", "options"), [CASES[13], CASES[26]])
def test_those_of_the_exporter_by_dynamo_too(kind, what, options, networks, tmp_path):
    import torch

    path, x = tmp_path / "model.onnx", torch.randn(2, 5, 3)
    (expected,) = exported(networks["Last"](kind, what, **options), (x,), path, dynamo=True)
    np.testing.assert_allclose(lamina.onnx.load(path)(x.numpy()), expected, atol=1e-6)


def test_a_relu_network_a_tagger_and_one_with_a_convolution_are_read(networks, tmp_path):
    import torch

    path, x = tmp_path / "model.onnx", torch.randn(2, 5, 3)
    (expected,) = exported(networks["Last"]("RNN", "step", nonlinearity="relu"), (x,), path)
    model = lamina.onnx.load(path)
    assert model[0].activation == "relu"
    np.testing.assert_allclose(model(x.numpy()), expected, atol=1e-6)
    ids = torch.randint(0, 7, (2, 5))
    (expected,) = exported(networks["Tagger"](), (ids,), path)
    np.testing.assert_allclose(lamina.onnx.load(path)(ids.numpy()), expected, atol=2e-6)
    (expected,) = exported(networks["Convolving"](), (x,), path)
    np.testing.assert_allclose(lamina.onnx.load(path)(x.numpy()), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_steps_before_rows_become_rows_before_steps(kind, networks, tmp_path):
    import torch

    path, x = tmp_path / "model.onnx", torch.randn(5, 2, 3)
    expected = exported(networks["Both"](kind), (x,), path)
    given = lamina.onnx.load(path)(x.numpy().swapaxes(0, 1))
    assert len(given) == len(expected) == (3 if kind == "LSTM" else 2)
    np.testing.assert_allclose(given[0], expected[0].swapaxes(0, 1), atol=1e-6)
    for y, other in zip(given[1:], expected[1:], strict=True):
        np.testing.assert_allclose(y, other, atol=1e-6)


@pytest.mark.parametrize("dynamo", [False, True])
def test_an_initial_state_is_an_input(dynamo, networks, tmp_path):
    import torch

    path, x, state = tmp_path / "model.onnx", torch.randn(2, 5, 3), torch.randn(1, 2, 4)
    expected = exported(networks["Begun"](), (x, state), path, dynamo=dynamo)
    y, last = lamina.onnx.load(path)(x.numpy(), state[0].numpy())
    np.testing.assert_allclose(y, expected[0], atol=1e-6)
    np.testing.assert_allclose(last, expected[1][0], atol=1e-6)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_packed_sequences_are_read_with_lengths(kind, networks, tmp_path):
    import torch

    path, x, lengths = tmp_path / "model.onnx", torch.randn(4, 5, 3), torch.tensor([2, 5, 1, 4])
    (expected,) = exported(networks["Packed"](kind), (x, lengths), path)
    model = lamina.onnx.load(path)
    assert isinstance(model, lamina.Bidirectional)
    np.testing.assert_allclose(model(x.numpy(), lengths=lengths.numpy()), expected, atol=1e-6)


# Graphs by hand.


def written(path, nodes, *, inputs=(("x", 1, ["b", "t", 3]),), weights=(), outputs=("y",)):
    """Write a graph of nodes, each given as (operator, inputs, outputs, attributes)."""
    import onnx
    from onnx import helper

    made = [helper.make_node(one, taken, given, **attributes) for one, taken, given, attributes in nodes]
    ports = [helper.make_tensor_value_info(*one) for one in inputs]
    held = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights]
    graph = helper.make_graph(made, "g", ports, [helper.make_empty_tensor_value_info(one) for one in outputs], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), path)


def given_by_runtime(path, **feeds):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)


rng = np.random.default_rng(0)
W3 = rng.normal(size=(3, 4)).astype("float32")
X = rng.normal(size=(2, 5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([("Relu", ["x"], ["a"], {}), ("Sigmoid", ["a"], ["y"], {})], []),
        ([("MatMul", ["x", "w"], ["a"], {}), ("Add", ["b", "a"], ["y"], {})], [("w", W3), ("b", W3[0])]),
        ([("MatMul", ["x", "w"], ["a"], {}), ("Mul", ["a", "a"], ["y"], {})], [("w", W3)]),
        ([("Tanh", ["x"], ["a"], {}), ("Sub", ["two", "a"], ["y"], {})], [("two", np.float32(2))]),
        ([("Tanh", ["x"], ["a"], {}), ("Div", ["a", "two"], ["y"], {})], [("two", np.float32(2))]),
        ([("Softmax", ["x"], ["y"], {"axis": 2})], []),
        ([("Elu", ["x"], ["a"], {"alpha": 0.5}), ("LeakyRelu", ["a"], ["y"], {"alpha": 0.2})], []),
        ([("HardSigmoid", ["x"], ["a"], {}), ("Gelu", ["a"], ["y"], {"approximate": "tanh"})], []),
        ([("Concat", ["x", "x"], ["y"], {"axis": -1})], []),
        ([("ReduceMean", ["x", "one"], ["y"], {"keepdims": 0})], [("one", np.array([1]))]),
        ([("ReduceMax", ["x", "one"], ["y"], {"keepdims": 0})], [("one", np.array([1]))]),
        (
            [("Slice", ["x", "one", "two", "ax"], ["y"], {})],
            [("one", np.array([1])), ("two", np.array([3])), ("ax", np.array([1]))],
        ),
        ([("LayerNormalization", ["x", "s"], ["y"], {"epsilon": 0.1})], [("s", W3[:, 0])]),
        (
            [
                ("Transpose", ["x"], ["a"], {"perm": [0, 2, 1]}),
                ("BatchNormalization", ["a", "s", "s", "s", "v"], ["b"], {}),
                ("Transpose", ["b"], ["y"], {"perm": [0, 2, 1]}),
            ],
            [("s", W3[:, 0]), ("v", np.abs(W3[:, 0]))],
        ),
    ],
)
def test_other_operators_are_read_as_onnx_runtime_runs_them(nodes, weights, tmp_path):
    path = tmp_path / "model.onnx"
    written(path, nodes, weights=weights)
    (expected,) = given_by_runtime(path, x=X)
    np.testing.assert_allclose(lamina.onnx.load(path)(X), expected, atol=1e-6)


def recurrence(operator, gates, count, rng, **attributes):
    """Return a node with weights of its own, in so many directions."""
    shapes = {"w": (count, gates * 4, 3), "r": (count, gates * 4, 4), "c": (count, 2 * gates * 4)}
    weights = [(name, rng.normal(size=shape).astype("float32")) for name, shape in shapes.items()]
    return (operator, ["x", "w", "r", "c", "lengths"], ["y"], {"hidden_size": 4, **attributes}), weights


@pytest.mark.parametrize(
    ("operator", "gates", "attributes"),
    [
        ("RNN", 1, {"activations": ["Relu"]}),
        ("RNN", 1, {"direction": "reverse"}),
        ("GRU", 3, {}),
        ("GRU", 3, {"linear_before_reset": 1, "direction": "bidirectional"}),
        ("GRU", 3, {"direction": "bidirectional", "activations": ["Sigmoid", "Tanh"] * 2}),
        ("LSTM", 4, {"direction": "reverse"}),
        ("LSTM", 4, {"direction": "bidirectional"}),
    ],
)
def test_onnx_s_recurrences_are_read_with_lengths_in_every_direction(operator, gates, attributes, tmp_path):
    path = tmp_path / "model.onnx"
    count = 2 if attributes.get("direction") == "bidirectional" else 1
    node, weights = recurrence(operator, gates, count, np.random.default_rng(1), **attributes)
    written(path, [node], inputs=[("x", 1, ["t", "b", 3]), ("lengths", 6, ["b"])], weights=weights)
    lengths = np.array([5, 2], np.int32)
    (expected,) = given_by_runtime(path, x=X.swapaxes(0, 1), lengths=lengths)
    y = lamina.onnx.load(path)(X, lengths=lengths)
    np.testing.assert_allclose(y, expected.transpose(2, 0, 1, 3).reshape(2, 5, -1), atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("Erf", ["x"], ["y"], {})], "there is no layer for Erf"),
        ([("Softmax", ["x"], ["y"], {"axis": 1})], "over another axis than the features"),
        ([("Transpose", ["x"], ["a"], {"perm": [0, 2, 1]}), ("MatMul", ["a", "w"], ["y"], {})], "features as its last"),
        ([("MatMul", ["w", "x"], ["y"], {})], "its input 0 is a constant"),
        ([("Add", ["x", "v"], ["y"], {})], "no dense layer"),
        ([("Div", ["two", "x"], ["y"], {})], "a constant is divided"),
        ([("Reshape", ["x", "flat"], ["y"], {})], "other axes than those of rows, steps and features"),
        ([("Squeeze", ["x", "one"], ["y"], {})], "may have several places"),
        ([("Identity", ["x"], ["y"], {})], "no layers"),
        ([("Relu", ["x"], ["a"], {}), ("Identity", ["two"], ["y"], {})], "its output 'y' is not what a layer gives"),
        ([("Relu", ["gone"], ["y"], {})], "its input 0 is a constant"),
    ],
)
def test_what_there_is_no_layer_for_is_named(nodes, message, tmp_path):
    weights = [("w", W3), ("v", W3[:, 0]), ("two", np.float32(2)), ("flat", np.array([-1])), ("one", np.array([1]))]
    written(tmp_path / "model.onnx", nodes, weights=weights)
    with pytest.raises(CheckpointError, match=message) as caught:
        lamina.onnx.load(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"layout": 1}, "layout"),
        ({"clip": 1.0}, "clip"),
        ({"activations": ["Sigmoid", "Relu", "Tanh"]}, "the activations Sigmoid, Relu, Tanh"),
        ({"input_forget": 1}, "input_forget"),
    ],
)
def test_what_no_recurrent_layer_has_is_named(more, message, tmp_path):
    node, weights = recurrence("LSTM", 4, 1, rng, **more)
    ports = [("x", 1, ["t", "b", 3]), ("lengths", 6, ["b"])]
    written(tmp_path / "model.onnx", [node], inputs=ports, weights=weights)
    with pytest.raises(CheckpointError, match=f"LSTM: .*{message}"):
        lamina.onnx.load(tmp_path / "model.onnx")
