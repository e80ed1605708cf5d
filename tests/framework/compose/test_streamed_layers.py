"""Every layer of Lamina in a stream: what it gives is that of the whole sequence, or it says why it cannot stream."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from lamina import Bidirectional, Composite, Concat, Layer, Residual, Sequential, Stream
from lamina.errors import ShapeError, StreamError
from lamina.layers import (
    GRU,
    LSTM,
    AveragePool1D,
    BatchNorm,
    Conv1D,
    Conv1DTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool1D,
    GlobalMaxPool1D,
    LastStep,
    LayerNorm,
    MaxPool1D,
    Permute,
    PositionalEncoding,
    RecurrentDropout,
    RepeatVector,
    Reshape,
    SelfAttention,
)

BATCH, TIME = 5, 11
X = np.random.default_rng(0).normal(size=(BATCH, TIME, 4))
LENGTHS = np.array([11, 4, 0, 1, 7])
CUTS = ([1] * 11, [3, 1, 5, 2], [11])
every: dict[str, Any] = {"return_sequences": True}


class Branches(Composite):
    """A convolution and attention over one input, and their maxima beside the average of the input."""

    def __init__(self) -> None:
        self.conv, self.attention = Conv1D(4, 2, padding="causal"), SelfAttention(2, causal=True)
        self.most, self.mean = GlobalMaxPool1D(), GlobalAveragePool1D()

    def compose(self, t: Any, x: Any) -> Any:
        joined = t.concatenate(t(self.conv, x), t(self.attention, x))
        return t.concatenate(t(self.most, joined), t(self.mean, x), t(self.most, t(self.conv, x)))


def twice() -> Layer:
    """One convolution in two places: a state for each."""
    conv = Conv1D(4, 3, padding="causal")
    return Sequential(conv, conv, SelfAttention(1, causal=True))


MODELS: dict[str, Any] = {
    "convolution": lambda: Conv1D(3, 3, padding="causal"),
    "convolution, dilated": lambda: Conv1D(3, 4, padding="causal", dilation=3, use_bias=False),
    "convolution, depthwise": lambda: Conv1D(8, 3, padding=(4, 0), dilation=2, groups=4),
    "convolution, transposed": lambda: Conv1DTranspose(6, 3, padding="causal", dilation=2, groups=2),
    "convolution, transposed, padded": lambda: Conv1DTranspose(3, 3, padding=(0, 2)),
    "convolution, transposed, one step": lambda: Conv1DTranspose(3, 1, padding="valid"),
    "maximum of windows": lambda: MaxPool1D(3, 1, (4, 0), dilation=2),
    "average of windows": lambda: AveragePool1D(3, 1, (4, 0), dilation=2),
    "average of windows, counted": lambda: AveragePool1D(3, 1, (2, 0), count_padding=True),
    "convolution, one step": lambda: Conv1D(3, 1),
    "convolution, one step, valid": lambda: Conv1D(3, 1, padding="valid", dilation=5),
    "attention": lambda: SelfAttention(2, causal=True),
    "attention, units": lambda: SelfAttention(3, 6, causal=True, use_bias=False),
    "positions": PositionalEncoding,
    "pool of one": lambda: Sequential(MaxPool1D(1), AveragePool1D(1, 1, "same")),
    "block": lambda: Sequential(
        PositionalEncoding(),
        Residual(Sequential(LayerNorm(), SelfAttention(2, causal=True), Dropout(0.5))),
        Residual(Sequential(BatchNorm(), Conv1D(4, 2, padding="causal"), RecurrentDropout(0.5))),
        LSTM(3, **every),
    ),
    "shapes": lambda: Sequential(Reshape((-1, 2, 2)), Permute((1, 3, 2)), Reshape((-1, 4)), GRU(3, **every)),
    "twice": twice,
    "maximum": lambda: Sequential(GRU(3, **every), GlobalMaxPool1D(), Dense(2)),
    "average": lambda: Sequential(GlobalAveragePool1D(), Flatten(), Reshape((4,)), Permute((1,)), Dense(2)),
    "branches": Branches,
}
BACKENDS = ["numpy", "reference"]


def built(model: Any, backend: str | None = None) -> Any:
    model.build((None, None, 4), seed=0, dtype="float64", backend=backend)
    return model


def timed(model: Layer) -> bool:
    return model.output_lengths(np.ones(1, np.int64)) is not None


def alone(model: Layer, row: int, steps: Any) -> Any:
    """Return the oracle: the whole row at once, alone and without padding; its output at its last step if timed."""
    y = model(X[row : row + 1, steps])[0]
    return y[-1] if timed(model) else y


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cuts", CUTS, ids=["steps", "pieces", "whole"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("name", MODELS)
def test_pieces_of_any_size_give_what_each_row_gives_alone(name: str, ragged: bool, cuts: Any, backend: str) -> None:
    model = built(MODELS[name](), backend)
    ends = LENGTHS if ragged else np.full(BATCH, TIME)
    x = np.where((np.arange(TIME) < ends[:, None])[:, :, None], X, np.nan) if ragged and name != "block" else X
    stream, parts, start = Stream(model), [], 0
    for size in cuts:
        options = {"lengths": np.clip(ends - start, 0, size)} if ragged else {}
        parts.append(stream(x[:, start : start + size], **options))
        start += size
    for row, end in enumerate(ends):
        if timed(model):
            y = np.concatenate([part[row] for part in parts])
            assert not y[end:].any()
            if end:
                assert abs(y[:end] - model(X[row : row + 1, :end])[0]).max() < 1e-12
        else:
            for part, seen in zip(parts, accumulate(cuts), strict=True):
                if min(end, seen):
                    assert abs(part[row] - alone(model, row, slice(min(end, seen)))).max() < 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_rows_stay_and_begin_anew_by_themselves(name: str, backend: str) -> None:
    model = built(MODELS[name](), backend)
    stream = Stream(model)
    stream(X[:, :4], lengths=[4, 0, 2, 1, 3])
    stream.reset([0, 3])
    stream(X[:, 4:6], lengths=[1, 2, 0, 2, 1])
    y = stream(X[:, 6])
    steps = [[4, 6], [4, 5, 6], [0, 1, 6], [4, 5, 6], [0, 1, 2, 4, 6]]
    for row in range(BATCH):
        assert abs(y[row] - alone(model, row, steps[row])).max() < 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_states_go_out_and_in_and_survive_copies_and_pickle(name: str, backend: str) -> None:
    model = built(MODELS[name](), backend)
    stream = Stream(model)
    stream(X[:, :5], lengths=[5, 0, 2, 1, 3])
    state = stream.state
    others = [copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream)), Stream(model)]
    others[-1].state = pickle.loads(pickle.dumps(state))
    wanted = stream(X[:, 5:])
    for other in others:
        assert other.batch == (BATCH if leaves(state) or other is not others[-1] else None)  # no array, no rows
        assert np.array_equal(other(X[:, 5:]), wanted)
    for part in leaves(state):
        part[...] = 9  # a copy
    assert np.array_equal(stream(X[:, 0]), others[0](X[:, 0]))
    stream.state = others[0].state
    with pytest.raises(ShapeError, match=r"^Stream: expected 5 rows, as before, got 2: see reset\(\)$"):
        stream(X[:2, 0])
    stream.reset()
    assert stream(X[:2, 0]).shape[0] == 2


def leaves(state: Any) -> list[Any]:
    return [leaf for part in state for leaf in leaves(part)] if isinstance(state, tuple) else [state]


def test_a_state_is_what_the_layer_says() -> None:
    """The last inputs of a convolution, the keys and values so far, the place of each row."""
    conv, attention, positions = Conv1D(2, 3, padding="causal", dilation=2), SelfAttention(1, causal=True), None
    model = built(Sequential(PositionalEncoding(), conv))
    stream = Stream(model)
    stream(X[:, :6], lengths=[6, 2, 0, 5, 3])
    positions, inputs = stream.state
    assert positions.tolist() == [6, 2, 0, 5, 3]
    encoded = built(PositionalEncoding())(X)
    expected = np.concatenate([np.zeros((BATCH, 4, 4)), encoded], 1)
    for row, end in enumerate(positions):
        assert abs(inputs[row] - expected[row, end : end + 4]).max() < 1e-15
    stream = Stream(built(attention))
    assert [part.shape for part in attention.stream_state(3)] == [(3, 0, 4), (3, 0, 4), (3,)]
    stream(X[:, :2], lengths=[2, 0, 0, 1, 2])
    stream(X[:, 2:5], lengths=[1, 0, 0, 3, 0])
    keys, values, counts = stream.state
    assert counts.tolist() == [3, 0, 0, 4, 2]
    assert keys.shape == values.shape == (BATCH, 4, 4)
    steps = [[0, 1, 2], [], [], [0, 2, 3, 4], [0, 1]]
    for row, own in enumerate(steps):
        assert abs(keys[row, : len(own)] - X[row, own] @ attention.w_k.data - attention.b_k.data).max(initial=0) < 1e-12  # type: ignore[union-attr]
        assert not keys[row, len(own) :].any()


def test_states_that_do_not_fit_are_refused() -> None:
    stream = Stream(built(SelfAttention(1, causal=True)))
    keys, counts = np.zeros((2, 3, 4)), np.array([3, 1])
    for state, message in [
        ((keys[:, :, :2], keys, counts), r"Stream: expected a state \(2, any, 4\), got \(2, 3, 2\)"),
        ((keys, keys, counts[:1]), r"Stream: expected a state \(2,\), got \(1,\)"),
        ((keys, keys, counts / 2), r"Stream: expected a state of counts of steps, got \[1\.5, 0\.5\]"),
        ((keys, keys, -counts), r"Stream: expected a state of counts of steps, got \[-3, -1\]"),
        (3.0, r"Stream: expected a state of 3 parts, got none"),
        ((3.0, keys, counts), r"Stream: expected a state \(1, any, 4\), got \(\)"),
    ]:
        with pytest.raises(ShapeError, match=f"^{message}$"):
            stream.state = state
    for state in ((keys, keys[:, :2], counts), (keys, keys, counts + 1)):
        stream.state = state
        with pytest.raises(ShapeError, match=r"^SelfAttention: expected a state with keys and values for each of a "):
            stream(X[:2, 0])
    stream.state = (keys, keys, counts)
    stream(X[:2, 0])
    assert stream.state[2].tolist() == [4, 2]


def test_streams_run_in_threads_and_keep_nothing_in_the_layers() -> None:
    model = built(MODELS["block"]())
    before = [set(vars(layer)) for _, layer in model.walk()]

    def read(x: Any) -> Any:
        stream = Stream(model)
        return np.stack([stream(x[:, t]) for t in range(TIME)], 1)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, [X + shift for shift in range(8)]))
    assert [set(vars(layer)) for _, layer in model.walk()] == before
    for shift, y in enumerate(found):
        assert abs(y - model(X + shift)).max() < 1e-12


def test_one_layer_in_places_of_different_features_begins_anew() -> None:
    for pool in (LastStep(), GlobalMaxPool1D(), GlobalAveragePool1D()):
        model = built(Concat(pool, Sequential(GRU(2, **every), pool)))
        stream, other = Stream(model), Stream(model)
        stream(X[:, :3])
        stream.reset(1)
        other.state = stream.state
        y = stream(X[:, 3:6])
        assert abs(y[1] - model(X[1:2, 3:6])[0]).max() < 1e-12
        assert abs(y[0] - model(X[:1, :6])[0]).max() < 1e-12
        assert np.array_equal(other(X[:, 3:6]), y)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_pooling_so_far_of_what_is_not_finite(value: float) -> None:
    x = X[:1].copy()
    x[0, 2, 0] = value
    for pool in (GlobalMaxPool1D(), GlobalAveragePool1D()):
        stream = Stream(built(pool))
        for t in range(5):
            np.testing.assert_allclose(stream(x[:, t]), pool(x[:, : t + 1]), rtol=1e-14)


WHY: dict[str, tuple[Any, str]] = {
    "stride": (
        lambda: Conv1D(2, 3, stride=2, padding="causal"),
        "Conv1D '1': cannot stream with stride=2: it gives one output for every 2 steps",
    ),
    "same": (lambda: Conv1D(2, 4), "Conv1D '1': cannot stream with padding='same': an output needs 2 later steps"),
    "same, 2": (lambda: Conv1D(2, 2), "Conv1D '1': cannot stream with padding='same': an output needs 1 later step"),
    "valid": (
        lambda: Conv1D(2, 3, padding="valid"),
        "Conv1D '1': cannot stream with padding='valid': a row has no output for 2 of its steps",
    ),
    "pool": (
        lambda: MaxPool1D(3),
        "MaxPool1D '1': cannot stream with stride=3: it gives one output for every 3 steps",
    ),
    "average": (
        lambda: AveragePool1D(2),
        "AveragePool1D '1': cannot stream with stride=2: it gives one output for every 2 steps",
    ),
    "pool, same": (
        lambda: MaxPool1D(3, 1, "same"),
        "MaxPool1D '1': cannot stream with padding='same': an output needs 1 later step",
    ),
    "attention": (
        lambda: SelfAttention(1),
        "SelfAttention '1': cannot stream unless causal=True: each step attends to later ones",
    ),
    "backwards": (
        lambda: GRU(2, go_backwards=True),
        "GRU '1': cannot stream with go_backwards=True: it begins with a row's last step",
    ),
    "both": (
        lambda: Bidirectional(GRU(2)),
        "GRU '1.backward': cannot stream with go_backwards=True: it begins with a row's last step",
    ),
    "flatten": (Flatten, "Flatten '1': cannot stream: it makes one vector of all steps"),
    "permute": (
        lambda: Permute((2, 1)),
        "Permute '1': cannot stream: it puts axis 2 in the place of the time axis",
    ),
    "reshape": (
        lambda: Reshape((-1, 8)),
        "Reshape '1': cannot stream: it makes (batch, ?, 8) of (batch, 6, 4): not step for step",
    ),
    "fixed": (
        lambda: Reshape((6, 2, 2)),
        "Reshape '1': cannot stream: it needs a fixed time axis: -1 leaves it open",
    ),
    "repeat": (
        lambda: Sequential(LastStep(), RepeatVector(3)),
        "RepeatVector '1.1': cannot stream: it makes a time axis of its own, of 3 steps",
    ),
    "own axis": (
        lambda: Sequential(LastStep(), Reshape((2, 2))),
        "Reshape '1.1': cannot stream: it makes a time axis of its own, (batch, 2, 2) of (batch, 4)",
    ),
}


@pytest.mark.parametrize("name", WHY)
def test_what_cannot_stream_says_why(name: str) -> None:
    make, message = WHY[name]
    model = Sequential(Dense(4), make())
    model.build((None, 6, 4))
    with pytest.raises(StreamError) as caught:
        Stream(model)
    assert str(caught.value) == message


def test_every_layer_streams_or_says_why() -> None:
    """The bare interface's reasons are for layers of a user's own: none of Lamina's falls to them."""
    from lamina.testing.cases import layer_cases

    for case in layer_cases():
        layer = case.make()
        shapes = [shape if isinstance(shape, tuple) else shape.shape for shape in case.inputs]
        try:
            layer.build(*shapes, seed=0)
            layer.stream_state(2)
        except StreamError as error:
            assert "defines" not in str(error), case.name
        except ShapeError:
            continue  # this one takes initial states
