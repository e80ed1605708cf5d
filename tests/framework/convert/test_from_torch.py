"""PyTorch's modules, and their weights, give Lamina's models the same outputs; what has no counterpart is named."""

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Sequential, convert
from lamina.errors import ArgumentError, CheckpointError, ConversionError, NonFiniteWarning, ShapeError
from lamina.layers import GRU, LSTM, BatchNorm, Conv1D, Dense, Embedding, LayerNorm, SelfAttention

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
nn = torch.nn

X = np.random.default_rng(0).standard_normal((3, 7, 4)).astype("float32")
TURNED = X.swapaxes(1, 2)  # (batch, channels, time)
IDS = np.random.default_rng(1).integers(0, 9, (3, 7))


class Tagger(nn.Module):
    """Ids, two layers in both directions, attention, one step, a dense layer; the time first or second."""

    def __init__(self, kind, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.words = nn.Embedding(9, 4)
        self.rnn = kind(4, 6, 2, batch_first=batch_first, bidirectional=True, dropout=0.1)
        self.look = nn.MultiheadAttention(12, 2, batch_first=batch_first)
        self.out = nn.Linear(12, 3)

    def forward(self, ids):
        h, _ = self.rnn(self.words(ids))
        h, _ = self.look(h, h, h)
        h = torch.relu(h[:, -1, :] if self.batch_first else h[-1])
        return self.out(h).log_softmax(-1)


class LastState(nn.Module):
    """A convolution between exchanges of axes, and a recurrent layer of which the last state goes on."""

    def __init__(self, kind):
        super().__init__()
        self.window, self.norm = nn.Conv1d(4, 8, 3, padding=1, stride=2), nn.BatchNorm1d(8)
        self.rnn, self.out = kind(8, 5, 2, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        h = nn.functional.leaky_relu(self.norm(self.window(x.transpose(1, 2))), 0.2).permute(0, 2, 1)
        states = self.rnn(h)[1]
        return torch.softmax(self.out((states[0] if isinstance(self.rnn, nn.LSTM) else states)[-1]), dim=1)


class Mean(nn.Module):
    """A dense layer over steps, whose mean over the time goes on."""

    def __init__(self):
        super().__init__()
        self.first, self.rnn, self.out = nn.Linear(4, 5), nn.GRU(5, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        h, _ = self.rnn(torch.tanh(self.first(x)))
        return self.out(nn.functional.dropout(h.mean(dim=1), 0.2, self.training))


def encoder(norm_first):
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=norm_first, activation="gelu")
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(4), enable_nested_tensor=False)


# What it is, its input, and which axes of the input, and of the output, are exchanged for it.
FLAT = ((1, 2), None)
CHANNELS = ((1, 2), (1, 2))
TIME = ((0, 1), None)
STEPS = ((0, 1), (0, 1))
CHAINS = {
    **{
        f"{kind}, {'batch' if first else 'time'} first": (
            lambda kind=kind, first=first: Tagger(getattr(nn, kind), first), IDS, None if first else TIME, {}
        )
        for kind in ("LSTM", "GRU", "RNN") for first in (True, False)
    },
    "LSTM, last state": (lambda: LastState(nn.LSTM), X, None, {}),
    "GRU, last state": (lambda: LastState(nn.GRU), X, None, {}),
    "mean": (Mean, X, None, {}),
    "one layer": (lambda: nn.LSTM(4, 5, 2, bidirectional=True), X, STEPS, {}),
    "no bias": (lambda: nn.GRU(4, 5, bias=False), X, STEPS, {}),
    "relu": (lambda: nn.RNN(4, 5, nonlinearity="relu", batch_first=True), X, None, {}),
    "projection": (lambda: nn.LSTM(4, 5, proj_size=3, batch_first=True), X, None, {}),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 2), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(18, 3), nn.BatchNorm1d(3), nn.Tanh()
        ),
        TURNED, FLAT, {"shape": (None, 7, 4)},
    ),
    "convolutions, turned": (
        lambda: nn.Sequential(
            nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), nn.GroupNorm(2, 6), nn.PReLU(6), nn.Softmax(1),
            nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten()), nn.Linear(6, 2),
        ),
        TURNED, FLAT, {},
    ),
    "channels stay": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3, padding="same", dilation=2, groups=2), nn.InstanceNorm1d(6, affine=True),
            nn.AvgPool1d(3, 1, 1), nn.BatchNorm1d(6), nn.LogSoftmax(2),
        ),
        TURNED, CHANNELS, {},
    ),
    "dense over channels": (lambda: nn.Sequential(nn.Conv1d(4, 6, 2), nn.Linear(6, 3), nn.PReLU()), TURNED, FLAT,
                            {"shape": (None, 7, 4)}),
    "pointwise": (
        lambda: nn.Sequential(
            nn.Linear(4, 5), nn.LayerNorm(5), nn.RMSNorm(5, eps=1e-5), nn.ELU(0.5),
            nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Softplus(2), nn.Hardswish(),
            nn.Hardsigmoid(), nn.SELU(), nn.CELU(0.7), nn.Softsign(), nn.ReLU6(), nn.Dropout(0.5), nn.Identity(),
            nn.Sigmoid(),
        ),
        X, None, {"shape": (None, None, 4)},
    ),
    "transformer": (lambda: encoder(False), X, None, {}),
    "transformer, norm first": (lambda: encoder(True), X, None, {}),
}  # fmt: skip


