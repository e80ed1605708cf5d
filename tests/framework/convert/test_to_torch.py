"""Models become PyTorch's modules that give the same, and what they held comes back bit for bit."""

import pickle

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Residual, Sequential, convert
from lamina.convert import torch_wrappers
from lamina.convert.torch_makers import MAKERS
from lamina.errors import ArgumentError, ConversionError, MissingPackageError, NotBuiltError
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
    GRUCell,
    HardSigmoid,
    HardSwish,
    LastStep,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    LSTMCell,
    MaxPool1D,
    Mish,
    Permute,
    PReLU,
    ReLU,
    ReLU6,
    RepeatVector,
    Rescaling,
    RMSNorm,
    Select,
    SelfAttention,
    Sigmoid,
    SiLU,
    SimpleRNN,
    SimpleRNNCell,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)  # fmt: skip

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

X = np.random.default_rng(0).standard_normal((3, 7, 4))
IDS = np.random.default_rng(1).integers(0, 9, (3, 7))
KINDS = {"LSTM": LSTM, "GRU": GRU, "SimpleRNN": SimpleRNN}

MODELS = {
    **{
        f"{name} {options}": lambda kind=kind, options=options: kind(5, **options)
        for name, kind in KINDS.items()
        for options in (
            {}, {"return_sequences": True}, {"go_backwards": True}, {"go_backwards": True, "return_sequences": True},
            {"use_bias": False},
        )
    },
    **{
        f"both {name} {sequences}": lambda kind=kind, sequences=sequences: Sequential(
            Bidirectional(kind(5, return_sequences=sequences)), Dense(2)
        )
        for name, kind in KINDS.items() for sequences in (True, False)
    },
    "LSTM, projection": lambda: LSTM(5, projection=2),
    "both, projection": lambda: Bidirectional(LSTM(5, projection=2)),
    "SimpleRNN, relu": lambda: SimpleRNN(5, activation="relu"),
    **{
        f"Conv1D {size} {stride} {dilation} {padding}": (
            lambda size=size, stride=stride, dilation=dilation, padding=padding: Conv1D(
                6, size, stride=stride, dilation=dilation, padding=padding, groups=2
            )
        )
        for padding in ("same", "causal", "valid", 1, (2, 0))
        for size, stride, dilation in ((1, 1, 1), (2, 1, 2), (2, 3, 1), (3, 1, 1), (3, 2, 1), (3, 2, 2))
    },
    **{
        f"Conv1DTranspose {padding}": lambda padding=padding: Conv1DTranspose(6, 3, stride=2, padding=padding, groups=2)
        for padding in ("valid", 1, (1, 0))
    },
    "Conv1DTranspose, more": lambda: Conv1DTranspose(6, 3, stride=2, padding=1, output_padding=1, dilation=2),
    "norms": lambda: Sequential(
        BatchNorm(), GroupNorm(2), LayerNorm(), RMSNorm(), PReLU(), PReLU(shared=True), MaxPool1D(2),
        AveragePool1D(2, 1, 1, count_padding=True), AveragePool1D(2, 1, 1), GlobalMaxPool1D(), BatchNorm(momentum=0.3),
        GroupNorm(2), PReLU(), LayerNorm(use_shift=False), Dense(3), LogSoftmax(),
    ),
    "no scales": lambda: Sequential(
        BatchNorm(use_scale=False, use_shift=False), GroupNorm(2, use_scale=False, use_shift=False),
        LayerNorm(use_scale=False, use_shift=False), RMSNorm(use_scale=False),
    ),
    "attention": lambda: Sequential(
        Residual(SelfAttention(2, causal=True)), Residual(Sequential(LayerNorm(), Dense(8), GELU(), Dense(4))),
        SelfAttention(4, use_bias=False), LastStep(),
    ),
    "words": lambda: Sequential(
        Embedding(9, 4), Rescaling(2.0, 1.0), Permute((2, 1)), Select(-1, 2), RepeatVector(2), GlobalAveragePool1D()
    ),
    "pointwise": lambda: Sequential(
        ELU(0.5), GELU("tanh"), SiLU(), Mish(), Softplus(2.0), HardSwish(), HardSigmoid(), SELU(), CELU(0.7),
        Softsign(), ReLU6(), ReLU(), LeakyReLU(0.3), Tanh(), Sigmoid(), Dropout(0.5), Softmax(axis=1),
    ),
    "steps apart": lambda: Sequential(Conv1D(3, 2, padding="valid"), Sequential(Flatten(), Dense(2))),
}  # fmt: skip


