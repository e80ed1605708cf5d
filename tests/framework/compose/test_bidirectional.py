"""A recurrent layer in both directions."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Recurrent, Sequential
from lamina.core.shapes import as_tuple
from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.layers import GRU, LSTM, Dense, SimpleRNN
from lamina.testing.cases.examples import LeakyPair

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = np.array([2, 0, 4])


def built(layer: Any, merge: str = "concat", shapes: Any = ((None, None, 2),)) -> Any:
    both = Bidirectional(layer, merge)
    both.build(*shapes, dtype="float64", seed=0)
    return both


@pytest.mark.parametrize(
    ("merge", "expected", "dx"),
    [
        # h_t = x_t + h_{t-1} / 2 for x = 2, 4: forwards 2, 5; backwards 4, 4.
        ("concat", [[2, 4], [5, 4]], [[2.5], [2.5]]),
        ("sum", [[6], [9]], [[2.5], [2.5]]),
        ("average", [[3], [4.5]], [[1.25], [1.25]]),
        ("multiply", [[8], [20]], [[8], [10]]),  # a (a + b/2) + (b + a/2) b = a^2 + b^2 + a b
    ],
)
def test_two_steps_by_hand(merge: str, expected: Any, dx: Any) -> None:
    rnn = SimpleRNN(1, activation="relu", return_sequences=True, w_x_initializer="ones", w_h_initializer=0.5)
    layer = built(rnn, merge, ((None, None, 1),))
    y, saved = layer.forward(np.array([[[2.0], [4.0]]]))
    assert y[0].tolist() == expected
    assert layer.backward(np.ones(y.shape), saved)[0].tolist() == dx


def test_the_twin_has_the_settings_and_weights_of_its_own() -> None:
    layer = built(LSTM(3, use_bias=False, return_sequences=True, w_h_initializer="glorot_uniform"))
    assert repr(layer.twin) == (
        "LSTM(3, return_sequences=True, go_backwards=True, use_bias=False, w_h_initializer=GlorotUniform())"
    )
    assert list(layer.named_parameters()) == ["forward.w_x", "forward.w_h", "backward.w_x", "backward.w_h"]
    assert layer.layer.w_x.name == "forward.w_x"
    assert not np.array_equal(layer.layer.w_x.data, layer.twin.w_x.data)
    assert layer.children() == {"forward": layer.layer, "backward": layer.twin}
    assert repr(layer).startswith("Bidirectional(LSTM(3, return_sequences=True, use_bias=False")


def test_a_cell_is_not_shared_with_the_twin() -> None:
    layer = built(Recurrent(LeakyPair(3)))
    assert layer.layer.cell is not layer.twin.cell
    assert list(layer.named_parameters())[::2] == ["forward.cell.w", "backward.cell.w"]


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({}, (None, 6)),
        ({"return_sequences": True}, (None, None, 6)),
        ({"return_state": True}, ((None, 6), (None, 3), (None, 3), (None, 3), (None, 3))),
        ({"return_sequences": True, "return_state": True}, ((None, None, 6), *[(None, 3)] * 4)),
    ],
)
def test_each_direction_is_what_the_layer_gives_alone(settings: Any, output: Any) -> None:
    layer = Bidirectional(LSTM(3, **settings))
    assert layer.build((None, None, 2), dtype="float64", seed=0) == output
    got = layer(X, lengths=LENGTHS)
    ahead, back = layer.layer(X, lengths=LENGTHS), layer.twin(X, lengths=LENGTHS)
    if "return_state" in settings:
        (a, *a_states), (b, *b_states) = ahead, back
        for one, other in zip(got, (np.concatenate([a, b], -1), *a_states, *b_states), strict=True):
            assert (one == other).all()
    else:
        assert (got == np.concatenate([ahead, back], -1)).all()
    first, *states = as_tuple(layer.output_lengths(LENGTHS))
    assert first is (LENGTHS if settings.get("return_sequences") else None)
    assert states == [None] * (4 if "return_state" in settings else 0)


def test_only_the_valid_part_is_reversed() -> None:
    layer = built(GRU(3, return_sequences=True))
    y, padded = layer(X, lengths=LENGTHS), X.copy()
    padded[0, 2:] = padded[1] = np.nan
    np.testing.assert_array_equal(layer(padded, lengths=LENGTHS), y)
    np.testing.assert_allclose(y[:1, :2], layer(X[:1, :2]), rtol=1e-13)
    assert not y[0, 2:].any()
    assert not y[1].any()


def test_initial_states_of_one_direction_or_of_both() -> None:
    layer, state = built(GRU(3)), np.full((3, 3), 0.5)
    y, saved = layer.forward(X, state, None)
    dx, ahead, back = layer.backward(np.ones(y.shape), saved)
    assert (dx.shape, ahead.shape, back) == (X.shape, (3, 3), None)
    assert (y == layer.forward(X, state, np.zeros((3, 3)))[0]).all()
    y, saved = layer.forward(X, None, state)
    _, ahead, back = layer.backward(np.ones(y.shape), saved)
    assert (ahead, back.shape) == (None, (3, 3))
    _, saved = layer.forward(X)
    assert layer.backward(np.ones(y.shape), saved).shape == X.shape


def test_states_go_from_one_layer_to_the_next() -> None:
    model = Sequential(
        Bidirectional(GRU(3, return_sequences=True, return_state=True)),
        Bidirectional(GRU(3)),
        Dense(2),
    )
    assert model.build((None, None, 2), dtype="float64", seed=0) == (None, 2)
    y, saved = model.forward(X, lengths=LENGTHS)
    model.backward(np.ones(y.shape), saved)
    assert all(parameter.grad.any() for parameter in model.parameters())


class Ahead(GRU):
    """Reads forwards alone."""

    def __init__(self, units: int) -> None:
        super().__init__(units, return_sequences=True)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Dense(3), "expected a recurrent layer, got Dense(3)"),
        (Ahead(3), "expected a layer that takes go_backwards, got Ahead(3)"),
        (3, "expected a layer at position 0, got 3"),
        (GRU(3, go_backwards=True), "expected a layer that reads forwards, got GRU(3, go_backwards=True)"),
    ],
)
def test_what_has_no_two_directions_is_refused(layer: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Bidirectional(layer)
    assert str(caught.value) == f"Bidirectional: {message}"


def test_a_built_layer_is_refused() -> None:
    layer = GRU(3)
    layer.build((None, None, 2))
    with pytest.raises(ArgumentError, match=r"^Bidirectional: expected a layer that is not built, got GRU\(3\)$"):
        Bidirectional(layer)


def test_an_unknown_merge_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Bidirectional(GRU(3), "conct")
    assert str(caught.value) == (
        "unknown merge of Bidirectional 'conct': did you mean 'concat'? Known: average, concat, multiply, sum"
    )


def test_states_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError) as caught:
        Bidirectional(GRU(3)).build((None, None, 2), (None, 3))
    assert str(caught.value) == ("Bidirectional: expected 2 initial states, got 1")
    layer = built(GRU(3))
    with pytest.raises(ShapeError, match=r"^Bidirectional: expected 2 initial states, got 1$"):
        layer(X, np.zeros((3, 3)))
    with pytest.raises(ShapeError, match=r"^GRU 'backward': expected an initial state \(3, 3\), got \(1, 3\)$"):
        layer(X, np.zeros((3, 3)), np.zeros((1, 3)))


def test_it_is_exported() -> None:
    assert lamina.Bidirectional is Bidirectional
    assert lamina.Layer.registry.find("bidirectional") is Bidirectional


@pytest.mark.parametrize("merge", ["concat", "sum", "multiply", "average"])
def test_without_the_input_gradient_all_others_are_the_same(merge: str) -> None:
    both = built(SimpleRNN(2, return_sequences=True), merge, ((None, None, 2), (None, 2), (None, 2)))
    states = [np.full((3, 2), 0.5), np.full((3, 2), -0.5)]
    y, saved = both.forward(X, *states, lengths=LENGTHS)
    expected = both.backward(y, saved)
    gradients = [parameter.grad.copy() for parameter in both.parameters()]
    both.zero_grad()
    dx, *dstates = both.backward(y, both.forward(X, *states, lengths=LENGTHS)[1], input_gradient=False)
    assert dx is None
    for own, other in zip(dstates, expected[1:], strict=True):
        np.testing.assert_array_equal(own, other)
    for parameter, other in zip(both.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, other)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's.
    assert defaults(Bidirectional) == {"merge": "concat"}


@lamina.register
class HandedOn(LSTM):
    """Takes whatever it hands on, by position and by name."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)


@lamina.register
class Between(GRU):
    """Has arguments of its own before and behind those it hands on."""

    def __init__(self, first: int, *arguments: Any, last: float = 1.0, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.first, self.last = first, last


@pytest.mark.parametrize("make", [lambda: HandedOn(2, return_sequences=True), lambda: Between(7, 2, last=3.0)])
@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_a_layer_that_hands_on_what_comes_by_position_has_a_twin(make: Any, merge: str, tmp_path: Any) -> None:
    layer = built(make(), merge)
    twin = layer.twin
    assert type(twin) is type(layer.layer) and twin.units == 2
    assert twin.go_backwards and not layer.layer.go_backwards
    assert twin.return_sequences == layer.layer.return_sequences
    if isinstance(twin, Between):
        assert (twin.first, twin.last) == (7, 3.0)
    plain = built((LSTM if isinstance(twin, LSTM) else GRU)(2, return_sequences=twin.return_sequences), merge)
    plain.load_state_dict(layer.state_dict())
    expected = plain(X, lengths=LENGTHS)
    assert (layer(X, lengths=LENGTHS) == expected).all()
    layer.save(tmp_path / "model.safetensors")
    assert (lamina.load(tmp_path / "model.safetensors")(X, lengths=LENGTHS) == expected).all()
