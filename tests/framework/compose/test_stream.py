"""Streams: step by step and chunk by chunk, the outputs of the whole sequence."""

import doctest
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Composite, Concat, Layer, Recurrent, Residual, Sequential, Stream
from lamina.compose import stream as streaming
from lamina.core.calls import running
from lamina.errors import ArgumentError, NotBuiltError, ShapeError, StreamError
from lamina.layers import GRU, LSTM, Dense, Flatten, LastStep, SimpleRNN, Softmax, Tanh
from lamina.testing.cases.examples import LeakyPair

X = np.random.default_rng(0).normal(size=(4, 9, 3))


class Shared(Composite):
    """One encoder called twice: each call has a state of its own."""

    def __init__(self) -> None:
        self.encoder, self.join, self.head = GRU(3, return_sequences=True), Concat(), Dense(2)

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.encoder, x)
        return t(self.head, t(self.join, h, t(self.encoder, h)))


MODELS: dict[str, Any] = {
    "SimpleRNN": lambda: SimpleRNN(5, return_sequences=True),
    "stack": lambda: Sequential(
        LSTM(5, return_sequences=True), Tanh(), GRU(4, return_sequences=True, reset_after=False), Dense(2), Softmax()
    ),
    "branches": lambda: Sequential(
        Residual(SimpleRNN(3, return_sequences=True)),
        Concat(LSTM(2, return_sequences=True), Dense(2), Sequential(Dense(4), GRU(1, return_sequences=True))),
    ),
    "cell": lambda: Recurrent(LeakyPair(4), return_sequences=True),
    "composite": Shared,
    "twice": lambda: _twice(),
}


def _twice() -> Layer:
    layer = SimpleRNN(3, return_sequences=True)
    return Sequential(layer, Tanh(), layer)


def built(model: Layer, backend: str | None = None) -> Layer:
    model.build((None, None, 3), seed=0, dtype="float64", backend=backend)
    return model


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", MODELS)
def test_steps_and_chunks_give_what_the_whole_sequence_gives(name: str, backend: str) -> None:
    model = built(MODELS[name](), backend)
    whole = model(X)
    for cuts in ([1] * 9, [9], [4, 1, 3, 1]):
        stream, parts, start = Stream(model), [], 0
        for size in cuts:
            part = X[:, start : start + size]
            parts.append(stream(part[:, 0])[:, None] if size == 1 else stream(part))
            start += size
        assert abs(np.concatenate(parts, 1) - whole).max() < 1e-12


@pytest.mark.parametrize("last", [lambda: LSTM(5), lambda: Sequential(GRU(5, return_sequences=True), LastStep())])
def test_a_model_of_the_last_step_gives_the_output_so_far(last: Any) -> None:
    model = built(Sequential(SimpleRNN(4, return_sequences=True), last(), Dense(2)))
    stream = Stream(model)
    for t in range(9):
        assert abs(stream(X[:, t]) - model(X[:, : t + 1])).max() < 1e-12


def test_last_states_are_further_outputs() -> None:
    model = built(LSTM(3, return_sequences=True, return_state=True))
    stream = Stream(model)
    stream(X[:, :4])
    y, h, c = stream(X[:, 4])
    whole = model(X[:, :5])
    assert y.shape == h.shape == c.shape == (4, 3)
    assert abs(y - whole[0][:, -1]).max() < 1e-12
    assert abs(c - whole[2]).max() < 1e-12


@pytest.mark.parametrize("name", ["stack", "composite"])
def test_a_row_without_new_steps_keeps_its_state(name: str) -> None:
    model = built(MODELS[name]())
    stream = Stream(model)
    stream(X[:, :3], lengths=[3, 0, 2, 1])
    later = stream(X[:, 3:6])
    rows = [[0, 1, 2, 3, 4, 5], [3, 4, 5], [0, 1, 3, 4, 5], [0, 3, 4, 5]]
    for row, steps in enumerate(rows):
        assert abs(later[row] - model(X[row : row + 1, steps])[0, -3:]).max() < 1e-12


def test_the_last_step_of_a_row_without_new_steps_stays() -> None:
    model = built(Sequential(GRU(3, return_sequences=True), LastStep()))
    stream = Stream(model)
    first = stream(X[:, :3])
    second = stream(X[:, 3:5], lengths=[2, 0, 1, 0])
    assert np.array_equal(second[[1, 3]], first[[1, 3]])
    assert abs(second[2] - model(X[2:3, :4])[0]).max() < 1e-12


