"""Attention as a layer, beside its equations, row by row and query by query."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, ShapeError, StreamError
from lamina.kinds.random import fixed_draws
from lamina.layers import Attention, SelfAttention

RNG = np.random.default_rng(0)
BATCH, QUERIES, KEYS, HEADS, UNITS = 4, 5, 7, 2, 6
QUERY, MEMORY, VALUES = (RNG.normal(size=(BATCH, *rest)) for rest in ((QUERIES, 3), (KEYS, 4), (KEYS, 5)))
OF_QUERY, OF_KEYS = np.array([5, 0, 2, 4]), np.array([7, 3, 0, 1])
ALLOWED = RNG.random((BATCH, QUERIES, KEYS)) < 0.5
ALLOWED[3, 1] = False  # a query that may attend to nothing
BACKENDS = ["numpy", "reference"]


def built(*arguments: Any, backend: str = "numpy", inputs: int = 3, mask: int = 0, **settings: Any) -> Attention:
    layer = Attention(*(arguments or (HEADS, UNITS)), **settings)
    shapes = [(None, None, size) for size in (3, 4, 5)][:inputs]
    masks = {0: [], 3: [(None, None, None)], 4: [(None, None, HEADS, None)]}[mask]
    layer.build(*shapes, *masks, backend=backend, dtype="float64", seed=0)
    for parameter in layer.parameters():
        parameter.data = np.random.default_rng(len(parameter.name)).normal(size=parameter.shape)
    return layer


def expected(layer: Attention, row: int, queries: int, keys: int, mask: Any = None, kept: Any = None) -> Any:
    """Return a row's y and scores (queries, heads, keys) by the equations, one number at a time."""
    w = {name: parameter.numpy() for name, parameter in layer.named_parameters().items()}
    q, k, v = (x[row] @ w[f"w_{one}"] + w[f"b_{one}"] for one, x in zip("qkv", (QUERY, MEMORY, VALUES), strict=True))
    size = UNITS // HEADS
    scores, y = np.zeros((queries, HEADS, keys)), np.zeros((queries, UNITS))
    for i in range(queries):
        for head in range(HEADS):
            own = slice(head * size, (head + 1) * size)
            logits = np.array([q[i, own] @ k[j, own] / np.sqrt(size) for j in range(keys)])
            if mask is not None:
                at = mask[row, i] if mask.ndim == 3 else mask[row, i, head]
                logits = logits + at[:keys] if layer.additive_mask else np.where(at[:keys], logits, -np.inf)
            if layer.causal:
                logits = np.where(np.arange(keys) <= i, logits, -np.inf)
            if keys and np.isfinite(logits).any():
                exponential = np.exp(logits - logits.max())
                scores[i, head] = exponential / exponential.sum()
            shares = scores[i, head] if kept is None else scores[i, head] * kept[row, i, head, :keys]
            y[i, own] = shares @ v[:keys, own]
    return y @ w["w_o"] + w["b_o"], scores


