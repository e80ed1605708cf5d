import math
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from lamina.decoding import argmax_tags, viterbi
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError


def total(row: Any, moves: Any, start: Any, end: Any, tags: tuple[int, ...]) -> float:
    """Return the score of one sequence of tags: the sum that Viterbi's algorithm maximizes."""
    steps = math.fsum(row[step, tag] for step, tag in enumerate(tags))
    between = math.fsum(moves[one, other] for one, other in pairwise(tags))
    return steps + between + (float(start[tags[0]] + end[tags[-1]]) if tags else 0.0)


def brute_force(row: Any, moves: Any, start: Any, end: Any) -> tuple[tuple[int, ...], float]:
    every = {tags: total(row, moves, start, end, tags) for tags in product(range(len(moves)), repeat=len(row))}
    best = max(every, key=every.__getitem__)
    return best, every[best]


# Each step by itself.


def test_tags_are_the_likeliest_of_each_valid_step() -> None:
    logits, lengths = np.random.default_rng(0).normal(size=(4, 6, 5)), [6, 0, 2, 5]
    logits[2, 2:] = np.nan
    for found, row, steps in zip(argmax_tags(logits, lengths), logits, lengths, strict=True):
        p = np.exp(row[:steps]) / np.exp(row[:steps]).sum(axis=1, keepdims=True)
        assert found.labels.tolist() == p.argmax(axis=1).tolist()
        assert found.labels.dtype == np.int64
        assert found.score == pytest.approx(np.log(p.max(axis=1)).sum())
        assert found.names is None
    assert len(argmax_tags(logits[[0, 1, 3]])[0].labels) == 6


def test_tags_have_names() -> None:
    logits = np.eye(3)[[[2, 0, 1], [1, 1, 1]]]
    assert [one.names for one in argmax_tags(logits, [3, 1], names=["O", "B", "I"])] == [["I", "O", "B"], ["B"]]


# Under transitions.


@pytest.mark.parametrize("seed", range(6))
def test_viterbi_finds_what_trying_every_sequence_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, moves = rng.normal(size=(5, 6, 3)), 2 * rng.normal(size=(3, 3))
    start, end, lengths = rng.normal(size=3), rng.normal(size=3), [6, 1, 0, 4, 2]
    nothing = np.zeros(3)
    for given in ({}, {"start": start}, {"end": end}, {"start": start, "end": end}):
        found = viterbi(scores, moves, lengths, **given)
        for one, row, steps in zip(found, scores, lengths, strict=True):
            wanted = brute_force(row[:steps], moves, given.get("start", nothing), given.get("end", nothing))
            assert (tuple(one.labels.tolist()), one.score) == (wanted[0], pytest.approx(wanted[1]))


@pytest.mark.parametrize("seed", range(6))
def test_forbidden_transitions_are_never_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, moves = rng.normal(size=(3, 6, 4)), rng.normal(size=(4, 4))
    moves[rng.random((4, 4)) < 0.5] = -np.inf
    moves[np.arange(4), (np.arange(4) + 1) % 4] = 0.0  # so that there is a way
    start = np.array([0.0, -np.inf, 0.0, -np.inf])
    for one, row in zip(viterbi(scores, moves, start=start), scores, strict=True):
        labels, score = brute_force(row, moves, start, np.zeros(4))
        assert (tuple(one.labels.tolist()), one.score) == (labels, pytest.approx(score))
        assert math.isfinite(one.score)


def test_without_preferences_it_is_the_argmax_of_each_step() -> None:
    logits, lengths = np.random.default_rng(1).normal(size=(3, 7, 4)), [7, 3, 0]
    for one, other in zip(viterbi(logits, np.zeros((4, 4)), lengths), argmax_tags(logits, lengths), strict=True):
        assert one.labels.tolist() == other.labels.tolist()


def test_transitions_go_from_the_row_to_the_column() -> None:
    moves = np.array([[-9.0, 0.0], [-9.0, -9.0]])  # from 0 to 1 alone
    assert viterbi(np.zeros((1, 2, 2)), moves)[0].labels.tolist() == [0, 1]


def test_what_stands_past_a_rows_end_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    scores, moves, end = rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    other = scores.copy()
    for row, steps in zip(other, (5, 2, 0), strict=True):
        row[steps:] = np.nan
    for one, row, steps in zip(viterbi(other, moves, [5, 2, 0], end=end), scores, (5, 2, 0), strict=True):
        np.testing.assert_equal(one, viterbi(row[None, :steps], moves, end=end)[0])


def test_names_are_given_to_the_tags() -> None:
    assert viterbi(np.eye(2)[[[0, 1, 1]]], np.zeros((2, 2)), names=["O", "B"])[0].names == ["O", "B", "B"]


def test_no_rows_and_no_steps_are_legal() -> None:
    assert viterbi(np.zeros((0, 4, 2)), np.zeros((2, 2))) == []
    (one,) = viterbi(np.zeros((1, 0, 2)), np.zeros((2, 2)), names=["a", "b"])
    assert (one.labels.tolist(), one.score, one.names) == ([], 0.0, [])


X, MOVES = np.zeros((2, 3, 2)), np.zeros((2, 2))
BAD = np.array([[0.0, np.nan], [0.0, 0.0]])
ERRORS: list[tuple[tuple[Any, ...], dict[str, Any], type[LaminaError], str]] = [
    ((X[0], MOVES), {}, ShapeError, "viterbi: expected scores (batch, time, tags), got (3, 2)"),
    ((X, MOVES[0]), {}, ShapeError, "viterbi: expected transitions (2, 2), one for each tag, got (2,)"),
    ((X, MOVES), {"start": [0]}, ShapeError, "viterbi: expected start (2,), one for each tag, got (1,)"),
    ((X, MOVES), {"end": MOVES}, ShapeError, "viterbi: expected end (2,), one for each tag, got (2, 2)"),
    ((X, MOVES.astype(str)), {}, DTypeError, "viterbi: expected numbers as transitions, got an array of <U32"),
    ((X, BAD), {}, DataError, "viterbi: expected transitions below infinity, got nan at (0, 1)"),
    ((X, MOVES), {"end": [0, np.inf]}, DataError, "viterbi: expected end below infinity, got inf at 1"),
    ((X, MOVES), {"lengths": [1]}, ShapeError, "viterbi lengths: expected 2 lengths, one for each row, got shape (1,)"),
    ((X, MOVES), {"names": ["a"]}, ArgumentError, "viterbi: expected 2 names, one for each class, got 1"),
    (
        (X, MOVES - np.inf),
        {"lengths": [1, 2]},
        DataError,
        "viterbi: expected a sequence that is not forbidden, got none for row 1",
    ),
    ((X + np.nan, MOVES), {}, DataError, "viterbi: expected scores below infinity, got nan at row 0, step 0, class 0"),
]


@pytest.mark.parametrize(("given", "options", "error", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_what_does_not_fit_is_named(
    given: tuple[Any, ...], options: dict[str, Any], error: type[LaminaError], message: str
) -> None:
    with pytest.raises(error) as caught:
        viterbi(*given, **options)
    assert str(caught.value) == message


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(argmax_tags) == {"lengths": None, "names": None}
    assert defaults(viterbi) == {"lengths": None, "start": None, "end": None, "names": None}