def made(factory):
    torch.manual_seed(0)
    module = factory().eval()
    for one in module.modules():
        if isinstance(one, nn.BatchNorm1d):
            one.running_mean.uniform_()
            one.running_var.uniform_(0.5, 2)
    return module


def outputs(module, x):
    x = torch.tensor(x)
    parameters = next(module.parameters(), x)
    with torch.no_grad():
        y = module(x.to(parameters.dtype) if x.is_floating_point() else x)
    return (y[0] if isinstance(y, tuple) else y).numpy()


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_chain_gives_the_same(name, dtype, tolerance):
    factory, x, turned, options = CHAINS[name]
    module = made(factory).to(getattr(torch, dtype))
    model = convert.from_torch(module, **options)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    before, after = turned or (None, None)
    y = model(np.swapaxes(x, *before) if before else x)
    y = np.swapaxes(y, *after) if after else y
    np.testing.assert_allclose(y, outputs(module, x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_the_weights_of_a_chain_go_back_into_another_module_that_gives_the_same(name):
    factory, x, _, options = CHAINS[name]
    module = made(factory)
    model = convert.from_torch(module, **options)
    other = factory().eval()
    names = None
    if name.startswith("transformer"):  # whose modules are not registered in the order in which they are used
        names = dict(zip(places(module, name), weighted(model), strict=True))
    convert.to_torch(model, other, names=names)
    np.testing.assert_allclose(outputs(other, x), outputs(module, x), rtol=1e-5, atol=1e-6)


def places(module, name):
    order = ("norm1", "self_attn", "norm2", "linear1", "linear2")
    order = order if "first" in name else ("self_attn", "norm1", "linear1", "linear2", "norm2")
    return [f"layers.{number}.{one}" for number in range(2) for one in order] + ["norm"]


def weighted(model):
    return [path for path, layer in model.walk() if layer.own_parameters()]


def built(*layers, shape=(None, None, 4), dtype=None):
    model = Sequential(*layers)
    model.build(shape, seed=0, dtype=dtype)
    return model


def test_double_stays_double():
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).double()
    model = convert.from_torch(module)
    assert model.dtype == "float64"
    np.testing.assert_allclose(model(X[:, 0]), module(torch.tensor(X[:, 0]).double()).detach(), rtol=1e-14)
    np.testing.assert_array_equal(model[0].w.data, module[0].weight.detach().T)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_read_exactly(dtype, tmp_path):
    state = {name: array.to(getattr(torch, dtype)) for name, array in nn.Linear(4, 3).state_dict().items()}
    model = convert.from_torch(state, built(Dense(3)))
    np.testing.assert_array_equal(model[0].w.data, state["weight"].float().T)
    from safetensors.torch import save_file

    save_file(state, tmp_path / "a.safetensors")
    other = convert.from_torch(tmp_path / "a.safetensors", built(Dense(3)))
    np.testing.assert_array_equal(other[0].w.data, model[0].w.data)


def test_parameters_that_are_watched_and_strided_are_read():
    module = nn.Linear(3, 4)
    state = {"weight": module.weight.T, "bias": module.bias[:3]}  # neither contiguous, nor detached
    model = convert.from_torch(state, built(Dense(3)))
    np.testing.assert_array_equal(model[0].w.data, module.weight.detach())


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 3)  # used last
        self.body = nn.LSTM(4, 6, 2, bidirectional=True)


