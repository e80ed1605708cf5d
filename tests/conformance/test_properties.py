"""Properties that hold for any shape, lengths and options, not only for those of the registry."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Sequential
from lamina.layers import Dense, SimpleRNN
from lamina.losses import SoftmaxCrossEntropy
from lamina.testing import check_gradients

few = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def recurrent(draw):
    """Return a layer's options and a batch of ragged rows for it; batches and time axes of size 0 included."""
    options = {
        "activation": draw(st.sampled_from(["tanh", "relu"])),
        **{
            name: draw(st.booleans())
            for name in ("return_sequences", "return_state", "go_backwards", "use_bias", "with_state")
        },
    }
    batch, time = draw(st.integers(0, 5)), draw(st.integers(0, 6))
    lengths = draw(st.none() | st.lists(st.integers(0, time), min_size=batch, max_size=batch))
    sizes = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return options, (batch, time), lengths, sizes, draw(st.integers(0, 99))


def build(options, sizes, backend="numpy"):
    features, units = sizes
    layer = SimpleRNN(units, **{name: value for name, value in options.items() if name != "with_state"})
    state = ((None, units),) if options["with_state"] else ()
    layer.build((None, None, features), *state, backend=backend, dtype="float64", seed=1)
    rng = np.random.default_rng(1)
    for parameter in layer.parameters():
        parameter.data = rng.standard_normal(parameter.shape)
    return layer


def numbers(rng, options, batch, time, sizes):
    inputs = [rng.standard_normal((batch, time, sizes[0]))]
    if options["with_state"]:
        inputs.append(rng.standard_normal((batch, sizes[1])))
    return inputs


def run(layer, inputs, lengths, seed, dy=None):
    y, saved = layer.forward(*inputs, lengths=lengths)
    outputs = y if isinstance(y, tuple) else (y,)
    rng = np.random.default_rng(seed)
    dy = [rng.standard_normal(output.shape) for output in outputs] if dy is None else dy
    layer.zero_grad()
    dx = layer.backward(tuple(dy) if isinstance(y, tuple) else dy[0], saved)
    dx = dx if isinstance(dx, tuple) else (dx,)
    return outputs, dx, [parameter.grad.copy() for parameter in layer.parameters()], dy


@few
@given(recurrent())
def test_numpy_kernel_equals_the_generic_one(case):
    options, (batch, time), lengths, sizes, seed = case
    lengths = None if lengths is None else np.array(lengths, np.int64)
    inputs = numbers(np.random.default_rng(seed), options, batch, time, sizes)
    ours = run(build(options, sizes), inputs, lengths, seed)
    generic = run(build(options, sizes, "reference"), inputs, lengths, seed)
    for own, other in zip(ours, generic, strict=True):
        for a, b in zip(own, other, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * max(1, np.abs(b).max(initial=0)))


@few
@given(recurrent(), st.integers(0, 5))
def test_parts_of_a_batch_equal_the_whole(case, at):
    options, (batch, time), lengths, sizes, seed = case
    lengths = np.full(batch, time) if lengths is None else np.array(lengths, np.int64)
    inputs = numbers(np.random.default_rng(seed), options, batch, time, sizes)
    layer = build(options, sizes)
    outputs, dx, gradients, dy = run(layer, inputs, lengths, seed)
    totals = [np.zeros_like(gradient) for gradient in gradients]
    for part in (slice(None, at), slice(at, None)):
        got = run(layer, [x[part] for x in inputs], lengths[part], seed, [own[part] for own in dy])
        for whole, own in zip((*outputs, *dx), (*got[0], *got[1]), strict=True):
            np.testing.assert_allclose(own, whole[part], rtol=0, atol=1e-10)
        totals = [total + own for total, own in zip(totals, got[2], strict=True)]
    for total, whole in zip(totals, gradients, strict=True):
        np.testing.assert_allclose(total, whole, rtol=0, atol=1e-9)


@few
@given(recurrent(), st.integers(0, 6))
def test_a_sequence_in_two_parts_equals_the_whole(case, at):
    """Streaming: the state that comes out of one part goes into the next."""
    options, (batch, time), _, sizes, seed = case
    options = {**options, "return_sequences": True, "return_state": True, "with_state": True, "go_backwards": False}
    x, state = numbers(np.random.default_rng(seed), options, batch, time, sizes)
    layer = build(options, sizes)
    y, last = layer.forward(x, state)[0]
    first, between = layer.forward(x[:, :at], state)[0]
    second, end = layer.forward(x[:, at:], between)[0]
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end, last, rtol=0, atol=1e-12)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    smoothing=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 99),
)
def test_gradients_of_a_whole_model(lengths, smoothing, seed):
    rng = np.random.default_rng(seed)
    model = Sequential(SimpleRNN(4, return_sequences=True), SimpleRNN(3, return_sequences=True), Dense(3))
    model.build((None, None, 2), dtype="float64", seed=seed)
    x, labels = rng.standard_normal((len(lengths), 5, 2)), rng.integers(0, 3, (len(lengths), 5))
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing)
    error = check_gradients(model, x, loss=loss, target=labels, lengths=np.array(lengths), seed=seed)
    assert error < 1e-6
