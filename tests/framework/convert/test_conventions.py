"""The table of ``docs/porting.md``: each row is measured, in all three frameworks, and its cells say what was found."""

import inspect
import os
import re
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, convert, layers, losses, optimizers

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is imported
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[parity]'")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on PyTorch", allow_module_level=True)
# Keras's own: its variables are arrays in NumPy's older way.
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning"),
]
nn, L = torch.nn, keras.layers
PAGE = Path(__file__).parents[3] / "docs" / "porting.md"
X = np.random.default_rng(0).standard_normal((3, 7, 4)).astype("float32")


def host(value):
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


def close(one, other, tolerance=1e-5):
    one, other = host(one), host(other)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=tolerance, atol=tolerance))


def built(layer, shape=(None, None, 4)):
    layer.build(shape, seed=0)
    return layer


def default(function, name):
    return inspect.signature(function).parameters[name].default


def trio(kind, **options):
    """Return one recurrent layer in the three frameworks, with the same weights."""
    ours = built(getattr(layers, kind)(5, return_sequences=True, **options))
    theirs = getattr(L, kind)(5, return_sequences=True, **options)
    theirs.build((None, None, 4))
    convert.to_keras(ours, theirs)
    return ours, convert.to_torch(ours), theirs


# What a row measures: it fails where something is otherwise, and returns a word for each cell.


def recurrent_axes():
    ours = built(layers.LSTM(5, return_sequences=True))
    first = nn.LSTM(4, 5)
    convert.to_torch(ours, first)
    assert close(first(torch.tensor(X).swapaxes(0, 1))[0].swapaxes(0, 1), ours(X))
    assert not default(nn.RNNBase, "batch_first")
    assert L.LSTM(5)(X).shape == (3, 5)
    return "(batch, time, features)", "(time, batch, features)", "(batch, time, features)"


def convolution_axes():
    assert nn.Conv1d(4, 5, 2)(torch.tensor(X).swapaxes(1, 2)).shape == (3, 5, 6)
    assert L.Conv1D(5, 2)(X).shape == built(layers.Conv1D(5, 2, padding="valid"))(X).shape == (3, 6, 5)
    return "(batch, time, features)", "(batch, features, time)", "(batch, time, features)"


def dense_weights():
    other = L.Dense(3)
    other.build((None, 4))
    assert built(layers.Dense(3)).w.shape == tuple(other.kernel.shape) == (4, 3)
    assert tuple(nn.Linear(4, 3).weight.shape) == (3, 4)
    return "(features, units)", "(units, features)", "(features, units)"


def convolution_weights():
    other = L.Conv1D(5, 2)
    other.build((None, None, 4))
    assert built(layers.Conv1D(5, 2)).w.shape == tuple(other.kernel.shape) == (2, 4, 5)
    assert tuple(nn.Conv1d(4, 5, 2).weight.shape) == (5, 4, 2)
    return "(size, features, units)", "(units, features, size)", "(size, features, units)"


def lstm_gates():
    ours, module, theirs = trio("LSTM")
    assert close(module.weight_ih_l0, ours.w_x.data.T)
    assert close(theirs.weights[0].value, ours.w_x.data)
    assert close(module(torch.tensor(X)), ours(X))
    assert close(theirs(X), ours(X))
    return "i, f, g, o", "i, f, g, o", "the same"


def gru_gates():
    ours, module, theirs = trio("GRU")
    r, z, n = np.split(ours.w_x.data, 3, axis=1)
    assert close(module.weight_ih_l0, ours.w_x.data.T)
    assert close(theirs.weights[0].value, np.concatenate([z, r, n], axis=1))
    assert close(module(torch.tensor(X)), ours(X))
    assert close(theirs(X), ours(X))
    return "r, z, n", "r, z, n", "z, r, h"


def lstm_biases():
    ours, module, theirs = trio("LSTM")
    with torch.no_grad():
        module.bias_hh_l0 += 0.5
        module.bias_ih_l0 -= 0.5
    assert close(module(torch.tensor(X)), ours(X))
    assert [
        len([name for name in one if "b" in name[:4]])
        for one in (ours.named_parameters(), dict(module.named_parameters()))
    ] == [1, 2]
    assert len(theirs.weights) == 3
    return "1", "2", "1"