@pytest.mark.parametrize("rows", [[1, 3], np.array([False, True, False, True]), (-3, -1)])
def test_rows_begin_again_by_themselves(rows: Any) -> None:
    model = built(MODELS["stack"]())
    stream = Stream(model)
    stream(X[:, :4])
    stream.reset(rows)
    y = stream(X[:, 4:])
    assert abs(y[[0, 2]] - model(X)[[0, 2], 4:]).max() < 1e-12
    assert abs(y[[1, 3]] - model(X[:, 4:])[[1, 3]]).max() < 1e-12


def test_after_a_reset_of_all_rows_there_may_be_others() -> None:
    model = built(MODELS["stack"]())
    stream = Stream(model)
    assert repr(stream) == "<Stream: Sequential, at the start>"
    stream(X)
    assert (stream.batch, repr(stream)) == (4, "<Stream: Sequential, 4 rows>")
    stream.reset()
    assert (stream.batch, stream.state) == (None, None)
    assert abs(stream(X[:2, 0]) - model(X[:2, :1])[:, 0]).max() < 1e-12
    stream.reset(0)
    assert abs(stream(X[:2, 1])[0] - model(X[:1, 1:2])[0, 0]).max() < 1e-12


def test_the_state_can_be_kept_and_put_back() -> None:
    model = built(MODELS["branches"]())
    stream, other = Stream(model), Stream(model)
    stream(X[:, :4])
    state = stream.state
    wanted = stream(X[:, 4:])
    assert isinstance(state[1][0][1], np.ndarray)
    other.state = state
    assert np.array_equal(other(X[:, 4:]), wanted)
    stream.state = state
    assert np.array_equal(stream(X[:, 4:]), wanted)
    state[1][0][1][...] = 7  # a copy
    other.state = None
    assert other.batch is None


