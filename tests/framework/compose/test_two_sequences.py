"""Each sequence of a model has lengths of its own, wherever it goes, in every way to run the model.

The right value: each row alone, cut to its own lengths, which needs no lengths at all; and the equations in NumPy.
"""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Composite, Concat, Residual, Sequential
from lamina.core.lengths import is_timed, lengths_after, read_lengths
from lamina.errors import ShapeError
from lamina.layers import GRU, LSTM, Add, Dense, Embedding, Multiply
from lamina.losses import MeanSquaredError
from lamina.testing import check_layer

RNG = np.random.default_rng(0)
QUERIES, MEMORY = RNG.standard_normal((3, 5, 4)), RNG.standard_normal((3, 7, 4))
# In the first row the memory is the shorter one, in the second the queries are, in the third both are full.
LENGTHS = (np.array([5, 2, 5]), np.array([3, 6, 7]))
SWAPPED = (np.array([2, 5, 1]), np.array([7, 1, 4]))


@lamina.register
class Attending(lamina.Layer):
    """softmax(q m^T) m over the memory's valid steps, for the valid queries."""

    def build(self, queries: Any, memory: Any) -> Any:
        return queries

    def output_lengths(self, lengths: Any) -> Any:
        return lengths[0] if isinstance(lengths, tuple) else lengths

    def forward(self, queries: Any, memory: Any, lengths: Any = None) -> Any:

        q, m = np.asarray(queries), np.asarray(memory)
        scores = q @ m.swapaxes(1, 2)
        assert lengths is None or isinstance(lengths, tuple)
        if lengths is not None and lengths[1] is not None:
            scores = np.where((np.arange(m.shape[1]) >= lengths[1][:, None])[:, None], np.finfo(q.dtype).min, scores)
        weights = np.exp(scores - scores.max(2, keepdims=True))
        weights = weights / weights.sum(2, keepdims=True)
        return weights @ m, (q, m, weights)

    def backward(self, dy: Any, saved: Any) -> Any:
        q, m, weights = saved
        dweights = dy @ m.swapaxes(1, 2)
        dscores = weights * (dweights - (dweights * weights).sum(2, keepdims=True))
        return dscores @ m, dscores.swapaxes(1, 2) @ q + weights.swapaxes(1, 2) @ dy


@lamina.register
class Decoder(Composite):
    """Both sequences through layers of their own, then one over the other; two outputs, of different lengths."""

    def __init__(self) -> None:
        self.reads, self.writes = GRU(4, return_sequences=True), Dense(4)
        self.attends, self.last = Attending(), LSTM(3)

    def compose(self, t: Any, queries: Any, memory: Any) -> Any:
        memory = t(self.reads, memory)
        attended = t(self.attends, t(self.writes, queries), memory)
        return t.add(attended, queries), memory, t(self.last, memory)


@lamina.register
class Outer(Composite):
    """A model of two inputs within one, behind a layer."""

    def __init__(self) -> None:
        self.before, self.inner = Dense(4), Decoder()

    def compose(self, t: Any, queries: Any, memory: Any) -> Any:
        y, memory, last = t(self.inner, t(self.before, queries), memory)
        return y, memory, last


@lamina.register
class Flipped(Composite):
    """The same, given in the other order."""

    def __init__(self) -> None:
        self.inner = Decoder()

    def compose(self, t: Any, memory: Any, queries: Any) -> Any:
        return t(self.inner, queries, memory)


MODELS: dict[str, Any] = {"flat": Decoder, "nested": Outer, "twice": lambda: Sequential(Outer())}


def built(make: Any, backend: str = "numpy") -> Any:
    model = make()
    model.build((None, None, 4), (None, None, 4), dtype="float64", seed=0, backend=backend)
    return model


def alone(model: Any, row: int, lengths: Any, inputs: Any = (QUERIES, MEMORY)) -> Any:
    return model(*(x[row : row + 1, : own[row]] for x, own in zip(inputs, lengths, strict=True)))


def reloaded(model: Any, folder: Path) -> Any:
    model.save(folder / "model.safetensors")
    return lamina.load(folder / "model.safetensors")


