"""Streams that are given some inputs whole: an encoder runs once, a decoder goes on step by step."""

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Composite, Recurrent, Sequential, Stream
from lamina.core.shapes import as_tuple
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.layers import (
    GRU,
    LSTM,
    Add,
    Attention,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    GlobalAveragePool1D,
    MinGRU,
    Multiply,
    SelfAttention,
)
from lamina.testing import register_strict_backend
from lamina.testing.cases.examples import LeakyPair

RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.normal(size=(4, 7, 3)), RNG.normal(size=(4, 5, 3))
# The first row's source is full and its target empty; no two have the same lengths.
SOURCE_LENGTHS, TARGET_LENGTHS = np.array([7, 1, 4, 2]), np.array([0, 5, 3, 1])


class Forecaster(Composite):
    """An encoder and a decoder that goes on from its states, attends to its outputs and adds their mean."""

    def __init__(self, cell: Any, **attention: Any) -> None:
        self.cell, self.settings = cell, attention
        self.encoder, self.decoder = cell(return_state=True), cell()
        self.attention, self.mean, self.head = Attention(2, **attention), GlobalAveragePool1D(), Dense(2)
        self.dropped = Dropout(0.5)

    def compose(self, t: Any, source: Any, target: Any) -> Any:
        memory, *states = t(self.encoder, source)
        h = t(self.decoder, target, *states)
        found = t(self.attention, h, memory)
        more: Any = ()
        if isinstance(found, tuple):
            found, *more = found
        y = t(self.head, h + t(self.dropped, found) * t(self.mean, memory))
        return (y, memory, *more) if more else y


class Decoder(Composite):
    """Takes steps, a memory and a state that comes from elsewhere."""

    def __init__(self) -> None:
        self.embedding, self.decoder, self.attention = Embedding(9, 4), GRU(4, return_sequences=True), Attention(1)

    def compose(self, t: Any, steps: Any, memory: Any, state: Any) -> Any:
        h = t(self.decoder, t(self.embedding, steps), state)
        return t(self.attention, h, memory)


class Nested(Composite):
    """A decoder within, of which only a part steps; the memory comes back from it, and a chain begins with a state."""

    class Inner(Composite):
        def __init__(self) -> None:
            self.attention, self.scale = Attention(1, 4), Dense(4)

        def compose(self, t: Any, memory: Any, x: Any) -> Any:
            scaled = t(self.scale, memory)
            return scaled, t(self.attention, x, scaled)

    def __init__(self) -> None:
        self.inner, self.last = self.Inner(), GRU(4)
        self.chain = Sequential(LSTM(4, return_sequences=True), BatchNorm(), Dense(3))

    def compose(self, t: Any, source: Any, target: Any) -> Any:
        memory, y = t(self.inner, source, target)
        state = t(self.last, memory)
        return t(self.chain, y, state, state), state


def recurrent(cell: Any, *arguments: Any, **settings: Any) -> Any:
    return lambda **more: cell(*arguments, return_sequences=True, **settings, **more)


MODELS: dict[str, Any] = {
    "GRU": lambda: Forecaster(recurrent(GRU, 4)),
    "LSTM, causal": lambda: Forecaster(recurrent(LSTM, 4), causal=True),
    "MinGRU, scores": lambda: Forecaster(recurrent(MinGRU, 4), return_scores=True),
    "cell": lambda: Forecaster(lambda **more: Recurrent(LeakyPair(4), return_sequences=True, **more)),
    "nested": Nested,
}


def built(model: Any, backend: Any = None) -> Any:
    model.build((None, None, 3), (None, None, 3), seed=0, dtype="float64", backend=backend)
    return model


def streamed(stream: Any, cuts: list[int], lengths: Any) -> list[Any]:
    """Return the outputs in pieces, joined along time where each piece has steps of its own."""
    pieces: list[Any] = []
    for start, stop in pairwise(np.cumsum([0, *cuts])):
        options = {} if lengths is None else {"lengths": np.clip(lengths - start, 0, stop - start)}
        pieces.append(as_tuple(stream(TARGET[:, start:stop], **options)))
    joined = []
    for parts in zip(*pieces, strict=True):
        steps = all(part.shape[1] == size and part.ndim > 2 for part, size in zip(parts, cuts, strict=True))
        joined.append(np.concatenate(parts, axis=1) if steps else parts[-1])
    return joined