def gru_biases():
    ours, module, theirs = trio("GRU")
    assert set(ours.named_parameters()) == {"w_x", "w_h", "b", "b_h"}
    assert module.bias_ih_l0.shape == module.bias_hh_l0.shape == (15,)
    assert tuple(theirs.weights[2].shape) == (2, 15)
    *_, before = trio_of_keras_gru(reset_after=False)
    assert tuple(before.shape) == (15,)
    return "b_h", "2", "two rows"


def trio_of_keras_gru(**options):
    layer = L.GRU(5, **options)
    layer.build((None, None, 4))
    return layer.weights


def reset_after():
    assert default(layers.GRU.__init__, "reset_after") is default(L.GRU.__init__, "reset_after") is True
    assert "reset_after" not in inspect.signature(nn.GRU.__init__).parameters
    return "True", "always", "True"


def forget_gate():
    other = L.LSTM(200)
    other.build((None, None, 4))
    ours = built(layers.LSTM(200)).b.data
    assert all((np.split(host(one), 4)[1] == 1).all() for one in (ours, other.weights[2].value))
    theirs = nn.LSTM(4, 200)
    both = [np.split(host(one), 4)[1] for one in (theirs.bias_ih_l0, theirs.bias_hh_l0)]
    assert all(abs(one).max() <= 200**-0.5 and abs(one.mean()) < 0.02 and one.std() > 0 for one in both)
    return "1", "random", "1"


def heads():
    other = L.MultiHeadAttention(2, 3)
    other.build((None, None, 6), (None, None, 6))
    assert tuple(other.weights[0].shape) == (6, 2, 3)
    assert built(layers.SelfAttention(2, 6), (None, None, 6)).w_q.shape == (6, 6)
    assert nn.MultiheadAttention(6, 2).head_dim == 3
    return "of all together", "of all together", "of each"


def past_the_end():
    ours, module, theirs = trio("LSTM")
    lengths = np.array([7, 4, 2])
    y = ours(X, lengths=lengths)
    packed = nn.utils.rnn.pack_padded_sequence(torch.tensor(X), torch.tensor(lengths), batch_first=True)
    plain = nn.LSTM(4, 5, batch_first=True)
    plain.load_state_dict(module.state_dict())
    padded = nn.utils.rnn.pad_packed_sequence(plain(packed)[0], batch_first=True)[0]
    assert close(padded, y)
    assert (y[1, 4:] == 0).all()
    masked = host(theirs(X, mask=torch.tensor(np.arange(7) < lengths[:, None])))
    assert close(masked[1, :4], y[1, :4])
    assert close(masked[1, 4:], np.repeat(y[1, 3:4], 3, axis=0))
    return "0", "0", "the last valid step's again"


def backwards():
    ours, _, theirs = trio("GRU", go_backwards=True)
    assert close(theirs(X)[:, ::1].flip(1), ours(X))
    both = nn.GRU(4, 5, batch_first=True, bidirectional=True)
    pair = built(Bidirectional(layers.GRU(5, return_sequences=True)))
    convert.from_torch(both, pair)
    assert close(both(torch.tensor(X))[0], pair(X))
    again = L.Bidirectional(L.GRU(5, return_sequences=True))
    again.build((None, None, 4))
    convert.to_keras(pair, again)
    assert close(again(X), pair(X))
    return "order of the input", "order of the input", "last step first"


def last_outputs():
    pair, steps = (built(Bidirectional(layers.LSTM(5, return_sequences=one))) for one in (False, True))
    steps.load_state_dict(pair.state_dict())
    both = nn.LSTM(4, 5, batch_first=True, bidirectional=True)
    convert.to_torch(pair, both)
    out, (h, _) = both(torch.tensor(X))
    assert close(torch.cat([h[0], h[1]], 1), pair(X))
    assert not close(out[:, -1], pair(X))
    assert close(out[:, -1], steps(X)[:, -1])
    other = L.Bidirectional(L.LSTM(5))
    other.build((None, None, 4))
    convert.to_keras(pair, other)
    assert close(other(X), pair(X))
    return "own last state", "h_n", "own last state"