def built(layer, dtype="float32", shape=None):
    """Build, with weights that are none of the first; variances stay positive."""
    words = any(isinstance(one, Embedding) for _, one in layer.walk())
    fixed = any(isinstance(one, (Flatten, Permute)) for _, one in layer.walk())
    layer.build(shape or ((None, 7) if words else (None, 7 if fixed else None, 4)), seed=0, dtype=dtype)
    random = np.random.default_rng(2)
    layer.load_state_dict({path: random.random(one.shape) / 2 + 0.05 for path, one in layer.state_dict().items()})
    return layer, IDS if words else X.astype(dtype)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.filterwarnings("ignore:LSTM with projections", "ignore:Using padding='same'")
def test_a_module_gives_the_same_and_its_weights_come_back(name, dtype, tolerance):
    model, x = built(MODELS[name](), dtype)
    module = convert.to_torch(model)
    with torch.no_grad():
        y = module(torch.tensor(x)).numpy()
    assert y.dtype == dtype
    np.testing.assert_allclose(model(x), y, rtol=tolerance, atol=tolerance)
    state = convert.torch_state(model)
    assert module.state_dict().keys() == state.keys()
    before = model.state_dict()
    model.load_state_dict({path: array * 0 for path, array in before.items()})
    convert.from_torch(module.state_dict(), model)
    assert all((before[path] == array).all() for path, array in model.state_dict().items())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_whole_model_comes_back(name):
    """But for what is another layer of the same meaning: a padding by numbers, a choice of the last step."""
    model, x = built(MODELS[name](), "float64")
    again = convert.from_torch(convert.to_torch(model), shape=model.input_shapes[0])
    tolerance = 1e-12 if model.parameters() else 1e-6  # without any, it is of float32
    np.testing.assert_allclose(again(x), model(x), rtol=tolerance, atol=tolerance)
    mine, theirs = (list(one.state_dict().values()) for one in (model, again))
    assert all(np.array_equal(one, other) for one, other in zip(mine, theirs, strict=True))


RANDOM = {
    3: [
        lambda: LSTM(4, return_sequences=True), lambda: GRU(4, return_sequences=True), lambda: Dense(4), Tanh,
        LayerNorm, lambda: Conv1D(4, 3), lambda: Conv1D(4, 2, padding="causal"), BatchNorm, PReLU,
        lambda: SelfAttention(2), lambda: Bidirectional(SimpleRNN(2, return_sequences=True)),
        lambda: Residual(Dense(4)), lambda: MaxPool1D(2, 1, 0), lambda: GroupNorm(2), RMSNorm,
        lambda: Sequential(Conv1DTranspose(4, 3, padding=1), ReLU()),
    ],
    0: [
        lambda: GRU(4), LastStep, GlobalAveragePool1D, GlobalMaxPool1D, lambda: Bidirectional(LSTM(2)),
        lambda: Select(0),
    ],
    2: [lambda: Dense(4), BatchNorm, GELU, lambda: Residual(Sequential(Dense(4), Tanh())), Softmax, PReLU, LayerNorm],
}  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_models_composed_at_random_go_there_and_come_back(seed):
    random = np.random.default_rng(seed)
    chosen = [
        kinds[random.integers(len(kinds))]()
        for kinds, most in ((RANDOM[3], 4), (RANDOM[0], 1), (RANDOM[2], 3))
        for _ in range(random.integers(most == 1, most + 1))
    ]
    model, x = built(Sequential(*chosen), "float64")
    module = convert.to_torch(model)
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.tensor(x)).numpy(), model(x), rtol=1e-10, atol=1e-10)
    again = convert.from_torch(module, shape=model.input_shapes[0])
    np.testing.assert_allclose(again(x), model(x), rtol=1e-10, atol=1e-10)
    mine, theirs = (list(one.state_dict().values()) for one in (model, again))
    assert all(np.array_equal(one, other) for one, other in zip(mine, theirs, strict=True))


def test_every_layer_that_has_a_module_is_shown():
    shown = {type(layer) for make in MODELS.values() for _, layer in make().walk()}
    assert set(MAKERS) <= shown