def two_deep():
    return built(*(Bidirectional(LSTM(6, return_sequences=True)) for _ in range(2)), Dense(3))


def test_names_say_which_layer_gets_what():
    module = Pair()
    with pytest.raises(ConversionError):
        convert.from_torch(module, two_deep())
    model = convert.from_torch(module, two_deep(), names={"body": ["0", "1"], "head": "2"})
    x = torch.tensor(X).swapaxes(0, 1)
    np.testing.assert_allclose(model(X), module.head(module.body(x)[0]).swapaxes(0, 1).detach(), rtol=1e-5, atol=1e-6)


def test_a_file_has_no_order_and_only_one_layer_may_fit(tmp_path):
    from safetensors.torch import save_file

    module = Pair()
    path = tmp_path / "pair.safetensors"
    save_file(module.state_dict(), path)
    convert.from_torch(path, two := two_deep(), names={"body": ["0", "1"], "head": "2"})
    one = convert.from_torch(path, two_deep())  # all of other shapes
    assert all((one.state_dict()[name] == array).all() for name, array in two.state_dict().items())
    save_file(nn.ModuleDict({"b": nn.Linear(4, 4), "a": nn.Linear(4, 4)}).state_dict(), path)
    with pytest.raises(ConversionError, match=r"^Dense '0': expected one module that fits, got 'a', 'b': a file keeps"):
        convert.from_torch(path, built(Dense(4), Dense(4)))


