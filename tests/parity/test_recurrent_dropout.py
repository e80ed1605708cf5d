"""Recurrent dropout of SimpleRNN, LSTM and GRU, and of their cells, equals Keras's, which PyTorch does not have.

Keras draws a mask of its own for each gate; ours is one for all of them, as Gal & Ghahramani (2016) have it where
weights are tied. So Keras takes our mask, for each of its gates, by the method with which its cells look for theirs.
"""

import os

import numpy as np
import pytest

from lamina.kinds.random import fixed_draws
from lamina.layers import GRU, LSTM, GRUCell, LSTMCell, SimpleRNN, SimpleRNNCell

os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when Keras is imported
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[parity]'")
if keras.backend.backend() != "torch":
    pytest.skip(f"Keras runs on {keras.backend.backend()}, not on PyTorch", allow_module_level=True)
ops = pytest.importorskip("keras.src.ops")  # where its cells look for matmul
pytestmark = pytest.mark.parity

BATCH, TIME, FEATURES, UNITS, RATE = 6, 9, 4, 5, 0.4
LENGTHS = np.array([4, 1, 9, 9, 2, 7])

# Ours, our cell, Keras's layer, options of both, and how many masks its cell looks for (0: one, in no list).
KINDS = {
    "SimpleRNN": (SimpleRNN, SimpleRNNCell, "SimpleRNN", {}, 0),
    "SimpleRNN, relu": (SimpleRNN, SimpleRNNCell, "SimpleRNN", {"activation": "relu"}, 0),
    "LSTM": (LSTM, LSTMCell, "LSTM", {}, 4),
    "GRU, reset after": (GRU, GRUCell, "GRU", {"reset_after": True}, 3),
    "GRU, reset before": (GRU, GRUCell, "GRU", {"reset_after": False}, 3),
}
kinds = pytest.mark.parametrize("kind", KINDS)
backends = pytest.mark.parametrize("backend", ["numpy", "reference"])


@pytest.fixture(autouse=True)
def products_in_float64(monkeypatch):
    """Of float64 too Keras computes products in float32, but on TensorFlow."""
    monkeypatch.setattr(ops, "matmul", torch.matmul)


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def tensor(array):
    return torch.tensor(array, requires_grad=True)


def swapped(kind, array):
    """Return the array with Keras's gates in our order, or the other way round: a GRU's z comes first there."""
    if not kind.startswith("GRU"):
        return array
    z, r, n = np.split(array, 3, axis=-1)
    return np.concatenate([r, z, n], axis=-1)


def filled(layer):
    for index, parameter in enumerate(layer.parameters()):
        parameter.data = 0.4 * numbers(*parameter.shape, seed=index)
    return layer


def copy_weights(kind, own, cell):
    """Give Keras's cell our weights; of a GRU's second bias only the candidate's part is ours."""
    bias = swapped(kind, own.b.numpy())
    if getattr(own, "b_h", None) is not None:
        bias = np.stack([bias, np.concatenate([np.zeros(2 * UNITS), own.b_h.numpy()])])
    cell.set_weights([swapped(kind, own.w_x.numpy()), swapped(kind, own.w_h.numpy()), bias])


def gradients_of_weights(kind, own, cell):
    """Yield our gradient of each parameter, and Keras's."""
    w_x, w_h, b = (swapped(kind, one.value.grad.numpy()) for one in (cell.kernel, cell.recurrent_kernel, cell.bias))
    yield own.w_x.grad, w_x
    yield own.w_h.grad, w_h
    if getattr(own, "b_h", None) is None:
        yield own.b.grad, b
    else:
        yield own.b.grad, b[0]
        yield own.b_h.grad, b[1, 2 * UNITS :]


def listed(states):
    return list(states) if isinstance(states, (tuple, list)) else [states]


