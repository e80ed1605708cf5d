"""What a layer cannot take of the one before it: the error names both and what to change."""

from typing import Any

import pytest

from lamina import Bidirectional, Composite, Concat, Recurrent, Residual, Sequential
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import (
    GRU,
    LSTM,
    Add,
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
    LastStep,
    LayerNorm,
    MaxPool1D,
    PositionalEncoding,
    RecurrentDropout,
    ReLU,
    RepeatVector,
    Reshape,
    SelfAttention,
    SimpleRNN,
)
from lamina.testing.cases.examples import LeakyPair

# What needs (batch, time, features).
TIMED: dict[str, Any] = {
    "SimpleRNN": lambda: SimpleRNN(2),
    "LSTM": lambda: LSTM(2),
    "GRU": lambda: GRU(2),
    "Recurrent": lambda: Recurrent(LeakyPair(2)),
    "Bidirectional": lambda: Bidirectional(GRU(2)),
    "Conv1D": lambda: Conv1D(2, 3),
    "Conv1DTranspose": lambda: Conv1DTranspose(2, 3),
    "MaxPool1D": lambda: MaxPool1D(2),
    "AveragePool1D": lambda: AveragePool1D(2),
    "GlobalMaxPool1D": GlobalMaxPool1D,
    "GlobalAveragePool1D": GlobalAveragePool1D,
    "SelfAttention": lambda: SelfAttention(1),
    "PositionalEncoding": PositionalEncoding,
    "LastStep": LastStep,
    "RecurrentDropout": lambda: RecurrentDropout(0.5),
    "Residual": lambda: Residual(GRU(3, return_sequences=True)),
    "Concat": lambda: Concat(GRU(2), GRU(3)),
    "Sequential": lambda: Sequential(Dense(4), ReLU(), GRU(2)),
}
# What takes one input, whatever its rank.
SINGLE: dict[str, Any] = {
    "Dense": lambda: Dense(2),
    "LayerNorm": LayerNorm,
    "BatchNorm": BatchNorm,
    "Dropout": lambda: Dropout(0.1),
    "ReLU": ReLU,
    "Embedding": lambda: Embedding(9, 2),
    "Flatten": Flatten,
    "Reshape": lambda: Reshape((-1,)),
    "RepeatVector": lambda: RepeatVector(2),
    "Residual": lambda: Residual(Dense(3)),
    "Concat": lambda: Concat(Dense(2), Dense(2)),
    "Sequential": lambda: Sequential(Dense(2), ReLU()),
}
CELLS: dict[str, Any] = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}


def refused(model: Any, *shapes: Any) -> str:
    with pytest.raises(ShapeError) as caught:
        model.build(*shapes or ((None, None, 2),))
    assert "\n" not in str(caught.value)
    assert not model.is_built
    return str(caught.value)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", TIMED)
def test_a_forgotten_return_sequences_is_hinted_at(name: str, cell: str) -> None:
    message = refused(Sequential(CELLS[cell](3), TIMED[name]()))
    assert message.endswith(f": {cell} '0' gives the last step alone, unless return_sequences=True")
    assert " '1" in message  # the layer that needs it, or the one within
    Sequential(CELLS[cell](3, return_sequences=True), TIMED[name]()).build((None, None, 2))  # the remedy


@pytest.mark.parametrize(
    ("before", "maker"),
    [
        (lambda: [Bidirectional(GRU(3))], "Bidirectional '0'"),
        (lambda: [GRU(3), Dropout(0.5), Dense(2)], "GRU '0'"),
        (lambda: [Sequential(Dense(2), GRU(3, return_sequences=True), LSTM(3))], "LSTM '0.2'"),
        (lambda: [Recurrent(LeakyPair(3))], "Recurrent '0'"),
        (lambda: [Concat(GRU(2), LSTM(2))], "Concat '0'"),
        (lambda: [LSTM(2, return_state=True)], "LSTM '0'"),
    ],
)
def test_the_hint_names_the_layer_that_left_out_the_steps(before: Any, maker: str) -> None:
    last = LSTM(2)
    message = refused(Sequential(*before(), last))
    assert message.startswith(f"LSTM '{len(before())}': expected (batch, time, features), got (batch, ")
    assert message.endswith(f": {maker} gives the last step alone, unless return_sequences=True")


class Joined(Composite):
    """A recurrent layer's output and its input, joined by a layer or by the tape."""

    def __init__(self, how: str) -> None:
        self.how, self.rnn, self.sum = how, GRU(2), Add()

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.rnn, x)
        if self.how == "layer":
            return t(self.sum, x, h)
        return t.concatenate(x, h) if self.how == "concatenate" else t.add(h, x)


@pytest.mark.parametrize(
    "model",
    [Residual(GRU(2)), Concat(Dense(2), GRU(2)), Joined("layer"), Joined("add"), Joined("concatenate")],
    ids=["Residual", "Concat", "layer", "add", "concatenate"],
)
def test_what_is_joined_with_whole_sequences_hints_at_it_too(model: Any) -> None:
    name = {"Residual": "inner", "Concat": "1", "Joined": "rnn"}[type(model).__name__]
    assert refused(model).endswith(f": GRU '{name}' gives the last step alone, unless return_sequences=True")