@pytest.mark.parametrize(
    ("cell", "module"),
    [(LSTMCell, torch.nn.LSTMCell), (GRUCell, torch.nn.GRUCell), (SimpleRNNCell, torch.nn.RNNCell)],
)
def test_the_weights_of_cells_go_to_cells_and_come_back(cell, module):
    layer = lamina.Recurrent(cell(5))
    layer.build((None, None, 4), seed=0, dtype="float64")
    other = module(4, 5).double()
    convert.to_torch(layer, other)
    x, state = torch.tensor(X[:, 0]), None
    for step in range(7):
        state = other(torch.tensor(X[:, step]), state)
    h = (state[0] if isinstance(state, tuple) else state).detach()
    np.testing.assert_allclose(layer(X), h, rtol=1e-12)
    assert x.shape == (3, 4)
    before = layer.state_dict()
    layer.load_state_dict({path: array * 0 for path, array in before.items()})
    convert.from_torch(other, layer)
    assert all((before[path] == array).all() for path, array in layer.state_dict().items())


def test_a_module_can_be_pickled_moved_and_trained():
    model, x = built(MODELS["norms"]())
    module = pickle.loads(pickle.dumps(convert.to_torch(model)))
    assert not module.training
    module.train()(torch.tensor(x)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert {one.dtype for one in module.double().parameters()} == {torch.float64}


def test_a_file_is_read_by_pytorch_and_by_lamina(tmp_path):
    from safetensors.torch import load_file

    model, x = built(Sequential(Bidirectional(GRU(5)), Dense(3)))
    path = convert.to_torch(model, tmp_path / "a.safetensors")
    module = convert.to_torch(built(Sequential(Bidirectional(GRU(5)), Dense(3)))[0])
    module.load_state_dict(load_file(path))
    np.testing.assert_allclose(module(torch.tensor(x)).detach(), model(x), rtol=1e-5, atol=1e-6)
    twin = Sequential(Bidirectional(GRU(5)), Dense(3))
    twin.build((None, None, 4), seed=1)
    convert.from_torch(path, twin)
    assert all((twin.state_dict()[name] == array).all() for name, array in model.state_dict().items())


def told(call):
    with pytest.raises((ConversionError, ArgumentError, NotBuiltError, MissingPackageError)) as caught:
        call()
    return str(caught.value)


def of(*layers):
    model = Sequential(*layers)
    model.build((None, None, 4), seed=0)
    return model


def test_what_has_no_counterpart_is_named_all_at_once():
    model = of(
        Conv1DTranspose(4, 3, padding="same"), Bidirectional(LSTM(4, return_sequences=True), "sum"),
        BatchNorm(use_shift=False), HardSigmoid(0.2), lamina.layers.PositionalEncoding(),
        LayerNorm(axis=1, use_scale=False, use_shift=False),
    )  # fmt: skip
    assert told(lambda: convert.to_torch(model)) == (
        "to_torch: no counterpart: Conv1DTranspose '0': padding='same', Bidirectional '1': merge='sum', "
        "BatchNorm '2': use_scale=True with use_shift=False, HardSigmoid '3': slope=0.2 with offset=0.5, "
        "PositionalEncoding '4', LayerNorm '5': axis=1"
    )
    assert told(lambda: convert.to_torch(of(LRU(3)))) == ("no counterpart in PyTorch: LRU '0'")


def test_what_is_given_must_be_something_to_write_into():
    model = of(Dense(3))
    assert told(lambda: convert.to_torch(model, 3)) == "to_torch: expected a torch.nn.Module or a path, got 3"
    assert told(lambda: convert.to_torch(model, "a.pt")) == (
        "to_torch: expected a path that ends in .safetensors, got 'a.pt'"
    )
    assert told(lambda: convert.to_torch(Sequential(Dense(3)))).endswith("is not built: call build(shape) first")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 3))
    assert told(lambda: convert.to_torch(model, module)) == (
        "expected arrays for 1 layers (Dense '0'), got 2 ('0', '1')"
    )
    linear = torch.nn.Linear(4, 3, bias=False)
    assert told(lambda: convert.to_torch(model, linear)) == "Dense '0' to '': the module has no bias"


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert told(lambda: convert.to_torch(of(Dense(3)))) == (
        "to_torch needs PyTorch: pip install torch; torch_state and .safetensors files need none"
    )
    with pytest.raises(AttributeError, match="has no attribute 'StepsLinear'"):
        _ = torch_wrappers.StepsLinear


def test_the_wrappers_have_no_other_names():
    for name in ("Nothing", "_private", "StepsNothing"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(torch_wrappers, name)