@backends
@kinds
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_layers(equal, backend, kind, backwards, lengths, training):
    own, _, name, options, count = KINDS[kind]
    options = {**options, "return_sequences": True, "return_state": True, "go_backwards": backwards}
    layer = own(UNITS, recurrent_dropout=RATE, **options)
    sizes = [(None, UNITS)] * len(layer.state_sizes)
    layer.build((None, None, FEATURES), *sizes, backend=backend, dtype="float64", seed=0)
    filled(layer)
    theirs = getattr(keras.layers, name)(
        UNITS, recurrent_dropout=RATE, dtype="float64", zero_output_for_mask=True, **options
    )
    theirs.build((BATCH, TIME, FEATURES))
    copy_weights(kind, layer, theirs.cell)
    x, dy = numbers(BATCH, TIME, FEATURES), numbers(BATCH, TIME, UNITS, seed=1)
    states = [numbers(BATCH, UNITS, seed=2 + index) for index in range(len(sizes))]
    dstates = [numbers(BATCH, UNITS, seed=5 + index) for index in range(len(sizes))]
    with fixed_draws():
        mask = layer.state_dropout.keep_mask((BATCH, UNITS), RATE) / (1 - RATE)
        assert set(np.unique(mask)) == {0, 1 / (1 - RATE)}
        if training:
            (y, *last), saved = layer.forward(x, *states, lengths=lengths)
    if not training:
        y, *last = layer(x, *states, lengths=lengths)

    given = torch.tensor(mask)
    theirs.cell.get_recurrent_dropout_mask = lambda step: [given] * count if count else given
    x_t, states_t = tensor(x), [tensor(state) for state in states]
    valid = None if lengths is None else torch.tensor(np.arange(TIME) < lengths[:, None])
    y_t, *last_t = theirs(x_t, initial_state=states_t, mask=valid, training=training)
    y_t = y_t.flip(1) if backwards else y_t  # Keras leaves it in the order of reading
    part = f"{kind}, recurrent dropout, Keras"
    for ours, other in zip((y, *last), (y_t, *last_t), strict=True):
        equal(part, ours, other)
    if not training:
        return
    gradients = layer.backward((dy, *dstates), saved)
    torch.autograd.backward([y_t, *last_t], [torch.tensor(one) for one in (dy, *dstates)])
    wanted = [x_t.grad, *(one.grad for one in states_t)]
    for ours, other in zip(gradients, wanted, strict=True):
        equal(part, ours, other)
    for ours, other in gradients_of_weights(kind, layer, theirs.cell):
        equal(part, ours, other)


@backends
@kinds
def test_cells(equal, backend, kind):
    """A step of each cell; its weights' gradients are those of Keras's cell too."""
    _, own, name, options, _ = KINDS[kind]
    cell = own(UNITS, **options)
    count = len(cell.state_sizes)
    cell.build((None, FEATURES), *[(None, UNITS)] * count, backend=backend, dtype="float64", seed=0)
    filled(cell)
    theirs = getattr(keras.layers, f"{name}Cell")(UNITS, dtype="float64", **options)
    theirs.build((BATCH, FEATURES))
    copy_weights(kind, cell, theirs)
    x, states = numbers(BATCH, FEATURES), [numbers(BATCH, UNITS, seed=index) for index in range(count)]
    dstates = [numbers(BATCH, UNITS, seed=5 + index) for index in range(count)]
    after, saved = cell.forward(x, *states)
    gradients = cell.backward(tuple(dstates) if count > 1 else dstates[0], saved)

    x_t, states_t = tensor(x), [tensor(state) for state in states]
    _, after_t = theirs(x_t, states_t)
    torch.autograd.backward(after_t, [torch.tensor(one) for one in dstates])
    for ours, other in (
        *zip(listed(after), after_t, strict=True),
        *zip(gradients, [x_t.grad, *(one.grad for one in states_t)], strict=True),
        *gradients_of_weights(kind, cell, theirs),
    ):
        equal(f"{kind}, cell, Keras", ours, other)


@kinds
def test_keras_has_one_mask_over_time_too(kind):
    """What it draws is what we draw: 0 or 1 / (1 - rate), for each row and unit, the same at every step."""
    *_, name, options, count = KINDS[kind]
    theirs = getattr(keras.layers, name)(UNITS, recurrent_dropout=RATE, dtype="float64", seed=0, **options)
    theirs.build((BATCH, TIME, FEATURES))
    x = torch.tensor(numbers(BATCH, TIME, FEATURES))
    seen, look = [], theirs.cell.get_recurrent_dropout_mask
    theirs.cell.get_recurrent_dropout_mask = lambda step: seen.append(look(step)) or seen[-1]
    theirs(x, training=True)
    assert len(seen) >= TIME  # it looks once or twice more to find out shapes
    assert all(one is seen[0] for one in seen)
    masks = seen[0] if count else [seen[0]]
    assert len(masks) == max(count, 1)
    values = torch.cat(list(masks)).numpy()
    assert values.shape == (max(count, 1) * BATCH, UNITS)
    np.testing.assert_allclose(np.unique(values), [0, 1 / (1 - RATE)], rtol=1e-7)
