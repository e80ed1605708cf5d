import doctest
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError

BATCH, TIME, FEATURES = 6, 7, 3


def masks() -> dict[str, Any]:
    counts = np.array([3, 7, 0, 1, 5, 2])
    steps = np.arange(TIME)
    holes = np.random.default_rng(1).random((BATCH, TIME)) < 0.5
    holes[2] = False
    return {
        "right-padded": steps < counts[:, None],
        "left-padded": steps >= TIME - counts[:, None],
        "holes": holes,
        "all": np.ones((BATCH, TIME), bool),
        "none": np.zeros((BATCH, TIME), bool),
    }


each_mask = pytest.mark.parametrize("mask", masks().values(), ids=list(masks()))


def data(seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(BATCH, TIME, FEATURES))


def by_hand(x: Any, mask: Any) -> list[Any]:
    """Return each row's valid steps."""
    return [
        np.array([step for step, valid in zip(row, own, strict=True) if valid])
        for row, own in zip(x, mask, strict=True)
    ]


def tagger() -> Any:
    model = lamina.Sequential(
        lamina.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.GRU(5, return_sequences=True),
        layers.Dense(2),
    )
    model.build((None, None, FEATURES), seed=0, dtype="float64")
    return model


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(import_module("lamina.data.compact")).failed == 0


@each_mask
def test_rows_are_their_valid_steps_in_order_and_zero_past_them(mask: Any) -> None:
    x = data()
    packed, lengths, _ = lamina.compact(x, mask)
    rows = by_hand(x, mask)
    assert (lengths.tolist(), lengths.dtype) == ([len(row) for row in rows], np.int64)
    assert packed.shape == (BATCH, max(map(len, rows)), FEATURES)
    assert packed.dtype == x.dtype
    for row, own in zip(packed, rows, strict=True):
        np.testing.assert_array_equal(row[: len(own)], own.reshape(-1, FEATURES))
        assert not row[len(own) :].any()


@each_mask
def test_what_is_packed_and_restored_is_as_it_was_and_zero_elsewhere(mask: Any) -> None:
    x = data()
    packed, _, places = lamina.compact(x, mask)
    np.testing.assert_array_equal(places.restore(packed), np.where(mask[..., None], x, 0))
    np.testing.assert_array_equal(places.restore(packed, fill=np.nan), np.where(mask[..., None], x, np.nan))


@each_mask
def test_a_model_sees_the_same_rows_as_padded_on_the_right(mask: Any) -> None:
    x, model = data(), tagger()
    packed, lengths, places = lamina.compact(x, mask, time=TIME)
    padded = np.zeros_like(x)
    for row, own in zip(padded, by_hand(x, mask), strict=True):
        row[: len(own)] = own.reshape(-1, FEATURES)
    wanted = model(padded, lengths=mask.sum(axis=1))
    np.testing.assert_array_equal(model(packed, lengths=lengths), wanted)
    restored = places.restore(model(packed, lengths=lengths))
    for row, own, valid, count in zip(restored, wanted, mask, lengths, strict=True):
        np.testing.assert_array_equal(row[valid], own[:count])
        assert not row[~valid].any()


@pytest.mark.parametrize("mask", [masks()["left-padded"], masks()["holes"]], ids=["left-padded", "holes"])
def test_each_row_gives_what_it_gives_alone(mask: Any) -> None:
    x, model = data(), tagger()
    packed, lengths, places = lamina.compact(x, mask)
    together = places.restore(model(packed, lengths=lengths))
    for row, own, valid in zip(together, by_hand(x, mask), mask, strict=True):
        if valid.any():
            np.testing.assert_allclose(row[valid], model(own[None])[0], rtol=0, atol=1e-13)


def test_what_stands_at_steps_that_are_not_valid_does_not_matter() -> None:
    x, mask = data(), masks()["holes"]
    other = np.where(mask[..., None], x, np.nan)
    for one, same in zip(lamina.compact(x, mask)[:2], lamina.compact(other, mask)[:2], strict=True):
        np.testing.assert_array_equal(one, same)


def test_a_model_trains_on_it_as_on_data_padded_on_the_right() -> None:
    x, mask = data(), masks()["left-padded"]
    y = np.random.default_rng(4).integers(0, 2, (BATCH, TIME))
    packed, lengths, places = lamina.compact(x, mask)
    turned = [np.array(row[::-1][:count][::-1]) for row, count in zip(x, lengths, strict=True)]
    tags = [np.array(row[TIME - count :]) for row, count in zip(y, lengths, strict=True)]
    losses = []
    for inputs, targets in ((packed, places.pack(y)), (lamina.pad(turned)[0], lamina.pad(tags)[0])):
        trainer = lamina.Trainer(tagger(), loss="softmax_cross_entropy", optimizer="sgd")
        losses.append(trainer.fit(inputs, targets, lengths=lengths, epochs=2, verbose=False)["loss"])
    assert losses[0] == losses[1]
    assert losses[0][1] < losses[0][0]