@pytest.mark.parametrize("backend", ["numpy", "reference", "strict"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_decoder_in_pieces_gives_what_the_whole_pass_gives(name: str, ragged: bool, backend: Any) -> None:
    if backend == "strict":
        pytest.importorskip("array_api_strict")
        backend = register_strict_backend()
    model = built(MODELS[name](), backend)
    of_source, of_target = (SOURCE_LENGTHS, TARGET_LENGTHS) if ragged else (None, None)
    expected = as_tuple(model(SOURCE, TARGET, lengths=(of_source, of_target)))
    for cuts in ([1] * 5, [2, 3], [5], [1, 4]):
        stream = Stream(model, whole="source")
        stream.begin(SOURCE, lengths=of_source)
        for found, wanted in zip(streamed(stream, cuts, of_target), expected, strict=True):
            assert abs(model.backend.to_numpy(found) - model.backend.to_numpy(wanted)).max() < 1e-12


def test_single_steps_have_no_time_axis_and_what_is_whole_stays() -> None:
    model = built(MODELS["MinGRU, scores"]())
    stream = Stream(model, whole=0)
    stream.begin(SOURCE, lengths=SOURCE_LENGTHS)
    whole = model(SOURCE, TARGET, lengths=(SOURCE_LENGTHS, None))
    for step in range(5):
        y, memory, scores = stream(TARGET[:, step])
        assert y.shape == (4, 2) and scores.shape == (4, 2, 7)
        assert abs(y - whole[0][:, step]).max() < 1e-12
        assert abs(memory - whole[1]).max() < 1e-12
        assert abs(scores - whole[2][:, step]).max() < 1e-12


def test_padding_of_the_memory_changes_nothing() -> None:
    model = built(MODELS["GRU"]())
    found = []
    padding = np.arange(7)[None, :, None] >= SOURCE_LENGTHS[:, None, None]
    for filler in (0.0, 1e3):
        stream = Stream(model, whole=[0])
        stream.begin(np.where(padding, filler, SOURCE), lengths=SOURCE_LENGTHS)
        found.append(stream(TARGET))
    assert abs(found[0] - found[1]).max() < 1e-12
    for row, length in enumerate(SOURCE_LENGTHS):
        alone = Stream(model, whole=0)
        alone.begin(SOURCE[row : row + 1, :length])
        assert abs(alone(TARGET[row : row + 1]) - found[0][row]).max() < 1e-12


@pytest.mark.parametrize("lengths", [None, SOURCE_LENGTHS])
def test_a_decoder_by_itself_takes_memory_and_state(lengths: Any) -> None:
    model = Decoder()
    model.build((None, None), (None, None, 6), (None, 4), seed=0, dtype="float64")
    steps, memory, state = RNG.integers(0, 9, (4, 5)), RNG.normal(size=(4, 7, 6)), RNG.normal(size=(4, 4))
    expected = model(steps, memory, state, lengths=(None, lengths, None))
    for own in (lengths, (lengths, None)):
        stream = Stream(model, whole=("memory", 2))
        stream.begin(memory, state, lengths=own)
        found = np.stack([stream(steps[:, step]) for step in range(5)], axis=1)
        assert abs(found - expected).max() < 1e-12


def test_a_layer_alone_takes_what_is_whole() -> None:
    gru, h = GRU(4, return_sequences=True), RNG.normal(size=(4, 4))
    gru.build((None, None, 3), (None, 4), seed=0, dtype="float64")
    stream = Stream(gru, whole=1)
    stream.begin(h)
    assert abs(streamed(stream, [2, 3], None)[0] - gru(TARGET, h)).max() < 1e-12
    attention = built(Attention(2, 4))
    stream = Stream(attention, whole="keys")
    stream.begin(SOURCE, lengths=SOURCE_LENGTHS)
    wanted = attention(TARGET, SOURCE, lengths=(TARGET_LENGTHS, SOURCE_LENGTHS))
    assert abs(streamed(stream, [2, 3], TARGET_LENGTHS)[0] - wanted).max() < 1e-12


def test_keys_and_values_of_their_own_are_given_whole() -> None:
    attention, values = Attention(2, 4), RNG.normal(size=(4, 7, 5))
    attention.build((None, None, 3), (None, None, 3), (None, None, 5), seed=0, dtype="float64")
    wanted = attention(TARGET, SOURCE, values, lengths=(None, SOURCE_LENGTHS, SOURCE_LENGTHS))
    stream = Stream(attention, whole=("keys", "values"))
    stream.begin(SOURCE, values, lengths=SOURCE_LENGTHS)
    assert abs(streamed(stream, [2, 3], None)[0] - wanted).max() < 1e-12
    with pytest.raises(StreamError, match="it takes keys and values whole and the query step by step, not otherwise"):
        Stream(attention, whole="keys")
    with pytest.raises(ShapeError, match="expected inputs of the same lengths"):
        stream.begin(SOURCE, values, lengths=(SOURCE_LENGTHS, None))


def test_what_is_whole_runs_once() -> None:
    calls = []

    class Counted(GRU):
        def infer(self, *inputs: Any, lengths: Any = None) -> Any:
            calls.append(inputs[0].shape)
            return super().infer(*inputs, lengths=lengths)

    model = built(Forecaster(recurrent(Counted, 4)))
    stream = Stream(model, whole=0)
    assert calls == []
    stream.begin(SOURCE)
    for step in range(5):
        stream(TARGET[:, step])
    stream.reset()
    stream(TARGET[:, 0])
    assert calls == [SOURCE.shape]


@pytest.mark.parametrize("name", MODELS)
def test_the_state_can_be_kept_and_put_back(name: str) -> None:
    model = built(MODELS[name]())
    stream, other = Stream(model, whole=0), Stream(model, whole=0)
    assert stream.state is None
    stream.begin(SOURCE, lengths=SOURCE_LENGTHS)
    stream(TARGET[:, :2])
    state = stream.state
    wanted = as_tuple(stream(TARGET[:, 2:]))
    other.state = state
    assert other.batch == 4
    for found, own in zip(as_tuple(other(TARGET[:, 2:])), wanted, strict=True):
        assert np.array_equal(found, own)
    other.reset([1, 2])  # to the start, from the source that the state holds
    first = as_tuple(model(SOURCE, TARGET[:, 2:], lengths=(SOURCE_LENGTHS, None)))[0]
    stream.state = state
    later = as_tuple(stream(TARGET[:, 2:]))[0]
    again = as_tuple(other(TARGET[:, 2:]))[0]
    assert abs(again[[1, 2]] - first[[1, 2]]).max() < 1e-12
    assert abs(again[[0, 3]] - later[[0, 3]]).max() > 1e-6
    other.state = None
    with pytest.raises(StreamError, match=r"^Stream: expected begin\(\) first, with the inputs that are given whole$"):
        other(TARGET[:, 0])


def test_states_that_do_not_fit_are_refused() -> None:
    stream = Stream(built(MODELS["GRU"]()), whole=0)
    stream.begin(SOURCE)
    now, start = stream.state
    for state, message in [
        (now, "Stream: expected a state of 2 parts, got 8"),
        ((now, (start[0],)), "Stream: expected a state of 2 parts, got 1"),
        ((now[:-1], start), "Stream: expected a state of 8 parts, got 7"),
    ]:
        with pytest.raises(ShapeError) as caught:
            stream.state = state
        assert str(caught.value) == message
    keys, values, counts, before = now[2]
    stream.state = ((*now[:2], (keys[:, :3], values[:, :3], counts, before), *now[3:]), start)
    with pytest.raises(ShapeError, match=r"'attention': expected a state with a value for each key, and as many keys"):
        stream(TARGET[:, 0])


def test_rows_begin_again_from_what_was_given() -> None:
    model = built(MODELS["LSTM, causal"]())
    stream = Stream(model, whole=0)
    assert repr(stream) == "<Stream: Forecaster, at the start>"
    stream.begin(SOURCE, lengths=SOURCE_LENGTHS)
    assert repr(stream) == "<Stream: Forecaster, 4 rows>"
    stream(TARGET[:, :3])
    stream.reset([0, 2])
    found = stream(TARGET[:, 3:])
    whole, late = (model(SOURCE, x, lengths=(SOURCE_LENGTHS, None)) for x in (TARGET, TARGET[:, 3:]))
    assert abs(found[[1, 3]] - whole[[1, 3], 3:]).max() < 1e-12
    assert abs(found[[0, 2]] - late[[0, 2]]).max() < 1e-12
    stream.reset()
    assert abs(stream(TARGET) - whole).max() < 1e-12
    stream.begin(SOURCE[:2])  # another number of rows, other lengths
    assert abs(stream(TARGET[:2]) - model(SOURCE[:2], TARGET[:2])).max() < 1e-12


class Wired(Composite):
    """Two inputs and a layer, wired as is said."""

    def __init__(self, layer: Any, how: Any) -> None:
        self.layer, self.how, self.last = layer, how, GRU(3)

    def compose(self, t: Any, source: Any, target: Any) -> Any:
        return self.how(self, t, source, target)


@pytest.mark.parametrize(
    ("layer", "how", "message"),
    [
        (
            GRU(3, go_backwards=True),
            lambda m, t, a, b: t(m.layer, b, t(m.last, a)),
            "GRU 'layer': cannot stream with go_backwards=True: it begins with a row's last step",
        ),
        (
            GRU(3),
            lambda m, t, a, b: t(m.layer, a, t(m.last, b)),
            "GRU 'layer': cannot stream: it takes its initial states whole and x step by step, not otherwise",
        ),
        (
            GRU(3),
            lambda m, t, a, b: t(m.layer, b, t(m.last, b)),
            "GRU 'layer': cannot stream from an initial state that another layer gives",
        ),
        (
            Bidirectional(GRU(3)),
            lambda m, t, a, b: t(m.layer, b, t(m.last, a), t(m.last, a)),
            "GRU 'layer.backward': cannot stream with go_backwards=True: it begins with a row's last step",
        ),
        (
            Attention(1),
            lambda m, t, a, b: t(m.layer, a, b),
            "Attention 'layer': cannot stream: it takes keys and values whole and the query step by step, "
            "not otherwise",
        ),
        (
            Attention(1),
            lambda m, t, a, b: t(m.layer, b, a, a, a),
            "Attention 'layer': cannot stream with a mask: it tells of all queries at once",
        ),
        (
            SelfAttention(1, causal=True),
            lambda m, t, a, b: t(m.layer, b, a),
            "SelfAttention 'layer': cannot stream with some of its inputs given whole, others step by step",
        ),
        (
            Add(),
            lambda m, t, a, b: t(m.layer, a, b),
            "Add 'layer': cannot stream: it takes step by step what is given whole, (batch, 3, 3)",
        ),
        (
            Multiply(broadcast=True),
            lambda m, t, a, b: t(m.layer, t(m.last, a), b, t(m.last, b)),
            "Multiply 'layer': cannot stream: it makes steps of what has none, of (batch, 3), (batch, 3, 3), "
            "(batch, 3)",
        ),
        (
            Dense(3),
            lambda m, t, a, b: t.add(a, t(m.layer, b)),
            "Wired: cannot stream: it joins what is given whole with what comes step by step: take a layer, "
            "such as Add(broadcast=True)",
        ),
        (
            Dense(3),
            lambda m, t, a, b: t.concatenate(t(m.layer, b), b, axis=1),
            "Wired: cannot stream what it joins along the time axis",
        ),
        (
            type("Own", (GRU,), {"forward": lambda self, x, h=None, lengths=None: super(GRU, self).forward(x, h)})(3),
            lambda m, t, a, b: t(m.layer, b, t(m.last, a)),
            "Own 'layer': cannot stream: it defines forward, but neither stream nor step to match",
        ),
    ],
)
def test_what_cannot_mix_is_refused_by_name_when_the_stream_is_made(layer: Any, how: Any, message: str) -> None:
    model = Wired(copy.deepcopy(layer), how)
    model.build((None, 3, 3), (None, 3, 3))
    with pytest.raises(StreamError) as caught:
        Stream(model, whole=0)
    assert str(caught.value) == message


def test_a_layer_of_ones_own_takes_an_input_whole_by_saying_so() -> None:
    class Scaled(lamina.Layer):
        """y = x s, with one s (batch, features) for all steps."""

        def build(self, x: Any, s: Any) -> Any:
            return x

        def forward(self, x: Any, s: Any) -> Any:
            return x * s[:, None], (x, s)

        def open_stream(self, batch: int, whole: tuple[bool, ...]) -> Any:
            if whole != (False, True):
                return super().open_stream(batch, whole)
            return False, (self.backend.zeros((batch, 3), self.bound().dtype_object),)

        def backward(self, dy: Any, saved: Any) -> Any:
            x, s = saved
            return dy * s[:, None], (dy * x).sum(axis=1)

    model, s = Scaled(), RNG.normal(size=(4, 3))
    model.build((None, None, 3), (None, 3), dtype="float64")
    stream, other = Stream(model, whole="s"), Stream(model, whole="s")
    stream.begin(s)
    assert np.array_equal(stream(TARGET[:, 0]), TARGET[:, 0] * s)
    other.state = stream.state
    assert np.array_equal(other(TARGET), model(TARGET, s))
    with pytest.raises(StreamError, match=r"^Scaled: cannot stream with some of its inputs given whole, others step"):
        model.open_stream(1, (True, False))


class Counting(lamina.Layer):
    """y = x n, with n how many steps each row of another sequence has; it says nothing of its output's lengths."""

    def build(self, x: Any, other: Any) -> Any:
        return x

    def forward(self, x: Any, other: Any, lengths: Any = None) -> Any:
        counts = np.full(len(x), other.shape[1]) if lengths is None else lengths[1]
        return x * counts[:, None, None], counts

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy * saved[:, None, None], None

    def open_stream(self, batch: int, whole: tuple[bool, ...]) -> Any:
        return False, np.zeros(batch, np.int64)

    def begin_stream(self, *inputs: Any, lengths: Any = None) -> Any:
        return None, lengths if lengths is not None else np.full(len(inputs[1]), inputs[1].shape[1])

    def stream(self, *inputs: Any, state: Any = None, lengths: Any = None, training: bool = False) -> Any:
        return inputs[0] * state[:, None, None], state, None


def test_lengths_of_what_is_whole_are_not_those_of_steps() -> None:
    class Model(Composite):
        def __init__(self) -> None:
            self.counting, self.attention = Counting(), Attention(1)

        def compose(self, t: Any, source: Any, target: Any) -> Any:
            return t(self.attention, t(self.counting, target, source), source)

    model = built(Model())
    expected = model(SOURCE, TARGET, lengths=(SOURCE_LENGTHS, TARGET_LENGTHS))
    stream = Stream(model, whole=0)
    stream.begin(SOURCE, lengths=SOURCE_LENGTHS)
    assert abs(streamed(stream, [2, 3], TARGET_LENGTHS)[0] - expected).max() < 1e-12


def test_which_inputs_are_whole_is_said_by_place_or_name() -> None:
    model = built(MODELS["GRU"]())
    for whole in ("target", 2, -1, True, 0.5, None):
        with pytest.raises(ArgumentError) as caught:
            Stream(model, whole=("source", whole))  # type: ignore[arg-type]
        if whole == "target":
            told = "Stream: expected an input of Forecaster that comes step by step, all are whole"
        else:
            told = f"Stream: expected whole to name inputs of Forecaster: 'source', 'target', 0 to 1, got {whole!r}"
        assert str(caught.value) == told
    with pytest.raises(StreamError):
        Stream(model, whole=1)
    assert Stream(model, whole=np.array([0])[0]).batch is None


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    model = built(MODELS["GRU"]())
    stream = Stream(model, whole=0)
    stream.begin(SOURCE)
    stream(TARGET[:, 0])
    for call, message in [
        (lambda: stream.begin(), "Forecaster: expected 1 inputs given whole, got 0"),
        (lambda: stream.begin(SOURCE, TARGET), "Forecaster: expected 1 inputs given whole, got 2"),
        (lambda: stream.begin(SOURCE[..., :2]), "Forecaster: expected last axis 3, got (4, 7, 2)"),
        (lambda: stream.begin(SOURCE, lengths=[8, 1, 1, 1]), "Forecaster: expected lengths from 0 to 7, got 8"),
        (lambda: stream.begin(SOURCE, lengths=([1] * 4, None)), "Forecaster: expected lengths for 1 inputs, got 2"),
        (lambda: stream(SOURCE, TARGET), "Forecaster: expected 1 inputs, got 2"),
        (lambda: stream(TARGET[:2, 0]), "Stream: expected 4 rows, as before, got 2: see reset()"),
    ]:
        with pytest.raises(ShapeError) as caught:
            call()
        assert message in str(caught.value)
    assert abs(stream(TARGET[:, 1]) - model(SOURCE, TARGET)[:, 1]).max() < 1e-12
    chain = Sequential(Dense(2))
    chain.build((None, None, 3))
    with pytest.raises(ArgumentError, match=r"^Stream: no input is given whole: name those that are, as in Stream"):
        Stream(chain).begin(SOURCE)
    decoder = Decoder()
    decoder.build((None, None), (None, None, 6), (None, 4))
    with pytest.raises(ShapeError, match=r"^Stream: expected inputs given whole of 4 rows each, got 3$"):
        Stream(decoder, whole=(1, 2)).begin(np.ones((4, 7, 6)), np.ones((3, 4)))
    gru = GRU(4)
    gru.build((None, None, 3), (None, 4))
    with pytest.raises(ShapeError, match=r"^GRU: lengths need a time axis, got \(4, 4\)$"):
        Stream(gru, whole=1).begin(np.ones((4, 4)), lengths=[1] * 4)


def test_no_one_trains_in_a_stream_that_was_given_an_input_whole() -> None:
    model = built(MODELS["GRU"]())
    _, state = model.begin_stream(SOURCE, None)
    y, after, _ = model.stream(None, TARGET, state=state)
    assert abs(y - model(SOURCE, TARGET)).max() < 1e-12
    assert len(after) == len(state)
    told = "cannot train in a stream that was given an input whole"
    with pytest.raises(StreamError, match=rf"^Forecaster: {told}$"):
        model.stream(None, TARGET, state=state, training=True)
    attention = built(Attention(1))
    with pytest.raises(StreamError, match=rf"^Attention: {told}$"):
        attention.stream(TARGET, None, state=attention.begin_stream(None, SOURCE)[1], training=True)
    add = Add(broadcast=True)
    add.build((None, None, 3), (None, 3))
    with pytest.raises(StreamError, match=rf"^Add: {told}$"):
        add.stream(np.ones((4, 2, 3), "float32"), None, state=(np.ones((4, 3), "float32"),), training=True)
    with pytest.raises(ShapeError, match=r"^Forecaster: expected last axis 3, got \(4, 7, 2\)$"):
        model.begin_stream(SOURCE[..., :2], None)


def test_a_model_that_begins_with_no_state_is_refused() -> None:
    model = built(MODELS["GRU"]())
    lamina.core.calls.running.streaming = True  # as within a Stream, which checks
    try:
        with pytest.raises(StreamError, match=r"^Forecaster: expected the state that begin_stream gives, got None$"):
            model.stream(None, TARGET)
    finally:
        lamina.core.calls.running.streaming = False


def test_a_whole_output_is_zero_past_the_ends_as_after_any_call():
    class Summed(lamina.Composite):
        def __init__(self):
            self.inner = lamina.layers.Dense(3)

        def compose(self, t, steps, source):
            return t.add(t(self.inner, source), source), t(self.inner, steps)

    rng, lengths = np.random.default_rng(0), np.array([1, 4, 0])
    steps, source = rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 5, 3))
    model = Summed()
    model.build((None, None, 3), (None, None, 3), seed=0, dtype="float64")
    stream = lamina.Stream(model, whole="source")
    stream.begin(source, lengths=lengths)
    expected = model(steps, source, lengths=(None, lengths))
    np.testing.assert_allclose(stream(steps)[0], expected[0], atol=1e-12)
    assert not expected[0][0, 1:].any()