def same_windows():
    ours = built(layers.Conv1D(1, 3, stride=2, w_initializer="ones"), (None, None, 1))
    other = L.Conv1D(1, 3, strides=2, padding="same", kernel_initializer="ones")
    x = np.arange(8, dtype="float32").reshape(1, 8, 1)
    assert ours(x).ravel().tolist() == [1, 6, 12, 18]  # middles at 0, 2, 4 and 6
    assert host(other(x)).ravel().tolist() == [3, 9, 15, 13]  # at 1, 3, 5 and 7, as the row has 8 steps
    assert host(other(x[:, :7])).ravel().tolist() == [1, 6, 12, 11]
    with pytest.raises(ValueError, match="not supported for strided"):
        nn.Conv1d(1, 1, 3, stride=2, padding="same")
    return "the middle", "refused", "shifted"


def norm_epsilon():
    for ours, theirs, other in (
        (layers.BatchNorm, nn.BatchNorm1d, L.BatchNormalization),
        (layers.LayerNorm, nn.LayerNorm, L.LayerNormalization),
        (layers.GroupNorm, nn.GroupNorm, L.GroupNormalization),
    ):  # fmt: skip
        found = default(ours.__init__, "epsilon"), default(theirs.__init__, "eps"), default(other.__init__, "epsilon")
        assert found == (1e-5, 1e-5, 1e-3)
    return tuple(map(str, found))


def rms_epsilon():
    assert default(nn.RMSNorm.__init__, "eps") is None
    x = torch.full((1, 4), 1e-4)
    own = torch.finfo(torch.float32).eps
    assert close(nn.RMSNorm(4)(x), x / (x**2 + own).mean().sqrt(), 1e-6)
    return (
        str(default(layers.RMSNorm.__init__, "epsilon")),
        str(own),
        str(default(L.RMSNormalization.__init__, "epsilon")),
    )


def batch_norms():
    ours, theirs, other = built(layers.BatchNorm(), (None, 1)), nn.BatchNorm1d(1), L.BatchNormalization()
    x = np.array([[1.0], [3.0]], "float32")
    ours.forward(x)
    theirs.train()(torch.tensor(x))
    other(x, training=True)
    return ours, theirs, other


def norm_momentum():
    ours, theirs, other = batch_norms()
    assert ours.running_mean.data == pytest.approx(2 * ours.momentum)
    assert theirs.running_mean == pytest.approx(2 * theirs.momentum)
    assert host(other.moving_mean.value) == pytest.approx(2 * (1 - other.momentum))
    return str(ours.momentum), str(theirs.momentum), str(other.momentum)


def running_variance():
    ours, theirs, other = batch_norms()
    assert ours.running_variance.data == pytest.approx(0.9 + 0.1 * 2)
    assert theirs.running_var == pytest.approx(0.9 + 0.1 * 2)
    assert host(other.moving_variance.value) == pytest.approx(0.99 + 0.01 * 1)
    return "n - 1", "n - 1", "divided by n"


def slopes():
    other = L.PReLU()
    other.build((None, 7, 4))
    ours, theirs = built(layers.PReLU()).slope.data, nn.PReLU().weight
    assert (ours.shape, tuple(theirs.shape), tuple(other.alpha.shape)) == ((4,), (1,), (7, 4))
    assert (host(other.alpha.value) == 0).all()
    return f"a feature, {ours[0]}", f"one, {float(theirs.detach())}", "a step and feature, 0"


def leaky_slope():
    assert float(keras.activations.leaky_relu(np.array(-1.0))) == pytest.approx(-0.2)
    found = default(layers.LeakyReLU.__init__, "slope"), default(nn.LeakyReLU.__init__, "negative_slope")
    return *map(str, found), str(default(L.LeakyReLU.__init__, "negative_slope"))


def dense_start():
    other = L.Dense(300)
    other.build((None, 100))
    for one, bias in ((built(layers.Dense(300), (None, 100)).w.data, 0), (host(other.kernel.value), 0)):
        assert abs(one).max() == pytest.approx((6 / 400) ** 0.5, rel=0.01)
        assert bias == 0
    theirs = nn.Linear(100, 300)
    assert abs(host(theirs.weight)).max() == pytest.approx(0.1, rel=0.01)
    assert abs(host(theirs.bias)).max() == pytest.approx(0.1, rel=0.05)
    assert not host(other.bias.value).any()
    assert not built(layers.Dense(3)).b.data.any()
    return "Glorot", "1 / sqrt(features)", "Glorot"