def test_targets_and_weights_are_packed_the_same_way() -> None:
    mask = masks()["holes"]
    places = lamina.compact(data(), mask)[2]
    y, weights = np.arange(BATCH * TIME).reshape(BATCH, TIME), np.random.default_rng(5).random((BATCH, TIME))
    both = places.pack((y, weights))
    for packed, own in zip(both, (y, weights), strict=True):
        assert packed.dtype == own.dtype
        assert [row[:count].tolist() for row, count in zip(packed, places.lengths, strict=True)] == [
            row.tolist() for row in by_hand(own, mask)
        ]
    marked = places.pack(y, fill=-1)
    assert set(marked[~places.packed]) == {-1}
    np.testing.assert_array_equal(marked[places.packed], y[mask])


def test_several_inputs_and_outputs_are_moved_together() -> None:
    x, ids, mask = data(), np.arange(BATCH * TIME).reshape(BATCH, TIME), masks()["left-padded"]
    (packed, packed_ids), _, places = lamina.compact((x, ids), mask)
    np.testing.assert_array_equal(packed, lamina.compact(x, mask)[0])
    np.testing.assert_array_equal(packed_ids, lamina.compact(ids, mask)[0])
    assert packed_ids.dtype == ids.dtype
    back, back_ids = places.restore((packed, packed_ids))
    np.testing.assert_array_equal(back, np.where(mask[..., None], x, 0))
    np.testing.assert_array_equal(back_ids, np.where(mask, ids, 0))


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float32", "list"])
def test_masks_of_one_and_zero_are_taken_as_true_and_false(kind: str) -> None:
    x, mask = data(), masks()["holes"]
    given = mask.tolist() if kind == "list" else mask.astype(kind)
    np.testing.assert_array_equal(lamina.compact(x, given)[0], lamina.compact(x, mask)[0])


def test_the_callers_arrays_stay_as_they_are() -> None:
    x, mask = data(), masks()["right-padded"]
    before, valid = x.copy(), mask.copy()
    packed, _, places = lamina.compact(x, mask)
    mask[:] = False
    packed[:] = 9
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(places.mask, valid)


def test_no_rows_are_legal() -> None:
    packed, lengths, places = lamina.compact(np.zeros((0, 4, 2)), np.zeros((0, 4), bool))
    assert (packed.shape, lengths.shape) == ((0, 0, 2), (0,))
    assert places.restore(packed).shape == (0, 4, 2)


def test_the_repr_says_how_much_there_is() -> None:
    assert repr(lamina.compact([[1, 2, 3]], [[0, 1, 1]])[2]) == "<Places (1, 3) of (1, 2): 2 valid steps>"


X, MASK = np.zeros((2, 3, 1)), [[0, 1, 1], [0, 0, 0]]
ERRORS: list[tuple[tuple[Any, ...], type[LaminaError], str]] = [
    ((X, [0, 1]), ShapeError, "compact: expected a mask (batch, time), got (2,)"),
    ((X, [[0, 1], [1]]), ShapeError, "compact: mask: expected a rectangular array"),
    ((X, [["a"]]), DTypeError, "compact: expected a mask of True and False, got an array of <U1"),
    ((X, [[0, 1, 1], [0, 2, 0]]), DataError, "compact: expected a mask of 1 and 0, got 2 at row 1, step 1"),
    ((X, [[0, 1, 1.5]]), DataError, "compact: expected a mask of 1 and 0, got 1.5 at row 0, step 2"),
    ((X, [[0, 1, np.nan]]), DataError, "compact: expected a mask of 1 and 0, got nan at row 0, step 2"),
    ((X[:1], MASK), ShapeError, "compact: expected (batch, time, ...) with 2 rows of 3 steps, got (1, 3, 1)"),
    (((X, X[0]), MASK), ShapeError, "compact [1]: expected (batch, time, ...) with 2 rows of 3 steps, got (3, 1)"),
    ((X, MASK, 1), ShapeError, "compact: expected at most 1 steps, got 2 at row 0"),
    ((X, MASK, -1), ArgumentError, "compact: expected time to be a whole number of 0 or more, got -1"),
    (([["a", "b", "c"]] * 2, MASK), DTypeError, "compact: expected numbers, got an array of <U1"),
]


@pytest.mark.parametrize(("given", "error", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_what_does_not_fit_is_named(given: tuple[Any, ...], error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        lamina.compact(*given)
    assert str(caught.value) == message


def test_what_does_not_fit_the_places_is_named() -> None:
    packed, _, places = lamina.compact(X, MASK)
    with pytest.raises(ShapeError, match=r"^restore: expected .* with 2 rows of 2 steps, got \(2, 3, 1\)$"):
        places.restore(X)
    with pytest.raises(ShapeError, match=r"^pack: expected .* with 2 rows of 3 steps, got \(2, 2, 1\)$"):
        places.pack(packed)
    for fill in (0.5, 300, -1, np.nan, "a"):
        with pytest.raises(DTypeError, match=r"^pack: expected fill to be a value of uint8, got "):
            places.pack(X.astype("uint8"), fill)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(lamina.compact) == {"time": None}