WAYS: dict[str, Any] = {
    "call": lambda model, lengths, folder: model(QUERIES, MEMORY, lengths=lengths),
    "by position": lambda model, lengths, folder: model(QUERIES, MEMORY, lengths),
    "infer": lambda model, lengths, folder: model.infer(QUERIES, MEMORY, lengths=lengths),
    "forward": lambda model, lengths, folder: model.forward(QUERIES, MEMORY, lengths=lengths)[0],
    "predict": lambda model, lengths, folder: lamina.Trainer(model).predict(
        (QUERIES, MEMORY), lengths=lengths, batch_size=2
    ),
    "deepcopy": lambda model, lengths, folder: copy.deepcopy(model)(QUERIES, MEMORY, lengths=lengths),
    "pickle": lambda model, lengths, folder: pickle.loads(pickle.dumps(model))(QUERIES, MEMORY, lengths=lengths),
    "loaded": lambda model, lengths, folder: reloaded(model, folder)(QUERIES, MEMORY, lengths=lengths),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", [LENGTHS, SWAPPED], ids=["first", "second"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_each_row_gives_what_it_gives_alone(name: str, way: str, lengths: Any, backend: str, tmp_path: Path) -> None:
    model = built(MODELS[name], backend)
    got = WAYS[way](model, lengths, tmp_path)
    for row in range(3):
        y, memory, last = alone(model, row, lengths)
        for own, expected, length in zip(got[:2], (y, memory), (lengths[0][row], lengths[1][row]), strict=True):
            np.testing.assert_allclose(own[row, :length], expected[0], rtol=1e-11, atol=1e-12)
            assert not own[row, length:].any()
        np.testing.assert_allclose(got[2][row], last[0], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_lists_of_sequences_are_predicted_as_each_row_alone(name: str) -> None:
    model = built(MODELS[name])
    rows = tuple([x[row, : own[row]] for row in range(3)] for x, own in zip((QUERIES, MEMORY), LENGTHS, strict=True))
    y, memory, last = lamina.Trainer(model).predict(rows)
    for row in range(3):
        for own, expected in zip((y[row], memory[row], last[row]), alone(model, row, LENGTHS), strict=True):
            np.testing.assert_allclose(own, expected[0], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_sums_of_those_of_each_row_alone(name: str) -> None:
    model = built(MODELS[name])
    y, saved = model.forward(QUERIES, MEMORY, lengths=LENGTHS)
    dy = tuple(RNG.standard_normal(one.shape) for one in y)
    model.zero_grad()
    dx = model.backward(dy, saved)
    whole = {path: parameter.grad.copy() for path, parameter in model.named_parameters().items()}
    model.zero_grad()
    for row in range(3):
        ends = (LENGTHS[0][row], LENGTHS[1][row])
        own = [x[row : row + 1, :end] for x, end in zip((QUERIES, MEMORY), ends, strict=True)]
        _, one = model.forward(*own)
        given = (dy[0][row : row + 1, : ends[0]], dy[1][row : row + 1, : ends[1]], dy[2][row : row + 1])
        for got, expected, end in zip(dx, model.backward(given, one), ends, strict=True):
            np.testing.assert_allclose(got[row, :end], expected[0], rtol=1e-10, atol=1e-12)
            assert not got[row, end:].any()
    for path, parameter in model.named_parameters().items():
        np.testing.assert_allclose(whole[path], parameter.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_padding_of_neither_matters(name: str) -> None:
    model = built(MODELS[name])
    expected = model(QUERIES, MEMORY, lengths=LENGTHS)
    changed = [x.copy() for x in (QUERIES, MEMORY)]
    for x, own in zip(changed, LENGTHS, strict=True):
        x[np.arange(x.shape[1]) >= own[:, None]] = 1e3
    for got, one in zip(model(*changed, lengths=LENGTHS), expected, strict=True):
        np.testing.assert_array_equal(got, one)


def test_the_order_of_inputs_is_that_of_the_lengths() -> None:
    model = Flipped()
    model.build((None, None, 4), (None, None, 4), dtype="float64", seed=0)
    got = model(MEMORY, QUERIES, lengths=LENGTHS[::-1])
    for own, expected in zip(got, model.inner(QUERIES, MEMORY, lengths=LENGTHS), strict=True):
        np.testing.assert_array_equal(own, expected)


def test_lengths_of_one_input_alone_leave_the_other_full() -> None:
    model = built(Decoder)
    full = np.array([7, 7, 7])
    for one, other in zip(
        model(QUERIES, MEMORY, lengths=(LENGTHS[0], None)),
        model(QUERIES, MEMORY, lengths=(LENGTHS[0], full)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_each_output_tells_the_lengths_of_its_own() -> None:
    model = built(Outer)
    first, second, third = lengths_after(model, LENGTHS)
    assert (first.tolist(), second.tolist(), third) == (LENGTHS[0].tolist(), LENGTHS[1].tolist(), None)


def test_an_attention_within_a_composite_is_proven() -> None:
    class Attends(Composite):
        def __init__(self) -> None:
            self.attends = Attending()

        def compose(self, t: Any, queries: Any, memory: Any) -> Any:
            return t(self.attends, queries, memory)

    check_layer(Attends(), (4, 5, 3), (4, 5, 3))


# What has a time axis.


def test_what_has_a_time_axis() -> None:
    model = Sequential(Embedding(9, 2), GRU(3))
    model.build((None, None))
    assert [is_timed(model, 0, rank) for rank in (1, 2, 3)] == [False, True, True]
    recurrent = LSTM(3)
    recurrent.build((None, None, 2), (None, 3), (None, 3))
    assert [is_timed(recurrent, index, rank) for index, rank in ((0, 3), (1, 2), (2, 2))] == [True, False, False]
    state = np.zeros((2, 3), "float32")
    lengths = read_lengths(recurrent, [4, 1], (np.zeros((2, 4, 2), "float32"), state, state))
    assert lengths.tolist() == [4, 1]


@pytest.mark.parametrize("lengths", [[4, 1], ([4, 1], None, None), ([4, 1],)])
def test_initial_states_count_as_none(lengths: Any) -> None:
    layer = LSTM(3)
    layer.build((None, None, 2), (None, 3), (None, 3), dtype="float64", seed=0)
    x, h, c = RNG.standard_normal((2, 4, 2)), RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3))
    if len(lengths) == 1:
        with pytest.raises(ShapeError, match=r"^LSTM: expected lengths for 3 inputs, got 1$"):
            layer(x, h, c, lengths=lengths)
        return
    got = layer(x, h, c, lengths=lengths)
    np.testing.assert_allclose(got[1:], layer(x[1:, :1], h[1:], c[1:]), rtol=1e-13)
    np.testing.assert_allclose(got[:1], layer(x[:1], h[:1], c[:1]), rtol=1e-13)


def test_integers_have_a_time_axis_of_their_own() -> None:
    class Words(Composite):
        def __init__(self) -> None:
            self.embeds, self.reads, self.other = Embedding(9, 4), GRU(2), GRU(2)

        def compose(self, t: Any, ids: Any, x: Any) -> Any:
            return t.concatenate(t(self.reads, t(self.embeds, ids)), t(self.other, x), axis=-1)

    model = Words()
    model.build((None, None), (None, None, 4), dtype="float64", seed=0)
    ids = RNG.integers(9, size=(3, 6))
    own = (np.array([1, 6, 3]), LENGTHS[1])
    got = model(ids, MEMORY, lengths=own)
    for row in range(3):
        np.testing.assert_allclose(got[row : row + 1], alone(model, row, own, (ids, MEMORY)), rtol=1e-12)


def test_static_features_beside_a_sequence_take_no_lengths() -> None:
    class Mixed(Composite):
        def __init__(self) -> None:
            self.reads, self.dense = GRU(2), Dense(2)

        def compose(self, t: Any, x: Any, static: Any) -> Any:
            return t.add(t(self.reads, x), t(self.dense, static))

    model = Mixed()
    model.build((None, None, 4), (None, 3), dtype="float64", seed=0)
    static = RNG.standard_normal((3, 3))
    expected = np.concatenate([model(MEMORY[i : i + 1, :n], static[i : i + 1]) for i, n in enumerate(LENGTHS[1])])
    for lengths in (LENGTHS[1], (LENGTHS[1], None)):
        np.testing.assert_allclose(model(MEMORY, static, lengths=lengths), expected, rtol=1e-12)
        got = lamina.Trainer(model).predict((MEMORY, static), lengths=lengths, batch_size=2)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


# What is joined step by step must have the same steps.


class Joined(Composite):
    def __init__(self, how: str) -> None:
        self.how, self.a, self.b = how, Dense(4), Dense(4)
        self.layer = {"Add": Add, "Multiply": Multiply}.get(how, Add)()

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        a, b = t(self.a, a), t(self.b, b)
        if self.how in ("Add", "Multiply"):
            return t(self.layer, a, b)
        return t.concatenate(a, b, axis=-1) if self.how == "concatenate" else getattr(t, self.how)(a, b)


@pytest.mark.parametrize("how", ["Add", "Multiply", "add", "multiply", "average", "concatenate"])
def test_inputs_of_different_lengths_are_not_joined(how: str) -> None:
    model = built(lambda: Joined(how))
    x, lengths = QUERIES, [5, 2, 3]
    for call in (model, model.infer, model.forward, lambda *a, **k: lamina.Trainer(model).predict(a, **k)):
        for given in ((lengths, [5, 3, 3]), ([5, 3, 3], lengths), (lengths, None), (None, lengths)):
            with pytest.raises(ShapeError, match=r"expected inputs of the same lengths, got \["):
                call(x, x, lengths=given)
    got = model(x, x, lengths=(lengths, list(lengths)))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(got[row, :length], model(x[row : row + 1, :length], x[row : row + 1, :length])[0])
        assert not got[row, length:].any()
    np.testing.assert_array_equal(model(x, x, lengths=([5, 5, 5], None)), model(x, x))


@pytest.mark.parametrize(
    "make", [lambda one: Residual(one), lambda one: Concat(one, Dense(2))], ids=["Residual", "Concat"]
)
def test_a_container_joins_equal_lengths_alone(make: Any) -> None:
    class Shorter(lamina.Layer):
        """Leaves out each row's last step, and says so."""

        def build(self, shape: Any) -> Any:
            return shape

        def output_lengths(self, lengths: Any) -> Any:
            return np.maximum(lengths - 1, 0)

        def forward(self, x: Any) -> Any:
            return x.copy(), None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy

    model = make(Shorter())
    model.build((None, None, 4), dtype="float64", seed=0)
    for call in (model, model.infer, model.forward):
        with pytest.raises(ShapeError, match="same lengths"):
            call(QUERIES, lengths=[5, 2, 3])
    assert model(QUERIES).shape[:2] == (3, 5)


def test_the_loss_gets_the_lengths_of_the_output_it_is_for() -> None:
    class One(Composite):
        """The output has the second input's time axis."""

        def __init__(self) -> None:
            self.inner = Decoder()

        def compose(self, t: Any, queries: Any, memory: Any) -> Any:
            return t(self.inner, queries, memory)[1]

    model = built(One)
    y = RNG.standard_normal((3, 7, 4))
    found = lamina.Trainer(model, "mean_squared_error").evaluate((QUERIES, MEMORY), y, lengths=LENGTHS)["loss"]
    squares = [(alone(model, row, LENGTHS)[0] - y[row, : LENGTHS[1][row]]) ** 2 for row in range(3)]
    assert found == pytest.approx(np.concatenate(squares).mean(), rel=1e-12)
    loss, _ = MeanSquaredError().forward(
        model.forward(QUERIES, MEMORY, lengths=LENGTHS)[0], y, lengths=lengths_after(model, LENGTHS)
    )
    assert float(loss) == pytest.approx(found, rel=1e-12)


def test_lengths_of_two_sequences_are_two_whatever_else_comes_in() -> None:
    """An initial state that the layer was not built with has none."""
    layer = Attending()
    layer.build((None, None, 4), (None, None, 4), dtype="float64")
    found = read_lengths(layer, (*LENGTHS, None), (QUERIES, MEMORY, np.zeros((3, 2))))
    assert [own.tolist() for own in found] == [own.tolist() for own in LENGTHS]
