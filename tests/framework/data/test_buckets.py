import doctest
from typing import Any

import numpy as np
import pytest

from lamina.data import buckets
from lamina.data.buckets import bucket_order
from lamina.errors import ArgumentError, DTypeError, LaminaError, ShapeError


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(buckets).failed == 0


def ragged(rows: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(5, 501, rows)


def padding(lengths: Any, order: Any, size: int) -> float:
    """Return the share of all steps that are padding, each batch as long as its longest row."""
    computed = sum(len(one) * one.max() for one in (lengths[order[i : i + size]] for i in range(0, len(order), size)))
    return 1 - float(lengths.sum() / computed)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 64, 100, 1000, 1003])
@pytest.mark.parametrize("bucket_size", [None, 8, 20, 64, 5000])
def test_every_row_stands_in_the_order_once(rows: int, bucket_size: int | None) -> None:
    order = bucket_order(ragged(rows), 8, np.random.default_rng(3), bucket_size)
    assert (order.shape, order.dtype) == ((rows,), np.int64)
    assert np.sort(order).tolist() == list(range(rows))


def test_one_bucket_of_all_rows_gives_batches_without_overlap_of_lengths() -> None:
    lengths = np.random.default_rng(1).permutation(103)
    order = bucket_order(lengths, 10, np.random.default_rng(0), bucket_size=103)
    cut = [lengths[order[start : start + 10]] for start in range(0, 103, 10)]
    assert [len(batch) for batch in cut] == [10] * 10 + [3]
    assert all(batch.max() - batch.min() == len(batch) - 1 for batch in cut)


@pytest.mark.parametrize("seed", range(5))
def test_padding_is_a_small_part_of_what_a_random_order_has(seed: int) -> None:
    lengths, generator = ragged(4000, seed), np.random.default_rng(seed)
    shuffled = padding(lengths, generator.permutation(4000), 32)
    assert shuffled > 0.45  # the longest of 32 is near 485, their mean 252
    assert padding(lengths, bucket_order(lengths, 32, generator), 32) < shuffled / 10
    # Within a bucket of b batches lengths spread over the whole range: a batch spans about 1/b of it.
    assert padding(lengths, bucket_order(lengths, 32, generator, 4 * 32), 32) < shuffled / 2
    assert padding(lengths, bucket_order(lengths, 32, generator, 32), 32) > 0.45


def test_no_bucket_is_much_smaller_than_the_others() -> None:
    lengths = np.arange(33 * 10)
    order = bucket_order(lengths, 10, np.random.default_rng(0), 32 * 10)
    assert np.ptp(lengths[order].reshape(33, 10), axis=1).max() < 100  # 17 and 16 batches; one alone spans some 270


def test_the_order_of_batches_is_random() -> None:
    lengths, first, third = np.arange(400), [], []
    generator = np.random.default_rng(0)
    for _ in range(200):
        order = bucket_order(lengths, 20, generator, 400)
        batches = order.reshape(20, 20).mean(axis=1) // 20
        assert sorted(batches) == list(range(20))
        first.append(batches[0])
        third.append(batches[2])
    # Of 200 draws of 1 in 20, each is expected 10 times: 3 to 25 is five deviations, and no batch has a place.
    for drawn in (first, third):
        counts = np.bincount(np.array(drawn, int), minlength=20)
        assert counts.min() >= 1
        assert counts.max() <= 25


def test_the_short_batch_is_of_any_length() -> None:
    lengths, generator = np.arange(45), np.random.default_rng(0)
    means = [lengths[bucket_order(lengths, 10, generator, 45)[40:]].mean() for _ in range(200)]
    assert set(means) == {2, 12, 22, 32, 42}


def test_who_meets_whom_changes_where_there_are_several_buckets() -> None:
    lengths, generator = ragged(640), np.random.default_rng(0)
    pairs = [bucket_order(lengths, 8, generator, 64).reshape(80, 8) for _ in range(2)]
    met = [{tuple(sorted(batch.tolist())) for batch in one} for one in pairs]
    assert len(met[0] & met[1]) <= 1


def test_the_order_follows_from_the_generator_alone() -> None:
    lengths = ragged(300)
    one, same = (bucket_order(lengths, 16, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, bucket_order(lengths, 16, np.random.default_rng(5)))
    generator = np.random.default_rng(4)
    bucket_order(lengths, 16, generator)
    assert not np.array_equal(one, bucket_order(lengths, 16, generator))


def test_rows_of_equal_length_are_shuffled() -> None:
    order = bucket_order(np.full(500, 7), 10, np.random.default_rng(0), 500)
    assert abs(np.corrcoef(order, np.arange(500))[0, 1]) < 0.2
    within = order.reshape(50, 10)
    assert (np.ptp(within, axis=1) > 100).mean() > 0.9


def test_lists_and_lengths_of_every_kind_of_integer_are_taken() -> None:
    wanted = bucket_order([3, 1, 2, 1], 2, np.random.default_rng(0))
    for dtype in ("uint8", "int32", "uint64"):
        found = bucket_order(np.array([3, 1, 2, 1], dtype), 2, np.random.default_rng(0))
        assert found.tolist() == wanted.tolist()


ERRORS: list[tuple[dict[str, Any], type[LaminaError], str]] = [
    ({"lengths": [[1, 2]]}, ShapeError, "bucket_order: expected lengths (rows,), got (1, 2)"),
    ({"lengths": [1.0]}, DTypeError, "bucket_order: expected whole numbers as lengths, got float64"),
    ({"batch_size": 0}, ArgumentError, "bucket_order: expected batch_size to be a whole number of 1 or more, got 0"),
    (
        {"bucket_size": 3},
        ArgumentError,
        "bucket_order: expected bucket_size to be a whole number of 4 or more, got 3",
    ),
    ({"generator": 0}, ArgumentError, "bucket_order: expected generator to be a Generator, got 0"),
]


@pytest.mark.parametrize(("options", "error", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_what_does_not_fit_is_named(options: dict[str, Any], error: type[LaminaError], message: str) -> None:
    given = {"lengths": [1, 2, 3], "batch_size": 4, "generator": np.random.default_rng(0), **options}
    with pytest.raises(error) as caught:
        bucket_order(**given)
    assert str(caught.value) == message


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(bucket_order) == {"bucket_size": None}