def embedding_start():
    other = L.Embedding(200, 50)
    other.build()
    ours, theirs, values = (
        built(layers.Embedding(200, 50), (None, None)).w.data, host(nn.Embedding(200, 50).weight),
        host(other.embeddings.value),
    )  # fmt: skip
    assert ours.std() == pytest.approx(0.5, rel=0.05)
    assert theirs.std() == pytest.approx(1, rel=0.05)
    assert abs(values).max() == pytest.approx(0.05, rel=0.01)
    return "0.5", "normal, 1", "0.05"


LOGITS, LABELS = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.5]], "float32"), np.array([0, 1])


def logits():
    expected = losses.SoftmaxCrossEntropy()(LOGITS, LABELS)
    assert float(nn.CrossEntropyLoss()(torch.tensor(LOGITS), torch.tensor(LABELS))) == pytest.approx(expected)
    other = keras.losses.SparseCategoricalCrossentropy
    assert float(other(from_logits=True)(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-5)
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    assert float(other()(LABELS, probabilities)) == pytest.approx(expected, rel=1e-5)
    return "logits", "logits", "probabilities"


def fitted_loss(**options):
    """Return the loss that Keras reports of one batch before its step."""
    given = keras.Input((3,))
    model = keras.Model(given, L.Identity()(given))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model.fit(LOGITS, LABELS, verbose=0, **options).history["loss"][0]


def each_term():
    return [losses.SoftmaxCrossEntropy()(LOGITS[row : row + 1], LABELS[row : row + 1]) for row in range(2)]


def class_weights():
    (first, second), weights = each_term(), [3.0, 0.5, 1.0]
    over = first * 3 + second * 0.5
    assert losses.SoftmaxCrossEntropy(class_weight=weights)(LOGITS, LABELS) == pytest.approx(over / 2)
    theirs = nn.CrossEntropyLoss(torch.tensor(weights))(torch.tensor(LOGITS), torch.tensor(LABELS))
    assert float(theirs) == pytest.approx(over / 3.5)
    assert fitted_loss(class_weight=dict(enumerate(weights))) == pytest.approx(over / 2, rel=1e-5)
    return "not in the divisor", "in the divisor", "not in the divisor"


def sample_weights():
    first, second = each_term()
    over = first * 3 + second * 0.5
    model = built(layers.Rescaling(), (None, 3))
    found = lamina.Trainer(model).evaluate(LOGITS, LABELS, sample_weight=[3.0, 0.5])["loss"]
    assert found == pytest.approx(over / 3.5)
    assert fitted_loss(sample_weight=np.array([3.0, 0.5])) == pytest.approx(over / 2, rel=1e-5)
    assert "sample_weight" not in inspect.signature(nn.CrossEntropyLoss.forward).parameters
    return "in the divisor", "none", "not in the divisor"


# Optimizers: two weights, gradients of which the same are given in each step.
START, GRADIENTS = np.array([1.0, -2.0], "float32"), np.array([1e-4, -0.5], "float32")


def after(ours, theirs, other, steps=3):
    """Return the weights after some steps in each framework; None for one that is not asked."""
    model = built(layers.Dense(1, use_bias=False), (None, 2))
    model.w.data = START[:, None]
    optimizer = ours(model.parameters())
    parameter = nn.Parameter(torch.tensor(START))
    second = theirs([parameter])
    variable = keras.Variable(START)
    other.build([variable])
    for _ in range(steps):
        model.w.grad[...] = GRADIENTS[:, None]
        parameter.grad = torch.tensor(GRADIENTS)
        optimizer.step()
        second.step()
        other.apply([keras.ops.convert_to_tensor(GRADIENTS)], [variable])
    return model.w.data.ravel(), host(parameter), host(variable.value)


def rates(ours, theirs, other, *names):
    def tidy(value):
        return f"{value:g}" if value == 0 or abs(value) >= 1e-3 else str(value)

    return tuple(
        [tidy(default(one.__init__, name)) for name in own]
        for one, own in zip((ours, theirs, other), zip(*names, strict=True), strict=True)
    )


def adam_epsilon():
    options = {"epsilon": 1e-2}
    mine, pytorchs, kerass = after(
        lambda p: optimizers.Adam(p, 0.1, **options), lambda p: torch.optim.Adam(p, 0.1, eps=1e-2),
        keras.optimizers.Adam(0.1, **options), steps=1,
    )  # fmt: skip
    # After one step the corrected moments are g and g^2, and those before they are corrected smaller by their factors.
    assert close(mine, START - 0.1 * GRADIENTS / (abs(GRADIENTS) + 1e-2))
    assert close(pytorchs, mine)
    assert close(kerass, START - 0.1 * GRADIENTS / (abs(GRADIENTS) + 1e-2 / 0.001**0.5))
    kinds = optimizers.Adam, torch.optim.Adam, keras.optimizers.Adam
    return rates(*kinds, ("epsilon", "eps", "epsilon"))


def rms_prop():
    mine, pytorchs, kerass = after(
        lambda p: optimizers.RMSprop(p, 0.1, epsilon=1e-2, decay=0.9),
        lambda p: torch.optim.RMSprop(p, 0.1, eps=1e-2, alpha=0.9),
        keras.optimizers.RMSprop(0.1, epsilon=1e-2), steps=1,
    )  # fmt: skip
    assert close(mine, START - 0.1 * GRADIENTS / (abs(GRADIENTS) * 0.1**0.5 + 1e-2))
    assert close(pytorchs, mine)
    assert close(kerass, START - 0.1 * GRADIENTS / np.sqrt(GRADIENTS**2 * 0.1 + 1e-2))
    kinds = optimizers.RMSprop, torch.optim.RMSprop, keras.optimizers.RMSprop
    return rates(*kinds, ("epsilon", "eps", "epsilon"), ("decay", "alpha", "rho"), ("lr", "lr", "learning_rate"))


def ada_grad():
    mine, pytorchs, kerass = after(
        lambda p: optimizers.AdaGrad(p, 0.1, epsilon=1e-2), lambda p: torch.optim.Adagrad(p, 0.1, eps=1e-2),
        keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.0, epsilon=1e-2), steps=1,
    )  # fmt: skip
    assert close(mine, START - 0.1 * GRADIENTS / (abs(GRADIENTS) + 1e-2))
    assert close(pytorchs, mine)
    assert close(kerass, START - 0.1 * GRADIENTS / np.sqrt(GRADIENTS**2 + 1e-2))
    starts = "initial_accumulator", "initial_accumulator_value", "initial_accumulator_value"
    kinds = optimizers.AdaGrad, torch.optim.Adagrad, keras.optimizers.Adagrad
    return rates(*kinds, ("epsilon", "eps", "epsilon"), starts, ("lr", "lr", "learning_rate"))