REFUSED = {
    "names nothing": (
        lambda: convert.from_torch(Pair(), two_deep(), names={"bdy": "0"}),
        "names: expected one of 'head', 'body', got 'bdy'",
    ),
    "names too few": (
        lambda: convert.from_torch(Pair(), two_deep(), names={"body": ["0", "1"]}),
        "names: not named: Dense '2'; left over: 'head'",
    ),
    "names one for two": (
        lambda: convert.from_torch(Pair(), two_deep(), names={"body": "0", "head": "2"}),
        "names: expected 2 layers for 'body', got 0",
    ),
    "a count": (
        lambda: convert.from_torch(nn.Linear(4, 3), built(Dense(4), Dense(3))),
        "expected arrays for 2 layers (Dense '0', Dense '1'), got 1 ('')",
    ),
    "a bias missing": (
        lambda: convert.from_torch(nn.Linear(4, 3, bias=False), built(Dense(3))),
        "Dense '0' from '': missing bias",
    ),
    "a bias too many": (
        lambda: convert.from_torch(nn.Linear(4, 3), built(Dense(3, use_bias=False))),
        "Dense '0' from '': not expected bias",
    ),
    "a shape": (
        lambda: convert.from_torch(nn.Linear(5, 3), built(Dense(3))),
        "Dense '0' from '': expected weight of (3, 4), got (3, 5)",
    ),
    "epsilon": (
        lambda: convert.from_torch(nn.LayerNorm(4, eps=1e-3), built(LayerNorm())),
        "from_torch: other settings: LayerNorm '0' from '': expected epsilon=0.001, got 1e-05",
    ),
    "heads": (
        lambda: convert.from_torch(nn.MultiheadAttention(4, 4), built(SelfAttention(2))),
        "from_torch: other settings: SelfAttention '0' from '': expected heads=4, got 2",
    ),
    "windows": (
        lambda: convert.from_torch(nn.Conv1d(4, 3, 3), built(Conv1D(3, 3))),
        "from_torch: other settings: Conv1D '0' from '': expected padding=0, got 'same'",
    ),
    "reset_after": (
        lambda: convert.from_torch(nn.GRU(4, 3), built(GRU(3, reset_after=False))),
        "no counterpart in PyTorch: GRU '0': reset_after=False, which PyTorch does not have",
    ),
    "layers of ours": (
        lambda: convert.from_torch(nn.Linear(4, 3), built(lamina.layers.LRU(3), lamina.layers.Standardize())),
        "no counterpart in PyTorch: LRU '0', Standardize '1'",
    ),
    "modules": (
        lambda: convert.from_torch(nn.Sequential(nn.Linear(4, 3), nn.Upsample(2), nn.Hardshrink())),
        "from_torch: no counterpart: '1' (Upsample), '2' (Hardshrink)",
    ),
    "settings": (
        lambda: convert.from_torch(
            nn.Sequential(nn.Conv1d(4, 3, 2, padding_mode="circular"), nn.Embedding(3, 2, max_norm=1))
        ),
        "from_torch: no counterpart: '0' (Conv1d): padding_mode='circular', '1' (Embedding): max_norm",
    ),
    "state": (lambda: convert.from_torch({}), "from_torch: weights alone tell no model: give into=model, built"),
    "checkpoint": (
        lambda: convert.from_torch({"model": {}, "epoch": 3}, built(Dense(3))),
        "from_torch: expected a mapping of arrays, got one with 'model', 'epoch'",
    ),
    "nothing of the kind": (
        lambda: convert.from_torch(3, built(Dense(3))),
        "from_torch: expected a module, a mapping of arrays or a path, got 3",
    ),
    "a shape for a model": (
        lambda: convert.from_torch(nn.Linear(4, 3), built(Dense(3)), shape=(None, 4)),
        "from_torch: shape is of a new model, and into is one that is built",
    ),
    "a file that is not there": (
        lambda: convert.from_torch("nowhere.safetensors", built(Dense(3))),
        "'nowhere.safetensors': there is no such file",
    ),
    "a pickle": (
        lambda: convert.from_torch("nowhere.pt", built(Dense(3))),
        "'nowhere.pt': there is no such file; read a pickle with torch.load(..., weights_only=True) and give its "
        "state_dict",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(name):
    call, message = REFUSED[name]
    with pytest.raises((ConversionError, ShapeError, ArgumentError, CheckpointError)) as caught:
        call()
    assert str(caught.value) == message


class Residue(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.a(x)


class Twice(Residue):
    def forward(self, x):
        return self.a(self.a(x))


class Branching(Residue):
    def forward(self, x):
        return self.a(x) if x.sum() > 0 else x


class TwoInputs(Residue):
    def forward(self, x, y):
        return self.a(x) * y


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Residue, "Residue: no chain: 'add' takes something else than the step before gives: give into=model"),
        (Twice, "from_torch: no counterpart: 'a' (Linear): stands in two places: give into=model"),
        (Branching, "Branching: its forward cannot be followed (TraceError: "),
        (TwoInputs, "TwoInputs: expected a forward with one input, got 2"),
    ],
)
def test_what_is_no_chain_is_refused(kind, told):
    with pytest.raises(ConversionError) as caught:
        convert.from_torch(kind())
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_what_fails_leaves_the_model_as_it_was():
    model = built(Dense(3), BatchNorm(), Dense(2))
    before = model.state_dict()
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    with pytest.raises(ShapeError):
        convert.from_torch(module, model)
    target = {name: array.clone() for name, array in module.state_dict().items()}
    with pytest.raises(ShapeError, match=r"^Dense '2' to '2': expected 2.weight of \(3, 3\), got \(2, 3\)$"):
        convert.to_torch(model, module)
    assert all((before[name] == array).all() for name, array in model.state_dict().items())
    assert all((target[name] == array).all() for name, array in module.state_dict().items())


def test_a_layer_that_shares_its_table_must_get_the_same_twice():
    first, second = Embedding(9, 4), Embedding(9, 4)
    model = built(lamina.Concat(first, second), shape=(None, None))
    second.w = first.w
    table = torch.rand(9, 4)
    convert.from_torch({"a.weight": table, "b.weight": table.clone()}, model)
    np.testing.assert_array_equal(first.w.data, table)
    with pytest.raises(ConversionError, match=r"shares its values with .*, and would get others$"):
        convert.from_torch({"a.weight": table, "b.weight": table + 1}, model)


def test_what_is_not_finite_is_taken_and_told():
    state = {"weight": torch.full((3, 4), torch.nan), "bias": torch.zeros(3)}
    with pytest.warns(NonFiniteWarning, match=r"its parameter '0.w' holds NaN"):
        convert.from_torch(state, built(Dense(3)))
