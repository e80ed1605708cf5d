"""Decoders against what they are defined by: all alignments written out, and the textbook's search over a dict."""

import math
from collections import defaultdict
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.decoding import ctc_beam_search, ctc_greedy
from lamina.errors import ArgumentError, DataError, DTypeError, LaminaError, ShapeError

EVERYTHING = 10**6


def collapse(path: Any, blank: int) -> tuple[int, ...]:
    """Return a path's labels: repeats merged, then blanks dropped."""
    return tuple(label for label, _ in groupby(path) if label != blank)


def probabilities(logits: Any) -> Any:
    powers = np.exp(np.asarray(logits, np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


def all_labellings(logits: Any, blank: int) -> dict[tuple[int, ...], float]:
    """Return the probability of every labelling of a row (time, classes): the sum over all its alignments."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    p = probabilities(logits)
    for path in product(range(p.shape[1]), repeat=len(p)):
        found[collapse(path, blank)] += math.prod(p[step, label] for step, label in enumerate(path))
    return found


def textbook_search(logits: Any, width: int, blank: int) -> dict[tuple[int, ...], float]:
    """Return the prefixes left, and their probabilities, of a search over tuples, in plain probabilities."""
    beam = {(): (1.0, 0.0)}
    for p in probabilities(logits).tolist():
        after: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for prefix, (in_blank, in_label) in beam.items():
            after[prefix][0] += (in_blank + in_label) * p[blank]
            for label in set(range(len(p))) - {blank}:
                repeated = bool(prefix) and prefix[-1] == label
                if repeated:
                    after[prefix][1] += in_label * p[label]
                after[(*prefix, label)][1] += (in_blank if repeated else in_blank + in_label) * p[label]
        best = sorted(after, key=lambda prefix: -sum(after[prefix]))
        beam = {prefix: (after[prefix][0], after[prefix][1]) for prefix in best[:width] if sum(after[prefix])}
    return {prefix: sum(parts) for prefix, parts in beam.items()}


def random_logits(seed: int, batch: int = 3, time: int = 5, classes: int = 3, scale: float = 1.5) -> Any:
    return scale * np.random.default_rng(seed).normal(size=(batch, time, classes))


# Greedy.


@pytest.mark.parametrize(
    ("path", "blank", "wanted"),
    [
        ([0, 0, 0], 0, []),
        ([1, 1, 2, 2], 0, [1, 2]),
        ([1, 0, 1], 0, [1, 1]),
        ([1, 0, 0, 1, 1, 0], 0, [1, 1]),
        ([0, 2, 0, 1, 2], 0, [2, 1, 2]),
        ([2, 1, 1, 2, 1], 2, [1, 1]),
        ([0, 0, 1, 2, 2], 1, [0, 2]),
        ([2], 0, [2]),
        ([], 0, []),
    ],
)
def test_greedy_merges_repeats_and_drops_blanks(path: list[int], blank: int, wanted: list[int]) -> None:
    logits = np.log(0.1 + 0.7 * np.eye(3)[np.array(path, int)])[None]
    (found,) = ctc_greedy(logits, blank=blank)
    assert (found.labels.tolist(), found.labels.dtype, found.names) == (wanted, np.int64, None)
    assert found.score == pytest.approx(len(path) * math.log(0.8))


@pytest.mark.parametrize("blank", [0, 1, 3])
def test_greedy_collapses_the_likeliest_path_of_each_row(blank: int) -> None:
    logits = random_logits(0, batch=8, time=12, classes=4)
    lengths = [12, 0, 1, 5, 11, 12, 3, 7]
    found = ctc_greedy(logits, lengths, blank=blank)
    for one, row, steps in zip(found, logits, lengths, strict=True):
        p = probabilities(row[:steps])
        assert tuple(one.labels.tolist()) == collapse(p.argmax(axis=1).tolist(), blank)
        assert one.score == pytest.approx(np.log(p.max(axis=1)).sum())


# Beam search.


@pytest.mark.parametrize("blank", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_every_labelling_and_its_exact_probability(seed: int, blank: int) -> None:
    logits, lengths = random_logits(seed), [5, 4, 1]
    found = ctc_beam_search(logits, lengths, beam_width=EVERYTHING, paths=EVERYTHING, blank=blank)
    for labellings, row, steps in zip(found, logits, lengths, strict=True):
        exact = all_labellings(row[:steps], blank)
        assert {tuple(one.labels.tolist()) for one in labellings} == set(exact)
        assert len(labellings) == len(exact)
        for one in labellings:
            assert math.exp(one.score) == pytest.approx(exact[tuple(one.labels.tolist())], rel=1e-12)
        assert [one.score for one in labellings] == sorted((one.score for one in labellings), reverse=True)
        assert tuple(labellings[0].labels.tolist()) == max(exact, key=exact.__getitem__)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_beam_keeps_what_the_textbooks_keeps(seed: int, width: int) -> None:
    logits = random_logits(seed, batch=2, time=14, classes=4)
    for labellings, row in zip(ctc_beam_search(logits, beam_width=width, paths=width, blank=1), logits, strict=True):
        wanted = textbook_search(row, width, 1)
        assert len(labellings) == len(wanted) == width
        assert {tuple(one.labels.tolist()): pytest.approx(math.exp(one.score)) for one in labellings} == wanted


def test_a_prefix_that_comes_back_into_the_beam_is_the_one_that_left_it() -> None:
    # Flat scores and a narrow beam: prefixes come and go, and every labelling must still be there once.
    for seed in range(40):
        logits = random_logits(seed, batch=1, time=30, classes=3, scale=0.5)
        (labellings,) = ctc_beam_search(logits, beam_width=6, paths=6)
        wanted = textbook_search(logits[0], 6, 0)
        assert {tuple(one.labels.tolist()): pytest.approx(math.exp(one.score)) for one in labellings} == wanted


def test_a_sum_over_paths_may_beat_the_likeliest_path() -> None:
    logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    assert ctc_greedy(logits)[0].labels.tolist() == []
    (first, second), *_ = ctc_beam_search(logits, paths=5)
    assert (first.labels.tolist(), math.exp(first.score)) == ([1], pytest.approx(0.4 * 0.4 + 2 * 0.4 * 0.6))
    assert (second.labels.tolist(), math.exp(second.score)) == ([], pytest.approx(0.6 * 0.6))


def test_scores_are_the_losses_of_the_labellings() -> None:
    logits = random_logits(7, batch=1, time=9, classes=5)
    loss = lamina.losses.CTC(blank=2)
    for one in ctc_beam_search(logits, beam_width=EVERYTHING // 100, paths=20, blank=2)[0]:
        assert one.score == pytest.approx(-float(loss(logits, [one.labels])), rel=1e-9)


@pytest.mark.parity
def test_scores_are_pytorchs_losses_of_the_labellings() -> None:
    import torch

    logits = random_logits(3, batch=4, time=6, classes=4)
    lengths = np.array([6, 5, 6, 3])
    found = ctc_beam_search(logits, lengths, beam_width=EVERYTHING, paths=10, blank=3)
    for row, steps, labellings in zip(logits, lengths.tolist(), found, strict=True):
        log_p = torch.log_softmax(torch.tensor(row[:steps]), dim=-1)[:, None]
        for one in labellings:
            target, count = torch.tensor(one.labels)[None], torch.tensor([len(one.labels)])
            loss = torch.nn.functional.ctc_loss(log_p, target, torch.tensor([steps]), count, blank=3, reduction="sum")
            assert one.score == pytest.approx(-float(loss), rel=1e-9)


@pytest.mark.parametrize("decode", [ctc_greedy, ctc_beam_search])
def test_a_row_is_decoded_as_it_is_alone(decode: Any) -> None:
    logits, lengths = random_logits(5, batch=4, time=8), [8, 3, 0, 6]
    other = logits.copy()
    for row, steps in zip(other, lengths, strict=True):
        row[steps:] = np.nan  # what stands past a row's end does not matter
    for one, row, steps in zip(decode(other, lengths), logits, lengths, strict=True):
        np.testing.assert_equal(one, decode(row[None, :steps])[0])


@pytest.mark.parametrize("decode", [ctc_greedy, ctc_beam_search])
def test_logits_and_log_probabilities_are_decoded_alike(decode: Any) -> None:
    logits = random_logits(2)
    for one, same in zip(decode(logits), decode(np.log(probabilities(logits))), strict=True):
        for found, again in zip(
            *((list(each) if isinstance(each, list) else [each]) for each in (one, same)), strict=True
        ):
            assert found.labels.tolist() == again.labels.tolist()
            assert found.score == pytest.approx(again.score)


def test_classes_of_probability_zero_are_never_decoded() -> None:
    logits = np.where(np.arange(4) == 2, -np.inf, random_logits(1, classes=4))
    for row, labellings in zip(logits, ctc_beam_search(logits, beam_width=EVERYTHING, paths=EVERYTHING), strict=True):
        exact = {labels: p for labels, p in all_labellings(row, 0).items() if p}
        assert {tuple(one.labels.tolist()): pytest.approx(math.exp(one.score)) for one in labellings} == exact
    sure = np.full((1, 3, 2), -np.inf)
    sure[0, [0, 1, 2], [1, 0, 1]] = 5.0
    assert [(one.labels.tolist(), one.score) for one in ctc_beam_search(sure, paths=3)[0]] == [([1, 1], 0.0)]


def test_long_rows_do_not_underflow() -> None:
    (one,) = ctc_beam_search(np.zeros((1, 3000, 4)), beam_width=2)[0]
    assert -3000 * math.log(4) < one.score < -1000


def test_rows_without_steps_and_no_rows_are_legal() -> None:
    for logits in (np.zeros((2, 0, 3)), np.zeros((0, 4, 3))):
        assert [(one.labels.tolist(), one.score) for one in ctc_greedy(logits)] == [([], 0.0)] * len(logits)
        assert [[(one.labels.tolist(), one.score) for one in row] for row in ctc_beam_search(logits)] == [
            [([], 0.0)]
        ] * len(logits)


def test_names_are_given_to_the_labels() -> None:
    logits = np.log(0.1 + 0.7 * np.eye(3)[[[1, 0, 1, 2]]])
    assert ctc_greedy(logits, names=["-", "a", "b"])[0].names == ["a", "a", "b"]
    assert ctc_beam_search(logits, names=("-", "a", "b"))[0][0].names == ["a", "a", "b"]
    assert ctc_greedy(logits, blank=1, names=("x", "-", "z"))[0].names == ["x", "z"]


def test_any_array_of_numbers_is_taken() -> None:
    logits = random_logits(0)
    wanted = [one.labels.tolist() for one in ctc_greedy(logits)]
    for given in (logits.tolist(), logits.astype("float32"), logits.astype("float32").astype("float64")):
        assert [one.labels.tolist() for one in ctc_greedy(given)] == wanted


X = np.zeros((2, 3, 4))
ERRORS: list[tuple[Any, dict[str, Any], type[LaminaError], str]] = [
    (X[0], {}, ShapeError, "expected scores (batch, time, classes), got (3, 4)"),
    (X[:, :, :0], {}, ShapeError, "expected scores (batch, time, classes), got (2, 3, 0)"),
    (X.astype("U1"), {}, DTypeError, "expected numbers as scores, got an array of <U1"),
    (X, {"lengths": [4, 1]}, ShapeError, "lengths: expected lengths from 0 to 3, got 4 at row 0"),
    (X, {"blank": 4}, ShapeError, "expected more than 4 classes, the blank, got 4"),
    (X, {"blank": -1}, ArgumentError, "expected blank to be a whole number of 0 or more, got -1"),
    (X, {"names": "abcd"}, ArgumentError, "expected names to be one for each class, got 'abcd'"),
    (X, {"names": ["a"]}, ArgumentError, "expected 4 names, one for each class, got 1"),
    (X + np.nan, {}, DataError, "expected scores below infinity, got nan at row 0, step 0, class 0"),
    (X + np.inf, {}, DataError, "expected scores below infinity, got inf at row 0, step 0, class 0"),
    (X - np.inf, {}, DataError, "expected a finite score at every step, got none at row 0, step 0"),
]


@pytest.mark.parametrize("decode", [ctc_greedy, ctc_beam_search])
@pytest.mark.parametrize(("given", "options", "error", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_what_does_not_fit_is_named(
    decode: Any, given: Any, options: dict[str, Any], error: type[LaminaError], message: str
) -> None:
    with pytest.raises(error) as caught:
        decode(given, **options)
    between = " " if message.startswith("lengths") else ": "
    assert str(caught.value) == f"{decode.__name__}{between}{message}"


@pytest.mark.parametrize("name", ["beam_width", "paths"])
def test_the_beam_and_the_paths_are_counts(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ArgumentError, match=rf"^ctc_beam_search: expected {name} to be a whole number of 1 or more"):
        ctc_beam_search(X, **options)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(ctc_greedy) == {"lengths": None, "blank": 0, "names": None}
    assert defaults(ctc_beam_search) == {"lengths": None, "beam_width": 100, "paths": 1, "blank": 0, "names": None}