def sgd_rate():
    return rates(optimizers.SGD, torch.optim.SGD, keras.optimizers.SGD, ("lr", "lr", "learning_rate"))


def adam_decay():
    mine, pytorchs, kerass = after(
        lambda p: optimizers.Adam(p, 0.1, weight_decay=0.5), lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.5),
        keras.optimizers.Adam(0.1, weight_decay=0.5),
    )  # fmt: skip
    assert close(mine, pytorchs)
    shrunk, _, again = after(
        lambda p: optimizers.AdamW(p, 0.1, weight_decay=0.5),
        torch.optim.AdamW,
        keras.optimizers.AdamW(0.1, weight_decay=0.5),
    )
    assert close(kerass[1:], shrunk[1:])  # where the gradient is so large that epsilon does not count
    assert close(kerass, again)
    assert not close(kerass, mine, 1e-2)
    return "gradient", "gradient", "shrinks the weights"


def adamw_decay():
    return rates(optimizers.AdamW, torch.optim.AdamW, keras.optimizers.AdamW, ("weight_decay",) * 3)


def clipping():
    """Two arrays of norms 3 and 4, so 5 together, to 1."""
    arrays = [np.array([3.0], "float32"), np.array([4.0], "float32")]
    model = built(lamina.Sequential(layers.Dense(1, w_initializer="zeros")), (None, 1))
    optimizer = optimizers.SGD(model.parameters(), 1.0, clip_norm=1.0)
    for parameter, array in zip(model.parameters(), arrays, strict=True):
        parameter.grad[...] = array
    optimizer.step()
    assert [-float(one.data.ravel()[0]) for one in model.parameters()] == pytest.approx([0.6, 0.8])
    parameters = [nn.Parameter(torch.zeros(1)) for _ in arrays]
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.grad = torch.tensor(array)
    nn.utils.clip_grad_norm_(parameters, 1.0)
    assert [float(one.grad) for one in parameters] == pytest.approx([0.6, 0.8], rel=1e-5)
    for options, expected in (({"clipnorm": 1.0}, [1.0, 1.0]), ({"global_clipnorm": 1.0}, [0.6, 0.8])):
        variables = [keras.Variable(np.zeros(1, "float32")) for _ in arrays]
        other = keras.optimizers.SGD(1.0, **options)
        other.apply([keras.ops.convert_to_tensor(one) for one in arrays], variables)
        assert [-float(host(one.value)[0]) for one in variables] == pytest.approx(expected)
    return "of all gradients together", "of all gradients together", "of each array"