def test_states_that_do_not_fit_are_refused() -> None:
    stream = Stream(built(Sequential(GRU(3, return_sequences=True), SimpleRNN(2))))
    good = np.zeros((4, 3))
    for state, message in [
        (((good,),), "Stream: expected a state of 2 parts, got 1"),
        (((good,), (np.zeros((4, 3)),)), "Stream: expected a state (4, 2), got (4, 3)"),
        (((good,), (None,)), "Stream: expected a state (4, 2), got no array"),
        ((good, (good,)), "Stream: expected a state of 1 parts, got an array"),
        (((good,), None), "Stream: expected a state of 1 parts, got none"),
    ]:
        with pytest.raises(ShapeError) as caught:
            stream.state = state
        assert str(caught.value) == message
    assert stream.state is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: Sequential(Dense(2), GRU(3, go_backwards=True)),
            "GRU '1': cannot stream with go_backwards=True: it begins with a row's last step",
        ),
        (
            lambda: Bidirectional(LSTM(3)),
            "LSTM 'backward': cannot stream with go_backwards=True: it begins with a row's last step",
        ),
        (lambda: Sequential(Dense(2), Flatten()), "Flatten '1': cannot stream: it makes one vector of all steps"),
        (
            lambda: Sequential(GRU(3, return_sequences=True, return_state=True), GRU(3)),
            "GRU '1': cannot stream from an initial state that another layer gives",
        ),
        (lambda: Concat(Dense(2), Dense(2), axis=1), "Concat: cannot stream what it joins along the time axis"),
        (Smooth := type("Smooth", (Tanh,), {"forward": lambda self, x, lengths=None: (x, None)}),
         "Smooth: cannot stream: its forward takes lengths, but it defines no stream_state and stream"),
        (
            type("Wrapper", (Residual,), {"stream_state": Layer.stream_state}),
            "Wrapper: cannot stream: it defines no stream_state and stream for the layers in it",
        ),
        (
            type("Swap", (Tanh,), {"build": lambda self, shape: (None, shape[2], 5)}),
            "Swap: cannot stream: it makes (batch, 3, 5) of (batch, 4, 3)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_stream_is_refused_by_name(model: Any, message: str) -> None:
    layer = model(Dense(3)) if getattr(model, "__name__", "") == "Wrapper" else model()
    layer.build((None, 4, 3))
    with pytest.raises(StreamError) as caught:
        Stream(layer)
    assert str(caught.value) == message


def test_a_model_without_a_time_axis_is_refused() -> None:
    model = Dense(2)
    with pytest.raises(NotBuiltError):
        Stream(model)
    model.build((None, 3))
    with pytest.raises(StreamError, match=r"^Dense: cannot stream: its input \(batch, 3\) has no time axis$"):
        Stream(model)
    with pytest.raises(ArgumentError, match=r"^Stream: expected model to be a Layer, got 3$"):
        Stream(3)  # type: ignore[arg-type]


def test_inputs_that_do_not_fit_are_refused_and_change_nothing() -> None:
    model = built(MODELS["stack"]())
    stream = Stream(model)
    with pytest.raises(ArgumentError, match=r"^Stream: there are no rows to reset before the first step$"):
        stream.reset(0)
    stream(X[:, 0])
    for x, message in [
        (X[:2, 1], r"^Stream: expected 4 rows, as before, got 2: see reset\(\)$"),
        (X[:, 1, :2], r"^Sequential: expected last axis 3, got \(4, 1, 2\)$"),
        (X[:, :0], r"^Stream: expected at least one time step, got \(4, 0, 3\)$"),
        (X[None], r"^Sequential: expected \(batch, time, 3\), got \(1, 4, 9, 3\)$"),
        (X[0, 0], r"^Sequential: expected \(batch, time, 3\), got \(3,\)$"),
    ]:
        with pytest.raises(ShapeError, match=message):
            stream(x)
    with pytest.raises(ShapeError, match=r"^Sequential: expected 1 inputs, got 2$"):
        stream(X, X)
    with pytest.raises(ArgumentError, match=r"^Stream: expected rows from 0 to 3, got 4$"):
        stream.reset(4)
    with pytest.raises(ArgumentError, match=r"^Stream: expected rows from 0 to 3, got \[True\]$"):
        stream.reset([True])
    assert abs(stream(X[:, 1]) - model(X)[:, 1]).max() < 1e-12


def test_nothing_is_kept_on_the_model() -> None:
    model = built(MODELS["branches"]())
    before = [set(vars(layer)) for _, layer in model.walk()]
    one, other = Stream(model), Stream(model)
    for t in range(4):
        one(X[:, t])
        other(X[::-1, t])
    assert np.array_equal(one(X[:, 4]), other(X[::-1, 4])[::-1])
    assert [set(vars(layer)) for _, layer in model.walk()] == before


def test_a_layer_of_ones_own_joins_by_two_methods() -> None:
    class Difference(Layer):
        """y_t = x_t - x_{t-1}."""

        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any, lengths: Any = None) -> Any:
            return np.diff(x, axis=1, prepend=0), None

        def stream_state(self, batch: int) -> Any:
            return self.backend.zeros((batch, 3), self.bound().dtype_object)

        def stream(self, *inputs: Any, state: Any = None, lengths: Any = None, training: bool = False) -> Any:
            (x,) = inputs
            before = self.stream_state(len(x)) if state is None else state
            return np.diff(x, axis=1, prepend=before[:, None]), x[:, -1], None

    model = built(Sequential(Difference(), SimpleRNN(4, return_sequences=True)))
    stream = Stream(model)
    y = np.stack([stream(X[:, t]) for t in range(9)], 1)
    assert abs(y - model(X)).max() < 1e-12


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Stream) == {"whole": ()}


def test_the_examples_run() -> None:
    assert doctest.testmod(streaming).failed == 0
    assert lamina.Stream is Stream


def test_a_layer_checks_its_input_again_after_a_stream() -> None:
    """In a stream what is given was looked at; nowhere else."""
    model = MODELS["stack"]()
    model.build((None, None, 3), dtype="float64", seed=0)
    stream = Stream(model)
    stream(X[:, 0])
    with pytest.raises(ShapeError):
        model(X[:, 0])
    with pytest.raises(ShapeError):
        stream(X[:, 0, :2])
    assert not running.streaming

    class Breaks(Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            assert running.streaming
            raise ZeroDivisionError

    broken = Sequential(Dense(2), Breaks())
    broken.build((None, None, 3), dtype="float64", seed=0)
    with pytest.raises(ZeroDivisionError):
        Stream(broken)(X[:, 0])
    assert not running.streaming