MASKS = {
    "none": (0, None, {}),
    "bool": (3, ALLOWED, {}),
    "bool by head": (4, RNG.random((BATCH, QUERIES, HEADS, KEYS)) < 0.5, {}),
    "bias": (3, RNG.normal(size=(BATCH, QUERIES, KEYS)), {"additive_mask": True}),
    "bias by head": (4, RNG.normal(size=(BATCH, QUERIES, HEADS, KEYS)), {"additive_mask": True}),
    "bias of infinity": (3, np.where(ALLOWED, 0, -np.inf), {"additive_mask": True}),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("name", MASKS)
def test_by_its_equations(name: str, causal: bool, ragged: bool, backend: str) -> None:
    axes, mask, settings = MASKS[name]
    layer = built(backend=backend, mask=axes, causal=causal, return_scores=True, **settings)
    given = [QUERY, MEMORY, VALUES]
    lengths = None
    if ragged:
        lengths = (OF_QUERY, OF_KEYS, OF_KEYS)
        ends = zip(given, lengths, strict=True)
        given = [np.where(np.arange(x.shape[1])[:, None] < end[:, None, None], x, np.nan) for x, end in ends]
    if mask is not None:
        given.append(mask)
        lengths = None if lengths is None else (*lengths, None)
    y, scores = layer(*given, lengths=lengths)
    for row in range(BATCH):
        queries, keys = (OF_QUERY[row], OF_KEYS[row]) if ragged else (QUERIES, KEYS)
        wanted, of_keys = expected(layer, row, queries, keys, mask)
        np.testing.assert_allclose(y[row, :queries], wanted, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(scores[row, :queries, :, :keys], of_keys, rtol=1e-11, atol=1e-12)
        assert not y[row, queries:].any()
        assert not scores[row, queries:].any() and not scores[row, :, :, keys:].any()


def test_values_are_the_keys_where_none_are_given() -> None:
    layer, other = built(inputs=2), Attention(HEADS, UNITS)
    other.build((None, None, 3), (None, None, 4), (None, None, 4), dtype="float64", seed=0)
    for one, same in zip(layer.parameters(), other.parameters(), strict=True):
        same.data = one.data
    np.testing.assert_array_equal(layer(QUERY, MEMORY), other(QUERY, MEMORY, MEMORY))
    y, saved = layer.forward(QUERY, MEMORY)
    dquery, dkeys = layer.backward(np.ones_like(y), saved)
    y, saved = other.forward(QUERY, MEMORY, MEMORY)
    dquery_other, *others = other.backward(np.ones_like(y), saved)
    np.testing.assert_allclose(dquery, dquery_other, rtol=1e-12)
    np.testing.assert_allclose(dkeys, others[0] + others[1], rtol=1e-12)


def test_self_attention_is_attention_to_itself() -> None:
    one, two = SelfAttention(2, 4), Attention(2, 4)
    one.build((None, None, 3), dtype="float64", seed=0)
    two.build((None, None, 3), (None, None, 3), dtype="float64", seed=0)
    for own, other in zip(one.parameters(), two.parameters(), strict=True):
        other.data = own.data
    lengths = np.array([5, 0, 2, 4])
    np.testing.assert_allclose(
        two(QUERY, QUERY, lengths=(lengths, lengths)), one(QUERY, lengths=lengths), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout(backend: str) -> None:
    """In training a share of the scores is 0, the others are larger; the scores that are given are those before."""
    layer = built(backend=backend, dropout=0.4, return_scores=True)
    with fixed_draws(1):
        (y, scores), _ = layer.forward(QUERY, MEMORY, VALUES)
    with fixed_draws(1):
        keep = np.asarray(layer.kept_scores(BATCH, QUERIES, KEYS))
    assert 0.5 < keep.mean() < 0.7
    for row in range(BATCH):
        wanted, of_keys = expected(layer, row, QUERIES, KEYS, kept=keep / 0.6)
        np.testing.assert_allclose(y[row], wanted, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(scores[row], of_keys, rtol=1e-11, atol=1e-12)
    inferred, _ = layer(QUERY, MEMORY, VALUES)
    np.testing.assert_allclose(inferred, built(backend=backend)(QUERY, MEMORY, VALUES), rtol=1e-12)


def test_what_is_drawn_for_a_pair_knows_nothing_of_padding() -> None:
    layer = built(dropout=0.4)
    masks = {}
    for queries, keys in ((3, 3), (3, 6), (6, 3), (7, 7), (1, 5)):
        with fixed_draws(1):
            masks[queries, keys] = np.asarray(layer.kept_scores(2, queries, keys))
    whole = masks[7, 7]
    assert np.unique(whole.reshape(2, -1), axis=1).shape[1] > 1
    for (queries, keys), mask in masks.items():
        np.testing.assert_array_equal(mask, whole[:, :queries, :, :keys])


def test_each_pair_is_drawn_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = built(dropout=0.4)

    def numbered(shape: Any, rate: float) -> Any:
        return np.arange(float(np.prod(shape))).reshape(shape)

    monkeypatch.setattr(layer, "keep_mask", numbered)
    for queries, keys in ((4, 4), (3, 6), (6, 3)):
        drawn = np.asarray(layer.kept_scores(2, queries, keys))
        assert len(np.unique(drawn)) == drawn.size
    before = np.array([2, 0])
    ahead = np.asarray(layer.kept_scores(2, 3, 6, before))
    assert len(np.unique(ahead)) == ahead.size


@pytest.mark.parametrize("name", MASKS)
def test_each_gradient_is_its_slope(prove_gradients: Any, name: str) -> None:
    axes, mask, more = MASKS[name]
    layer = built(mask=axes, **more)
    inputs = [QUERY, MEMORY, VALUES, *([] if mask is None else [mask.astype(float)])]
    lengths = (OF_QUERY, OF_KEYS, OF_KEYS, *([] if mask is None else [None]))
    prove_gradients(layer, *inputs, lengths=lengths, flat=["b_k"])


@pytest.mark.parametrize("inputs", [2, 3])
def test_each_gradient_is_its_slope_in_a_stream(prove_gradients: Any, inputs: int) -> None:
    """The keys' bias moves the new keys alone, beside old ones: that softmax sees."""
    layer = built(inputs=inputs, causal=True)
    given = [QUERY, MEMORY[:, :QUERIES], VALUES[:, :QUERIES]][:inputs]
    state = layer.stream(*[x[:, :2] for x in given])[1]
    prove_gradients(layer, *[x[:, 2:] for x in given], state=state, stream=True)


@pytest.mark.parametrize("inputs", [2, 3])
def test_a_causal_one_streams(inputs: int) -> None:
    layer = built(inputs=inputs, causal=True)
    given = [QUERY, MEMORY[:, :QUERIES], VALUES[:, :QUERIES]][:inputs]
    whole = layer(*given)
    stream = lamina.Stream(layer)
    parts = [stream(*[x[:, a:b] for x in given]) for a, b in ((0, 2), (2, 3), (3, 5))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("settings", "mask", "message"),
    [
        ({}, 0, "cannot stream unless causal=True: each step attends to later ones"),
        (
            {"causal": True, "return_scores": True},
            0,
            "cannot stream with return_scores=True: each step has more of them",
        ),
        ({"causal": True}, 3, "cannot stream with a mask: it tells of all keys at once"),
    ],
)
def test_what_cannot_stream_says_why(settings: dict[str, Any], mask: int, message: str) -> None:
    with pytest.raises(StreamError) as caught:
        lamina.Stream(built(mask=mask, **settings))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((0,), {}, "expected heads to be a whole number of 1 or more, got 0"),
        ((2, 0), {}, "expected units to be a whole number of 1 or more, got 0"),
        ((3, 8), {}, "expected units to be a multiple of 3 heads, got 8"),
        ((2,), {"dropout": 1.0}, "expected dropout to be a number of at least 0 and below 1, got 1.0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: Any, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Attention(*arguments, **settings)
    assert str(caught.value).startswith("Attention: expected") and message.split("got")[1] in str(caught.value)


WRONG = {
    "no time axis": ([(None, 3), (None, None, 4)], "expected (batch, time, features), got (batch, 3)"),
    "no features": ([(None, None, 3), (None, None, None)], "expected a fixed size of axis 2"),
    "heads": ([(None, None, 3), (None, None, 4)], "expected features in a multiple of 2 heads, got (batch, time, 3)"),
    "values": ([(None, None, 4), (None, 5, 4), (None, 6, 4)], "expected a value for each key"),
    "mask": ([(None, 5, 4), (None, 6, 4), (None, 6, 4), (None, 5, 7)], "expected a mask (batch, 5, 6)"),
    "mask by head": ([(None, 5, 4), (None, 6, 4), (None, 6, 4), (None, 5, 3, 6)], "expected a mask (batch, 5, 6)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_shapes_that_do_not_fit_are_refused(wrong: str) -> None:
    shapes, message = WRONG[wrong]
    with pytest.raises(ShapeError) as caught:
        Attention(2).build(*shapes)
    assert message in str(caught.value)


def test_arrays_that_do_not_fit_each_other_are_refused() -> None:
    layer = built(mask=3)
    with pytest.raises(ShapeError, match="expected a value for each key"):
        layer(QUERY, MEMORY, VALUES[:, 1:], ALLOWED)
    with pytest.raises(ShapeError, match=r"expected a mask \(batch, 5, 7\)"):
        layer(QUERY, MEMORY, VALUES, ALLOWED[:, :, 1:])
    with pytest.raises(ShapeError, match="expected inputs of the same lengths"):
        layer(QUERY, MEMORY, VALUES, ALLOWED, lengths=(OF_QUERY, OF_KEYS, OF_KEYS[::-1].copy(), None))
    larger = np.ones((BATCH, QUERIES + 2, KEYS + 1))  # one for longer sequences is cut, as they are
    larger[:, :QUERIES, :KEYS] = ALLOWED
    np.testing.assert_array_equal(layer(QUERY, MEMORY, VALUES, larger), layer(QUERY, MEMORY, VALUES, ALLOWED))


def test_lengths_of_the_output_are_the_querys() -> None:
    layer = built(return_scores=True)
    assert layer.output_lengths((OF_QUERY, OF_KEYS, OF_KEYS)) is OF_QUERY
    assert layer.output_lengths((None, OF_KEYS, OF_KEYS)) is None
    y, scores = layer(QUERY, MEMORY, VALUES, lengths=(None, OF_KEYS, OF_KEYS))
    assert y[1, 4].any() and not scores[1, :, :, 3:].any()


@lamina.register
class Reader(lamina.Composite):
    """A query that looks into a sequence that was read before."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.read, self.ask = lamina.layers.GRU(units, return_sequences=True), lamina.layers.Dense(units)
        self.attend, self.head = Attention(2, units), lamina.layers.Dense(2)

    def compose(self, t: Any, query: Any, memory: Any) -> Any:
        return t(self.head, t(self.attend, t(self.ask, query), t(self.read, memory)))


def test_it_is_wired_saved_and_loaded(tmp_path: Any) -> None:
    model = Reader(4)
    model.build((None, None, 3), (None, None, 4), seed=0)
    model.save(tmp_path / "model.safetensors")
    loaded = lamina.load(tmp_path / "model.safetensors")
    lengths = (OF_QUERY, OF_KEYS)
    y = model(QUERY, MEMORY, lengths=lengths)
    np.testing.assert_array_equal(loaded(QUERY, MEMORY, lengths=lengths), y)
    for row, (queries, keys) in enumerate(zip(*lengths, strict=True)):
        alone = model(QUERY[row : row + 1, :queries], MEMORY[row : row + 1, :keys])
        np.testing.assert_allclose(y[row, :queries], alone[0], rtol=2e-5, atol=1e-6)
        assert not y[row, queries:].any()


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # As Keras's MultiHeadAttention: every query sees all keys, nothing is dropped, with biases.
    assert defaults(Attention) == {
        "units": None,
        "causal": False,
        "dropout": 0.0,
        "return_scores": False,
        "additive_mask": False,
        "use_bias": True,
        "w_initializer": "glorot_uniform",
        "b_initializer": "zeros",
    }