def test_no_hint_where_it_would_not_help() -> None:
    every = GRU(3, return_sequences=True)
    assert (
        refused(Sequential(every, LastStep(), LSTM(2))) == "LSTM '2': expected (batch, time, features), got (batch, 3)"
    )
    assert (
        refused(Sequential(Dense(2), GRU(2)), (None, 3)) == "GRU '1': expected (batch, time, features), got (batch, 2)"
    )
    assert "return_sequences" not in refused(Sequential(GRU(3), SelfAttention(2)))  # three features, two heads
    assert "return_sequences" not in refused(Sequential(GRU(3), Reshape((2, 2))))


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "every"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", SINGLE)
def test_several_outputs_before_a_layer_of_one_input(name: str, cell: str, sequences: bool) -> None:
    first = CELLS[cell](3, return_sequences=sequences, return_state=True)
    count = 3 if cell == "LSTM" else 2
    message = refused(Sequential(first, SINGLE[name]()))
    assert f"{name} '1'" in message or name == "Sequential"
    assert message.endswith(
        f": {cell} '0' gives {count} outputs with return_state=True: leave that out, "
        "or hand on the first one alone, in a Composite"
    )


@pytest.mark.parametrize("name", [name for name in TIMED if name not in {"Residual", "SimpleRNN", "GRU"}])
def test_several_outputs_before_a_layer_over_time(name: str) -> None:
    """Also before those that take other states, or as many of another size."""
    message = refused(Sequential(SimpleRNN(3, return_sequences=True, return_state=True), TIMED[name]()))
    assert "SimpleRNN '0' gives 2 outputs with return_state=True: " in message


def test_a_layer_with_one_output_gives_not_several_whatever_is_in_it() -> None:
    class Encoder(Composite):
        """Its GRU has two outputs, of which it makes one."""

        def __init__(self) -> None:
            self.inner, self.head = GRU(3, return_state=True), Dense(3)

        def compose(self, t: Any, x: Any) -> Any:
            _, state = t(self.inner, x)
            return t(self.head, state)

    message = refused(Sequential(Encoder(), Reshape((5,))))
    assert message == "Reshape '1': expected sizes that make (5,), got (batch, 3)"


def test_what_takes_the_outputs_still_does() -> None:
    for cell in CELLS.values():
        model = Sequential(cell(3, return_sequences=True, return_state=True), cell(3))
        assert model.build((None, None, 2)) == (None, 3)
    assert Sequential(GRU(3, return_state=True), Add()).build((None, None, 2)) == (None, 3)


class Wired(Composite):
    """A layer behind another: given all its outputs, or its tuple as one value."""

    def __init__(self, first: Any, second: Any, spread: bool) -> None:
        self.first, self.second, self.spread = first, second, spread

    def compose(self, t: Any, x: Any) -> Any:
        outputs = t(self.first, x)
        return t(self.second, *outputs) if self.spread else t(self.second, outputs)


def test_calls_in_a_composite_say_the_same() -> None:
    message = refused(Wired(LSTM(3, return_state=True), Dense(2), True))
    assert message == (
        "Dense 'second': expected 1 input, got 3: LSTM 'first' gives 3 outputs with return_state=True: "
        "leave that out, or hand on the first one alone, in a Composite"
    )
    with pytest.raises(ArgumentError) as caught:
        Wired(LSTM(3, return_state=True), Dense(2), False).build((None, None, 2))
    assert str(caught.value) == (
        "compose: expected t(layer, value, ...), got t(Dense, tuple): LSTM 'first' gives 3 outputs, hand on one of them"
    )
    message = refused(Wired(Sequential(GRU(3), Dense(2)), LSTM(2), False))
    assert message == (
        "LSTM 'second': expected (batch, time, features), got (batch, 2): GRU 'first.0' gives the last step alone, "
        "unless return_sequences=True"
    )


def test_another_number_of_inputs_is_a_shape_error() -> None:
    assert refused(Sequential(Dense(2)), (None, 3), (None, 3)) == "Dense '0': expected 1 input, got 2"

    class Pair(Dense):
        def build(self, a: Any, b: Any) -> Any:
            return super().build(a)

    assert refused(Sequential(Pair(2)), (None, 3)) == "Pair '0': expected 2 inputs, got 1"


def test_what_a_copy_is_tried_with_is_no_copy_of_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each depth tries once whether a time axis would do; were that so in the trials too, they would double."""
    import copy

    tried: list[str] = []
    take = copy.deepcopy
    monkeypatch.setattr(
        "lamina.compose.fed.copy.deepcopy", lambda layer: (tried.append(type(layer).__name__), take(layer))[1]
    )
    start = lambda: (Reshape((-1, 1)), SimpleRNN(1))  # noqa: E731
    model: Any = Sequential(*start(), LastStep())
    for _ in range(12):
        model = Sequential(*start(), model)
    with pytest.raises(ShapeError, match=r"^LastStep '2\.2\.") as caught:
        model.build((None, 1))
    assert "return_sequences=True" in str(caught.value)
    assert len(tried) <= 13