def averages():
    """Weights 1, then 2 and 5 after two steps."""
    model = built(layers.Dense(1, use_bias=False), (None, 1))
    average = lamina.WeightAverage(model, decay=0.9)
    module = nn.Linear(1, 1, bias=False)
    mean = torch.optim.swa_utils.AveragedModel(module)
    variable = keras.Variable(np.ones((1, 1), "float32"))
    other = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.9)
    other.build([variable])
    for value, gradient in ((2.0, -1.0), (5.0, -3.0)):
        model.w.data = [[value]]
        average.update()
        with torch.no_grad():
            module.weight.fill_(value)
        mean.update_parameters(module)
        other.apply([keras.ops.convert_to_tensor(np.array([[gradient]], "float32"))], [variable])
    with average.applied():
        assert model.w.data == pytest.approx((2 * 0.9 + 5) / 1.9)
    assert float(mean.module.weight.detach()) == pytest.approx(3.5)
    assert host(other._model_variables_moving_average[0].value) == pytest.approx(2 * 0.9 + 5 * 0.1)
    momentum = default(keras.optimizers.SGD.__init__, "ema_momentum")
    return (
        f"decay {default(lamina.WeightAverage.__init__, 'decay')}",
        "plain mean",
        f"after the first step on, `ema_momentum` {momentum}",
    )


ROWS = {
    "axes of a recurrent layer's input": recurrent_axes,
    "axes of a convolution's input": convolution_axes,
    "a dense layer's weights": dense_weights,
    "a convolution's weights": convolution_weights,
    "the order of an LSTM's gates": lstm_gates,
    "the order of a GRU's gates": gru_gates,
    "biases of an LSTM": lstm_biases,
    "biases of a GRU": gru_biases,
    "a GRU's `reset_after`": reset_after,
    "the forget gate's first bias": forget_gate,
    "what an attention layer is made of": heads,
    "outputs past a row's end": past_the_end,
    "outputs of a layer that reads backwards": backwards,
    "a bidirectional layer's last output": last_outputs,
    'windows with `"same"` and a stride': same_windows,
    "epsilon of batch and layer normalization": norm_epsilon,
    "epsilon of RMS normalization": rms_epsilon,
    "a batch normalization's `momentum`": norm_momentum,
    "the running variance": running_variance,
    "PReLU's slopes": slopes,
    "LeakyReLU's slope": leaky_slope,
    "a dense layer's first weights": dense_start,
    "an embedding's first weights": embedding_start,
    "cross-entropy takes": logits,
    "class weights in a mean": class_weights,
    "sample weights in a mean": sample_weights,
    "Adam's epsilon": adam_epsilon,
    "RMSprop's epsilon, decay and rate": rms_prop,
    "AdaGrad's epsilon, start and rate": ada_grad,
    "SGD's rate": sgd_rate,
    "Adam's `weight_decay`": adam_decay,
    "AdamW's `weight_decay` if not given": adamw_decay,
    "clipping a norm": clipping,
    "the average of weights": averages,
}


def table():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| (?!\|)", line)]
    return {
        cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    }


def test_each_row_is_measured():
    assert list(table()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_what_is_found(row):
    for cell, words in zip(table()[row], ROWS[row](), strict=True):
        for word in [words] if isinstance(words, str) else words:
            assert re.search(rf"(?<![\w.]){re.escape(word)}", cell), (cell, word)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    model = convert.from_torch(module)
    convert.to_torch(model, "weights.safetensors")
    for path in ("model.keras", "a.weights.h5"):
        convert.to_keras(model, path)
    found = {"module": module}
    exec(code, found)
    assert found["model"].state_dict().keys() == model.state_dict().keys()
    assert close(found["module"](torch.tensor(X[:, 0])), module(torch.tensor(X[:, 0])))
    assert list(found["state"]) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_no_row_says_the_same_three_times():
    assert [row for row, cells in table().items() if len(set(cells)) < 2] == []
